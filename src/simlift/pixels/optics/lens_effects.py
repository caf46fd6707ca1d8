"""Simulate depth of field, motion blur, chromatic aberration and glare in linear light.

Depth of field, motion blur, lateral colour and glare; all of them keep the amount of light, and a
pixel that is sharp, still and far from anything else stays as it is, bit for bit.
"""

from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Float, Int

from simlift.pixels.id_rows import rows_of

_LEVELS = 4  # halvings of the image, less one: the widest circle has a radius of 60 pixels
_FINE, _COARSE = np.float32(3.5), np.float32(5.0)  # radii between which a coarser level takes over
_OCTAVES = 5  # of glare, each twice as wide as the one before, from 5 pixels


def circle_of_confusion(
    depth: Float[np.ndarray, "h w"], focus: float, focal_pixels: float, aperture: float
) -> Float[np.ndarray, "h w"]:
    """Compute the signed diameter in pixels of the circle of confusion at each depth.

    The thin lens (Potmesil and Chakravarty, "A lens and aperture camera model for synthetic image
    generation", SIGGRAPH 1981): c = A f |d - s| / (d (s - f)) for an aperture A and focus at s. A
    calibrated focal length is the distance v of the image, and 1/f = 1/v + 1/s makes that
    c = A v |1/s - 1/d| exactly. Negative before the plane of focus; `depth` and `focus` may be
    infinite.
    """
    with np.errstate(divide="ignore"):
        nearness = 1 / np.maximum(depth, np.float32(1e-3))
    scale = np.float32(aperture * focal_pixels)
    return np.asarray(scale * (np.float32(1 / focus) - nearness), dtype=np.float32)


def depth_of_field(
    linear: Float[np.ndarray, "h w 3"], circles: Float[np.ndarray, "h w"]
) -> Float[np.ndarray, "h w 3"]:
    """Blur by signed circles of confusion, in pixels of diameter (depth of field).

    What is nearer than a pixel spreads its disc over it; past that the pixel sees the rest within
    its own disc, so that a blurred background never takes light from what is sharp before it
    (the layers of Jimenez, "Next generation post processing in Call of Duty", SIGGRAPH 2014, with
    exact discs in place of samples). Discs wider than 7 pixels are drawn at a half, a quarter or an
    eighth of the size, at the place of one of its pixels. A circle of at most one pixel leaves its
    pixel as it is.
    """
    from simlift.pixels.optics import _circle_kernels as circles_of
    from simlift.pixels.optics import _defocus_kernels as kernels

    radii = np.ascontiguousarray(circles, dtype=np.float32) * np.float32(0.5)
    widest = max(abs(float(radii.min())), abs(float(radii.max())))
    if widest <= circles_of.SHARP:
        return linear
    levels = 1
    while levels < _LEVELS and widest > _FINE * 2 ** (levels - 1):
        levels += 1
    reach = np.float32(circles_of.PAD - 0.5)
    stack = [circles_of.prepare(np.ascontiguousarray(linear), radii, reach * 2 ** (levels - 1))]
    while len(stack) < levels:
        stack.append(circles_of.halve(*stack[-1]))
    nothing = np.zeros((0, 0, 4), np.float32)
    below = nothing, nothing, np.zeros((0, 0), np.float32)
    for level in reversed(range(levels)):
        colour, circle = stack[level]
        last, first = level == 0, level == levels - 1
        light = circles_of.brightness(circle, _FINE, _COARSE, last, first)
        limit = reach if first else _COARSE
        drawn = kernels.draw(colour, circle, light, limit, _FINE, _COARSE, *below, last)
        below = *drawn, circle
    return np.asarray(below[1])


def motion_blur(
    linear: Float[np.ndarray, "h w 3"],
    flow: Float[np.ndarray, "h w 2"],
    depth: Float[np.ndarray, "h w"],
    shutter: float,
) -> Float[np.ndarray, "h w 3"]:
    """Apply motion blur: `shutter` frames of exposure, centred on this one.

    `flow` is in pixels per frame; where it is not finite a pixel stands still. A gather over cells
    of the longest motion with weights by depth (McGuire et al., "A reconstruction filter for
    plausible motion blur", I3D 2012), in two directions where motions differ (Guertin et al., "A
    fast and stable feature-aware motion blur filter", HPG 2014). Each pixel becomes a line of equal
    light; no line is longer than 48 pixels.
    """
    from simlift.pixels.optics import _streak_kernels as kernels

    pixels = kernels.traits(flow, depth, np.float32(shutter / 2))
    longest = kernels.fastest(pixels)
    if float(np.abs(longest).max()) <= 0.5:
        return linear
    edges = kernels.mixed(pixels, longest)
    return np.asarray(kernels.streak(np.ascontiguousarray(linear), pixels, longest, edges))


