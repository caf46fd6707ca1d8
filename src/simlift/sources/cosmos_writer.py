"""Read a CosmosWriter folder (Omniverse Replicator) -> Clip: rgb, relative depth, ids.

The writer leaves MP4 files whose names end in rgb, depth and segmentation (instance_segmentation
before Replicator 1.12.11), and may leave shaded_segmentation and edges, which are controls made
from the others. Its depth video is a picture of inverse depth with unknown range: relative.
Source: Isaac Sim 5.1 documentation, "Cosmos writer".
"""

from pathlib import Path

from simlift.core.clip import Clip
from simlift.core.errors import ClipError
from simlift.core.layers import Layer, StoredLayer, Unit
from simlift.core.read_options import ReadOptions
from simlift.media.folders import visible_files
from simlift.media.geometry_decodings import RelativeDepth
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
        depth = VideoStore(_same_size(probe_video(files["depth"]), rgb), "gray")
        note = "8-bit inverse depth of unknown range: relative"
        decode = RelativeDepth(bright_is_near=True)
        layers.append(StoredLayer(Layer.DEPTH, depth, decode, Unit.RELATIVE, note))
        notes.append("depth is relative (8-bit inverse depth): stages that need metres are off")
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
