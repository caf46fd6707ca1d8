"""Generate procedural material textures by name (wood, asphalt, cloth) from noise.

Every pattern returns colours (any mean), a relief in metres and a change of roughness, all of which
tile. Their scale and contrast follow what the materials measure, not what shows best.
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from jaxtyping import Float

from simlift.pixels.image.noise import cellular_noise, spectral_noise
from simlift.pixels.materials.textures import SIZE, Texture, flat_texture, make_texture

Field = Float[np.ndarray, "n n"]
Pattern = Callable[[], tuple[Float[np.ndarray, "n n 3"], Field, Field]]
_SHAPE = (SIZE, SIZE)
_GRID = (np.arange(SIZE, dtype=np.float32) + 0.5) / SIZE


@lru_cache(maxsize=32)
def built_in(pattern: str) -> Texture:
    """Generate the texture of a built-in pattern; ValueError lists the patterns there are."""
    if pattern == "none":
        return flat_texture(0.4)
    if pattern not in PATTERNS:
        raise ValueError(f"no pattern {pattern!r}; allowed: {', '.join(PATTERNS)}, none")
    draw, metres = PATTERNS[pattern]
    return make_texture(*draw(), metres)


def _tinted(shade: Field, tint: tuple[float, float, float]) -> Float[np.ndarray, "n n 3"]:
    """Return exp(shade) with each channel's contrast scaled: darker wood is also redder."""
    return np.exp(shade[..., None] * np.asarray(tint, np.float32)).astype(np.float32)


def _step(field: Field, low: float, high: float) -> Field:
    """Return the smooth step from 0 at `low` to 1 at `high`."""
    x = np.clip((field - low) / (high - low), 0, 1)
    return np.asarray(x * x * (3 - 2 * x), np.float32)


def _wood() -> tuple[Float[np.ndarray, "n n 3"], Field, Field]:
    """Flat-sawn boards, grain along u: growth rings drawn out by slow waves, fibres, pores."""
    wander = spectral_noise((1, 0), _SHAPE, 2.2, segment=9.0, band=(1.0, 40.0))
    phase = _GRID[:, None] * 11 + 0.85 * wander
    ring = phase - np.floor(phase)
    late = ring**2.5 * _step(1 - ring, 0.0, 0.12)  # early wood darkens slowly and ends at once
    fibre = spectral_noise((1, 1), _SHAPE, 0.35, segment=22.0, band=(8.0, 400.0))
    pore = _step(spectral_noise((1, 2), _SHAPE, 0.1, segment=14.0, band=(40.0, 300.0)), 1.7, 2.6)
    shade = -0.30 * late + 0.055 * fibre - 0.28 * pore
    height = -6e-5 * pore + 1.0e-5 * fibre - 1.5e-5 * late
    return _tinted(shade, (0.82, 1.0, 1.22)), height, 0.03 * fibre + 0.10 * pore - 0.05 * late


def _concrete() -> tuple[Float[np.ndarray, "n n 3"], Field, Field]:
    """Cast concrete: clouds, sand, and a few pores of trapped air."""
    cloud = spectral_noise((2, 0), _SHAPE, 1.5, band=(2.0, 200.0))
    sand = spectral_noise((2, 1), _SHAPE, 0.1, band=(60.0, 256.0))
    bubble = cellular_noise((2, 2), SIZE, 42)
    pore = _step(0.04 + 0.22 * bubble.value**6 - bubble.first, 0.0, 0.06)
    shade = 0.07 * cloud + 0.045 * sand - 0.45 * pore
    height = 8e-5 * cloud + 7e-5 * sand - 9e-4 * pore
    return _tinted(shade, (1.0, 1.0, 0.97)), height, 0.03 * cloud


def _plaster() -> tuple[Float[np.ndarray, "n n 3"], Field, Field]:
    """Painted plaster: the bumps a roller leaves, and hardly a stain."""
    bumps = spectral_noise((3, 0), _SHAPE, 0.8, band=(40.0, 150.0))
    wave = spectral_noise((3, 1), _SHAPE, 2.0, band=(2.0, 24.0))
    shade = 0.022 * bumps + 0.018 * wave
    return _tinted(shade, (1.0, 1.0, 1.0)), 1.0e-4 * bumps + 5e-4 * wave, 0.02 * bumps