def body_steps(
    intrinsics: tuple[Float[np.ndarray, "3 3"], Float[np.ndarray, "3 3"]],
    world_to_camera: tuple[Float[np.ndarray, "4 4"], Float[np.ndarray, "4 4"]],
    body_poses: tuple[Float[np.ndarray, "o 4 4"], Float[np.ndarray, "o 4 4"]],
) -> Float[np.ndarray, "n 3 4"]:
    """Compute the matrices that take (u, v, 1, 1 / depth) of this frame to the next frame's pixel.

    The first is for what stands still in the world, then one for each body: K' [R K^-1 | t] with
    the camera motion (R, t) that the body's own motion is a part of.
    """
    moves = np.concatenate([np.eye(4)[None], body_poses[1] @ np.linalg.inv(body_poses[0])])
    whole = world_to_camera[1] @ moves @ np.linalg.inv(world_to_camera[0])
    turned = intrinsics[1] @ whole[:, :3, :3] @ np.linalg.inv(intrinsics[0])
    return np.concatenate([turned, intrinsics[1] @ whole[:, :3, 3:]], axis=2)


def rigid_motion(
    depth: Float[np.ndarray, "h w"],
    ids: Int[np.ndarray, "h w"] | None,
    body_ids: Int[np.ndarray, "o"],
    steps: Float[np.ndarray, "n 3 4"],
) -> Float[np.ndarray, "h w 2"]:
    """Compute the flow of a scene of rigid bodies, in pixels; NaN behind the next camera.

    The flow of `geometry.rigid_flow` without its depth, in one pass.
    """
    from simlift.pixels.optics import _streak_kernels as kernels

    if ids is None or len(body_ids) == 0:
        bodies = np.zeros(depth.shape, np.int32)
    else:
        bodies = (rows_of(np.maximum(ids, 0), body_ids) + 1).astype(np.int32)
    return np.asarray(kernels.rigid(depth, bodies, steps))


def chromatic_aberration(
    linear: Float[np.ndarray, "h w 3"], centre: tuple[float, float], corner: float
) -> Float[np.ndarray, "h w 3"]:
    """Apply lateral chromatic aberration: magnify red, shrink blue by `corner` pixels at the
    corner.

    Lateral colour grows with the cube of the distance from the principal point `centre` (x, y):
    a magnification of 1 +- k r^2 (Mallon and Whelan, "Calibration and removal of lateral chromatic
    aberration in images", Pattern Recognition Letters 2007).
    """
    if corner == 0:
        return linear
    out = linear.copy()
    for channel, sign in ((0, 1.0), (2, -1.0)):
        x, y = _magnified(*linear.shape[:2], centre, sign * corner)
        plane = cv2.extractChannel(linear, channel)
        moved = cv2.remap(plane, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        cv2.insertChannel(moved, out, channel)
    return out


@lru_cache(maxsize=8)
def _magnified(
    height: int, width: int, centre: tuple[float, float], corner: float
) -> tuple[Float[np.ndarray, "h w"], Float[np.ndarray, "h w"]]:
    """Return where each pixel of a plane comes from, so that its corner moves out by `corner`."""
    x = (np.arange(width) + 0.5 - centre[0])[None, :]
    y = (np.arange(height) + 0.5 - centre[1])[:, None]
    squared = x * x + y * y
    share = 1 - corner * squared / np.max(squared) ** 1.5
    columns = x * share + centre[0] - 0.5
    rows = y * share + centre[1] - 0.5
    return columns.astype(np.float32), rows.astype(np.float32)


def glare(linear: Float[np.ndarray, "h w 3"], strength: float) -> Float[np.ndarray, "h w 3"]:
    """Add glare: scatter a share `strength` of the light around its place.

    Stray light falls off with the inverse square of the angle (Vos, "Disability glare - a state of
    the art report", CIE Journal 1984; Spencer et al., "Physically-based glare effects for digital
    images", SIGGRAPH 1995): equal light in every octave of distance, hence the mean of Gaussians
    whose widths double. It is blurred from a quarter of the size down.
    """
    if strength == 0:
        return linear
    height, width = linear.shape[:2]
    small = _shrunk(linear, 4)
    levels = [small]
    while len(levels) < _OCTAVES and min(levels[-1].shape[:2]) >= 8:
        levels.append(_shrunk(levels[-1], 2))
    soft = [cv2.GaussianBlur(x, (7, 7), 1.2, borderType=cv2.BORDER_REFLECT) for x in levels]
    veil = soft[-1]
    for level in reversed(soft[:-1]):
        veil = level + cv2.resize(veil, level.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    veil = cv2.resize(veil, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.addWeighted(linear, 1 - strength, veil, strength / len(soft), 0))


def _shrunk(image: Float[np.ndarray, "h w 3"], times: int) -> Float[np.ndarray, "a b 3"]:
    size = max(image.shape[1] // times, 1), max(image.shape[0] // times, 1)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
