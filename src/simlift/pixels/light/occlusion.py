"""Compute ambient occlusion and the shadow of a distant light from a depth buffer (screen space).

Both see only what the camera sees; beyond the image and behind surfaces nothing casts a shadow.
Patterns are fixed on the screen and depend on geometry alone: no noise, no flicker.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from simlift.pixels.image.upsampling import GeometryView
from simlift.pixels.light.environment import COSINE, fibonacci_sphere, harmonic_basis

_DIRECTIONS = 3  # of a pixel; its 4x4 tile looks in 48
_MARCH = {True: 16, False: 32}  # samples where it is known how thick things are, and where not
_GROW = np.float32(0.3)  # of the way along a ray, where the thickness of surfaces is unknown
_WAYS = 8  # of a pixel, half of them below its horizon; its tile looks in 128
_SURFACES = np.float32(0.2)  # radiance of an average surface, beside 1 of open sky
_DIMMED = np.float32(0.5)  # share of that which is lost where another surface comes before it


def ambient_occlusion(view: GeometryView, radius: float) -> Float[np.ndarray, "h w"]:
    """Compute ambient visibility from a depth buffer, in [0, 1], within `radius` metres.

    Horizon-based (Bavoil et al., "Image-space horizon-based ambient occlusion", SIGGRAPH 2008):
    in each direction the highest sample above the tangent plane hides light; samples further than
    the radius fade out, so that a near object draws no halo on what lies behind it.
    """
    from simlift.pixels.image._upsampling_kernels import TILE
    from simlift.pixels.light import _horizon_kernels as kernels

    shift = (np.arange(16) / 16)[:, None]
    angles = 2 * np.pi * (np.arange(_DIRECTIONS) + shift) / _DIRECTIONS
    rings = np.stack([np.cos(angles), np.sin(angles)], axis=-1).astype(np.float32)
    steps = ((np.arange(kernels.SAMPLES) + 0.3 + 0.7 * shift) / kernels.SAMPLES) ** 2
    raw = kernels.horizons(
        view.near,
        view.normals,
        view.lens,
        float(radius),
        rings,
        steps.astype(np.float32),
        TILE,
    )
    return 1 - view.tiles(raw)


@dataclass(frozen=True, eq=False)
class Occluders:
    """What is known of occluders beyond a depth buffer; in metres and camera axes.

    `boxes` are where everything that moves is, seen or not: a centre, three unit axes, half its
    sides. `light` are harmonics of how open the sky is by direction: surfaces send less light, and
    what hides a dark side hides little.
    """

    thickness: Float[np.ndarray, "h w"]  # how deep what each pixel shows is
    moves: Bool[np.ndarray, "h w"]  # whether it does
    boxes: Float[np.ndarray, "m 15"]
    light: Float[np.ndarray, "9"]


def ambient_occlusion_by_rays(
    view: GeometryView, radius: float, far: float, known: Occluders
) -> Float[np.ndarray, "h w"]:
    """Compute ambient visibility by ray marching, where the thickness of surfaces is known.

    Moving bodies occlude up to `far` metres away, all else within `radius`. Rays
    march through the depth buffer in all directions, and pass behind what is thin (Ritschel et al.,
    "Approximating dynamic global illumination in image space", I3D 2009, with the depth of things
    from their own extent): the ground under a car is dark, since the car is as deep as wide. From
    what stands still they also hit the boxes of moving bodies. Occluders reflect some light,
    the less the more all of the place is enclosed.
    """
    from simlift.pixels.image._upsampling_kernels import TILE
    from simlift.pixels.light import _occlusion_kernels as kernels

    ways = np.ascontiguousarray(
        fibonacci_sphere(16 * _WAYS).reshape(_WAYS, 16, 3).transpose(1, 0, 2)
    )
    shift = (np.arange(16) / 16)[:, None]
    steps = ((np.arange(kernels.NEAR) + 0.3 + 0.7 * shift) / kernels.NEAR) ** 1.5
    open_sky = np.maximum(harmonic_basis(ways) @ known.light, 0)
    bright = _SURFACES * _DIMMED + (1 - _SURFACES) * open_sky
    reaches = known.moves.any() or len(known.boxes) > 0
    raw = kernels.enclosure(
        view.near,
        known.thickness.astype(np.float32),
        np.where(known.moves, np.float32(far), np.float32(radius)),
        ~known.moves,
        view.normals,
        view.lens,
        far if reaches else radius,
        ways,
        bright.astype(np.float32),
        (known.light * COSINE).astype(np.float32),
        _SURFACES,
        steps.astype(np.float32),
        TILE,
        known.boxes.astype(np.float32),
    )
    dark, hidden = view.tiles(raw)
    enclosing = _SURFACES * (1 - _DIMMED) * hidden**4
    return 1 - np.minimum(dark + enclosing, 1)


def distant_shadow(
    view: GeometryView,
    towards: Float[np.ndarray, "k 3"],
    length: float,
    thickness: Float[np.ndarray, "h w"] | None = None,
) -> Float[np.ndarray, "h w"]:
    """Compute how much of a distant light reaches each pixel, in [0, 1], by screen-space ray
    marching.

    Marches `length` metres towards each of the light's directions (unit, camera axes) and compares
    with the depth buffer; something in front of the ray hides the light if it is not too far in
    front: how thick things are cannot be seen, and the further along, the thicker they are taken to
    be, unless `thickness` says it in metres. Of four directions or more each pixel marches two, and
    its tile all.
    """
    from simlift.pixels.image._upsampling_kernels import TILE
    from simlift.pixels.light import _occlusion_kernels as kernels

    directions = np.ascontiguousarray(towards, dtype=np.float32)
    shift = (np.arange(1, 17) / 16)[:, None]
    samples = _MARCH[thickness is not None]
    distances = length * ((np.arange(samples) + shift) / samples) ** 1.6
    shared = len(directions) >= 4 and len(directions) % 2 == 0
    thick = np.zeros_like(view.near) if thickness is None else thickness.astype(np.float32)
    raw = kernels.march(
        view.near,
        thick,
        view.normals,
        view.lens,
        directions,
        distances.astype(np.float32),
        TILE,
        len(directions) // 2 if shared else 1,
        _GROW if thickness is None else np.float32(0),
    )
    return view.tiles(raw)
