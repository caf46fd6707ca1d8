"""Index a video file by demuxing it: which frames it shows, when, and how they are to be read.

Only the first frame is decoded, and key frames whose header announces another size. A file that is
cut short, or whose frames differ in size, is refused before any work is done.
"""

import sys
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import takewhile
from pathlib import Path
from typing import Any, NoReturn

import av

from simlift.core.errors import ClipError
from simlift.media.container_atoms import missing_bytes
from simlift.media.media_url import media_url
from simlift.media.parameter_sets import SizeWatch
from simlift.media.streams import best_sound, best_video, stream_remarks
from simlift.media.unwritten_data import unwritten
from simlift.media.video_info import ColourTags, Orientation, VideoInfo
from simlift.media.video_timing import frame_rate, gap_remarks, order_packets

_CUT_SHORT = "copy or export it again, or cut it to its whole part with ffmpeg -c copy"
_AGAIN = "export the video again"
# Codecs of bare numbers, in which a black frame is all zeros.
_UNCODED = frozenset({"rawvideo", "v210", "v308", "v408", "v410", "r210", "r10k", "yuv4"})
# Files of coded pictures alone carry no times.
_BARE = frozenset({"h264", "hevc", "vvc", "mjpeg", "m4v", "obu", "dnxhd", "cavsvideo", "webp_pipe"})
_ONE = 1 << 16  # one in the 16.16 numbers of a display matrix


@dataclass(frozen=True)
class _Packet:
    stamp: int | None
    key: bool
    hidden: bool  # an edit list cuts it away: it is decoded and not shown


@dataclass(frozen=True)
class _First:
    """The first frame that is shown, and what had to be left out in front of it."""

    frame: Any
    lost: int  # packets in front of the first key frame that do not decode
    missing: frozenset[int]  # stamps of frames in front of the first key frame that never come


def probe_video(path: Path) -> VideoInfo:
    """Index a video file; ClipError when it is no video, holds no frame, or is cut short."""
    if not path.is_file():
        found = "is not a file" if path.exists() else "does not exist"
        raise ClipError(path, found, way_out="check the path")
    if path.stat().st_size == 0:
        raise ClipError(path, "the file is empty (0 bytes)", way_out=_AGAIN)
    if missing := missing_bytes(path):
        _refuse(path, f"is cut short: at least {missing} bytes are missing at its end", _CUT_SHORT)
    try:
        with av.open(media_url(path)) as container:
            return _index(path, container)
    except (av.error.FFmpegError, UnicodeDecodeError) as error:
        raise ClipError(
            path,
            f"cannot be read as video ({reason(error)})",
            allowed="a video file that FFmpeg reads",
            way_out="export it again, or check that the download is complete",
        ) from error


def reason(error: Exception) -> str:
    """Return FFmpeg's own words for an error."""
    return getattr(error, "strerror", None) or str(error)


def _refuse(path: Path, found: str, way_out: str) -> NoReturn:
    raise ClipError(path, found, way_out=way_out)


