"""Read images whose colours or numbers are named by a table of their own for each frame, as ids.

Engines choose the colours of instances anew in every frame, so that one palette does not hold for
a clip. The tables lead from the colours of a frame to ids that hold for the whole clip.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from simlift.core.errors import ClipError
from simlift.core.layers import Array
from simlift.media.frame_files import DerivedFrames
from simlift.media.images import probe_images

Code = tuple[int, ...]  # (number,), (red, green, blue) or (red, green, blue, alpha)
Table = tuple[tuple[int, int], ...]  # packed codes and their ids, sorted


@dataclass(frozen=True)
class CodedIdStore(DerivedFrames):
    """Frames of ids, int32, in coded images: `tables[table_of[k]]` is the table of frame k."""

    tables: tuple[Table, ...]
    table_of: tuple[int, ...]
    bands: int

    def read(self, indices: Sequence[int]) -> Array:
        """Return the ids [t h w] of the frames at `indices`; ClipError names a code of no name."""
        with self.images.open() as reader:
            return np.stack(
                [self._named(self.files[i], reader.read([i])[0], self.table_of[i]) for i in indices]
            )

    def _named(self, path: Path, frame: Array, table: int) -> Array:
        codes, ids = _arrays(self.tables[table])
        packed = _packed(frame)
        at = np.minimum(np.searchsorted(codes, packed), len(codes) - 1)
        unnamed = codes[at] != packed
        if unnamed.any():
            found, counts = np.unique(packed[unnamed], return_counts=True)
            code = _text(int(found[counts.argmax()]), self.bands)
            raise ClipError(
                path,
                f"{unnamed.mean():.1%} of the pixels hold codes of no name, such as {code}",
                allowed=f"the {len(codes)} codes that are named for this frame",
                way_out="write the labels of every frame beside it, and the images without loss",
            )
        return np.asarray(ids[at])


def probe_coded_ids(
    paths: Sequence[Path], tables: Sequence[Mapping[Code, int]]
) -> tuple[CodedIdStore, Array]:
    """Probe coded images: return their store, and the first frame as ids.

    `tables` hold the id of every code, one table for each frame. Alpha is a part of the code where
    images have it; where they do not, two names of one colour are a ClipError.
    """
    images, first = probe_images(paths)
    bands = first.shape[2] if first.ndim == 3 else 1
    if first.dtype.kind != "u" or (bands > 1 and first.dtype != np.uint8):
        raise ClipError(
            paths[0],
            f"holds {first.dtype} {list(first.shape)}",
            allowed="uint8 [h w 3] or [h w 4] colours, or whole numbers [h w]",
        )
    known: dict[Table, int] = {}
    cache: dict[int, int] = {}
    table_of = []
    for path, named in zip(paths, tables, strict=True):
        # One mapping often stands for many frames.
        if id(named) not in cache:
            packed = _table(path, named, bands)
            cache[id(named)] = known.setdefault(packed, len(known))
        table_of.append(cache[id(named)])
    store = CodedIdStore(images, tuple(known), tuple(table_of), bands)
    with store.open() as reader:
        return store, reader.read([0])[0]


def _table(path: Path, named: Mapping[Code, int], bands: int) -> Table:
    packed: dict[int, int] = {}
    for code, number in named.items():
        if (len(code) == 1) != (bands == 1) or len(code) < bands:
            raise ClipError(
                path,
                f"has {bands} channels, but its labels name {_shown(code)}",
                allowed="images in the form that their labels name",
                way_out="write both again in one run",
            )
        key = sum(part << (8 * k) for k, part in enumerate(code[:bands]))
        if packed.setdefault(key, number) != number:
            raise ClipError(
                path,
                f"has no alpha, and its labels give two names to the colour {_shown(code[:3])}",
                allowed="colours that differ, or images with alpha",
                way_out="store the images as the engine wrote them",
            )
    if not packed:
        raise ClipError(path, "has no labels at all", allowed="a name for every code")
    return tuple(sorted(packed.items()))


@lru_cache(maxsize=64)
def _arrays(table: Table) -> tuple[Array, Array]:
    codes, ids = zip(*table, strict=True)
    return np.array(codes, dtype=np.uint32), np.array(ids, dtype=np.int32)


def _packed(frame: Array) -> Array:
    if frame.ndim == 2:
        return frame.astype(np.uint32)
    parts = [frame[..., k].astype(np.uint32) << np.uint32(8 * k) for k in range(frame.shape[2])]
    return np.asarray(np.bitwise_or.reduce(parts))


def _text(packed: int, bands: int) -> str:
    return _shown(
        tuple((packed >> (8 * k)) & 255 for k in range(bands)) if bands > 1 else (packed,)
    )


def _shown(code: Code) -> str:
    return str(code[0]) if len(code) == 1 else f"({', '.join(str(part) for part in code)})"
