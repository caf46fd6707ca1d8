"""Estimate the constants of a clip under a look: light, air, exposure, white balance, grade."""

from dataclasses import replace

import cv2
import numpy as np
from jaxtyping import Float, UInt16

from simlift.core.layers import Layer
from simlift.core.window import ClipSample, Window
from simlift.engines.photographic.camera.colour_transfer import (
    Photos,
    ReferencePhotos,
    fit_colour_transfer,
)
from simlift.engines.photographic.camera.optics import estimate_focus
from simlift.engines.photographic.clip_constants import Air, ClipConstants
from simlift.engines.photographic.light.environments import open_environment, resolve
from simlift.engines.photographic.light.indirect import indirect_light, static_scene
from simlift.engines.photographic.light.radiance import radiance
from simlift.engines.photographic.looks.look import Exposure, Grade, Light, Look
from simlift.engines.photographic.materials.assignment import assign_materials
from simlift.engines.photographic.scene import frame_geometry
from simlift.engines.photographic.supported_effects import (
    has_metric_depth,
    supported_optics,
    supported_weather,
)
from simlift.engines.photographic.weather.effects import Weather
from simlift.pixels.colour import spaces
from simlift.pixels.image.blank import is_black
from simlift.pixels.light import shading
from simlift.pixels.light.environment import (
    Environment,
    axes_from_world,
    equirectangular_directions,
    solid_angles,
)
from simlift.pixels.optics import film, sensor

_PLAIN_METERING = 0.2  # a render without layers is already exposed: metering only nudges it
_PLAIN_WHITE = 1.6  # and has no highlights above display white
_ESTIMATED_METERING = 0.5  # a render without an albedo layer is halfway between
_PHOTO_LIGHT = np.float32(1.2)  # a photo's white, in units of a white surface in full light
_HORIZON = np.sin(np.radians(15.0))  # below which the sky has the colour of endless air


def estimate_constants(
    sample: ClipSample,
    look: Look,
    reference_photos: ReferencePhotos | None,
    photos: Photos,
    seed: int,
) -> ClipConstants:
    """Derive from the clip sample what must hold over the clip.

    `reference_photos` has the photos whose colours are matched, `photos` are those of which one
    stands behind the scene, as sRGB bytes.
    """
    window = sample.window
    frames = window.derive(frame_geometry.split)
    lit = frame_geometry.has_normals(window)
    axes = axes_from_world(
        frame_geometry.world_up(frames[0]),
        frame_geometry.heading(sample.leading),
        np.radians(look.light.turn),
    )
    outdoors = frame_geometry.sky_share(sample.leading.window) > frame_geometry.OUTDOORS
    weather = supported_weather(look, window, outdoors=outdoors)
    environment = _environment(look.light, weather, outdoors) if lit else None
    dressed = look.materials.strength > 0 and lit and has_metric_depth(window)
    bouncing = environment is not None and look.light.bounces
    constants = ClipConstants(
        environment=environment,
        axes=axes,
        first_view=frame_geometry.camera_to_world(frames[0]).T,
        median_depth=frame_geometry.median_depth(window) if Layer.DEPTH in window else 1.0,
        shading=_fit_shading(frames) if lit and Layer.ALBEDO not in window else None,
        static_scene=window.derive(static_scene) if bouncing else None,
        indirect_light=indirect_light(sample, environment, axes, look.light.emission)
        if environment is not None and bouncing
        else None,
        material_assignment=assign_materials(sample, look.materials, seed) if dressed else None,
        air=_air(sample, weather, environment, seed),
        photo=spaces.decode_srgb(photos[seed % len(photos)]) * _PHOTO_LIGHT if photos else None,
        white=look.film.white if lit else _PLAIN_WHITE,
        times=sample.times,
        focus=estimate_focus(sample, supported_optics(look, window)),
        gains=np.ones((len(frames), 3)),
        grade=_grade(look.grade),
        colour_transfer=None,
        lit_render=not all(is_black(picture) for picture in window.rgb),
    )
    radiances = [radiance(frame, look, constants) for frame in frames]
    constants = replace(constants, gains=_meter(sample, look.exposure, constants, radiances))
    if reference_photos is None:
        return _cut(constants, sample)
    displays = _displays(look, constants, radiances)
    colour_transfer = fit_colour_transfer(
        reference_photos, look.grade.like_strength, window, displays
    )
    return _cut(replace(constants, colour_transfer=colour_transfer), sample)


def _cut(constants: ClipConstants, sample: ClipSample) -> ClipConstants:
    """Return the constants with exposure and focus that change at once at the sample's cuts."""
    cuts, frame = np.array(sample.cuts) / sample.window.fps, 1 / sample.window.fps
    times, gains = film.hold_to_cuts(constants.times, constants.gains, cuts, frame)
    _, focus = film.hold_to_cuts(constants.times, constants.focus, cuts, frame)
    return replace(constants, times=times, gains=gains, focus=focus)


