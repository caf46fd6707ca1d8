"""Draw tileable texture images (uint8 RGB, rows from the top) from colours and random noise.

Noise is drawn in the frequency domain, where everything is periodic.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, UInt8

Colour = Sequence[float]  # sRGB, 0 to 1
Image = UInt8[np.ndarray, "h w 3"]
SIZE = 512


def noise(
    rng: np.random.Generator, *, power: float, segment: float = 1.0, size: int = SIZE
) -> Float[np.ndarray, "h w"]:
    """Draw noise of deviation 1 whose amplitude falls as frequency ** -power.

    `segment` above 1 draws it out along the rows.
    """
    v, u = np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size)[None, :] * segment
    frequency = np.hypot(u, v) * size
    amplitude = np.where(frequency > 0, np.maximum(frequency, 1.0) ** -power, 0.0)
    field = np.fft.ifft2(np.fft.fft2(rng.normal(size=(size, size))) * amplitude).real
    return field / field.std()


def tinted(colour: Colour, shade: Float[np.ndarray, "h w"]) -> Image:
    """Multiply a colour by a shade."""
    image = np.asarray(colour, float) * shade[..., None] * 255
    return image.clip(0, 255).round().astype(np.uint8)


def plaster(colour: Colour, rng: np.random.Generator, *, contrast: float = 0.03) -> Image:
    """Paint or plaster: broad stains and fine grain."""
    return tinted(
        colour, 1 + contrast * noise(rng, power=1.4) + 0.4 * contrast * noise(rng, power=0.0)
    )


def asphalt(rng: np.random.Generator) -> Image:
    """Dark grey with light stones and worn patches."""
    grain = noise(rng, power=0.35)
    return tinted((0.35, 0.35, 0.355), 1 + 0.13 * grain + 0.07 * noise(rng, power=1.6))


def grass(rng: np.random.Generator) -> Image:
    """Short grass."""
    shade = 1 + 0.2 * noise(rng, power=0.5) + 0.1 * noise(rng, power=1.5)
    image = tinted((0.30, 0.42, 0.17), shade).astype(float)
    image[..., 0] *= 1 + 0.12 * noise(rng, power=1.2).clip(-2, 2)
    return image.clip(0, 255).astype(np.uint8)


def leaves(colour: Colour, rng: np.random.Generator) -> Image:
    """Foliage from afar: clumps of light and dark."""
    shade = 1 + 0.28 * noise(rng, power=0.7) + 0.12 * noise(rng, power=0.2)
    return tinted(colour, shade.clip(0.35, 1.7))


def bark(rng: np.random.Generator) -> Image:
    """Bark with upright ridges."""
    ridges = noise(rng, power=0.9, segment=0.15)
    return tinted((0.33, 0.25, 0.19), (1 + 0.25 * ridges).clip(0.4, 1.6))


def courses(
    colour: Colour,
    joint: Colour,
    rng: np.random.Generator,
    *,
    rows: int,
    columns: int,
    gap: float = 0.06,
    spread: float = 0.10,
    shift: float = 0.5,
) -> Image:
    """Bricks, tiles or slabs: `rows` x `columns` blocks, every other row shifted.

    `gap` is the joint's width as a part of a row's height; `spread` varies the blocks' shades.
    """
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE
    row = np.floor(y * rows).astype(int)
    along = (x * columns + shift * (row % 2)) % columns
    column = np.floor(along).astype(int)
    shade = 1 + spread * rng.normal(size=(rows, columns))[row, column]
    shade = shade * (1 + 0.05 * noise(rng, power=0.6))
    inside_y = np.minimum(y * rows % 1, 1 - y * rows % 1)
    inside_x = np.minimum(along % 1, 1 - along % 1) * rows / columns
    is_joint = np.minimum(inside_y, inside_x) < gap / 2
    image = tinted(colour, shade)
    image[is_joint] = tinted(joint, 1 + 0.06 * noise(rng, power=0.5))[is_joint]
    return image


def wood(
    colour: Colour, rng: np.random.Generator, *, planks: int = 1, contrast: float = 0.10
) -> Image:
    """Grain along the rows, in `planks` boards with thin dark gaps."""
    y = (np.arange(SIZE) / SIZE)[:, None]
    board = np.floor(y * planks).astype(int).ravel()
    grain = noise(rng, power=0.9, segment=14.0)
    rings = np.sin(18 * y * planks + 2.2 * noise(rng, power=1.6, segment=6.0))
    tone = 1 + (0.09 * rng.normal(size=planks))[board][:, None] * (planks > 1)
    # Each board is cut from elsewhere, so the grain does not run on into the next.
    shift = rng.integers(0, SIZE, planks)[board]
    columns = (np.arange(SIZE)[None, :] + shift[:, None]) % SIZE
    shade = tone * (1 + contrast * grain + 0.5 * contrast * rings)
    shade = np.take_along_axis(shade, columns, axis=1)
    if planks > 1:
        shade = np.where(np.minimum(y * planks % 1, 1 - y * planks % 1) < 0.012, 0.45, shade)
        ends = rng.integers(0, SIZE, planks)[board]
        shade = np.where(np.abs(np.arange(SIZE)[None, :] - ends[:, None]) < 1, 0.5, shade)
    return tinted(colour, shade)


def woven(first: Colour, second: Colour, rng: np.random.Generator, *, threads: int = 64) -> Image:
    """Cloth of two colours."""
    y, x = np.mgrid[:SIZE, :SIZE] * threads // SIZE
    over = ((x + y) % 2)[..., None]
    mixed = np.where(over, np.asarray(first, float), np.asarray(second, float))
    shade = 1 + 0.05 * noise(rng, power=0.8)
    return (mixed * shade[..., None] * 255).clip(0, 255).astype(np.uint8)


def ruled(colour: Colour, line: Colour, *, cells: int, width: int = 3) -> Image:
    """A cutting mat: fine lines, and a bold one every fifth."""
    image = tinted(colour, np.ones((SIZE, SIZE)))
    for index in range(cells):
        at = round(index * SIZE / cells)
        bold = width if index % 5 == 0 else 1
        image[at : at + bold] = image[:, at : at + bold] = np.asarray(line) * 255
    return image


def painting(rng: np.random.Generator, palette: Sequence[Colour]) -> Image:
    """An abstract landscape: hills of a palette under a pale sun, framed in white."""
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE
    image = np.ones((SIZE, SIZE, 3)) * np.asarray(palette[0])
    sun = np.hypot(x - rng.uniform(0.3, 0.7), y - 0.3) < 0.12
    image[sun] = palette[1]
    for index, colour in enumerate(palette[2:]):
        ridge = (
            0.42
            + 0.13 * index
            + sum(0.05 / k * np.sin(2 * np.pi * k * x + rng.uniform(0, 6.28)) for k in (1, 2, 3))
        )
        image[y > ridge] = colour
    edge = np.minimum(np.minimum(x, 1 - x), np.minimum(y, 1 - y)) < 0.07
    image[edge] = 0.95
    return (image * 255).astype(np.uint8)


def label(ground: Colour, band: Colour, ink: Colour, rng: np.random.Generator) -> Image:
    """A package's print: a band, a round mark and lines of unreadable text."""
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE
    image = np.ones((SIZE, SIZE, 3)) * np.asarray(ground)
    image[(y > 0.12) & (y < 0.42)] = band
    for centre in (0.25, 0.75):
        image[np.hypot(x - centre, (y - 0.27)) < 0.11] = ink
        image[np.hypot(x - centre, (y - 0.27)) < 0.075] = ground
    for row in range(8):
        top = 0.52 + 0.05 * row
        words = rng.random(SIZE // 8).repeat(8) > 0.28
        line = (y > top) & (y < top + 0.022) & words[None] & (np.abs(x % 0.5 - 0.25) < 0.19)
        image[line] = ink
    image[(y < 0.03) | (y > 0.97)] = band
    return (image * 255).astype(np.uint8)
