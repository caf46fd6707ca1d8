"""Decode the first frame that a video shows, and find which frames in front of it are lost.

A recording that begins between key frames holds packets that do not decode, or whose frames lack
what they were predicted from.
"""

from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

import av

from simlift.core.errors import ClipError
from simlift.media.video.url import media_url


@dataclass(frozen=True)
class Packet:
    """What is kept of a coded picture when the file is indexed."""

    stamp: int | None
    key: bool
    hidden: bool  # an edit list cuts it away: it is decoded and not shown
    broken: bool  # the demuxer says that a part of it was lost
    place: int  # its position in the file


@dataclass(frozen=True)
class First:
    """The first frame that is shown, and what had to be left out in front of it."""

    frame: Any
    lost: int  # packets in front of the first key frame that do not decode
    missing: frozenset[int]  # stamps of frames in front of the first key frame that never come


def first_frame(path: Path, stream: int, packets: list[Packet]) -> First:
    """Decode up to the first key frame; in a whole file it is the first frame."""
    key = next((n for n, packet in enumerate(packets) if packet.key), 0)
    lost = 0
    found = decode_to(path, stream, packets[key].stamp, skip=0, leading=key)
    if key and (not found or found[0].pts is None or found[0].pts == packets[key].stamp):
        # Nothing in front of the key frame decodes: the recording begins inside a group.
        lost = key
        found = decode_to(path, stream, packets[key].stamp, skip=lost, leading=0)
    if not found:
        raise ClipError(path, "not one frame decodes", way_out="export the video again")
    start = packets[key].stamp
    if start is None or found[0].pts is None or packets[key].hidden:
        return First(found[0], lost, frozenset())
    came = {frame.pts for frame in found}
    group = [*packets[lost:key], *takewhile(lambda p: not p.key, packets[key + 1 :])]
    early = {p.stamp for p in group if p.stamp is not None and p.stamp < start}
    return First(found[0], lost, frozenset(early - came))


def decode_to(path: Path, stream: int, stamp: int | None, *, skip: int, leading: int) -> list[Any]:
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
