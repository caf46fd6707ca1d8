"""Denoise Monte Carlo renders from independent passes of one frame and its exact G-buffer."""

import numpy as np
from jaxtyping import Float, Float32

from simlift.pixels.colour.spaces import LUMINANCE

_PASSES = 5
_TOLERANCE = 3.0  # standard deviations of luminance that count as the same light
_DARKEST = 0.02


def denoise(
    passes: Float32[np.ndarray, "n h w 3"],
    albedo: Float32[np.ndarray, "h w 3"],
    normals: Float32[np.ndarray, "h w 3"],
    depth: Float32[np.ndarray, "h w"],
) -> Float32[np.ndarray, "h w 3"]:
    """Denoise: the mean of `passes`, filtered where their spread says it is noise.

    The edge-avoiding a-trous wavelet of Dammertz et al. 2010, steered by the variance of the
    estimate as in Schied et al. 2017 ("Spatiotemporal variance-guided filtering", sections 4.1 and
    4.4), on light divided by albedo, so that textures stay sharp. The passes are independent, so
    their spread is the variance; the brightest pass of each pixel is left out where it exceeds the
    others by more than they differ among themselves (a firefly).
    """
    from simlift.pixels.image import _denoise_kernels as kernels

    base = np.maximum(albedo, np.float32(_DARKEST))
    light = _without_fireflies(passes / base)
    luma = np.einsum("nhwc,c->nhw", light, LUMINANCE.astype(np.float32))
    variance = (luma.var(0, ddof=1) / len(light)).astype(np.float32)
    mean = light.mean(0)
    finite = np.where(np.isfinite(depth), depth, np.float32(1e9)).astype(np.float32)
    slope = _slopes(finite)
    for level in range(_PASSES):
        mean, variance = kernels.a_trous(
            mean, variance, normals, finite, slope, 2**level, _TOLERANCE
        )
    return np.asarray(mean * base, dtype=np.float32)


def _without_fireflies(light: Float32[np.ndarray, "n h w 3"]) -> Float32[np.ndarray, "n h w 3"]:
    if len(light) < 4:
        return light
    luma = np.einsum("nhwc,c->nhw", light, LUMINANCE.astype(np.float32))
    ordered = np.sort(luma, axis=0)
    limit = ordered[-2] + 3 * (ordered[-2] - ordered[0]) + np.float32(1e-3)
    gain = np.minimum(limit / np.maximum(luma, 1e-9), 1)
    return np.asarray(light * gain[..., None], dtype=np.float32)


def _slopes(depth: Float[np.ndarray, "h w"]) -> Float32[np.ndarray, "h w 2"]:
    """Return the smaller of both one-sided differences: a slope, never a step."""
    slope = np.zeros((*depth.shape, 2), np.float32)
    for axis, place in ((1, 0), (0, 1)):
        step = np.diff(depth, axis=axis, append=np.take(depth, [-1], axis))
        back = np.roll(step, 1, axis)
        slope[..., place] = np.where(np.abs(step) < np.abs(back), step, back)
    return np.clip(slope, -1e3, 1e3)
