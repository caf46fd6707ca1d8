"""Sort files by the numbers in their names; a gap in the numbers is an error."""

import re
from collections import Counter
from collections.abc import Sequence
from itertools import islice, pairwise
from pathlib import Path

from simlift.core.errors import ClipError

_NUMBER = re.compile(r"(\d+)(?!.*\d)")
_FEW = 8  # lost frames that an error names


def numbered(paths: Sequence[Path], where: Path) -> tuple[Path, ...]:
    """Sort files by the last number in their names; ClipError names missing and double frames."""
    if len(paths) == 1:
        return tuple(paths)
    found: dict[int, Path] = {}
    for path in paths:
        match = _NUMBER.search(path.stem)
        if match is None:
            raise ClipError(path, "has no frame number", allowed="names such as 000012.png")
        number = int(match.group(1))
        if number in found:
            raise ClipError(
                where,
                f"frame {number} is there twice: {found[number].name}, {path.name}",
                allowed="one file for each frame",
            )
        found[number] = path
    _check_gaps(sorted(found), found, where)
    return tuple(found[n] for n in sorted(found))


def _check_gaps(order: Sequence[int], found: dict[int, Path], where: Path) -> None:
    """Raise ClipError on lost frames, in time that grows with the files alone."""
    # Recorders that keep every n-th frame leave even gaps; only an uneven gap is a lost frame.
    gaps = [(a, b - a) for a, b in pairwise(order)]
    step = min((gap for _, gap in gaps), default=1)
    if all(gap == step for _, gap in gaps):
        return
    if stranger := _stranger(list(found.values())):
        raise ClipError(
            where,
            f"{stranger.name} is named unlike the other {len(found) - 1} files, and its number "
            "does not follow theirs",
            allowed="numbers without gaps",
            way_out="move it out of the folder",
        )
    lost = (n for a, gap in gaps for n in range(a + step, a + gap, step))
    count = sum(-(-gap // step) - 1 for _, gap in gaps)
    names = ", ".join(str(n) for n in islice(lost, _FEW)) or "uneven numbering"
    raise ClipError(
        where,
        f"{count} frames are missing ({names}), if every {step}. is kept",
        allowed="numbers without gaps",
        way_out="record them again; renumber the files if the cut is meant; name single "
        "pictures one by one",
    )


def _stranger(paths: Sequence[Path]) -> Path | None:
    """Return the one file whose name, without its number, is not that of all others."""
    names = {path: _NUMBER.sub("", path.stem) + path.suffix for path in paths}
    counts = Counter(names.values())
    alone = [path for path, name in names.items() if counts[name] == 1]
    return alone[0] if len(alone) == 1 and len(counts) == 2 and len(paths) > 2 else None
