"""Apply weather to a frame: wet ground, lying snow, fog, falling rain and snow.

Every stage returns what it was given, untouched, where its kind of weather is off.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from jaxtyping import Bool, Float

from simlift.core.camera import Objects
from simlift.core.clip import Clip
from simlift.core.errors import ClipError
from simlift.core.layers import Layer
from simlift.core.setting import Setting, check_ranges
from simlift.core.window import Window
from simlift.engines.photographic.scene import frame_geometry
from simlift.engines.photographic.scene.surface import Surface
from simlift.pixels.weather import atmosphere as laws
from simlift.pixels.weather import precipitation as fall
from simlift.pixels.weather.atmosphere import NoiseAnchors
from simlift.pixels.weather.precipitation import Shutter

_SNOW_SEED = 0x5EED  # flakes are not where drops are
_STILL = 1e-3  # metres, or parts of a turn, within which a body stands still


@dataclass(frozen=True)
class Weather:
    """What is in the air and on the ground; the default is a dry, clear day.

    Rates are mm of water per hour: 2.5 is light rain, 10 moderate, 50 violent; 1 of snow is
    moderate, 2.5 heavy.
    """

    visibility: Annotated[
        float | None,
        Setting("distance at which fog leaves 2 % of contrast; null: no fog", "metres", 5, 1e6),
    ] = None
    rain: Annotated[float, Setting("2.5 is light, 10 moderate, 50 violent", "mm/h", 0, 200)] = 0.0
    snowfall: Annotated[float, Setting("melted; 1 is moderate, 2.5 heavy", "mm/h", 0, 20)] = 0.0
    snow_cover: Annotated[float, Setting("share of level ground under snow", "", 0, 1)] = 0.0
    wetness: Annotated[
        float | None, Setting("of the ground; null: as wet as the rain makes it", "", 0, 1)
    ] = None
    wind: Annotated[float, Setting("speed of the wind, which is level", "m/s", 0, 40)] = 0.0
    wind_turn: Annotated[
        float,
        Setting("that the wind blows towards, to the left of the first view", "degrees", -360, 360),
    ] = 90.0

    def __post_init__(self) -> None:
        check_ranges(self, "weather")

    @property
    def ground_wetness(self) -> float:
        """How wet the ground is: as set, or by the rain, half at 1 mm/h and nearly full at 30."""
        return self.rain / (self.rain + 1) if self.wetness is None else self.wetness

    @property
    def extinction(self) -> float:
        """What a metre of air takes out of light: fog, rain and snow together."""
        fog = 0.0 if self.visibility is None else laws.fog_extinction(self.visibility)
        return fog + laws.rain_extinction(self.rain) + laws.snow_extinction(self.snowfall)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The names of what is on."""
        amounts = {
            "fog": self.visibility is not None,
            "rain": self.rain > 0,
            "snowfall": self.snowfall > 0,
            "lying snow": self.snow_cover > 0,
            "wet ground": self.ground_wetness > 0,
        }
        return tuple(name for name, on in amounts.items() if on)


def check(weather: Weather, clip: Clip, *, strict: bool = True) -> str:
    """Return why a clip is without this weather, or nothing; ClipError where that is `strict`."""
    if clip.metric_depth or not weather.kinds:
        return ""
    lack = "its depth is relative" if Layer.DEPTH in clip else "it has no depth"
    if strict:
        raise ClipError(
            clip.path,
            f"the look has {', '.join(weather.kinds)}: weather needs depth in metres, and {lack}",
            allowed="a depth layer in metres, or a look without weather",
            way_out='record depth in metres, take "weather" out of the file that --look names, or '
            'write "optional": ["weather"] there, which leaves it out where a clip lacks depth',
        )
    return f"left out: weather needs depth in metres, and {lack}"


def apply_to_surfaces(
    surface: Surface,
    frame: Window,
    weather: Weather,
    up_camera: Float[np.ndarray, "3"],
    *,
    sampled: Objects | None = None,
    seed: int = 0,
) -> Surface:
    """Return the surface under water and snow; `up_camera` is up in camera axes.

    Patches stick to the world, and to the bodies that move in it; `sampled` holds the bodies at
    times of the whole clip and tells which do. Without it every body carries its own patches.
    """
    if weather.ground_wetness == 0 and weather.snow_cover == 0:
        return surface
    albedo, normals, roughness, metallic = laws.apply_wetness_and_snow(
        (surface.albedo, surface.normals, surface.roughness, surface.metallic),
        frame[Layer.DEPTH][0],
        _behind(frame),
        frame_geometry.intrinsics(frame),
        _anchors(frame, sampled),
        up_camera,
        wetness=weather.ground_wetness,
        ripples=weather.rain / (weather.rain + 10),
        snow=weather.snow_cover,
        seed=seed,
    )
    return Surface(albedo, normals, roughness, metallic)