def _environment(light: Light, weather: Weather, outdoors: bool) -> Environment:
    # Where the choice of a sky is ours, bad weather has no sun.
    overcast = light.environment == "auto" and outdoors and weather.kinds
    return open_environment(light, "overcast" if overcast else resolve(light, outdoors))


def _air(sample: ClipSample, weather: Weather, environment: Environment | None, seed: int) -> Air:
    horizon, upper = np.ones(3, np.float32), np.ones(3, np.float32)
    if environment is not None:
        up = equirectangular_directions(*environment.soft.shape[:2])[..., 1]
        angles = solid_angles(*environment.soft.shape[:2])
        upper = _mean(environment.soft, angles * (up > 0))
        horizon = _mean(environment.soft, angles * ((up > 0) & (up < _HORIZON)))
    heading = frame_geometry.heading(sample.leading)
    return Air(weather, horizon, upper, sample.window.objects, heading, seed)


def _mean(
    radiance: Float[np.ndarray, "a b 3"], weight: Float[np.ndarray, "a b"]
) -> Float[np.ndarray, "3"]:
    return np.asarray((radiance * weight[..., None]).sum((0, 1)) / weight.sum())


def _meter(
    sample: ClipSample,
    look: Exposure,
    constants: ClipConstants,
    radiances: list[Float[np.ndarray, "h w 3"]],
) -> Float[np.ndarray, "k 3"]:
    if look.manual is not None:
        return np.tile(np.array(look.manual), (len(radiances), 1))
    levels = np.array([film.log_average(spaces.luminance(r)) for r in radiances])
    share = 1.0 if Layer.ALBEDO in sample.window else _ESTIMATED_METERING
    if constants.environment is None:
        share = _PLAIN_METERING
    stops = np.log2(look.key / levels) * look.strength * share
    stops = film.smooth_over_time(sample.times, stops, look.adaptation, sample.shots)
    stops = stops + look.compensation
    known, shots = Layer.ALBEDO in sample.window, sample.shots
    neutral = {
        shot: _neutral(
            _light_colour(
                constants.environment,
                [r for r, own in zip(radiances, shots, strict=True) if own == shot],
                known,
            ),
            look.white_balance,
        )
        for shot in np.unique(shots)
    }
    return np.exp2(stops)[:, None] * np.array([neutral[shot] for shot in shots])


def _neutral(light: Float[np.ndarray, "3"], share: float) -> Float[np.ndarray, "3"]:
    """Return the gains that take a share of a light's colour away, of luminance 1."""
    gains = (light / (light @ spaces.LUMINANCE)) ** -share
    return np.asarray(gains / (gains @ spaces.LUMINANCE))


def _grade(look: Grade) -> Float[np.ndarray, "3 4"]:
    """Return saturation, warmth and split toning as an affine map on 16-bit display codes."""
    warm = np.diag([1 + 0.10 * look.warmth, 1.0, 1 - 0.14 * look.warmth])
    split = np.diag([1 + 0.06 * look.split, 1.0, 1 - 0.08 * look.split])
    shadows = look.split * 65535 * np.array([-0.025, 0.006, 0.03])
    return np.column_stack([split @ warm @ spaces.saturation_matrix(look.saturation), shadows])


def _displays(
    look: Look, constants: ClipConstants, radiances: list[Float[np.ndarray, "h w 3"]]
) -> list[UInt16[np.ndarray, "h w 3"]]:
    """Return the sampled frames as the camera shows them, in 16-bit codes."""
    return [
        film.tone_map_16bit(
            sensor.quantise((r * g).astype(np.float32), white=constants.white),
            look.film.contrast,
            constants.white,
            constants.grade,
        )
        for r, g in zip(radiances, constants.gains, strict=True)
    ]


def _light_colour(
    environment: Environment | None, radiances: list[Float[np.ndarray, "h w 3"]], known: bool
) -> Float[np.ndarray, "3"]:
    """Return the colour of the light: the environment's, or an estimate from the render's pixels.

    The estimate is the shades-of-gray norm of order 6 (Finlayson and Trezzi 2004), halved and
    bounded, since a scene may well be coloured.
    """
    if environment is not None and known:
        return environment.mean_light
    power = np.mean([(r.astype(np.float64) ** 6).mean((0, 1)) for r in radiances], axis=0)
    cast = np.maximum(power, 1e-12) ** (1 / 6)
    return np.clip((cast / (cast @ spaces.LUMINANCE)) ** 0.5, 0.85, 1.18)


def _fit_shading(frames: tuple[Window, ...]) -> Float[np.ndarray, "9"]:
    lumas, normals = [], []
    for frame in frames:
        seen = ~frame_geometry.hidden(frame, frozenset())
        world = frame_geometry.camera_to_world(frame).astype(np.float32)
        lumas.append(spaces.luminance(spaces.decode_srgb(frame.rgb[0]))[seen])
        normals.append(cv2.transform(frame.derive(frame_geometry.normals), world)[seen])
    return shading.estimate_shading(np.concatenate(lumas), np.concatenate(normals))