def _asphalt() -> tuple[Float[np.ndarray, "n n 3"], Field, Field]:
    """Worn asphalt: light and dark stones of two sizes in bitumen."""
    large, small = cellular_noise((4, 0), SIZE, 72), cellular_noise((4, 1), SIZE, 150)
    stone = _step(large.second - large.first, 0.06, 0.30)
    grit = _step(small.second - small.first, 0.05, 0.35)
    shown = _step(spectral_noise((4, 2), _SHAPE, 0.9, band=(3.0, 60.0)) + 2 * large.value, 0.2, 1.6)
    light = 0.42 * (large.value - 0.45) * stone * shown + 0.22 * (small.value - 0.5) * grit
    worn = spectral_noise((4, 3), _SHAPE, 1.5, band=(2.0, 40.0))
    shade = light - 0.22 * (1 - stone * shown) - 0.10 * (1 - grit) + 0.05 * worn
    height = 9e-4 * stone * shown + 3e-4 * grit
    rough = -0.07 * stone * shown * large.value + 0.02 * worn
    return _tinted(shade, (1.02, 1.0, 0.97)), height, rough


def _brick() -> tuple[Float[np.ndarray, "n n 3"], Field, Field]:
    """Brick in running bond: 12 courses of 4, pressed joints, every brick fired on its own."""
    rows, columns, joint = 12, 4, 0.011
    wobble = 0.0011 * spectral_noise((5, 0), _SHAPE, 1.2, band=(4.0, 60.0))
    v = (_GRID[:, None] + wobble) * rows
    u = (_GRID[None, :] + wobble) * columns + 0.5 * (np.floor(v) % 2)
    from_u = np.minimum(u - np.floor(u), 1 - (u - np.floor(u))) / columns
    from_v = np.minimum(v - np.floor(v), 1 - (v - np.floor(v))) / rows
    face = _step(np.minimum(from_u, from_v), 0.35 * joint, 0.65 * joint)
    fired = np.random.default_rng(5).normal(size=(rows, columns)).astype(np.float32)
    own = fired[np.floor(v).astype(int) % rows, np.floor(u).astype(int) % columns]
    grain = spectral_noise((5, 1), _SHAPE, 0.6, band=(8.0, 256.0))
    shade = face * (0.13 * own + 0.07 * grain) + (1 - face) * (0.18 + 0.05 * grain)
    colours = _tinted(shade, (0.9, 1.0, 1.1))
    # Mortar is gray: where the bricks are red, it multiplies by less red and more blue.
    colours = colours * np.where(
        face[..., None] > 0.5, 1.0, np.array([0.92, 1.12, 1.2], np.float32)
    )
    height = 2e-3 * face + 1.5e-4 * grain
    return colours.astype(np.float32), height, 0.03 * grain * face


def _fabric() -> tuple[Float[np.ndarray, "n n 3"], Field, Field]:
    """Plain weave of uneven yarn, 80 threads each way."""
    threads = 80
    uneven = spectral_noise((6, 0), _SHAPE, 1.0, band=(3.0, 60.0))
    u, v = _GRID[None, :] * threads + 0.12 * uneven, _GRID[:, None] * threads + 0.12 * uneven
    over = np.cos(np.pi * np.floor(u)) * np.cos(np.pi * np.floor(v))
    warp, weft = np.abs(np.sin(np.pi * u)), np.abs(np.sin(np.pi * v))
    bow = np.where(over > 0, warp * (0.6 + 0.4 * weft), weft * (0.6 + 0.4 * warp))
    slub_u = spectral_noise((6, 1), _SHAPE, 0.5, segment=24.0, band=(6.0, 256.0))
    slub_v = spectral_noise((6, 2), _SHAPE, 0.5, segment=24.0, band=(6.0, 256.0)).T
    yarn = np.where(over > 0, slub_v, slub_u)
    shade = 0.38 * (bow - 0.6) + 0.07 * yarn + 0.035 * uneven
    return _tinted(shade, (1.0, 1.0, 1.0)), 2.5e-4 * bow.astype(np.float32), 0.02 * yarn


def _leather() -> tuple[Float[np.ndarray, "n n 3"], Field, Field]:
    """Grained leather: pebbles between creases."""
    grain = cellular_noise((7, 0), SIZE, 90)
    crease = 1 - _step(grain.second - grain.first, 0.02, 0.28)
    wear = spectral_noise((7, 1), _SHAPE, 1.4, band=(2.0, 40.0))
    shade = -0.25 * crease + 0.06 * wear
    return _tinted(shade, (1.0, 1.0, 1.0)), -2.5e-4 * crease, 0.10 * crease - 0.04 * wear


