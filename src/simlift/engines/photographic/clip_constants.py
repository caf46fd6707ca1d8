"""Hold what is constant over a clip under a look: light, materials, weather, exposure, grade."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from simlift.core.camera import Objects
from simlift.engines.photographic.camera.colour_transfer import ColourTransfer
from simlift.engines.photographic.light.indirect import StaticScene
from simlift.engines.photographic.materials.assignment import MaterialAssignment
from simlift.engines.photographic.weather.effects import Weather
from simlift.pixels.light.environment import Environment
from simlift.pixels.light.probes import LightVolume


@dataclass(frozen=True, eq=False)
class Air:
    """The weather that a clip supports, and the sky light in it; light is linear."""

    weather: Weather
    airlight: Float[np.ndarray, "3"]  # radiance of endless air: the sky around the horizon
    skylight: Float[np.ndarray, "3"]  # mean radiance of the upper half
    bodies: Objects | None  # at the sampled times: tells which bodies move
    ahead: Float[np.ndarray, "3"]  # where the first view looks, in world axes
    seed: int


@dataclass(frozen=True, eq=False)
class ClipConstants:
    """Light, camera and grade of a clip; `environment` is None where nothing can be lit."""

    environment: Environment | None
    axes: Float[np.ndarray, "3 3"]  # world to environment
    first_view: Float[np.ndarray, "3 3"]  # world to the first camera
    median_depth: float  # metres; the scale of the scene
    shading: Float[np.ndarray, "9"] | None  # the render's own light, where albedo is estimated
    static_scene: StaticScene | None  # surfaces that do not move
    indirect_light: LightVolume | None  # indirect light between them
    material_assignment: MaterialAssignment | None  # what every id is made of
    air: Air
    photo: Float[np.ndarray, "a b 3"] | None  # linear, behind the scene
    white: float  # scene light that becomes display white
    times: Float[np.ndarray, "k"]  # seconds
    focus: Float[np.ndarray, "k"]  # 1 / metres at these times
    gains: Float[np.ndarray, "k 3"]  # exposure and white balance at these times
    grade: Float[np.ndarray, "3 4"]  # affine, on 16-bit display codes
    colour_transfer: ColourTransfer | None  # the colours of the user's photos
    lit_render: bool  # that a frame of it is black then says that nothing was rendered yet
