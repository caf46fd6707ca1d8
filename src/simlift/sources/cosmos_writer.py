"""Read a CosmosWriter folder (Omniverse Replicator) -> Clip: rgb, relative depth, ids.

The writer leaves MP4 files whose names end in rgb, depth and segmentation (instance_segmentation
before Replicator 1.12.11), and may leave shaded_segmentation and edges, which are controls made
from the others. Its depth video holds, in the luma of 8 bits, the logarithm of the distance from
the camera's centre between two distances that no file states, near bright. They are told (`near`,
`far`), or depth is relative.
Sources: Isaac Sim 5.1 documentation, "Cosmos writer". The coding was measured on a clip that NVIDIA
publishes with its guide to synthetic data: on its floor, a plane, this law leaves no more than the
rounding of the codes (0.38 of one), inverse depth 3.5 codes; far was 1000 times near there.
"""

from pathlib import Path

from simlift.core.clip import Clip
from simlift.core.errors import ClipError
from simlift.core.layers import Layer, StoredLayer, Unit
from simlift.core.read_options import ReadOptions
from simlift.media.coded_depth import AsStored, CodeRange, DequantisedDepth, luma_range
from simlift.media.folders import visible_files
from simlift.media.geometry_decodings import CodedDepth, RelativeDepth
from simlift.media.gray_pictures import check_gray
from simlift.media.segment_colours import SegmentIds, find_segment_colours
from simlift.media.video import VideoInfo, VideoStore, probe_video
from simlift.sources.lens import fixed_camera
from simlift.sources.video import colour_layer, video_notes


def recognises(folder: Path) -> bool:
    """Whether a colour video and a depth or segmentation video lie side by side."""
    found = _files(folder)
    return "rgb" in found and len(found) > 1


def read(folder: Path, options: ReadOptions = ReadOptions()) -> Clip:
    """Read a CosmosWriter clip; ids are found as the flat colours of the segmentation video."""
    files = _files(folder)
    rgb = probe_video(files["rgb"])
    layers = [colour_layer(Layer.RGB, rgb)]
    notes = list(video_notes(rgb))
    if "depth" in files:
        depth, note = _depth(_same_size(probe_video(files["depth"]), rgb), options)
        layers.append(depth)
        notes.append(note)
    elif options.near is not None:
        raise ClipError(folder, "--near and --far are stated, and there is no video of depth")
    if "segmentation" in files:
        store = VideoStore(_same_size(probe_video(files["segmentation"]), rgb))
        found = find_segment_colours(store)
        notes += found.notes
        layers.append(StoredLayer(Layer.SEGMENTATION, store, SegmentIds(found.palette), Unit.IDS))
    if options.fov is None:
        notes.append(
            "no camera is written: its pose is taken as fixed, its field of view as 60 degrees"
        )
    return Clip(
        name=folder.name,
        path=folder,
        fps=rgb.fps,
        num_frames=rgb.num_frames,
        height=rgb.height,
        width=rgb.width,
        layers=tuple(layers),
        camera=fixed_camera(rgb.num_frames, rgb.height, rgb.width, options.fov)
        if options.fov
        else None,
        notes=tuple(notes),
        read_options=options,
    )


def _depth(info: VideoInfo, options: ReadOptions) -> tuple[StoredLayer, str]:
    """Return the layer of depth, and what is to be noted of it."""
    check_gray(info)
    if options.near is None or options.far is None:
        note = "8-bit logarithm of distance, of unknown range: relative"
        decode = RelativeDepth(bright_is_near=True)
        return (
            StoredLayer(Layer.DEPTH, VideoStore(info, "gray"), decode, Unit.RELATIVE, note),
            "depth is relative (8-bit codes of unknown range): stages that need metres are off; "
            "state --near, --far and --fov if you know them",
        )
    if options.fov is None:
        raise ClipError(
            info.path,
            "holds distances along rays, and no camera tells the rays",
            allowed="--near and --far together with --fov",
            way_out="state --fov, the degrees across the picture",
        )
    coding = CodedDepth("reversed log", options.near, options.far)
    codes = luma_range(info) if info.has_luma else CodeRange(0, 255)
    store = VideoStore(info, "luma" if info.has_luma else "gray")
    coded = DequantisedDepth(coding, codes, along_ray=True, dark_is_nothing=True)
    layer = StoredLayer(Layer.DEPTH, store, AsStored(), Unit.METRES, guided=coded)
    return layer, coded.note


def _files(folder: Path) -> dict[str, Path]:
    endings = {
        "rgb": ("rgb",),
        "depth": ("depth",),
        "segmentation": ("instance_segmentation", "segmentation"),
    }
    videos = [p for p in visible_files(folder) if p.suffix.lower() == ".mp4"]
    videos = [p for p in videos if "shaded" not in p.stem.lower()]
    found = {}
    for kind, names in endings.items():
        hits = [p for p in videos if p.stem.lower().endswith(names)]
        if len(hits) == 1:
            found[kind] = hits[0]
    return found


def _same_size(info: VideoInfo, rgb: VideoInfo) -> VideoInfo:
    if info.num_frames != rgb.num_frames:
        raise ClipError(
            info.path,
            f"holds {info.num_frames} frames, {rgb.path.name} {rgb.num_frames}",
            allowed="the same number of frames in every video",
            way_out="write the clip again",
        )
    return info
