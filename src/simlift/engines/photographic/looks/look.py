"""Define a look: the settings of the photographic engine, one group for each stage.

A look is a frozen value, so it can be saved, named, compared and shared as a small JSON file.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from simlift.core.errors import RecipeError
from simlift.core.setting import Setting, check_ranges
from simlift.engines.photographic.camera.optics import Optics
from simlift.engines.photographic.materials.settings import Materials
from simlift.engines.photographic.weather.effects import Weather
from simlift.pixels.optics.film import MIDDLE_GRAY

BUILT_IN = ("auto", "clear-sky", "overcast", "night", "studio", "window-room", "lamp-room")


@dataclass(frozen=True)
class Albedo:
    """Surface colour: the clip's own layer, else the render with its light divided out."""

    delight: Annotated[
        float,
        Setting("how much of the fitted shading is removed where albedo is estimated", "", 0, 1),
    ] = 0.8
    saturation: Annotated[
        float, Setting("simulators paint purer colours than pigments have", "", 0, 2)
    ] = 1.0
    lift: Annotated[float, Setting("no real surface is blacker than this", "", 0, 0.2)] = 0.012

    def __post_init__(self) -> None:
        check_ranges(self, "albedo")


@dataclass(frozen=True)
class Light:
    """The environment that lights the scene: a built-in one, or a Radiance .hdr or .exr file.

    "auto" takes a sky where the clip shows one, else a room; `pick` chooses among those that suit,
    and the clouds of a sky.
    """

    environment: Annotated[
        str,
        Setting(f"{', '.join(BUILT_IN)}, or a .hdr or .exr file"),
    ] = "auto"
    pick: Annotated[
        int, Setting("chooses among the environments that suit the clip, and the clouds of a sky")
    ] = 0
    turn: Annotated[
        float, Setting("that the environment is turned to the left of the first view", "degrees")
    ] = 0.0
    elevation: Annotated[float, Setting("of the sun, in clear-sky", "degrees", 2, 88)] = 40.0
    turbidity: Annotated[float, Setting("haze, in clear-sky", "", 2, 8)] = 3.0
    clouds: Annotated[float, Setting("share of the sky, in clear-sky", "", 0, 1)] = 0.3
    ambient_occlusion: Annotated[
        float, Setting("how much corners and contacts darken; 1 is as reckoned", "", 0, 2)
    ] = 1.0
    emissive: Annotated[tuple[str, ...], Setting("classes that shine")] = (
        "lamp",
        "light",
        "screen",
        "window",
    )
    emission: Annotated[
        float,
        Setting("how bright lamps and windows are; 1 is a white surface in full light", "", 0, 20),
    ] = 2.2
    occlusion_radius: Annotated[
        float, Setting("of ambient occlusion", "of the median depth", 0.005, 1)
    ] = 0.25
    shadow_length: Annotated[
        float, Setting("how far shadows reach in the image", "of the median depth", 0.01, 2)
    ] = 0.6
    shadows: Annotated[bool, Setting("that suns and other large lights cast")] = True
    specular: Annotated[
        float, Setting("of dielectrics, in units of 4 % at normal incidence", "", 0, 4)
    ] = 1.0
    bounces: Annotated[
        bool, Setting("light among the clip's own still surfaces, seen or remembered")
    ] = True
    reflections: Annotated[bool, Setting("of the image itself, in what is smooth or wet")] = True
    roughness: Annotated[float, Setting("of surfaces without one of their own", "", 0.1, 1)] = 0.45

    def __post_init__(self) -> None:
        suffix = Path(self.environment).suffix.lower()
        if self.environment not in BUILT_IN and suffix not in (".hdr", ".exr"):
            raise RecipeError(
                "light.environment",
                f"found {self.environment!r}",
                allowed=f"{', '.join(BUILT_IN)}, or a .hdr or .exr file",
            )
        check_ranges(self, "light")


@dataclass(frozen=True)
class Backdrop:
    """What stands where nothing was hit, and in place of some segmentation classes."""

    kind: Annotated[
        Literal["keep", "environment", "photos"], Setting("what stands where nothing was hit")
    ] = "environment"
    classes: Annotated[tuple[str, ...], Setting("replaced besides the sky")] = ()
    photos: Annotated[Path | None, Setting("a folder; one photo is drawn by seed")] = None

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

    key: Annotated[
        float, Setting("the log-average luminance that metering aims at", "", 0.02, 0.6)
    ] = 0.15
    strength: Annotated[
        float,
        Setting("1 meters relit scenes fully; plain clips always keep most of their own", "", 0, 1),
    ] = 1.0
    compensation: Annotated[float, Setting("brighter or darker than metered", "stops", -4, 4)] = 0.0
    adaptation: Annotated[float, Setting("how long metering takes to follow", "seconds", 0, 60)] = (
        1.5
    )
    white_balance: Annotated[
        float, Setting("share of the light's colour that is removed", "", 0, 1)
    ] = 0.75
    manual: Annotated[
        tuple[float, float, float] | None,
        Setting(
            "linear gain of red, green and blue instead of metering: everything locked",
            "",
            1e-4,
            1e4,
        ),
    ] = None

    def __post_init__(self) -> None:
        check_ranges(self, "exposure")


@dataclass(frozen=True)
class Lens:
    """Corner darkening and softness; softness is in pixels of a 720-line image."""

    vignette: Annotated[float, Setting("corner darkening", "", 0, 1)] = 0.5
    softness: Annotated[float, Setting("of a 720-line image", "pixels", 0, 5)] = 0.7

    def __post_init__(self) -> None:
        check_ranges(self, "lens")


@dataclass(frozen=True)
class Sensor:
    """Noise of a Bayer sensor: variance = shot x + read^2 for linear light x (white = 1)."""

    bayer: Annotated[bool, Setting("colour is sampled by a Bayer mosaic, and noise with it")] = True
    shot: Annotated[float, Setting("variance for each unit of linear light", "", 0, 0.05)] = 0.00015
    read: Annotated[
        float, Setting("standard deviation in the dark, white being 1", "", 0, 0.05)
    ] = 0.0006

    def __post_init__(self) -> None:
        check_ranges(self, "sensor")


@dataclass(frozen=True)
class Film:
    """The curve from scene light to display: `white` is the scene value that becomes white."""

    contrast: Annotated[float, Setting("slope of the curve at middle gray", "", 0.6, 3)] = 1.4
    white: Annotated[float, Setting("the scene value that becomes white", "", 1, 64)] = 5.0

    def __post_init__(self) -> None:
        check_ranges(self, "film")
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

    saturation: Annotated[float, Setting("of all colours; 1 leaves them", "", 0, 2)] = 1.0
    warmth: Annotated[float, Setting("-1 (blue) to 1 (amber)", "", -1, 1)] = 0.0
    split: Annotated[float, Setting("teal shadows under amber lights", "", 0, 1)] = 0.0
    like: Annotated[
        Path | None,
        Setting("a folder of photos, or of folders named after classes; colours are matched"),
    ] = None
    like_strength: Annotated[
        float, Setting("how far colours are moved to those of the photos", "", 0, 1)
    ] = 0.7

    def __post_init__(self) -> None:
        check_ranges(self, "grade")


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
