"""A survey and a look -> what holds over the clip: light, exposure, white balance, grade."""

from dataclasses import replace

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from simlift.core.layers import Layer
from simlift.core.window import Survey, Window
from simlift.engines.photographic import scene
from simlift.engines.photographic.lighting import open_environment, resolve
from simlift.engines.photographic.look import Exposure, Light, Look
from simlift.engines.photographic.radiance import radiance
from simlift.engines.photographic.settled import Settled
from simlift.pixels import colour, film, sensor, shading
from simlift.pixels.environment import Environment, axes_from_world

Photos = tuple[UInt8[np.ndarray, "_ _ 3"], ...]

_PLAIN_METERING = 0.2  # a render without layers is already exposed: metering only nudges it
_PLAIN_WHITE = 1.6  # and has no highlights above display white
_ESTIMATED_METERING = 0.5  # a render without an albedo layer is halfway between
_OUTDOORS = 0.02  # share of pixels that hit nothing above which a clip is taken as outdoors
_PHOTO_LIGHT = np.float32(1.2)  # a photo's white, in units of a white surface in full light


def settle(survey: Survey, look: Look, like: Photos, photos: Photos, seed: int) -> Settled:
    """Derive from the survey what must hold over the clip.

    `like` are the photos whose colours are matched, `photos` those of which one stands behind the
    scene, as sRGB bytes.
    """
    frames = survey.window.derive(scene.split)
    lit = scene.has_normals(survey.window)
    first = scene.camera_to_world(frames[0]).T
    axes = axes_from_world(
        scene.world_up(frames[0]), scene.heading(survey), np.radians(look.light.turn)
    )
    photo = None
    if photos:
        chosen = photos[seed % len(photos)]
        photo = colour.decode(chosen) * _PHOTO_LIGHT
    settled = Settled(
        environment=_environment(frames, look.light) if lit else None,
        axes=axes,
        first_view=first,
        median_depth=scene.median_depth(survey.window) if Layer.DEPTH in survey.window else 1.0,
        shading=_fit_shading(frames) if lit and Layer.ALBEDO not in survey.window else None,
        photo=photo,
        white=look.film.white if lit else _PLAIN_WHITE,
        times=survey.times,
        gains=np.ones((len(frames), 3)),
        grade=np.eye(3, 4),
    )
    radiances = [radiance(frame, look, settled) for frame in frames]
    settled = replace(settled, gains=_meter(survey, look.exposure, settled, radiances))
    return replace(settled, grade=_grade(look, settled, radiances, like))


def _environment(frames: tuple[Window, ...], light: Light) -> Environment:
    share = np.mean([scene.hidden(frame, frozenset()).mean() for frame in frames])
    name = resolve(light, outdoors=bool(share > _OUTDOORS))
    return open_environment(light, name)


def _meter(
    survey: Survey, look: Exposure, settled: Settled, radiances: list[Float[np.ndarray, "h w 3"]]
) -> Float[np.ndarray, "k 3"]:
    levels = np.array([film.log_average(colour.luminance(r)) for r in radiances])
    share = 1.0 if Layer.ALBEDO in survey.window else _ESTIMATED_METERING
    if settled.environment is None:
        share = _PLAIN_METERING
    stops = np.log2(look.key / levels) * look.strength * share
    stops = film.smooth_over_time(survey.times, stops, look.adaptation) + look.compensation
    light = _light_colour(settled.environment, radiances, Layer.ALBEDO in survey.window)
    neutral = (light / (light @ colour.LUMINANCE)) ** -look.white_balance
    return np.exp2(stops)[:, None] * (neutral / (neutral @ colour.LUMINANCE))


def _grade(
    look: Look, settled: Settled, radiances: list[Float[np.ndarray, "h w 3"]], like: Photos
) -> Float[np.ndarray, "3 4"]:
    warmth = look.grade.warmth
    warm = np.diag([1 + 0.10 * warmth, 1.0, 1 - 0.14 * warmth])
    grade = np.column_stack([warm @ colour.saturation(look.grade.saturation), np.zeros(3)])
    if like:
        developed = [
            film.develop(
                sensor.quantise((r * g).astype(np.float32), white=settled.white),
                look.film.contrast,
                settled.white,
                grade,
            ).reshape(-1, 3)
            for r, g in zip(radiances, settled.gains, strict=True)
        ]
        source = colour.moments(np.concatenate(developed) / 255.0)
        target = colour.moments(np.concatenate([p.reshape(-1, 3) for p in like]) / 255.0)
        share = look.grade.like_strength
        transfer = share * colour.monge_kantorovich(source, target) + (1 - share) * np.eye(3, 4)
        grade = np.column_stack([transfer[:, :3] @ grade[:, :3], transfer[:, 3]])
    return grade * np.array([1, 1, 1, 65535.0])


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
    return np.clip((cast / (cast @ colour.LUMINANCE)) ** 0.5, 0.85, 1.18)


def _fit_shading(frames: tuple[Window, ...]) -> Float[np.ndarray, "9"]:
    lumas, normals = [], []
    for frame in frames:
        seen = ~scene.hidden(frame, frozenset())
        world = scene.camera_to_world(frame).astype(np.float32)
        lumas.append(colour.luminance(colour.decode(frame.rgb[0]))[seen])
        normals.append(cv2.transform(frame.derive(scene.normals), world)[seen])
    return shading.estimate_shading(np.concatenate(lumas), np.concatenate(normals))
