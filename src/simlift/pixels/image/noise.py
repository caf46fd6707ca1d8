"""Generate tileable procedural noise: spectral noise and cellular (Worley) noise.

A survey of the kinds: Lagae et al., "A survey of procedural noise functions", CGF 2010.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


def spectral_noise(
    seed: tuple[int, ...],
    shape: tuple[int, ...],
    power: float,
    *,
    segment: float = 1.0,
    band: tuple[float, float] = (1.0, 1e9),
) -> Float[np.ndarray, "..."]:
    """Generate noise of mean 0 and deviation 1 whose amplitude falls as frequency^-power.

    Spectral synthesis (Voss, "Random fractal forgeries", 1985): drawn in the frequency domain,
    where everything tiles. `band` is in cycles across the field; `segment` above 1 draws the noise
    out along the last axis by that factor.
    """
    axes = list(np.meshgrid(*(np.fft.fftfreq(n, 1 / n) for n in shape), indexing="ij"))
    axes[-1] = axes[-1] * segment
    frequency = np.sqrt(np.sum([axis * axis for axis in axes], axis=0))
    inside = (frequency >= band[0]) & (frequency <= band[1])
    amplitude = np.where(inside, np.maximum(frequency, 1.0) ** -power, 0.0)
    white = np.random.default_rng(seed).normal(size=shape)
    field = np.fft.ifftn(np.fft.fftn(white) * amplitude).real
    return ((field - field.mean()) / field.std()).astype(np.float32)


@dataclass(frozen=True, eq=False)
class CellularNoise:
    """Cellular noise: distances to the nearest and second nearest of scattered points, in cells;
    and a number in [0, 1) that is the same over each point's cell."""

    first: Float[np.ndarray, "n n"]
    second: Float[np.ndarray, "n n"]
    value: Float[np.ndarray, "n n"]


def cellular_noise(seed: tuple[int, ...], size: int, across: int) -> CellularNoise:
    """Generate cellular noise from one jittered point in each square of a grid of `across` squares.

    Worley, "A cellular texture basis function", SIGGRAPH 1996.
    """
    points = np.random.default_rng(seed).random((across, across, 3)).astype(np.float32)
    place = (np.arange(size, dtype=np.float32) + 0.5) * np.float32(across / size)
    square = np.floor(place).astype(np.int64)
    inside = place - square
    first = np.full((size, size), 9.0, np.float32)
    second, value = first.copy(), np.zeros_like(first)
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            rows, columns = (square + down) % across, (square + right) % across
            point = points[rows[:, None], columns[None, :]]
            y = point[..., 0] + down - inside[:, None]
            x = point[..., 1] + right - inside[None, :]
            distance = np.sqrt(x * x + y * y)
            nearer = distance < first
            second = np.minimum(second, np.where(nearer, first, distance))
            value = np.where(nearer, point[..., 2], value)
            first = np.where(nearer, distance, first)
    return CellularNoise(first, second, value)
