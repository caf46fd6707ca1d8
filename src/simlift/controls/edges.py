"""Draw edge controls: Canny edges of the render, or edges of the simulator's geometry."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from simlift.core.errors import ClipError
from simlift.core.layers import Layer
from simlift.core.window import Frames, Window
from simlift.pixels.geometry.projection import pinhole
from simlift.pixels.image.edges import canny, geometry_edges

_GEOMETRY = (Layer.DEPTH, Layer.NORMALS, Layer.SEGMENTATION)
_ASSUMED_FOV = np.radians(60.0)  # folds hardly depend on it; for clips that know no camera


@dataclass(frozen=True)
class Edges:
    """Canny edges of the gray render, white on black by default.

    Thresholds 100 and 200 are the medium preset of Cosmos-Transfer's edge control.
    """

    low: float = 100.0
    high: float = 200.0
    white_on_black: bool = True

    def needs(self) -> frozenset[Layer]:
        return frozenset({Layer.RGB})

    def draw(self, window: Window) -> Frames:
        """Return the condition frames [t h w 3]."""
        edges = np.stack([canny(frame, self.low, self.high) for frame in window.rgb])
        return _paint(edges, self.white_on_black)


@dataclass(frozen=True)
class EngineEdges:
    """Edges of the geometry, white on black by default: no texture, no shadows.

    A pixel is an edge where inverse depth bends by `depth_step` of itself, normals fold by `angle`
    radians, or ids differ, from whichever of these layers the clip has; ClipError where it has
    none. Normals are found from metric depth where the clip lacks them.
    """

    depth_step: float = 0.03
    angle: float = 0.6
    white_on_black: bool = True

    def needs(self) -> frozenset[Layer]:
        return frozenset()

    def draw(self, window: Window) -> Frames:
        """Return the condition frames [t h w 3]."""
        if not any(layer in window for layer in _GEOMETRY):
            found = ", ".join(layer.value for layer in window.arrays) or "nothing"
            raise ClipError(
                "engine edges",
                f"the clip holds only {found}",
                allowed="at least one of " + ", ".join(layer.value for layer in _GEOMETRY),
                way_out="record one of them, or use the control 'edges', which needs rgb alone",
            )
        edges = np.stack([self._edges(window, i) for i in range(len(window))])
        return _paint(edges, self.white_on_black)

    def _edges(self, window: Window, i: int) -> Bool[np.ndarray, "h w"]:
        depth, normals, ids = (window[layer][i] if layer in window else None for layer in _GEOMETRY)
        return geometry_edges(
            depth,
            normals,
            ids,
            metric=window.metric_depth,
            intrinsics=_intrinsics(window, i),
            depth_step=self.depth_step,
            angle=self.angle,
        )


def _intrinsics(window: Window, i: int) -> Float[np.ndarray, "3 3"]:
    if window.camera is not None:
        return np.asarray(window.camera.intrinsics[i])
    height, width = next(iter(window.arrays.values())).shape[1:3]
    return pinhole(height, width, _ASSUMED_FOV)


def _paint(edges: Bool[np.ndarray, "t h w"], white_on_black: bool) -> Frames:
    codes = np.where(edges == white_on_black, np.uint8(255), np.uint8(0))
    return np.repeat(codes[..., None], 3, axis=-1)