def _metal() -> tuple[Float[np.ndarray, "n n 3"], Field, Field]:
    """Brushed metal, strokes along u."""
    stroke = spectral_noise((8, 0), _SHAPE, 0.25, segment=60.0, band=(4.0, 500.0))
    cloud = spectral_noise((8, 1), _SHAPE, 1.8, band=(2.0, 20.0))
    shade = 0.035 * stroke + 0.02 * cloud
    return _tinted(shade, (1.0, 1.0, 1.0)), 4e-6 * stroke, 0.05 * stroke + 0.03 * cloud


def _foliage() -> tuple[Float[np.ndarray, "n n 3"], Field, Field]:
    """Leaves over leaves: each its own green, bent like a dish, dark between."""
    near, far = cellular_noise((11, 0), SIZE, 34), cellular_noise((11, 1), SIZE, 52)
    dome_near = np.clip(1 - 1.4 * near.first**2, 0, 1)
    dome_far = np.clip(1 - 1.4 * far.first**2, 0, 1)
    lies_near = _step(near.value - 0.5 * near.first, -0.05, 0.15)
    own = lies_near * near.value + (1 - lies_near) * (0.75 * far.value - 0.2)
    dome = lies_near * dome_near + (1 - lies_near) * dome_far * 0.7
    clump = spectral_noise((11, 2), _SHAPE, 1.1, band=(3.0, 120.0))
    shade = 0.55 * (own - 0.5) + 0.75 * (dome - 0.7) + 0.16 * clump
    height = 7e-3 * dome + 4e-3 * lies_near + 2e-3 * clump
    return _tinted(shade, (1.12, 1.0, 0.9)), height, 0.12 * (0.5 - own)


def _grass() -> tuple[Float[np.ndarray, "n n 3"], Field, Field]:
    """Short grass from above: blades, tufts and straw."""
    blade = spectral_noise((12, 0), _SHAPE, 0.2, segment=0.3, band=(30.0, 256.0))
    other = spectral_noise((12, 1), _SHAPE, 0.2, segment=3.0, band=(30.0, 256.0))
    tuft = spectral_noise((12, 2), _SHAPE, 1.2, band=(3.0, 60.0))
    lies = np.maximum(blade, other)
    straw = _step(spectral_noise((12, 3), _SHAPE, 0.9, band=(6.0, 200.0)), 1.2, 2.2)
    colours = _tinted(0.24 * lies + 0.15 * tuft, (1.05, 1.0, 0.95))
    colours = colours * (1 + straw[..., None] * np.array([0.45, 0.15, 0.05], np.float32))
    return colours.astype(np.float32), 8e-4 * lies + 2e-3 * tuft, 0.03 * lies


def _soil() -> tuple[Float[np.ndarray, "n n 3"], Field, Field]:
    """Bare ground: crumbs and pebbles."""
    clod = spectral_noise((13, 0), _SHAPE, 1.1, band=(3.0, 256.0))
    pebble = cellular_noise((13, 1), SIZE, 60)
    stone = _step(0.10 + 0.34 * pebble.value**3 - pebble.first, 0.0, 0.08)
    shade = 0.15 * clod + stone * (0.5 * (pebble.value - 0.6))
    return _tinted(shade, (0.95, 1.0, 1.06)), 1.5e-3 * clod + 2e-3 * stone, -0.1 * stone


def _grain() -> tuple[Float[np.ndarray, "n n 3"], Field, Field]:
    """What suits a surface of which nothing is known: a fine, even grain."""
    fine = spectral_noise((14, 0), _SHAPE, 0.5, band=(20.0, 256.0))
    wave = spectral_noise((14, 1), _SHAPE, 1.6, band=(2.0, 40.0))
    return (
        _tinted(0.022 * fine + 0.015 * wave, (1.0, 1.0, 1.0)),
        2.5e-5 * fine + 5e-5 * wave,
        0.03 * wave + 0.015 * fine,
    )


PATTERNS: dict[str, tuple[Pattern, float]] = {  # and metres across
    "asphalt": (_asphalt, 1.0),
    "brick": (_brick, 0.92),
    "concrete": (_concrete, 1.4),
    "fabric": (_fabric, 0.24),
    "foliage": (_foliage, 1.3),
    "grain": (_grain, 0.6),
    "grass": (_grass, 0.7),
    "leather": (_leather, 0.3),
    "metal": (_metal, 0.4),
    "plaster": (_plaster, 1.2),
    "soil": (_soil, 1.0),
    "wood": (_wood, 0.7),
}
