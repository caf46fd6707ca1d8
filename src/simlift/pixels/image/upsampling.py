"""Upsample maps by joint bilateral filtering, and average them over screen-space tiles.

Patterns are fixed on the screen and depend on geometry alone: no noise, no flicker.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

_FAR = np.float32(1e5)  # metres; stands for the sky, where a number is needed


@dataclass(frozen=True, eq=False)
class TileMean:
    """Edge-aware means over 4x4 tiles around each pixel, over the same surface only; call it with
    maps.

    `shares` [2 h 4 w] are those of two pixels before to one behind, along rows and then columns:
    Pham and van Vliet, "Separable bilateral filtering for fast video preprocessing", ICME 2005.
    """

    shares: Float[np.ndarray, "2 h 4 w"]

    def __call__(self, maps: Float[np.ndarray, "*k h w"]) -> Float[np.ndarray, "*k h w"]:
        """Return a map, or several, averaged."""
        from simlift.pixels.image import _upsampling_kernels as kernels

        given = np.ascontiguousarray(maps, dtype=np.float32).reshape(-1, *maps.shape[-2:])
        return np.asarray(kernels.tile_means(given, self.shares).reshape(maps.shape))


@dataclass(frozen=True, eq=False)
class GeometryView:
    """The G-buffer of a camera: z-depth in metres, unit normals in camera axes, intrinsics.

    What only depends on these is found once, however many maps ask for it.
    """

    depth: Float[np.ndarray, "h w"]
    normals: Float[np.ndarray, "h w 3"]
    intrinsics: Float[np.ndarray, "3 3"]

    @cached_property
    def near(self) -> Float[np.ndarray, "h w"]:
        """Depth in which the sky is far, not infinite."""
        return np.fmin(self.depth, _FAR).astype(np.float32, copy=False)

    @property
    def lens(self) -> tuple[float, float, float, float]:
        """Return fx, fy, cx, cy in pixels."""
        k = self.intrinsics
        return float(k[0, 0]), float(k[1, 1]), float(k[0, 2]), float(k[1, 2])

    @cached_property
    def tiles(self) -> TileMean:
        """Means over tiles of the same surface."""
        from simlift.pixels.image import _upsampling_kernels as kernels

        return TileMean(kernels.tile_shares(self.near, np.ascontiguousarray(self.normals)))


def tile_places(pixels: Int[np.ndarray, "n"], width: int) -> Int[np.ndarray, "n"]:
    """Return each pixel's place in its 4x4 tile, 0 to 15, given its number in rows of `width`."""
    from simlift.pixels.image import _upsampling_kernels as kernels

    return np.asarray(kernels.TILE[pixels // width % 4, pixels % width % 4])


@dataclass(frozen=True, eq=False)
class JointBilateralUpsampler:
    """Upsamples maps of one frame without leaking values across its edges; call it with maps.

    Between two small pixels `across` [a w] is the share of the right one, and between two rows of
    these `down` [h w] that of the lower one: found once by `joint_bilateral_upsampler`, good for
    every map.
    """

    across: Float[np.ndarray, "a w"]
    down: Float[np.ndarray, "h w"]

    def __call__(self, small: Float[np.ndarray, "*k a b"]) -> Float[np.ndarray, "*k h w"]:
        """Return a map, or several, at full resolution."""
        from simlift.pixels.image import _upsampling_kernels as kernels

        maps = np.ascontiguousarray(small, dtype=np.float32).reshape(-1, *small.shape[-2:])
        whole = kernels.enlarge(maps, self.across, self.down)
        return np.asarray(whole.reshape(*small.shape[:-2], *self.down.shape))


def joint_bilateral_upsampler(small: GeometryView, whole: GeometryView) -> JointBilateralUpsampler:
    """Prepare joint bilateral upsampling by depth and normals, along rows and then columns.

    Source: Kopf et al., "Joint bilateral upsampling", SIGGRAPH 2007.
    """
    from simlift.pixels.image import _upsampling_kernels as kernels

    across = kernels.mix_rows(small.near, small.normals, whole.near, whole.normals)
    return JointBilateralUpsampler(
        across, kernels.mix_columns(whole.near, whole.normals, len(small.near))
    )
