"""Read animated GIF, PNG and WebP files as frames with their times.

GIF and PNG are decoded by FFmpeg; WebP, whose animations FFmpeg does not read, frame by frame.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from pathlib import Path

from simlift.core.errors import ClipError
from simlift.core.layers import FrameStore
from simlift.media.animated_webp import WebPStore, webp_animation
from simlift.media.image_formats import DamagedImage, ImageHeader, UnreadableImage, read_header
from simlift.media.image_formats.gif import gif_delays
from simlift.media.image_formats.png import apng_delays
from simlift.media.video import VideoStore, probe_video

ANIMATION_SUFFIXES = frozenset([".gif", ".apng"])  # .webp and .png may be animations as well

# What a rate is taken for where the clock of the file cannot tell it from its neighbours.
_USUAL = (24, 25, 30, 60, 50, 12, 15, 10, 20)
_BROADCAST = tuple(Fraction(rate, 1001) for rate in (24000, 30000, 60000))
_UNSTATED = Fraction(1, 10)  # seconds, as browsers show frames without a delay


@dataclass(frozen=True)
class Animation:
    """An animation: its frames, and `timestamps` [t] where they do not follow an even rate."""

    store: FrameStore
    fps: Fraction
    timestamps: tuple[Fraction, ...] | None
    notes: tuple[str, ...]


def open_animation(path: Path) -> Animation | None:
    """Open a GIF, or an animated PNG or WebP; None where the file is another picture.

    ClipError where the file is not whole.
    """
    if not path.is_file():
        return None
    data = path.read_bytes()
    try:
        header = read_header(data)
    except (DamagedImage, UnreadableImage):
        return None  # as a still picture it is refused, in words
    if header.format != "GIF" and (header.frames < 2 or header.format == "TIFF"):
        return None
    try:
        return _open(path, data, header)
    except DamagedImage as error:
        raise ClipError(
            path, str(error), allowed="a whole file", way_out="export or copy it again"
        ) from error


def _open(path: Path, data: bytes, header: ImageHeader) -> Animation:
    if header.format == "WebP":
        webp = webp_animation(data)
        delays = tuple(Fraction(frame.milliseconds, 1000) for frame in webp.frames)
        rgba = WebPStore(path, webp)
        return _timed(rgba, rgba, delays, Fraction(1, 1000))
    info = probe_video(path)
    store = VideoStore(info)
    if header.format == "PNG":
        delays, tick = apng_delays(data), Fraction(1, 1000)
    else:
        # A delay of one tick is a relic: browsers take it for none.
        delays = tuple(
            delay if delay > Fraction(1, 100) else Fraction(0) for delay in gif_delays(data)
        )
        tick = Fraction(1, 100)
    if store.num_frames != len(delays):
        raise ClipError(
            path,
            f"is damaged: it holds {len(delays)} frames, of which {store.num_frames} are found",
            allowed="a whole file",
            way_out="export it again",
        )
    return _timed(store, VideoStore(info, "rgba"), delays, tick)


def _timed(
    store: FrameStore, rgba: FrameStore, delays: Sequence[Fraction], tick: Fraction
) -> Animation:
    notes = []
    with rgba.open() as reader:
        clear = (reader.read([0])[..., 3] < 255).any()
    if clear:  # most files declare an alpha channel and use none
        notes.append("the alpha channel is dropped")
    if len(delays) > 1 and (lost := sum(not delay for delay in delays)):
        notes.append(f"{lost} of {len(delays)} frames state no time: 1/10 s is assumed")
    stated = [delay or _UNSTATED for delay in delays]
    fps = even_rate(stated, tick)
    if fps is not None:
        return Animation(store, fps, None, tuple(notes))
    notes.append("the frame rate varies: frame times are kept")
    times = (Fraction(0), *accumulate(stated[:-1]))
    mean = len(stated) / sum(stated, Fraction(0))
    return Animation(store, mean.limit_denominator(1001), times, tuple(notes))


def even_rate(delays: Sequence[Fraction], tick: Fraction) -> Fraction | None:
    """Return the even rate that delays follow, rounded to a clock; None where they follow none.

    Equal delays are taken at their word. Others are those of a usual rate, or of the nearest whole
    one, if every frame begins within a tick of its time.
    """
    if len(set(delays)) == 1:
        return 1 / delays[0]
    ends = list(accumulate(delays))
    mean = len(delays) / ends[-1]
    whole = sorted((Fraction(n) for n in range(1, 1001)), key=lambda rate: abs(rate - mean))[:3]
    for rate in (*(Fraction(n) for n in _USUAL), *_BROADCAST, *whole, mean):
        if all(abs(end - (k + 1) / rate) <= tick for k, end in enumerate(ends)):
            return rate
    return None
