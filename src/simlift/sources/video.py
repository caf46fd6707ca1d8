"""Read a video file -> Clip with rgb alone; keep audio and uneven frame times."""

from pathlib import Path

from simlift.core.clip import Clip
from simlift.core.layers import Layer, StoredLayer, Unit
from simlift.core.read_options import ReadOptions
from simlift.media.decodings import Colour
from simlift.media.folders import visible_files
from simlift.media.video import ANIMATIONS, VIDEO_SUFFIXES, VideoInfo, VideoStore, probe_video
from simlift.media.video.colour import MatrixName, RangeName, colour_notes
from simlift.sources.lens import fixed_camera


def recognises(folder: Path) -> bool:
    """Whether exactly one video lies in the folder."""
    return len(_videos(folder)) == 1


def read_only_video(folder: Path, options: ReadOptions = ReadOptions()) -> Clip:
    """Read the one video of a folder."""
    return read(_videos(folder)[0], options)


def read(path: Path, options: ReadOptions = ReadOptions()) -> Clip:
    """Read a video of any codec that FFmpeg knows."""
    info = probe_video(path)
    return Clip(
        name=path.stem,
        path=path,
        fps=info.fps,
        num_frames=info.num_frames,
        height=info.height,
        width=info.width,
        layers=(colour_layer(Layer.RGB, info),),
        camera=fixed_camera(info.num_frames, info.height, info.width, options.fov)
        if options.fov
        else None,
        timestamps=info.timestamps,
        audio=path if info.audio_codec else None,
        notes=video_notes(info),
        read_options=options,
    )


def colour_layer(layer: Layer, info: VideoInfo) -> StoredLayer:
    """Describe a colour video as a layer."""
    return StoredLayer(layer, VideoStore(info), Colour(), Unit.SRGB)


def video_notes(
    info: VideoInfo, matrix: MatrixName | None = None, colour_range: RangeName | None = None
) -> tuple[str, ...]:
    """Describe what is lost or assumed when a video is read as upright 8-bit RGB at its own times.

    `matrix` and `colour_range` are those of its `VideoStore`, where they are stated.
    """
    notes = [*info.remarks, *colour_notes(info, matrix, colour_range)]
    if info.has_alpha:
        notes.append("the alpha channel is dropped")
    if info.bit_depth > 8:
        notes.append(f"{info.bit_depth}-bit colour is read as 8 bit")
    if info.orientation:
        notes.append(f"frames are {info.orientation.words}, as players show them")
    shown = round(info.width * info.pixel_aspect)
    if shown != info.width:
        notes.append(
            f"pixels are not square ({info.pixel_aspect.numerator}:"
            f"{info.pixel_aspect.denominator}): players show {shown}x{info.height}, and takes alike"
        )
    if info.timestamps is not None:
        notes.append("the frame rate varies: frame times are kept")
    if info.height % 2 or info.width % 2:
        notes.append("the size is odd: takes are coded without chroma subsampling (4:4:4)")
    if info.num_frames == 1:
        notes.append("the clip has one frame: scores over time have no evidence")
    return tuple(notes)


def _videos(folder: Path) -> list[Path]:
    seen = [p for p in visible_files(folder) if p.suffix.lower() in VIDEO_SUFFIXES]
    # An animated image beside a video is its preview.
    return [p for p in seen if p.suffix.lower() not in ANIMATIONS] or seen
