"""Clips cut out of others, with numbers that cannot be put into some of their layers."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np

from simlift.core.camera import Camera
from simlift.core.clip import Clip
from simlift.core.layers import Array, FrameStore, Layer

Spoil = Callable[[int, Array], None]  # changes a frame's array in place, given the frame


@dataclass(frozen=True)
class Part:
    """A part of another store's frames: `frames` of it, `rows` and `columns`, and what spoils it.

    Frames are those of the layer, decoded, so that the part is read as it is.
    """

    store: FrameStore
    decode: Callable[[Array], Array]
    frames: tuple[int, ...]
    rows: slice
    columns: slice
    spoil: Spoil | None = None

    @property
    def num_frames(self) -> int:
        return len(self.frames)

    @property
    def height(self) -> int:
        return self.rows.stop - self.rows.start

    @property
    def width(self) -> int:
        return self.columns.stop - self.columns.start

    @property
    def files(self) -> Sequence[object]:
        return self.store.files

    @contextmanager
    def open(self) -> Iterator["Part"]:
        with self.store.open() as reader:
            object.__setattr__(self, "_reader", reader)
            yield self

    def read(self, indices: Sequence[int]) -> Array:
        wanted = [min(self.frames[i], self.store.num_frames - 1) for i in indices]
        distinct = sorted(set(wanted))
        decoded = self.decode(self._reader.read(distinct))
        out = decoded[[distinct.index(i) for i in wanted]][:, self.rows, self.columns].copy()
        if self.spoil is not None:
            for k, i in enumerate(indices):
                self.spoil(i, out[k])
        return out


def same(array: Array) -> Array:
    """Decode what is decoded."""
    return array


def part_of(clip: Clip, frames: Sequence[int], rows: slice, columns: slice) -> Clip:
    """Return a clip of some frames of another, cropped."""
    kept = np.array(frames)
    camera = clip.camera
    if camera is not None:
        shift = np.eye(3)
        shift[:2, 2] = -columns.start, -rows.start
        camera = Camera(shift @ camera.intrinsics[kept], camera.world_to_camera[kept], camera.up)
    return replace(
        clip,
        num_frames=len(frames),
        height=rows.stop - rows.start,
        width=columns.stop - columns.start,
        camera=camera,
        objects=clip.objects.at(kept) if clip.objects is not None else None,
        robot=None,
        layers=tuple(
            replace(
                stored,
                store=Part(stored.store, stored.decode, tuple(frames), rows, columns),
                decode=same,
            )
            for stored in clip.layers
        ),
    )


def spoiled(clip: Clip, **spoils: Spoil) -> Clip:
    """Return a part of a clip with layers, by name, spoiled frame by frame."""
    return replace(
        clip,
        layers=tuple(
            replace(
                stored, store=replace(stored.store, spoil=spoils.get(Layer(stored.layer).value))
            )
            for stored in clip.layers
        ),
    )
