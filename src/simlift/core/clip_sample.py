"""Sample an opened clip: a few evenly spaced frames of every layer, downscaled."""

from dataclasses import replace

import cv2
import numpy as np

from simlift.core.clip import ClipReader
from simlift.core.layers import Array, Layer
from simlift.core.window import ClipSample, Window

_LINES = 120  # rows of a sampled frame: enough for statistics, cheap for every stage
_MOST_FRAMES = 24


def sample_clip(reader: ClipReader) -> ClipSample:
    """Read about one frame for each second of the clip, 5 at least and 24 at most."""
    clip = reader.clip
    seconds = clip.num_frames / float(clip.fps)
    count = int(np.clip(round(seconds) + 1, 5, _MOST_FRAMES))
    indices = np.unique(np.linspace(0, clip.num_frames - 1, count).round().astype(int))
    small = [shrink(reader.window([int(i)]), _LINES) for i in indices]
    first = small[0]
    arrays = {
        layer: np.concatenate([window.arrays[layer] for window in small]) for layer in first.arrays
    }
    scale = first.size[0] / clip.height
    return ClipSample(
        replace(
            first,
            indices=indices,
            arrays=arrays,
            camera=clip.camera.at(indices).scaled(first.size[1] / clip.width, scale)
            if clip.camera
            else None,
            objects=clip.objects.at(indices) if clip.objects else None,
            _derived={},
        )
    )


def shrink(window: Window, lines: int) -> Window:
    """Return the window with at most `lines` rows; ids, depth and vectors take one pixel each."""
    height, width = window.size
    if height <= lines:
        return window
    size = (max(round(width * lines / height), 1), lines)
    arrays = {layer: _resize(layer, array, size) for layer, array in window.arrays.items()}
    camera = window.camera
    return replace(
        window,
        arrays=arrays,
        camera=camera.scaled(size[0] / width, size[1] / height) if camera else None,
        _derived={},
    )


def _resize(layer: Layer, array: Array, size: tuple[int, int]) -> Array:
    pictures = (Layer.RGB, Layer.ALBEDO, Layer.TWIN)
    how = cv2.INTER_AREA if layer in pictures else cv2.INTER_NEAREST
    small = np.stack([cv2.resize(frame, size, interpolation=how) for frame in array])
    if layer is Layer.FLOW:  # pixels grow, so vectors shrink
        small *= np.array([size[0] / array.shape[2], size[1] / array.shape[1]], dtype=np.float32)
    return small
