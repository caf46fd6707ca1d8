"""Sample an opened clip: a few evenly spaced frames of every layer, downscaled."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import cv2
import numpy as np

from simlift.core.camera_jumps import adrift, camera_jumps
from simlift.core.clip import ClipReader
from simlift.core.layers import Array, Layer
from simlift.core.sample_frames import Choice, choose_frames
from simlift.core.window import ClipSample, Window
from simlift.pixels.image.similarity import shrink_to
from simlift.pixels.image.specks import fill_specks, lone_depths

_LINES = 120  # rows of a sampled frame: enough for statistics, cheap for every stage
_MOST_FRAMES = 24


def sample_clip(reader: ClipReader) -> ClipSample:
    """Read about one frame for each second of the clip, 5 at least and 24 at most.

    Frames that show nothing are left out or stood in for (`choose_frames`).
    """
    clip = reader.clip
    seconds = clip.num_frames / float(clip.fps)
    count = int(np.clip(round(seconds) + 1, 5, _MOST_FRAMES))
    due = np.unique(np.linspace(0, clip.num_frames - 1, count).round().astype(int)).tolist()
    read = {i: _read_small(reader, i) for i in due}
    choice = _choose(reader, {i: small.window for i, small in read.items()})
    found = [read.get(i) or _read_small(reader, i) for i in choice.frames]
    indices, first = np.array(choice.frames), found[0].window
    arrays = {
        layer: np.concatenate([small.window.arrays[layer] for small in found])
        for layer in first.arrays
    }
    bad = {layer: sum(small.bad.get(layer, 0.0) for small in found) for layer in first.arrays}
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
            robot=clip.robot.at(indices) if clip.robot else None,
            _derived={},
        ),
        choice.cuts,
        choice.unusable,
        {layer: total / len(found) for layer, total in bad.items() if total > 0},
        _sample_lead(reader),
    )


def _sample_lead(reader: ClipReader) -> ClipSample | None:
    """Sample the camera that leads the episode, in the layers that are open."""
    if reader.clip.lead is None:
        return None
    with reader.clip.lead.open(reader.readers) as lead:
        return sample_clip(lead)


@dataclass(frozen=True, eq=False)
class _Small:
    """A sampled frame, and the share of bad pixels of each layer that had any at full size."""

    window: Window
    bad: dict[Layer, float]


def _read_small(reader: ClipReader, index: int) -> _Small:
    whole = reader.window([index])
    shares = {layer: float(mask.mean()) for layer, mask in whole.bad.items()}
    return _Small(_without_specks(shrink(whole, _LINES)), shares)


def _without_specks(frame: Window) -> Window:
    """Return a frame whose lone bad pixels are as those around them.

    In depth these are also pixels far from all around, in a segmentation ids that nothing names.
    """
    arrays = dict(frame.arrays)
    for layer in (Layer.DEPTH, Layer.NORMALS, Layer.SEGMENTATION):
        if layer not in frame:
            continue
        image = arrays[layer][0]
        lost = frame.bad[layer][0] if layer in frame.bad else np.zeros(frame.size, bool)
        good = ~lost
        if layer is Layer.DEPTH:
            lost = lost | (lone_depths(image) if frame.metric_depth else False)
            good = ~lost & np.isfinite(image)
        if layer is Layer.SEGMENTATION:
            bodies = [] if frame.objects is None else frame.objects.ids.tolist()
            named = [0, *frame.categories, *bodies]
            lost = lost | ~np.isin(image, named) if len(named) > 1 else lost
            good = ~lost
        arrays[layer] = fill_specks(image, lost, good)[None]
    return replace(frame, arrays=arrays, bad={}, _derived={})


def _choose(reader: ClipReader, read: Mapping[int, Window]) -> Choice:
    """Choose frames by their colours, where these are read; those that are due are `read`."""
    clip = reader.clip
    if Layer.RGB not in reader.readers:
        return Choice(tuple(read), (), ())
    colours = ClipReader(clip, {Layer.RGB: reader.readers[Layer.RGB]})
    lost = np.zeros(clip.num_frames, bool)
    if clip.camera is not None:
        lost = adrift(camera_jumps(clip.camera.world_to_camera))

    def show(frame: int) -> Array:
        window = read[frame] if frame in read else colours.window([frame])
        return shrink_to(window.rgb[0], _LINES)

    return choose_frames(tuple(read), show, lambda frame: bool(lost[frame]))


def shrink(window: Window, lines: int) -> Window:
    """Return the window with at most `lines` rows; ids, depth and vectors take one pixel each."""
    height, width = window.size
    if height <= lines:
        return window
    size = (max(round(width * lines / height), 1), lines)
    arrays = {layer: _resize(layer, array, size) for layer, array in window.arrays.items()}
    masks = {
        layer: np.stack([_nearest(frame.view(np.uint8), size) for frame in mask]) > 0
        for layer, mask in window.bad.items()
    }
    camera = window.camera
    return replace(
        window,
        arrays=arrays,
        bad=masks,
        camera=camera.scaled(size[0] / width, size[1] / height) if camera else None,
        _derived={},
    )


def _nearest(image: Array, size: tuple[int, int]) -> Array:
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_NEAREST))


def _resize(layer: Layer, array: Array, size: tuple[int, int]) -> Array:
    pictures = (Layer.RGB, Layer.ALBEDO, Layer.TWIN)
    how = cv2.INTER_AREA if layer in pictures else cv2.INTER_NEAREST
    small = np.stack([cv2.resize(frame, size, interpolation=how) for frame in array])
    if layer is Layer.FLOW:  # pixels grow, so vectors shrink
        small *= np.array([size[0] / array.shape[2], size[1] / array.shape[1]], dtype=np.float32)
    return small
