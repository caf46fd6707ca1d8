"""Define a look: the settings of the photographic engine, one group for each stage.

A look is a frozen value, so it can be saved, named, compared and shared as a small JSON file.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from simlift.core.errors import RecipeError
from simlift.engines.photographic.camera.optics import Optics
from simlift.engines.photographic.materials.settings import Materials
from simlift.engines.photographic.weather.effects import Weather
from simlift.pixels.optics.film import MIDDLE_GRAY

BUILT_IN = ("auto", "clear-sky", "overcast", "night", "studio", "window-room", "lamp-room")


def _check(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise RecipeError(name, f"found {value}", allowed=f"{low} to {high}")


@dataclass(frozen=True)
class Albedo:
    """Surface colour: the clip's own layer, else the render with its light divided out."""

    delight: float = 0.8  # how much of the fitted shading is removed where albedo is estimated
    saturation: float = 1.0  # simulators paint purer colours than pigments have
    lift: float = 0.012  # no real surface is blacker than this

    def __post_init__(self) -> None:
        _check("albedo.delight", self.delight, 0, 1)
        _check("albedo.saturation", self.saturation, 0, 2)
        _check("albedo.lift", self.lift, 0, 0.2)


@dataclass(frozen=True)
class Light:
    """The environment that lights the scene: a built-in one, or a Radiance .hdr or .exr file.

    "auto" takes a sky where the clip shows one, else a room; `pick` chooses among those that suit,
    and the clouds of a sky.
    """

    environment: str = "auto"
    pick: int = 0
    turn: float = 0.0  # degrees that the environment is turned to the left of the first view
    elevation: float = 40.0  # degrees of the sun, in clear-sky
    turbidity: float = 3.0  # haze, in clear-sky
    clouds: float = 0.3  # share of the sky, in clear-sky
    ambient_occlusion: float = 1.0
    emissive: tuple[str, ...] = ("lamp", "light", "screen", "window")  # classes that shine
    emission: float = 2.2  # how bright lamps and windows are; 1 is a white surface in full light
    occlusion_radius: float = 0.25  # as a share of the scene's median depth
    shadow_length: float = 0.6  # as a share of the scene's median depth
    shadows: bool = True  # that suns and other large lights cast
    specular: float = 1.0  # of dielectrics, in units of 4 % at normal incidence
    bounces: bool = True  # light among the clip's own still surfaces, seen or remembered
    reflections: bool = True  # of the image itself, in what is smooth or wet
    roughness: float = 0.45

    def __post_init__(self) -> None:
        suffix = Path(self.environment).suffix.lower()
        if self.environment not in BUILT_IN and suffix not in (".hdr", ".exr"):
            raise RecipeError(
                "light.environment",
                f"found {self.environment!r}",
                allowed=f"{', '.join(BUILT_IN)}, or a .hdr or .exr file",
            )
        _check("light.elevation", self.elevation, 2, 88)
        _check("light.turbidity", self.turbidity, 2, 8)
        _check("light.clouds", self.clouds, 0, 1)
        _check("light.ambient_occlusion", self.ambient_occlusion, 0, 2)
        _check("light.occlusion_radius", self.occlusion_radius, 0.005, 1)
        _check("light.shadow_length", self.shadow_length, 0.01, 2)
        _check("light.emission", self.emission, 0, 20)
        _check("light.specular", self.specular, 0, 4)
        _check("light.roughness", self.roughness, 0.1, 1)


@dataclass(frozen=True)
class Backdrop:
    """What stands where nothing was hit, and in place of some segmentation classes."""

    kind: Literal["keep", "environment", "photos"] = "environment"
    classes: tuple[str, ...] = ()  # replaced besides the sky
    photos: Path | None = None  # a folder; one photo is drawn by seed

    def __post_init__(self) -> None:
        if (self.kind == "photos") != (self.photos is not None):
            raise RecipeError(
                "backdrop",
                f"kind is {self.kind!r}, photos is {self.photos}",
                allowed="kind 'photos' with a folder of photos, or another kind without one",
            )


