"""Index a video file by demuxing it: which frames it shows, when, and how they are to be read.

Only the first frame is decoded, and key frames whose header announces another size. A file that is
cut short, or whose frames differ in size, is refused before any work is done.
"""

import sys
from bisect import bisect_left
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

import av

from simlift.core.errors import ClipError
from simlift.media.video.container_atoms import missing_bytes, trailing_zeros
from simlift.media.video.h264_frame_numbers import FrameNumbers
from simlift.media.video.info import ColourTags, Orientation, VideoInfo
from simlift.media.video.parameter_sets import SizeWatch
from simlift.media.video.start import Packet, decode_to, first_frame
from simlift.media.video.streams import best_sound, best_video, stream_remarks
from simlift.media.video.timing import Timing, frame_rate, gap_remarks, order_packets
from simlift.media.video.transport_stream import lost_before
from simlift.media.video.unwritten_data import unwritten
from simlift.media.video.url import media_url, reason

_CUT_SHORT = "copy or export it again, or cut it to its whole part with ffmpeg -c copy"
_AGAIN = "export the video again"
# Codecs of bare numbers, in which a black frame is all zeros.
_UNCODED = frozenset({"rawvideo", "v210", "v308", "v408", "v410", "r210", "r10k", "yuv4"})
# Files of coded pictures alone carry no times.
_BARE = frozenset({"h264", "hevc", "vvc", "mjpeg", "m4v", "obu", "dnxhd", "cavsvideo", "webp_pipe"})
_ORDER_FRAMES = 20  # that are decoded to see in which order they come
_TAIL = 512  # zeros at the end of a file that are no chance
_SHORT = 0.5  # seconds by which sound may outlast the pictures
_ONE = 1 << 16  # one in the 16.16 numbers of a display matrix


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


def _refuse(path: Path, found: str, way_out: str) -> NoReturn:
    raise ClipError(path, found, way_out=way_out)


def _index(path: Path, container: Any) -> VideoInfo:
    stream = best_video(path, container)
    packets, watch = _demux(path, container, stream)
    _check_complete(path, container, stream, packets)
    first = first_frame(path, stream.index, packets)
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
    hidden = sum(packet.hidden for packet in packets)
    fps, remarks = _rate(container, stream, timing, packets[kept[0]].stamp is not None)
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
        seekable=timing.exact and _stamps_are_shown(path, stream, packets, first.lost),
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
        remarks=(
            *_lost_remarks(len(packets) - hidden - len(kept)),
            *_transport_remarks(path, container.format.name, stream.id, packets, shown),
            *stream_remarks(container, stream),
            *timing.remarks,
            *remarks,
            *_field_remarks(first.frame),
        ),
    )
    return _turned(info, first.frame)


def _demux(path: Path, container: Any, stream: Any) -> tuple[list[Packet], SizeWatch]:
    packets: list[Packet] = []
    holes: list[int] = []
    orphans: list[int] = []
    watch = SizeWatch(stream)
    codec = stream.codec_context.codec.canonical_name
    numbers = FrameNumbers(stream.codec_context.extradata or b"") if codec == "h264" else None
    for packet in container.demux(stream):
        if packet.size == 0:
            continue
        data = memoryview(packet).tobytes() if codec not in _UNCODED else b""
        if unwritten(data, codec):
            holes.append(len(packets))
        elif numbers and numbers.misses_one(data, packet.is_keyframe):
            orphans.append(len(packets))
        if packet.is_keyframe:
            watch.look(len(packets), packet)
        stamp = packet.pts if packet.pts is not None else packet.dts
        flags = (packet.is_keyframe, packet.is_discard, packet.is_corrupt)
        packets.append(Packet(stamp, *flags, packet.pos or 0))
    if holes:
        frame, more = _place(packets, holes)
        found = f"zeros stand where the data of frame {frame}{more} was"
        _refuse(path, f"{found}: the file was not written whole", "copy or export it again")
    orphans = [n for n in orphans if any(packet.key for packet in packets[:n])]
    if orphans:
        frame, _ = _place(packets, orphans)
        found = f"a picture that frame {frame} needs is missing"
        _refuse(path, f"{found}: data was lost in front of it", "record or copy it again")
    watch.finish()
    return packets, watch


