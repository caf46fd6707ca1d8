"""Depth to what hides light: ambient occlusion and the shadow of a distant light, in screen space.

Both see only what the camera sees; beyond the image and behind surfaces nothing casts a shadow.
Patterns are fixed on the screen and depend on geometry alone: no noise, no flicker.
"""

import cv2
import numpy as np
from jaxtyping import Float

from simlift.pixels.geometry import rays

_DIRECTIONS = 8
_STEPS = (0.08, 0.25, 0.55, 1.0)  # shares of the radius, dense near the surface
_MARCH = 28


def ambient_occlusion(
    depth: Float[np.ndarray, "h w"],
    normals: Float[np.ndarray, "h w 3"],
    intrinsics: Float[np.ndarray, "3 3"],
    radius: float,
) -> Float[np.ndarray, "h w"]:
    """Return the share of the sky that each pixel sees, in [0, 1], within `radius` metres.

    Horizon-based (Bavoil et al., "Image-space horizon-based ambient occlusion", SIGGRAPH 2008):
    in each direction the highest sample above the tangent plane hides light; samples further than
    the radius fade out, so that a near object draws no halo on what lies behind it.
    """
    height, width = depth.shape
    near = np.where(np.isfinite(depth), depth, np.float32(1e5)).astype(np.float32)
    ray = rays(intrinsics, height, width)
    here = ray * near[..., None]
    focal = float(intrinsics[0, 0])
    reach = np.clip(radius * focal / near, 1.5, 0.22 * max(height, width)).astype(np.float32)
    rows, columns = np.indices((height, width), dtype=np.float32)
    hidden = np.zeros((height, width), dtype=np.float32)
    for k in range(_DIRECTIONS):
        angle = 2 * np.pi * (k + 0.5) / _DIRECTIONS
        du, dv = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        highest = np.zeros((height, width), dtype=np.float32)
        for step in _STEPS:
            x, y = columns + du * reach * step, rows + dv * reach * step
            other = cv2.remap(near, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            to = _point(x, y, other, intrinsics) - here
            square = np.maximum((to * to).sum(-1), np.float32(1e-12))
            sine = (to * normals).sum(-1) / np.sqrt(square)
            fade = np.clip(1 - square / np.float32(radius**2), 0, 1)
            # A bias of 5 degrees keeps flat, finely tessellated surfaces clean.
            np.maximum(highest, np.clip(sine - 0.09, 0, 1) * fade, out=highest)
        hidden += highest
    return np.clip(1 - hidden / _DIRECTIONS * np.float32(1.35), 0, 1)


def distant_shadow(
    depth: Float[np.ndarray, "h w"],
    normals: Float[np.ndarray, "h w 3"],
    intrinsics: Float[np.ndarray, "3 3"],
    towards: Float[np.ndarray, "3"],
    length: float,
) -> Float[np.ndarray, "h w"]:
    """Return how much of a distant light reaches each pixel, in [0, 1].

    Marches `length` metres towards the light (unit `towards` in camera axes) and compares with the
    depth buffer; something in front of the ray hides the light if it is not too far in front,
    since how thick it is cannot be seen.
    """
    near = np.where(np.isfinite(depth), depth, np.float32(1e5)).astype(np.float32)
    ray = rays(intrinsics, *depth.shape)
    offset = (0.004 * near)[..., None] * normals
    start = ray * near[..., None] + offset
    light = np.ones(depth.shape, dtype=np.float32)
    for k in range(1, _MARCH + 1):
        distance = np.float32(length * (k / _MARCH) ** 1.6)
        at = start + towards.astype(np.float32) * distance
        z = np.maximum(at[..., 2], np.float32(1e-4))
        x = at[..., 0] / z * np.float32(intrinsics[0, 0]) + np.float32(intrinsics[0, 2] - 0.5)
        y = at[..., 1] / z * np.float32(intrinsics[1, 1]) + np.float32(intrinsics[1, 2] - 0.5)
        seen = cv2.remap(
            near, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=1e6
        )
        gap = z - seen
        thickness = np.float32(0.25) * distance + np.float32(0.02 * 1.0) * z
        slack = np.float32(0.0025) * z
        hit = np.clip((gap - slack) / slack, 0, 1) * (gap < thickness)
        # The sun is half a degree wide and haze widens it: far blockers cast soft shadows.
        np.minimum(light, 1 - hit * np.float32(1 - 0.25 * k / _MARCH), out=light)
    return light


def _point(
    x: np.ndarray, y: np.ndarray, z: np.ndarray, intrinsics: np.ndarray
) -> Float[np.ndarray, "h w 3"]:
    k = intrinsics.astype(np.float32)
    u, v = (x + np.float32(0.5) - k[0, 2]) / k[0, 0], (y + np.float32(0.5) - k[1, 2]) / k[1, 1]
    return np.dstack([u * z, v * z, z])


def upsample(
    small: Float[np.ndarray, "a b"],
    small_depth: Float[np.ndarray, "a b"],
    depth: Float[np.ndarray, "h w"],
) -> Float[np.ndarray, "h w"]:
    """Enlarge a map by its depth, so that values do not leak across edges.

    Joint bilateral upsampling (Kopf et al., SIGGRAPH 2007) over the four nearest small pixels.
    """
    height, width = depth.shape
    rows, columns = small.shape
    y = (np.arange(height, dtype=np.float32) + 0.5) * rows / height - 0.5
    x = (np.arange(width, dtype=np.float32) + 0.5) * columns / width - 0.5
    y0, x0 = np.floor(y).astype(int), np.floor(x).astype(int)
    fy, fx = (y - y0)[:, None], (x - x0)[None, :]
    far = np.where(np.isfinite(depth), depth, np.float32(1e5))
    small_far = np.where(np.isfinite(small_depth), small_depth, np.float32(1e5))
    total = np.zeros((height, width), dtype=np.float32)
    weight = np.full((height, width), 1e-6, dtype=np.float32)
    for dy in (0, 1):
        row = np.clip(y0 + dy, 0, rows - 1)
        for dx in (0, 1):
            column = np.clip(x0 + dx, 0, columns - 1)
            place = np.ix_(row, column)
            bilinear = (fy if dy else 1 - fy) * (fx if dx else 1 - fx)
            apart = np.abs(small_far[place] - far) / (np.float32(0.015) * far)
            w = (bilinear + np.float32(0.02)) / (1 + apart * apart)
            total += w * small[place]
            weight += w
    return (total / weight).astype(np.float32)
