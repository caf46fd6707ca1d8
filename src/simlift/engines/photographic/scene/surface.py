"""Hold the visible surface per pixel: albedo, normals, roughness, metalness."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True, eq=False)
class Surface:
    """The visible surface; stages return a changed copy.

    `albedo` is linear (base colour: for metals the colour of their reflection), `normals` are unit
    vectors in camera axes, `roughness` is perceptual (GGX alpha = roughness^2) and in [0, 1].
    """

    albedo: Float[np.ndarray, "h w 3"]
    normals: Float[np.ndarray, "h w 3"]
    roughness: Float[np.ndarray, "h w"]
    metallic: Float[np.ndarray, "h w"]