def _place(packets: list[Packet], found: list[int]) -> tuple[int, str]:
    """Return the frame that the first of some packets shows, and words for the others."""
    stamps = [p.stamp for p in packets if p.stamp is not None and not p.hidden]
    first = packets[found[0]].stamp
    frame = found[0] if first is None else sum(stamp < first for stamp in stamps)
    return frame, f" and of {len(found) - 1} more" if len(found) > 1 else ""


def _rate(container: Any, stream: Any, timing: Timing, stamped: bool) -> tuple[Fraction, list[str]]:
    """Return the frames in a second, and what is assumed of it."""
    if stamped and timing.pts[-1] > timing.pts[0]:
        named = (stream.average_rate, stream.guessed_rate)
        fps = frame_rate(timing.pts, timing.time_base, named)
        remarks = gap_remarks(timing.pts, timing.time_base)
    else:
        fps, remarks = Fraction(stream.guessed_rate or stream.average_rate or 1), []
    bare = container.format.name in _BARE and not stream.codec_context.framerate
    if bare and len(timing.pts) > 1:
        remarks.append(f"the file carries no frame rate: {fps} fps is assumed")
    end = float((timing.pts[-1] - timing.pts[0]) * timing.time_base)
    declared = (container.duration or 0) / av.time_base
    if container.format.name in ("asf", "flv") and declared > end + _SHORT:
        remarks.append(
            f"the file declares {declared:.1f} s, its pictures end at {end:.1f} s: it may be cut"
        )
    return fps, remarks


def _stamps_are_shown(path: Path, stream: Any, packets: list[Packet], lost: int) -> bool:
    """Whether the times are those at which frames are shown, not those of decoding (ASF)."""
    stamps = [p.stamp for p in packets[lost:] if p.stamp is not None]
    if not stream.codec_context.has_b_frames or any(a >= b for a, b in pairwise(stamps)):
        return True  # frames are not reordered, or the times are not in the order of decoding
    end = stamps[min(_ORDER_FRAMES, len(stamps)) - 1]
    times = [f.pts for f in decode_to(path, stream.index, end, skip=lost, leading=0)]
    return all(a is None or b is None or a < b for a, b in pairwise(times))


def _check_complete(path: Path, container: Any, stream: Any, packets: list[Packet]) -> None:
    if not packets:
        _refuse(path, "holds no frames", _AGAIN)
    form = container.format.name
    zeros = trailing_zeros(path) if stream.codec_context.name not in _UNCODED else 0
    # MP4 and AVI may end in room that was kept free.
    if zeros >= _TAIL and "mp4" not in form and form != "avi":
        _refuse(path, f"it ends in {zeros} zeros or more: it was not written whole", _CUT_SHORT)
    declared = stream.frames
    if form == "mxf" and stream.duration and stream.average_rate:
        declared = round(stream.duration * stream.time_base * stream.average_rate)
    if declared and "mp4" in form:
        # Edit lists leave out what lies beyond their end.
        declared = min(declared, len(stream.index_entries) or declared)
    # Some recorders count a few frames more than they write; a cut file lacks many.
    if declared and len(packets) < declared - 4:
        _refuse(
            path,
            f"is cut short: it declares {declared} frames and holds {len(packets)}",
            _CUT_SHORT,
        )


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


def _transport_remarks(
    path: Path, form: str, pid: int, packets: list[Packet], shown: list[int]
) -> list[str]:
    broken = {number for number, packet in enumerate(packets) if packet.broken}
    if form == "mpegts":
        places = [packet.place for packet in packets]
        broken |= {max(bisect_left(places, lost) - 1, 0) for lost in lost_before(path, pid)}
    frames = [i for i, number in enumerate(shown) if number in broken]
    if not frames:
        return []
    more = f" and of {len(frames) - 1} more" if len(frames) > 1 else ""
    return [f"a part of frame {frames[0]}{more} was lost in transport: it may be wrong"]


def _field_remarks(first: Any) -> list[str]:
    if not first.interlaced_frame:
        return []
    return [
        "the video is interlaced: both fields stay in one frame, and moving edges show lines; "
        "ffmpeg -vf bwdif makes it progressive"
    ]


def _keyframes(packets: list[Packet], shown: list[int]) -> tuple[int, ...]:
    keys = [i for i, number in enumerate(shown) if packets[number].key]
    return tuple(keys) if keys[:1] == [0] else (0, *keys)


def _has_open_groups(packets: list[Packet]) -> bool:
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
