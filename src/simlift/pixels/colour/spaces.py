"""Convert sRGB to linear light and back; compute luminance, white points and colour transfer.

Linear light is float32 with sRGB (BT.709) primaries, 1.0 = display white.
"""

from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Float, UInt8

LUMINANCE = np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)  # ITU-R BT.709

_XYZ_TO_RGB = np.array(  # IEC 61966-2-1
    [[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]]
)


def srgb_to_linear(values: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """Decode sRGB values in [0, 1] (IEC 61966-2-1)."""
    low = values / 12.92
    high = ((np.maximum(values, 0.04045) + 0.055) / 1.055) ** 2.4
    return np.where(values <= 0.04045, low, high)


def linear_to_srgb(values: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """Encode linear light in [0, 1] (IEC 61966-2-1)."""
    low = values * 12.92
    high = 1.055 * np.maximum(values, 0.0031308) ** (1 / 2.4) - 0.055
    return np.where(values <= 0.0031308, low, high)


@lru_cache(maxsize=8)
def _decoding_table(least: float) -> Float[np.ndarray, "256"]:
    linear = srgb_to_linear(np.arange(256) / 255.0)
    return (least + (1 - least) * linear).astype(np.float32)


def decode_srgb(
    frame: UInt8[np.ndarray, "h w 3"], least: float = 0.0
) -> Float[np.ndarray, "h w 3"]:
    """Decode sRGB bytes to linear light from `least` (black) to 1."""
    return np.asarray(cv2.LUT(frame, _decoding_table(least)))


def luminance(linear: Float[np.ndarray, "h w 3"]) -> Float[np.ndarray, "h w"]:
    """Compute relative luminance Y of linear light."""
    return np.asarray(cv2.transform(linear, LUMINANCE[None]))


def saturation_matrix(amount: float) -> Float[np.ndarray, "3 3"]:
    """Return the matrix that scales saturation: colours move from their gray by `amount` (1 keeps
    them)."""
    gray = np.tile(LUMINANCE.astype(np.float64), (3, 1))
    return np.asarray(gray + (np.eye(3) - gray) * amount)


def daylight(kelvin: float) -> Float[np.ndarray, "3"]:
    """Compute the linear RGB of an illuminant of equal luminance from its colour temperature, 1700
    to 25000 K.

    Above 4000 K the CIE daylight locus (CIE 015:2018), below it the Planckian locus in the cubic
    approximation of Kim et al. (US patent 7024034), the two blended over 3700-4300 K.
    """
    if not 1700 <= kelvin <= 25000:
        raise ValueError(f"a colour temperature of {kelvin} K; allowed: 1700 to 25000")
    k = 1e3 / kelvin
    xp = -0.2661239 * k**3 - 0.2343589 * k**2 + 0.8776956 * k + 0.179910
    yp = (
        -1.1063814 * xp**3 - 1.34811020 * xp**2 + 2.18555832 * xp - 0.20219683
        if kelvin < 2222
        else -0.9549476 * xp**3 - 1.37418593 * xp**2 + 2.09137015 * xp - 0.16748867
    )
    if kelvin <= 7000:
        xd = -4.6070 * k**3 + 2.9678 * k**2 + 0.09911 * k + 0.244063
    else:
        xd = -2.0064 * k**3 + 1.9018 * k**2 + 0.24748 * k + 0.237040
    yd = -3.0 * xd**2 + 2.870 * xd - 0.275
    blend = float(np.clip((kelvin - 3700) / 600, 0, 1))
    x, y = xp + (xd - xp) * blend, yp + (yd - yp) * blend
    rgb = _XYZ_TO_RGB @ np.array([x / y, 1.0, (1 - x - y) / y])
    return np.maximum(rgb, 1e-3).astype(np.float32)


def xyy_to_rgb(
    x: Float[np.ndarray, "..."], y: Float[np.ndarray, "..."], luma: Float[np.ndarray, "..."]
) -> Float[np.ndarray, "... 3"]:
    """Convert CIE xyY to linear RGB; colours outside the gamut are clipped at 0."""
    xyz = np.stack([x / y * luma, luma, (1 - x - y) / y * luma], axis=-1)
    return np.maximum(np.einsum("...k,jk->...j", xyz, _XYZ_TO_RGB), 0).astype(np.float32)


def moments(
    pixels: Float[np.ndarray, "n 3"],
) -> tuple[Float[np.ndarray, "3"], Float[np.ndarray, "3 3"]]:
    """Compute the mean and the covariance of some colours."""
    values = pixels.astype(np.float64)
    centred = values - values.mean(0)
    covariance = np.einsum("ni,nj->ij", centred, centred) / max(len(values) - 1, 1)
    return values.mean(0), covariance


def monge_kantorovich(
    source: tuple[np.ndarray, np.ndarray], target: tuple[np.ndarray, np.ndarray]
) -> Float[np.ndarray, "3 4"]:
    """Compute the affine colour transfer [A | b] between Gaussians that is the optimal transport.

    A = S^-1/2 (S^1/2 T S^1/2)^1/2 S^-1/2, the linear Monge-Kantorovich solution.
    Source: Pitie and Kokaram, "The linear Monge-Kantorovitch linear colour mapping for
    example-based colour transfer", CVMP 2007.
    """
    (mean_s, cov_s), (mean_t, cov_t) = source, target
    # Regularised, so that a gray clip does not blow colour noise up.
    cov_s = cov_s + np.eye(3) * 1e-5
    root, inverse = _square_root(cov_s), np.linalg.inv(_square_root(cov_s))
    matrix = inverse @ _square_root(root @ cov_t @ root) @ inverse
    return np.column_stack([matrix, mean_t - matrix @ mean_s])


def _square_root(symmetric: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(symmetric)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
