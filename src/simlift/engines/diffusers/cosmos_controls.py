"""Draw the control video that Cosmos-Transfer reads: edges, depth, segmentation or blur.

Each is drawn as Cosmos-Transfer's own annotators draw it: Canny of 100 and 200, white on black;
inverse depth, near is white; a flat colour for each id; a bilateral filter of 30, 150, 100.
"""

from typing import Literal, TypeAlias

import cv2
import numpy as np

from simlift.core.layers import Layer
from simlift.core.window import Frames, Window
from simlift.pixels.colour.label_colours import label_colours
from simlift.pixels.geometry.depth_codes import depth_codes
from simlift.pixels.image.edges import canny
from simlift.pixels.image.similarity import bilateral_smooth

ControlName: TypeAlias = Literal["edge", "depth", "seg", "blur"]

NEEDS: dict[ControlName, frozenset[Layer]] = {
    "edge": frozenset(),
    "blur": frozenset(),
    "depth": frozenset({Layer.DEPTH}),
    "seg": frozenset({Layer.SEGMENTATION}),
}
_LOW, _HIGH = 100.0, 200.0
_BLUR_LINES = 240


def draw(window: Window, control: ControlName, near: float, far: float) -> Frames:
    """Return the condition frames, uint8 [t h w 3]; `near` and `far` are metres of the depth."""
    if control == "edge":
        edges = np.stack([canny(frame, _LOW, _HIGH) for frame in window.rgb])
        return np.repeat(edges[..., None].astype(np.uint8) * 255, 3, axis=-1)
    if control == "blur":
        return _blurred(window)
    if control == "depth":
        # The scale is a setting, never measured on a window: it may not flicker between windows.
        return depth_codes(window[Layer.DEPTH], (near, far) if window.metric_depth else None)
    return label_colours(window[Layer.SEGMENTATION])


def _blurred(window: Window) -> Frames:
    height, width = window.size
    smooth = (
        bilateral_smooth(frame, diameter=30, sigma_colour=150, sigma_space=100, lines=_BLUR_LINES)
        for frame in window.rgb
    )
    return np.stack([cv2.resize(frame, (width, height)) for frame in smooth])