def apply_fog(
    linear: Float[np.ndarray, "h w 3"],
    frame: Window,
    weather: Weather,
    airlight: Float[np.ndarray, "3"],
) -> Float[np.ndarray, "h w 3"]:
    """Return light through fog, rain and snow; `airlight` is the radiance of endless air.

    It is the mean radiance of the sky around the horizon.
    """
    if weather.extinction == 0:
        return linear
    depth, behind = frame[Layer.DEPTH][0], _behind(frame)
    return laws.apply_fog(
        linear, depth, behind, frame_geometry.intrinsics(frame), weather.extinction, airlight
    )


def draw_precipitation(
    linear: Float[np.ndarray, "h w 3"],
    frame: Window,
    weather: Weather,
    airlight: Float[np.ndarray, "3"],
    around: Float[np.ndarray, "3"],
    *,
    exposure: float,
    ahead: Float[np.ndarray, "3"],
    seed: int,
    closing: Float[np.ndarray, "4 4"] | None = None,
    aperture: float = 0.002,
    focus: float = 10.0,
) -> Float[np.ndarray, "h w 3"]:
    """Return light with the drops and flakes between camera and scene.

    `around` is the mean radiance of the sky, which drops and flakes show. `exposure` is in seconds
    around the frame's time, `ahead` is where the first view looks, in world axes; `closing` is the
    camera's world_to_camera when the shutter closes, where it moves; `aperture` and `focus` are in
    metres.
    """
    if weather.rain == 0 and weather.snowfall == 0:
        return linear
    shutter = Shutter(float(frame.indices[0]) / frame.fps, exposure, aperture, focus)
    pose = np.eye(4) if frame.camera is None else frame.camera.world_to_camera[0]
    poses = np.stack([pose, pose if closing is None else closing]).astype(np.float64)
    up, intrinsics = frame_geometry.world_up(frame), frame_geometry.intrinsics(frame)
    blown = wind(weather, up, ahead)
    kinds = []
    if weather.rain > 0:
        kinds.append((fall.raindrops(weather.rain), seed))
    if weather.snowfall > 0:
        kinds.append((fall.snowflakes(weather.snowfall), seed ^ _SNOW_SEED))
    for particles, place in kinds:
        seen = fall.particle_streaks(
            particles, blown, up, shutter, poses, intrinsics, frame.size, place
        )
        linear = fall.draw_streaks(
            linear,
            frame[Layer.DEPTH][0],
            _behind(frame),
            seen,
            particles.light * around,
            shutter,
            float(intrinsics[0, 0]),
            weather.extinction,
            airlight,
        )
    return linear


def wind(
    weather: Weather, up: Float[np.ndarray, "3"], ahead: Float[np.ndarray, "3"]
) -> Float[np.ndarray, "3"]:
    """Return the wind in world axes, in m/s; it is level."""
    left = np.cross(up, ahead)
    if np.linalg.norm(left) < 1e-6:  # a first view straight up or down
        left = np.cross(up, np.eye(3)[np.abs(up).argmin()])
    left = left / np.linalg.norm(left)
    turn = np.radians(weather.wind_turn)
    return np.asarray(weather.wind * (np.cos(turn) * np.cross(left, up) + np.sin(turn) * left))


def _behind(frame: Window) -> Bool[np.ndarray, "h w"]:
    return frame.derive(frame_geometry.Hidden(frozenset()))


def _anchors(frame: Window, sampled: Objects | None) -> NoiseAnchors:
    """Return the maps from camera axes to the rest pose of the body at each pixel."""
    view = np.eye(4)
    if frame.camera is not None:
        view = np.linalg.inv(frame.camera.world_to_camera[0])
    found = frame.objects
    if found is None or Layer.SEGMENTATION not in frame:
        ids = np.zeros(frame.size, dtype=np.int32)
        return NoiseAnchors(
            ids, np.zeros(0, dtype=np.int64), view[None, :3], np.ones(1, dtype=bool)
        )
    order = np.argsort(found.ids)
    rest = np.broadcast_to(np.eye(4), found.poses[0].shape)
    still = np.ones(len(order), dtype=bool)
    if sampled is not None:
        rest = sampled.poses[0]
        still = np.abs(sampled.poses - rest).max((0, 2, 3)) < _STILL
    to_rest = np.einsum("oij,ojk,kl->oil", rest, np.linalg.inv(found.poses[0]), view)
    return NoiseAnchors(
        frame[Layer.SEGMENTATION][0],
        found.ids[order].astype(np.int64),
        np.concatenate([view[None], to_rest[order]])[:, :3],
        np.concatenate([[True], still[order]]),
    )
