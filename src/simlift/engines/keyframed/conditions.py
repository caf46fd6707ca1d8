"""Draw the control video of a window, at the size in which frames are generated."""

import numpy as np
from jaxtyping import Bool

from simlift.core.layers import Layer
from simlift.core.window import ClipSample, Frames, Window
from simlift.engines.keyframed.settings import ControlName, Drawing
from simlift.pixels.geometry.depth_codes import depth_codes, depth_range
from simlift.pixels.geometry.projection import pinhole
from simlift.pixels.image.edges import canny, geometry_edges
from simlift.pixels.image.letterbox import Letterbox

_GEOMETRY = (Layer.DEPTH, Layer.NORMALS, Layer.SEGMENTATION)
_FAR = (0.5, 100.0)  # metres, for clips whose depth is nowhere finite
_ASSUMED_FOV = np.radians(60.0)  # folds hardly depend on it
_COVERED = 48  # of 255: an edge that still covers a fifth of a smaller pixel is one


def draw(
    control: ControlName, drawing: Drawing, window: Window, sample: ClipSample, size: Letterbox
) -> Frames:
    """Return the control frames of a window, fitted to the size of generation."""
    if control == "depth":
        return size.apply(depth_codes(window[Layer.DEPTH], _range(drawing, sample)))
    if control == "edges":
        edges = np.stack([canny(f, drawing.low, drawing.high) for f in size.apply(window.rgb)])
        return _paint(edges, drawing.white_on_black)
    found = np.stack([_of_geometry(window, i, drawing) for i in range(len(window))])
    lines = size.apply(_paint(found, True))
    return _paint(lines[..., 0] > _COVERED, drawing.white_on_black)


def _range(drawing: Drawing, sample: ClipSample) -> tuple[float, float] | None:
    """Return the range of the whole clip: one measured on a window would flicker between them."""
    if not sample.window.metric_depth:
        return None
    if drawing.near is not None and drawing.far is not None:
        return drawing.near, drawing.far
    return depth_range(sample.window[Layer.DEPTH], _FAR)


def _of_geometry(window: Window, i: int, drawing: Drawing) -> Bool[np.ndarray, "h w"]:
    layers = (window[layer][i] if layer in window else None for layer in _GEOMETRY)
    camera = window.camera
    return geometry_edges(
        *layers,
        metric=window.metric_depth,
        intrinsics=camera.intrinsics[i] if camera else pinhole(*window.size, _ASSUMED_FOV),
        depth_step=drawing.depth_step,
        angle=drawing.angle,
    )


def _paint(edges: Bool[np.ndarray, "t h w"], white_on_black: bool) -> Frames:
    codes = np.where(edges == white_on_black, np.uint8(255), np.uint8(0))
    return np.repeat(codes[..., None], 3, axis=-1)