def _index(path: Path, container: Any) -> VideoInfo:
    stream = best_video(path, container)
    packets, watch = _demux(path, container, stream)
    _check_complete(path, container, stream, packets)
    first = _first_frame(path, stream.index, packets)
    kept = [
        number
        for number, packet in enumerate(packets)
        if number >= first.lost and not packet.hidden and packet.stamp not in first.missing
    ]
    context = stream.codec_context
    base = Fraction(stream.time_base)
    timing = order_packets(
        [packets[n].stamp for n in kept],
        [packets[n].key for n in kept],
        base,
        reorders=bool(context.has_b_frames),
    )
    shown = [kept[i] for i in timing.order]
    _check_size(path, watch, first.frame, shown)
    stamped = all(packets[n].stamp is not None for n in kept)
    remarks = [
        *_lost_remarks(len(packets) - len([p for p in packets if p.hidden]) - len(kept)),
        *stream_remarks(container, stream),
        *timing.remarks,
    ]
    if first.frame.interlaced_frame:
        remarks.append(
            "the video is interlaced: both fields stay in one frame, and moving edges show lines; "
            "ffmpeg -vf bwdif makes it progressive"
        )
    named = (stream.average_rate, stream.guessed_rate)
    if stamped and timing.pts[-1] > timing.pts[0]:
        fps = frame_rate(timing.pts, timing.time_base, named)
        remarks += gap_remarks(timing.pts, timing.time_base)
    else:
        fps = Fraction(stream.guessed_rate or stream.average_rate or 1)
    if container.format.name in _BARE and not context.framerate and len(kept) > 1:
        remarks.append(f"the file carries no frame rate: {fps} fps is assumed")
    sound = best_sound(container)
    info = VideoInfo(
        path=path,
        codec=context.name,
        pixel_format=first.frame.format.name,
        height=first.frame.height,
        width=first.frame.width,
        fps=fps,
        time_base=timing.time_base,
        pts=timing.pts,
        keyframes=_keyframes(packets, shown),
        seekable=timing.exact,
        audio_codec=sound.codec_context.name if sound else None,
        stream=stream.index,
        start=_start(first.frame, base),
        lost=first.lost,
        open_groups=timing.exact and _has_open_groups(packets),
        pixel_aspect=Fraction(stream.sample_aspect_ratio or 1),
        colour=ColourTags(
            int(first.frame.colorspace),
            int(first.frame.color_range),
            int(context.color_primaries),
            int(context.color_trc),
        ),
        has_alpha=_has_alpha(first.frame, stream),
        remarks=tuple(remarks),
    )
    return _turned(info, first.frame)


def _demux(path: Path, container: Any, stream: Any) -> tuple[list[_Packet], SizeWatch]:
    packets: list[_Packet] = []
    holes: list[int] = []
    watch = SizeWatch(stream)
    codec = stream.codec_context.codec.canonical_name
    coded = codec not in _UNCODED
    for packet in container.demux(stream):
        if packet.size == 0:
            continue
        if coded and unwritten(memoryview(packet).tobytes(), codec):
            holes.append(len(packets))
        if packet.is_keyframe:
            watch.look(len(packets), packet)
        stamp = packet.pts if packet.pts is not None else packet.dts
        packets.append(_Packet(stamp, packet.is_keyframe, packet.is_discard))
    if holes:
        _refuse_holes(path, packets, holes)
    watch.finish()
    return packets, watch


def _refuse_holes(path: Path, packets: list[_Packet], holes: list[int]) -> NoReturn:
    stamps = [p.stamp for p in packets if p.stamp is not None and not p.hidden]
    first = packets[holes[0]].stamp
    frame = holes[0] if first is None else sum(stamp < first for stamp in stamps)
    more = f" and of {len(holes) - 1} more" if len(holes) > 1 else ""
    _refuse(
        path,
        f"zeros stand where the data of frame {frame}{more} was: the file was not written whole",
        "copy or export it again",
    )


def _check_complete(path: Path, container: Any, stream: Any, packets: list[_Packet]) -> None:
    if not packets:
        _refuse(path, "holds no frames", _AGAIN)
    declared = stream.frames
    if declared and "mp4" in container.format.name:
        # Edit lists leave out what lies beyond their end.
        declared = min(declared, len(stream.index_entries) or declared)
    # Some recorders count a few frames more than they write; a cut file lacks many.
    if declared and len(packets) < declared - 4:
        _refuse(
            path,
            f"is cut short: it declares {declared} frames and holds {len(packets)}",
            _CUT_SHORT,
        )


def _first_frame(path: Path, stream: int, packets: list[_Packet]) -> _First:
    """Decode up to the first key frame; in a whole file it is the first frame."""
    key = next((n for n, packet in enumerate(packets) if packet.key), 0)
    lost = 0
    found = _decode_to(path, stream, packets[key].stamp, skip=0, leading=key)
    if key and (not found or found[0].pts is None or found[0].pts == packets[key].stamp):
        # Nothing in front of the key frame decodes: the recording begins inside a group.
        lost = key
        found = _decode_to(path, stream, packets[key].stamp, skip=lost, leading=0)
    if not found:
        _refuse(path, "not one frame decodes", _AGAIN)
    start = packets[key].stamp
    if start is None or found[0].pts is None or packets[key].hidden:
        return _First(found[0], lost, frozenset())
    came = {frame.pts for frame in found}
    group = takewhile(lambda p: not p.key, packets[key + 1 :])
    early = {p.stamp for p in group if p.stamp is not None and p.stamp < start}
    return _First(found[0], lost, frozenset(early - came))


