"""Compute the light that leaves a frame's surfaces towards the camera, [h w 3]."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Float

from simlift.core.layers import Layer
from simlift.core.window import Window
from simlift.engines.photographic.clip_constants import ClipConstants
from simlift.engines.photographic.looks.look import Light, Look
from simlift.engines.photographic.scene import frame_geometry
from simlift.engines.photographic.scene.surface import Surface
from simlift.pixels.colour import spaces
from simlift.pixels.geometry.voxels import first_hits, visibility_beyond_frustum
from simlift.pixels.image.upsampling import tile_places
from simlift.pixels.light import shading
from simlift.pixels.light.environment import Sun
from simlift.pixels.light.occlusion import distant_shadow
from simlift.pixels.light.reflections import glossy_directions, screen_space_reflections

# A render without an albedo layer already holds reflections and contact shadows.
_ESTIMATED_OCCLUSION = 0.4
# Spacings of the probes within which occlusion is left to the image: where the scene is known, and
# where it is guessed.
_PROBES = {True: 1.0, False: 3.0}
_SPOT = np.float32(4)  # times the blurred radiance, the most that one ray brings
_SMOOTH = 0.5  # roughness below which a reflection shows what is reflected
_FAR = 1e4  # metres; the sky
_CELLS = 6  # voxels from a surface within which only the image tells what hides a light
_SOFT = 1.5  # samples
_COARSE, _COARSER = 2, 3  # half-resolution pixels to a sample of what hides a small, a large light


def illuminate(
    surface: Surface, frame: Window, look: Look, constants: ClipConstants
) -> Float[np.ndarray, "h w 3"]:
    """Return what leaves the surfaces towards the camera, linear."""
    assert constants.environment is not None
    given = Layer.ALBEDO in frame
    to_environment = (constants.axes @ frame_geometry.camera_to_world(frame)).astype(np.float32)
    mirroring = given and look.light.reflections and frame_geometry.has_depth(frame)
    leaving = shading.shade(
        surface.albedo,
        surface.normals,
        surface.roughness,
        surface.metallic,
        frame_geometry.intrinsics(frame),
        to_environment,
        constants.environment,
        _arriving(frame, surface, look.light, constants, to_environment),
        specular=look.light.specular if given else 0.0,
        apart=mirroring,
    )
    lit = leaving.light
    if not given:
        # Half the contrast of the new light, in stops: the render's own shadows are still there.
        level = float(constants.environment.mean_light @ spaces.LUMINANCE)
        lit = cv2.sqrt(lit * surface.albedo * np.float32(level))
    lit = _add_emission(lit, surface, frame, look.light, constants)
    if not mirroring:
        return lit
    return screen_space_reflections(
        frame[Layer.DEPTH][0],
        surface.normals,
        surface.roughness,
        replace(leaving, light=lit),
        frame_geometry.intrinsics(frame),
    )


def _arriving(
    frame: Window,
    surface: Surface,
    look: Light,
    constants: ClipConstants,
    to_environment: Float[np.ndarray, "3 3"],
) -> shading.IncidentLight:
    assert constants.environment is not None
    suns = constants.environment.suns
    hidden = frame_geometry.has_depth(frame) and look.shadows and len(suns) > 0
    small = [_shadow(frame, sun, look, constants, to_environment) for sun in suns] if hidden else []
    if constants.indirect_light is None or not frame_geometry.has_depth(frame):
        unseen = np.ones((len(suns), *frame.size), np.float32)
        shadows = frame.derive(frame_geometry.enlarger)(np.stack(small)) if small else unseen
        return shading.IncidentLight(_ambient(frame, look, constants), shadows)
    maps = _gathered(frame, surface, constants)
    whole = frame.derive(frame_geometry.enlarger)(
        np.concatenate([maps, np.stack(small)]) if small else maps
    )
    return shading.IncidentLight(
        _ambient(frame, look, constants),
        whole[7:] if small else np.ones((len(suns), *frame.size), np.float32),
        around=whole[:3],
        ahead=whole[3:6],
        sky=whole[6],
    )


def _gathered(
    frame: Window, surface: Surface, constants: ClipConstants
) -> Float[np.ndarray, "7 a b"]:
    """Return what arrives at every pixel of half resolution (see `LightVolume.at`).

    On smooth surfaces rays are followed through the voxels the ways that a surface of that
    roughness reflects: one at each pixel, sixteen in a tile, and a mean over the tiles around.
    """
    assert constants.indirect_light is not None
    half, mirrors = frame_geometry.halve(frame), frame.derive(_mirrors)
    arrived = constants.indirect_light.at(mirrors.points, mirrors.normals, mirrors.ways)
    height, width = half.view.depth.shape
    if constants.static_scene is not None:
        rough = cv2.resize(surface.roughness, (width, height), interpolation=cv2.INTER_NEAREST)
        smooth = np.flatnonzero((rough < _SMOOTH) & (half.view.depth < _FAR))
        points, normals, ways = (
            part[smooth] for part in (mirrors.points, mirrors.normals, mirrors.ways)
        )
        turned = glossy_directions(
            normals, ways, rough.reshape(-1)[smooth], tile_places(smooth, width)
        )
        hit = first_hits(constants.static_scene.voxels, points, normals, turned)
        found = np.zeros((len(hit), 4), np.float32)
        # A small lamp that one ray in many meets would be a spot: it may bring no more than some.
        most = _SPOT * arrived[smooth, 3:6].max(1, keepdims=True)[hit >= 0]
        found[hit >= 0, :3] = np.minimum(constants.indirect_light.leaving[hit[hit >= 0]], most)
        found[hit < 0, 3] = 1
        arrived[smooth, 3:] = found
    maps = np.ascontiguousarray(arrived.T).reshape(7, height, width)
    if constants.static_scene is not None and len(smooth):
        # Twice: a mean over one tile is a square where a surface is uneven.
        maps[3:] = half.view.tiles(half.view.tiles(maps[3:]))
    return maps


@dataclass(frozen=True, eq=False)
class _Mirrors:
    """Every surface point of half resolution as a mirror: in metres and unit vectors, world axes.

    `ways` lead where the camera sees each point reflect.
    """

    points: Float[np.ndarray, "n 3"]
    normals: Float[np.ndarray, "n 3"]
    ways: Float[np.ndarray, "n 3"]


def _mirrors(frame: Window) -> _Mirrors:
    half, pose = frame_geometry.halve(frame), frame_geometry.camera_pose(frame)
    turn = pose[:3, :3].astype(np.float32)
    seen, facing = (
        frame_geometry.unit_rays(half.view.intrinsics, half.view.depth.shape),
        half.view.normals,
    )
    along = np.einsum("abc,abc->ab", seen, facing)[..., None]
    ways = seen - np.float32(2) * along * facing
    return _Mirrors(_turned(half.points, pose[:3]), _turned(facing, turn), _turned(ways, turn))


def _turned(
    vectors: Float[np.ndarray, "a b 3"], turn: Float[np.ndarray, "3 _"]
) -> Float[np.ndarray, "n 3"]:
    return np.asarray(cv2.transform(vectors, turn.astype(np.float32))).reshape(-1, 3)


def _ambient(frame: Window, look: Light, constants: ClipConstants) -> Float[np.ndarray, "h w"]:
    """Return how much of the light around each pixel nearby things leave."""
    if look.ambient_occlusion == 0 or not frame_geometry.has_depth(frame):
        return np.ones(frame.size, dtype=np.float32)
    far = radius = look.occlusion_radius * constants.median_depth
    if constants.indirect_light is not None and constants.static_scene is not None:
        radius = min(far, _PROBES[constants.static_scene.known] * constants.indirect_light.spacing)
    known = constants.static_scene.occluders if constants.static_scene is not None else None
    visible = frame.derive(frame_geometry.Occlusion(radius, far, known))
    share = 1.0 if Layer.ALBEDO in frame else _ESTIMATED_OCCLUSION
    return np.asarray(cv2.pow(visible, look.ambient_occlusion * share))


def _shadow(
    frame: Window,
    sun: Sun,
    look: Light,
    constants: ClipConstants,
    to_environment: Float[np.ndarray, "3 3"],
) -> Float[np.ndarray, "a b"]:
    """Return how much of a light reaches each pixel at half resolution.

    What the image shows nearby is marched through; all else is asked of the voxels.
    """
    half = frame_geometry.halve(frame)
    towards = np.einsum("ne,ec->nc", sun.samples(), to_environment)
    length = look.shadow_length * constants.median_depth
    if constants.static_scene is None:
        return distant_shadow(half.view, towards, length)
    known = constants.static_scene.occluders
    deep = frame.derive(known).thickness if known is not None else None
    seen = distant_shadow(half.view, towards, length, deep)
    pose = frame_geometry.camera_pose(frame)
    step = _COARSE if len(towards) == 1 else _COARSER
    points = half.points[step // 2 :: step, step // 2 :: step]
    free = visibility_beyond_frustum(
        constants.static_scene.voxels,
        np.asarray(cv2.transform(points, pose[:3].astype(np.float32))),
        np.einsum("nc,dc->nd", towards, pose[:3, :3]),
        frame_geometry.frustum(frame),
        min(length, _CELLS * constants.static_scene.voxels.cell),
    )
    height, width = seen.shape
    # The voxels are coarse, and so is their shadow: its steps must not show.
    soft = cv2.GaussianBlur(free, (0, 0), _SOFT)
    return seen * cv2.resize(soft, (width, height), interpolation=cv2.INTER_LINEAR)


def _add_emission(
    lit: Float[np.ndarray, "h w 3"],
    surface: Surface,
    frame: Window,
    look: Light,
    constants: ClipConstants,
) -> Float[np.ndarray, "h w 3"]:
    """Add the light of lamps and windows themselves.

    A material layer says which shine; else what is bright in the render and of such a class.
    """
    if Layer.MATERIAL in frame:
        lamps = frame.derive(frame_geometry.lamps)
        share = lamps.share * np.float32(look.emission)
        shading.add_emission(lit, surface.albedo, lamps.rows, lamps.columns, share)
        return lit
    shining = [i for i, name in frame.categories.items() if name in look.emissive]
    if not shining or Layer.SEGMENTATION not in frame:
        return lit
    mask = np.isin(frame[Layer.SEGMENTATION][0], shining)
    if not mask.any():
        return lit
    rendered = spaces.decode_srgb(frame.rgb[0][mask][None])
    share = np.clip((spaces.luminance(rendered) - 0.55) / 0.3, 0, 1)
    # The photographer balances for the room, and lamps of that room come out white.
    neutral = constants.gains[0] / constants.gains[0].mean()
    shone = rendered * ((share * np.float32(look.emission))[..., None] / neutral)
    lit[mask] += shone[0].astype(np.float32)
    return lit
