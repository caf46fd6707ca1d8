"""Read the few frames of a clip on which its layers are compared: short runs, made small."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from simlift.core.clip import Clip
from simlift.core.clip_sample import shrink
from simlift.core.layers import Array, Layer
from simlift.core.window import Window

_RUNS = 3  # places in the clip
_REACH = 3  # frames before and after the middle of a run: the lags that are looked for
_FARTHER = (8, 16)  # frames after the middle, for cameras that move slowly
_LINES = 240
COMPARED = (Layer.RGB, Layer.DEPTH, Layer.NORMALS, Layer.SEGMENTATION, Layer.FLOW)


@dataclass(frozen=True, eq=False)
class Evidence:
    """Short runs of frames, made small."""

    clip: Clip
    runs: tuple[Window, ...]
    normals: tuple[Array, ...] = ()  # of the middle frame of each run [h w 3], where they are there

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the frames as they were made small."""
        return self.runs[0].size

    def frames(self, layer: Layer) -> Array:
        """Return a layer of all runs [n h w ...]."""
        return np.concatenate([run[layer] for run in self.runs])


def gather(clip: Clip, compared: Sequence[Layer] = COMPARED) -> Evidence:
    """Read the runs; a run begins at a key frame of the colour video, where there is one."""
    layers = [layer for layer in compared if layer in clip and layer is not Layer.NORMALS]
    places = looked_at(clip)
    with clip.open(layers) as reader:
        runs = [
            _joined(clip, [shrink(reader.window([i]), _LINES) for i in indices])
            for indices in places
        ]
    normals: list[Array] = []
    if Layer.NORMALS in compared and Layer.NORMALS in clip:
        with clip.open([Layer.RGB, Layer.NORMALS]) as reader:
            for indices in places:
                frame = shrink(reader.window([middle_of(indices)]), _LINES)
                normals.append(frame[Layer.NORMALS][0])
    return Evidence(clip, tuple(runs), tuple(normals))


def looked_at(clip: Clip) -> list[list[int]]:
    """Return the frames of every run."""
    places = []
    for start in _starts(clip):
        middle = min(start + _REACH, clip.num_frames - 1)
        near = range(start, min(middle + _REACH, clip.num_frames - 1) + 1)
        far = [middle + step for step in _FARTHER if middle + step < clip.num_frames]
        places.append(sorted({*near, *far}))
    return places


def middle_of(indices: Sequence[int]) -> int:
    """Return the frame of a run that is looked at where one is enough."""
    return indices[len(indices) // 2]


def _starts(clip: Clip) -> list[int]:
    """Return the first frames of the runs, evenly spaced, moved back to a key frame near by."""
    last = max(clip.num_frames - 1 - _REACH - _FARTHER[-1], 0)
    even = np.unique(np.linspace(0, last, _RUNS).astype(int)).tolist()
    info = getattr(clip.stored(Layer.RGB).store, "info", None)
    keys = np.asarray(getattr(info, "keyframes", ()))
    if not len(keys):
        return even
    moved = (int(keys[keys <= start][-1]) if (keys <= start).any() else start for start in even)
    return sorted(set(moved))


def _joined(clip: Clip, small: Sequence[Window]) -> Window:
    first = small[0]
    indices = np.concatenate([window.indices for window in small])
    arrays = {
        layer: np.concatenate([window.arrays[layer] for window in small]) for layer in first.arrays
    }
    height, width = first.size
    camera = clip.camera.at(indices) if clip.camera else None
    return replace(
        first,
        indices=indices,
        arrays=arrays,
        camera=camera.scaled(width / clip.width, height / clip.height) if camera else None,
        objects=clip.objects.at(indices) if clip.objects else None,
        bad={layer: _joined_masks(small, layer) for window in small for layer in window.bad},
        _derived={},
    )


def _joined_masks(small: Sequence[Window], layer: Layer) -> Array:
    """Return which numbers of a layer were bad in each frame [t h w]."""
    nothing = np.zeros((1, *small[0].size), dtype=bool)
    return np.concatenate([window.bad.get(layer, nothing) for window in small])


def still(run: Window, one: int, other: int) -> Array:
    """Mask the pixels of frame `one` of a run whose body stands still until `other` [h w]."""
    mask = np.ones(run.size, dtype=bool)
    if run.objects is None or Layer.SEGMENTATION not in run:
        return mask
    moved = np.abs(run.objects.poses[one] - run.objects.poses[other]).max((1, 2)) > 1e-6
    return mask & ~np.isin(run[Layer.SEGMENTATION][one], run.objects.ids[moved])