def _decode_to(path: Path, stream: int, stamp: int | None, *, skip: int, leading: int) -> list[Any]:
    """Decode the frames up to a stamp; errors are allowed in the first `leading` packets."""
    found: list[Any] = []
    with av.open(media_url(path)) as container:
        video: Any = container.streams[stream]
        for number, packet in enumerate(
            p for p in container.demux(video) if p.size or p.dts is None
        ):
            if number < skip:
                continue
            try:
                frames: list[Any] = packet.decode()
            except av.error.FFmpegError:
                if number >= leading:
                    raise
                continue
            for frame in frames:
                # What lacks its references is shown by no player; a damaged key frame is an error.
                if not frame.is_corrupt or stamp is None or frame.pts is None or frame.pts >= stamp:
                    found.append(frame)
                if stamp is None or frame.pts is None or frame.pts >= stamp:
                    return found
    return found


def _check_size(path: Path, watch: SizeWatch, first: Any, shown: list[int]) -> None:
    for number, (width, height) in sorted(watch.sizes.items()):
        if number not in shown:
            continue
        frame = shown.index(number)
        if (width, height) != (first.width, first.height):
            known = (i for i in range(frame) if not watch.sampled or shown[i] in watch.sizes)
            before = max(known, default=0)
            at = (
                f"at frame {frame}"
                if frame == before + 1
                else f"between frames {before} and {frame}"
            )
            raise ClipError(
                path,
                f"its size changes {at}: from {first.width}x{first.height} to {width}x{height}",
                allowed="one size in all frames",
                way_out="cut it there, or bring it to one size with ffmpeg -vf scale",
            )


def _lost_remarks(lost: int) -> list[str]:
    if not lost:
        return []
    words = "1 frame does" if lost == 1 else f"{lost} frames do"
    return [
        f"the recording begins between key frames: its first {words} not decode and "
        "are left out; frame 0 is the first that does"
    ]


def _keyframes(packets: list[_Packet], shown: list[int]) -> tuple[int, ...]:
    keys = [i for i, number in enumerate(shown) if packets[number].key]
    return tuple(keys) if keys[:1] == [0] else (0, *keys)


def _has_open_groups(packets: list[_Packet]) -> bool:
    """Whether frames are decoded after a key frame and shown before it."""
    latest: int | None = None
    for packet in packets:
        if packet.key:
            latest = packet.stamp
        elif latest is not None and packet.stamp is not None and packet.stamp < latest:
            return True
    return False


def _start(first: Any, base: Fraction) -> Fraction:
    return Fraction(0) if first.pts is None else first.pts * base


def _has_alpha(first: Any, stream: Any) -> bool:
    # VP8 and VP9 carry alpha beside the colours, where decoders do not look.
    stated = {key.lower(): value for key, value in stream.metadata.items()}
    return stated.get("alpha_mode") == "1" or any(c.is_alpha for c in first.format.components)


def _turned(info: VideoInfo, first: Any) -> VideoInfo:
    """Turn the description upright, as the frame's display matrix asks."""
    if "DISPLAYMATRIX" not in first.side_data:
        return info
    data = bytes(first.side_data["DISPLAYMATRIX"])
    # Where x and y go: (a x + c y, b x + d y), from the rows (a, b, u), (c, d, v) of the matrix.
    numbers = [int.from_bytes(data[k : k + 4], sys.byteorder, signed=True) for k in (0, 4, 12, 16)]
    a, b, c, d = (round(number / _ONE) for number in numbers)
    if abs(a * d) == 1 and b == c == 0:
        orientation = Orientation(False, a < 0, d < 0)
    elif abs(b * c) == 1 and a == d == 0:
        orientation = Orientation(True, c < 0, b < 0)
    else:
        slanted = f"players turn it by {first.rotation} degrees: frames are read as stored"
        return replace(info, remarks=(*info.remarks, slanted))
    if not orientation.transpose:
        return replace(info, orientation=orientation)
    return replace(
        info,
        orientation=orientation,
        height=info.width,
        width=info.height,
        pixel_aspect=1 / info.pixel_aspect,
    )