@dataclass(frozen=True)
class Exposure:
    """Metering: how bright and how neutral the camera makes the scene, smoothed over time."""

    key: float = 0.15  # the log-average luminance that metering aims at
    strength: float = 1.0  # 1 meters relit scenes fully; plain clips always keep most of their own
    compensation: float = 0.0  # stops
    adaptation: float = 1.5  # seconds
    white_balance: float = 0.75  # share of the light's colour that is removed
    # Linear gain of red, green and blue instead of metering: a camera with everything locked.
    manual: tuple[float, float, float] | None = None

    def __post_init__(self) -> None:
        _check("exposure.key", self.key, 0.02, 0.6)
        _check("exposure.strength", self.strength, 0, 1)
        _check("exposure.compensation", self.compensation, -4, 4)
        _check("exposure.adaptation", self.adaptation, 0, 60)
        _check("exposure.white_balance", self.white_balance, 0, 1)
        for gain in self.manual or ():
            _check("exposure.manual", gain, 1e-4, 1e4)


@dataclass(frozen=True)
class Lens:
    """Corner darkening and softness; softness is in pixels of a 720-line image."""

    vignette: float = 0.5
    softness: float = 0.7

    def __post_init__(self) -> None:
        _check("lens.vignette", self.vignette, 0, 1)
        _check("lens.softness", self.softness, 0, 5)


@dataclass(frozen=True)
class Sensor:
    """Noise of a Bayer sensor: variance = shot x + read^2 for linear light x (white = 1)."""

    bayer: bool = True
    shot: float = 0.00015
    read: float = 0.0006

    def __post_init__(self) -> None:
        _check("sensor.shot", self.shot, 0, 0.05)
        _check("sensor.read", self.read, 0, 0.05)


@dataclass(frozen=True)
class Film:
    """The curve from scene light to display: `white` is the scene value that becomes white."""

    contrast: float = 1.4
    white: float = 5.0

    def __post_init__(self) -> None:
        _check("film.contrast", self.contrast, 0.6, 3)
        _check("film.white", self.white, 1, 64)
        # Below this the curve cannot both keep middle gray and reach white (see film.film_curve).
        lowest = MIDDLE_GRAY ** (1 - 1 / self.contrast)
        if self.white <= lowest:
            raise RecipeError(
                "film.white",
                f"found {self.white} with a contrast of {self.contrast}",
                allowed=f"above {lowest:.3g} at this contrast",
            )


@dataclass(frozen=True)
class Grade:
    """Colour after development: saturation, warmth, and the colours of the user's real photos."""

    saturation: float = 1.0
    warmth: float = 0.0  # -1 (blue) to 1 (amber)
    split: float = 0.0  # teal shadows under amber lights, 0 to 1
    like: Path | None = None  # a folder of photos, or of classes' folders; colours are matched
    like_strength: float = 0.7

    def __post_init__(self) -> None:
        _check("grade.saturation", self.saturation, 0, 2)
        _check("grade.warmth", self.warmth, -1, 1)
        _check("grade.split", self.split, 0, 1)
        _check("grade.like_strength", self.like_strength, 0, 1)


@dataclass(frozen=True)
class Look:
    """How a scene is photographed.

    `optional` names the groups of which is left out what a clip cannot carry, weather also where a
    clip shows no sky; what is asked of other groups and cannot be is refused.
    """

    albedo: Albedo = field(default_factory=Albedo)
    materials: Materials = field(default_factory=Materials)
    light: Light = field(default_factory=Light)
    backdrop: Backdrop = field(default_factory=Backdrop)
    weather: Weather = field(default_factory=Weather)
    optics: Optics = Optics(aberration=0.25, glare=0.01)
    optional: tuple[Literal["optics", "weather"], ...] = ()
    exposure: Exposure = field(default_factory=Exposure)
    lens: Lens = field(default_factory=Lens)
    sensor: Sensor = field(default_factory=Sensor)
    film: Film = field(default_factory=Film)
    grade: Grade = field(default_factory=Grade)
