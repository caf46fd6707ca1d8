"""Set exposure and apply the film curve (tone mapping): linear light -> display codes."""

from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Float, Int, UInt8, UInt16

from simlift.pixels.colour.spaces import linear_to_srgb

MIDDLE_GRAY = 0.18


def log_average(luma: Float[np.ndarray, "..."]) -> float:
    """Compute the geometric mean luminance (Reinhard et al. 2002, eq. 1), safe at black."""
    return float(np.exp(np.log(luma.astype(np.float64) + 1e-4).mean()))


def smooth_over_time(
    times: Float[np.ndarray, "k"],
    values: Float[np.ndarray, "k *c"],
    seconds: float,
    shots: Int[np.ndarray, "k"] | None = None,
) -> Float[np.ndarray, "k *c"]:
    """Average values with a Gaussian in time, as an auto-exposure that adapts over `seconds`.

    Where `shots` numbers the shot of each, values are averaged within their own alone.
    """
    if seconds <= 0 or len(times) == 1:
        return values
    weight = np.exp(-0.5 * ((times[:, None] - times[None, :]) / seconds) ** 2)
    if shots is not None:
        weight *= shots[:, None] == shots[None, :]
    weight /= weight.sum(1, keepdims=True)
    return np.tensordot(weight, values, axes=1)


def hold_to_cuts(
    times: Float[np.ndarray, "k"],
    values: Float[np.ndarray, "k *c"],
    cuts: Float[np.ndarray, "n"],
    frame: float,
) -> tuple[Float[np.ndarray, "m"], Float[np.ndarray, "m *c"]]:
    """Add samples beside each of the `cuts`, so that `interpolate` changes there at once.

    Before a cut the last value is held, up to one `frame` (seconds) before it; from it on the next.
    """
    after = np.searchsorted(times, cuts, side="left")
    inside = (after > 0) & (after < len(times))
    cuts, after = cuts[inside], after[inside]
    if not len(cuts):
        return times, values
    where = np.repeat(after, 2)
    added = np.stack([cuts - frame, cuts], axis=1).ravel()
    held = np.stack([values[after - 1], values[after]], axis=1).reshape(-1, *values.shape[1:])
    return np.insert(times, where, added), np.insert(values, where, held, axis=0)


def interpolate(
    times: Float[np.ndarray, "k"], values: Float[np.ndarray, "k *c"], at: float
) -> Float[np.ndarray, "*c"]:
    """Interpolate smoothly between sampled values; constant beyond the ends.

    Cubic in each interval with zero slope at the knots, so that no parameter jumps or kinks.
    """
    if len(times) == 1 or at <= times[0]:
        return np.asarray(values[0])
    if at >= times[-1]:
        return np.asarray(values[-1])
    k = int(np.searchsorted(times, at, side="right")) - 1
    x = (at - times[k]) / (times[k + 1] - times[k])
    x = x * x * (3 - 2 * x)
    return np.asarray(values[k] * (1 - x) + values[k + 1] * x)


def film_curve(
    linear: Float[np.ndarray, "..."], contrast: float, white: float
) -> Float[np.ndarray, "..."]:
    """Tone map scene light to display light by a sigmoid in log exposure: toe, straight part,
    shoulder.

    y = x^c / (x^c + k) * (w^c + k) / w^c, with k such that middle gray keeps its value and the
    scene value `white` becomes 1. The form is the response of Naka and Rushton (1966), used for
    tone reproduction by Reinhard and Devlin (2005).
    """
    if white <= MIDDLE_GRAY or contrast <= 0:
        raise ValueError(
            f"white {white} must exceed {MIDDLE_GRAY}, contrast {contrast} must be > 0"
        )
    g, w = MIDDLE_GRAY**contrast, white**contrast
    if MIDDLE_GRAY * w <= g:
        raise ValueError(f"contrast {contrast} is too low for the white point {white}")
    k = g * w * (1 - MIDDLE_GRAY) / (MIDDLE_GRAY * w - g)
    x = np.clip(linear, 0, white) ** contrast
    return x / (x + k) * ((w + k) / w)


@lru_cache(maxsize=32)
def film_table(contrast: float, white: float) -> UInt16[np.ndarray, "65536"]:
    """Tabulate the film curve from 16-bit linear codes (65535 = `white`) to 16-bit sRGB codes."""
    linear = np.arange(65536) / 65535.0 * white
    return np.rint(linear_to_srgb(film_curve(linear, contrast, white)) * 65535).astype(np.uint16)


def tone_map_16bit(
    codes: UInt16[np.ndarray, "h w 3"],
    contrast: float,
    white: float,
    grade: Float[np.ndarray, "3 4"],
) -> UInt16[np.ndarray, "h w 3"]:
    """Tone map to 16-bit display codes: the film curve, then the affine `grade` on such codes."""
    return np.asarray(cv2.transform(cv2.LUT(codes, film_table(contrast, white)), grade))


def tone_map_8bit(
    codes: UInt16[np.ndarray, "h w 3"],
    contrast: float,
    white: float,
    grade: Float[np.ndarray, "3 4"],
) -> UInt8[np.ndarray, "h w 3"]:
    """Tone map to display bytes: the film curve, then the affine `grade` on 16-bit display
    codes."""
    return np.asarray(
        cv2.convertScaleAbs(tone_map_16bit(codes, contrast, white, grade), alpha=1 / 257)
    )
