"""Compute the scene radiance before the camera of a frame under a look, linear [h w 3].

Fog is in it, since a camera meters what it sees; what falls through the picture is not.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float

from simlift.core.layers import Layer
from simlift.core.window import Window
from simlift.engines.photographic.clip_constants import ClipConstants
from simlift.engines.photographic.light.illumination import illuminate
from simlift.engines.photographic.looks.look import Albedo, Backdrop, Look
from simlift.engines.photographic.materials.assignment import apply_materials
from simlift.engines.photographic.scene import backdrop, frame_geometry
from simlift.engines.photographic.scene.surface import Surface
from simlift.engines.photographic.weather import effects
from simlift.pixels.colour import spaces
from simlift.pixels.image.blank import is_black
from simlift.pixels.light import shading
from simlift.pixels.light.environment import lookup


def radiance(frame: Window, look: Look, constants: ClipConstants) -> Float[np.ndarray, "h w 3"]:
    """Return scene light before the camera: none where the renderer had not begun."""
    if constants.lit_render and is_black(frame.rgb[0]):
        return np.zeros((*frame.size, 3), np.float32)
    matte = frame.derive(_ComputeMatte(frozenset(look.backdrop.classes)))
    if constants.environment is not None:
        lit = illuminate(_surface(frame, look, constants, matte), frame, look, constants)
    else:
        lit = spaces.decode_srgb(frame.rgb[0])
        if matte is None or constants.photo is None:
            return lit
        lit = backdrop.clean_border(lit, matte)
    if matte is not None:
        lit = _composite(_backdrop(frame, look.backdrop, constants, matte), lit, matte)
    air = constants.air
    return effects.apply_fog(lit, frame, air.weather, air.airlight)


@dataclass(frozen=True)
class _ComputeMatte:
    """Finds the matte of a frame once for all looks that replace the same classes."""

    classes: frozenset[str]

    def __call__(self, frame: Window) -> backdrop.Matte | None:
        behind = frame.derive(frame_geometry.Hidden(self.classes))
        return backdrop.matte(behind) if behind.any() else None


def _surface(
    frame: Window, look: Look, constants: ClipConstants, matte: backdrop.Matte | None
) -> Surface:
    """Return what light meets: as the clip has it, then in its materials, then in the weather."""
    roughness = np.full(frame.size, look.light.roughness, np.float32)
    metallic = np.zeros(frame.size, np.float32)
    if Layer.MATERIAL in frame:
        shares = cv2.split(frame[Layer.MATERIAL][0])
        roughness, metallic = (s.astype(np.float32) / np.float32(255) for s in shares[:2])
    surface = Surface(
        _albedo(frame, look.albedo, constants, matte),
        frame.derive(frame_geometry.normals),
        roughness,
        metallic,
    )
    if constants.material_assignment is not None:
        surface = apply_materials(surface, frame, constants.material_assignment)
    air = constants.air
    up = frame_geometry.camera_to_world(frame).T @ frame_geometry.world_up(frame)
    return effects.apply_to_surfaces(
        surface, frame, air.weather, up, sampled=air.bodies, seed=air.seed
    )


def _albedo(
    frame: Window, look: Albedo, constants: ClipConstants, matte: backdrop.Matte | None
) -> Float[np.ndarray, "h w 3"]:
    # No colour is darker than the floor, and pure colours may become grayer: one affine map.
    plain = Layer.ALBEDO in frame and look.saturation == 1
    if Layer.ALBEDO in frame:
        linear = spaces.decode_srgb(frame[Layer.ALBEDO][0], look.lift if plain else 0.0)
    else:
        linear = spaces.decode_srgb(frame.rgb[0])
        if constants.shading is not None:
            world = frame_geometry.camera_to_world(frame).astype(np.float32)
            normals = cv2.transform(frame.derive(frame_geometry.normals), world)
            linear = shading.remove_shading(linear, normals, constants.shading, look.delight)
    if matte is not None:
        linear = backdrop.clean_border(linear, matte)
    if plain:
        return linear
    matrix = spaces.saturation_matrix(look.saturation) * (1 - look.lift)
    affine = np.column_stack([matrix, np.full(3, look.lift)]).astype(np.float32)
    mapped = np.asarray(cv2.transform(linear, affine))
    return np.maximum(mapped, np.float32(look.lift), out=mapped)


def _composite(
    stands: Float[np.ndarray, "a b 3"], lit: Float[np.ndarray, "h w 3"], matte: backdrop.Matte
) -> Float[np.ndarray, "h w 3"]:
    """Composite the scene over its backdrop; `stands` covers the matte's box."""
    cover = np.ascontiguousarray(matte.cover[matte.box])
    part = cv2.multiply(np.ascontiguousarray(lit[matte.box]), cv2.merge([cover] * 3))
    lit[matte.box] = cv2.add(part, cv2.multiply(stands, cv2.merge([1 - cover] * 3)))
    return lit


def _backdrop(
    frame: Window, look: Backdrop, constants: ClipConstants, matte: backdrop.Matte
) -> Float[np.ndarray, "a b 3"]:
    """Return what stands behind the scene, in the part of the image where it shows."""
    if constants.environment is not None and constants.photo is None and look.kind == "keep":
        # The render's sky, as bright as the light that falls on the scene.
        kept = spaces.decode_srgb(np.ascontiguousarray(frame.rgb[0][matte.box]))
        return np.asarray(kept * constants.environment.mean_radiance)
    view = np.ascontiguousarray(frame_geometry.view_directions(frame)[matte.box])
    to_world = frame_geometry.camera_to_world(frame)
    if constants.photo is None:
        assert constants.environment is not None
        turned = cv2.transform(view, (constants.axes @ to_world).astype(np.float32))
        return lookup(constants.environment.radiance, turned)
    turned = cv2.transform(view, (constants.first_view @ to_world).astype(np.float32))
    fx, fy, _, _ = frame_geometry.pinhole_of(frame)
    height, width = frame.size
    fov = 2 * float(np.arctan(width / 2 / fx)), 2 * float(np.arctan(height / 2 / fy))
    return backdrop.photo_along(constants.photo, turned, fov)
