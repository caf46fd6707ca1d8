"""A frame, a look and what is settled -> scene light before the camera, linear [h w 3]."""

import cv2
import numpy as np
from jaxtyping import Float

from simlift.core.layers import Layer
from simlift.core.window import Window
from simlift.engines.photographic import backdrop, scene
from simlift.engines.photographic.look import Albedo, Backdrop, Light, Look
from simlift.engines.photographic.settled import Settled
from simlift.pixels import colour, shading
from simlift.pixels.environment import lookup
from simlift.pixels.occlusion import distant_shadow, upsample

# A render without an albedo layer already holds reflections and contact shadows.
_ESTIMATED_OCCLUSION = 0.4


def radiance(frame: Window, look: Look, settled: Settled) -> Float[np.ndarray, "h w 3"]:
    """Return scene light before the camera."""
    behind = frame.derive(scene.Hidden(frozenset(look.backdrop.classes)))
    seam = backdrop.matte(behind) if behind.any() else None
    if settled.environment is None and (seam is None or settled.photo is None):
        return colour.decode(frame.rgb[0])
    to_environment = (settled.axes @ scene.camera_to_world(frame)).astype(np.float32)
    view = cv2.transform(scene.view_directions(frame), to_environment)
    if settled.environment is None:
        assert seam is not None
        assert settled.photo is not None
        front = backdrop.clean_border(colour.decode(frame.rgb[0]), seam)
        stands = _photo(frame, settled.photo, settled, view)
        return np.asarray(front * seam.cover + stands * (1 - seam.cover))
    albedo = _albedo(frame, look.albedo, settled, seam)
    normals = cv2.transform(frame.derive(scene.normals), to_environment)
    lit = shading.shade(
        albedo,
        normals,
        view,
        _ambient(frame, look.light, settled),
        _shadows(frame, look.light, settled, to_environment),
        settled.environment,
        specular=look.light.specular if Layer.ALBEDO in frame else 0.0,
        roughness=look.light.roughness,
    )
    if Layer.ALBEDO not in frame:
        # Half the contrast of the new light, in stops: the render's own shadows are still there.
        level = float(settled.environment.mean_light @ colour.LUMINANCE)
        lit = cv2.sqrt(lit * albedo * np.float32(level))
    lit += _emission(frame, look.light, settled)
    if seam is None:
        return lit
    stands = _backdrop(frame, look.backdrop, settled, view)
    return np.asarray(lit * seam.cover + stands * (1 - seam.cover))


def _albedo(
    frame: Window, look: Albedo, settled: Settled, seam: backdrop.Matte | None
) -> Float[np.ndarray, "h w 3"]:
    if Layer.ALBEDO in frame:
        linear = colour.decode(frame[Layer.ALBEDO][0])
    else:
        linear = colour.decode(frame.rgb[0])
        if settled.shading is not None:
            world = scene.camera_to_world(frame).astype(np.float32)
            normals = cv2.transform(frame.derive(scene.normals), world)
            linear = shading.remove_shading(linear, normals, settled.shading, look.delight)
    if seam is not None:
        linear = backdrop.clean_border(linear, seam)
    if look.saturation != 1:
        linear = cv2.transform(linear, colour.saturation(look.saturation).astype(np.float32))
    return np.asarray(np.maximum(linear, 0) * np.float32(1 - look.lift) + np.float32(look.lift))


def _emission(frame: Window, look: Light, settled: Settled) -> Float[np.ndarray, "h w 3"]:
    """Return the light of lamps and windows: bright in the render and of such a class."""
    rendered = colour.decode(frame.rgb[0])
    shining = [i for i, name in frame.categories.items() if name in look.emissive]
    if not shining or Layer.SEGMENTATION not in frame:
        return np.zeros_like(rendered)
    mask = np.isin(frame[Layer.SEGMENTATION][0], shining)
    share = np.clip((colour.luminance(rendered) - 0.55) / 0.3, 0, 1) * mask
    # The photographer balances for the room, and lamps of that room come out white.
    neutral = settled.gains[0] / settled.gains[0].mean()
    return rendered * ((share * np.float32(look.emission))[..., None] / neutral).astype(np.float32)


def _ambient(frame: Window, look: Light, settled: Settled) -> Float[np.ndarray, "h w"]:
    if Layer.DEPTH not in frame or not frame.metric_depth or look.ambient_occlusion == 0:
        return np.ones(frame.size, dtype=np.float32)
    occlusion = scene.Occlusion(look.occlusion_radius * settled.median_depth)
    visible = frame.derive(occlusion)
    share = 1.0 if Layer.ALBEDO in frame else _ESTIMATED_OCCLUSION
    return visible ** np.float32(look.ambient_occlusion * share)


def _shadows(
    frame: Window, look: Light, settled: Settled, to_environment: Float[np.ndarray, "3 3"]
) -> tuple[Float[np.ndarray, "h w"], ...]:
    assert settled.environment is not None
    suns = settled.environment.suns
    if Layer.DEPTH not in frame or not frame.metric_depth:
        return tuple(np.ones(frame.size, dtype=np.float32) for _ in suns)
    half = scene.halve(frame)
    length = look.shadow_length * settled.median_depth
    maps = []
    for sun in suns:
        towards = sun.samples() @ to_environment
        small = distant_shadow(half.depth, half.normals, half.intrinsics, towards, length)
        whole = frame[Layer.DEPTH][0], frame.derive(scene.normals)
        maps.append(upsample(small, half.depth, half.normals, *whole))
    return tuple(maps)


def _backdrop(
    frame: Window, look: Backdrop, settled: Settled, view: Float[np.ndarray, "h w 3"]
) -> Float[np.ndarray, "h w 3"]:
    assert settled.environment is not None
    if settled.photo is not None:
        return _photo(frame, settled.photo, settled, view)
    if look.kind == "keep":
        # The render's sky, as bright as the light that falls on the scene.
        return colour.decode(frame.rgb[0]) * settled.environment.mean_radiance
    return lookup(settled.environment.radiance, view)


def _photo(
    frame: Window,
    photo: Float[np.ndarray, "a b 3"],
    settled: Settled,
    view: Float[np.ndarray, "h w 3"],
) -> Float[np.ndarray, "h w 3"]:
    turn = (settled.first_view @ settled.axes.T).astype(np.float32)
    fx, fy, _, _ = scene.pinhole_of(frame)
    height, width = frame.size
    fov = 2 * float(np.arctan(width / 2 / fx)), 2 * float(np.arctan(height / 2 / fy))
    return backdrop.photo_along(photo, cv2.transform(view, turn), fov)
