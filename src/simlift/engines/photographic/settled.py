"""What holds over a whole clip under a look, as one value."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from simlift.pixels.environment import Environment


@dataclass(frozen=True, eq=False)
class Settled:
    """Light, camera and grade of a clip; `environment` is None where nothing can be lit."""

    environment: Environment | None
    axes: Float[np.ndarray, "3 3"]  # world to environment
    first_view: Float[np.ndarray, "3 3"]  # world to the first camera
    median_depth: float  # metres; the scale of the scene
    shading: Float[np.ndarray, "9"] | None  # the render's own light, where albedo is estimated
    photo: Float[np.ndarray, "a b 3"] | None  # linear, behind the scene
    white: float  # scene light that becomes display white
    times: Float[np.ndarray, "k"]  # seconds
    gains: Float[np.ndarray, "k 3"]  # exposure and white balance at these times
    grade: Float[np.ndarray, "3 4"]  # affine, on 16-bit display codes
