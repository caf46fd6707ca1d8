"""Guess how depth and ids are coded from their first frame: types, ranges, colours."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from simlift.core.clip import Label
from simlift.core.errors import ClipError
from simlift.core.layers import Array
from simlift.media.images import read_image
from simlift.media.manifest import NativeLayer
from simlift.media.segment_colours import find_segment_colours
from simlift.media.video import VideoStore, probe_video
from simlift.passes.init.layers import Found, flat_colours

_MOST_COLOURS = 512  # of a picture of ids: more are no ids
_LOOKED_AT = 24  # frames whose colours of ids are collected


def guess_depth(
    found: Found, entry: NativeLayer, planes: tuple[float, float] | None, *, stated: bool
) -> tuple[NativeLayer, list[str], list[str]]:
    """Return the first guess of how depth is coded, what it assumes, and what it lacks."""
    first = found.first
    if found.group.is_video or first.dtype == np.uint8:
        gray = first[..., 0] if first.ndim == 3 else first
        bright_is_near = _lower_is_larger(gray)
        way = "bright is near" if bright_is_near else "dark is near"
        said = [f"depth is a picture of depth in which {way}: its lower part is nearer"]
        if planes is not None and stated:
            near, far = planes
            entry = replace(entry, near=near, far=far, measure="inverse")
            return entry if bright_is_near else replace(entry, measure="linear"), said, []
        asked = ["depth is relative, so that light stays off: --near and --far state its metres"]
        entry = replace(entry, unit="relative", measure="inverse" if bright_is_near else "z")
        return entry, said, asked
    values = first[np.isfinite(first)] if first.dtype.kind == "f" else first
    if first.dtype.kind == "f":
        if not values.size or values.min() < 0 or values.max() > 1:
            return entry, [], []
        if planes is not None:
            near, far = planes
            said = [f"depth lies between {near:g} and {far:g} m"]
            return replace(entry, measure="z-buffer", near=near, far=far), said, []
        asked = ["depth lies between 0 and 1, as in a z-buffer: --near and --far state its metres"]
        return replace(entry, unit="relative"), [], asked
    if _lower_is_larger(first):
        asked = ["depth is inverse, of unknown range: --near and --far state its metres"]
        if planes is not None and stated:
            return replace(entry, measure="inverse", near=planes[0], far=planes[1]), [], []
        return replace(entry, unit="relative", measure="inverse"), [], asked
    sky = 65535.0 if first.dtype == np.uint16 and (first == 65535).mean() > 0.001 else None
    return replace(entry, metres_per_unit=0.001, sky=sky), [], []


def _lower_is_larger(numbers: Array) -> bool:
    """Whether the lower third of a frame, which is nearer in nearly all, holds larger numbers."""
    third = len(numbers) // 3
    return bool(np.median(numbers[-third:]) > np.median(numbers[:third])) if third else False


def guess_ids(
    found: Found,
    entry: NativeLayer,
    labels: dict[str, Label],
    named: dict[tuple[int, int, int], str],
) -> tuple[NativeLayer, dict[str, Label], list[str]]:
    """Return how ids are stored, and their names."""
    first = found.first
    if found.group.is_video:
        flat = find_segment_colours(VideoStore(probe_video(found.group.paths[0])))
        colours = {_hex(colour[:3]): colour[3] for colour in flat.palette}
        entry = replace(entry, encoding="colours", colours=colours, tolerance=255)
        return entry, labels, list(flat.notes)
    if first.ndim == 2 or first.shape[2] == 1:
        return entry, labels, []
    varying = [c for c in range(3) if np.ptp(first[..., c]) > 0]
    if varying == [0] and not first[..., 1:3].any() and not named:
        return replace(entry, channel="r"), labels, ["ids stand in the red channel"]
    if flat_colours(first) > _MOST_COLOURS:
        raise ClipError(
            found.group.paths[0],
            f"a picture of ids has {flat_colours(first)} colours",
            allowed="flat colours, stored without loss",
            way_out="store ids as numbers, or rename the files if they are no ids",
        )
    numbers = _collected(found, named)
    names = {k: Label(v, v) for k, v in ((str(i), named.get(c)) for c, i in numbers.items()) if v}
    text = {_hex(colour): number for colour, number in numbers.items()}
    said = [f"ids are {len(text)} colours, {len(names)} of them with names"]
    return replace(entry, encoding="colours", colours=text), names or labels, said


def _collected(
    found: Found, named: dict[tuple[int, int, int], str]
) -> dict[tuple[int, int, int], int]:
    """Return a number for every colour: those with names first, then those in the frames."""
    colours = {colour: k + 1 for k, colour in enumerate(named)}
    paths = found.group.paths
    for k in np.unique(np.linspace(0, len(paths) - 1, _LOOKED_AT).astype(int)):
        picture = read_image(paths[int(k)])[..., :3].astype(np.uint32)
        code = np.unique((picture[..., 0] << 16) | (picture[..., 1] << 8) | picture[..., 2])
        for value in code.tolist():
            colour = (value >> 16, (value >> 8) & 255, value & 255)
            colours.setdefault(colour, 0 if value == 0 else max([0, *colours.values()]) + 1)
    return colours


def _hex(colour: Sequence[int]) -> str:
    return "#" + "".join(f"{c:02x}" for c in colour)
