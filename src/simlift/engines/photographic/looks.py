"""Names and seeds -> looks: a handful that are named, and a distribution to sample from."""

import difflib
from pathlib import Path

import numpy as np

from simlift.core.errors import RecipeError
from simlift.core.recipe import derive_seed
from simlift.core.strict_json import load
from simlift.engines.photographic.look import (
    Albedo,
    Exposure,
    Film,
    Grade,
    Lens,
    Light,
    Look,
    Sensor,
)

NAMED: dict[str, Look] = {
    "natural": Look(),
    "studio": Look(light=Light(environment="studio")),
    "window": Look(
        light=Light(environment="window-room", roughness=0.4),
        exposure=Exposure(white_balance=0.7, key=0.16),
        film=Film(contrast=1.3, white=6.0),
        lens=Lens(vignette=0.7, softness=0.8),
    ),
    "lamps": Look(
        light=Light(environment="lamp-room", turn=25.0, roughness=0.42),
        exposure=Exposure(white_balance=0.45, key=0.13),
        sensor=Sensor(shot=0.0004, read=0.0012),
        film=Film(contrast=1.3, white=6.0),
        lens=Lens(vignette=0.8, softness=0.9),
    ),
    "noon": Look(
        light=Light(environment="clear-sky", elevation=58, turn=50, turbidity=3, clouds=0.25),
        exposure=Exposure(white_balance=0.85, key=0.2),
        film=Film(contrast=1.3, white=6.0),
    ),
    "golden-hour": Look(
        light=Light(environment="clear-sky", elevation=14, turn=-65, turbidity=4.5, clouds=0.3),
        exposure=Exposure(white_balance=0.35, key=0.17),
        film=Film(contrast=1.25, white=7.0),
        grade=Grade(warmth=0.08),
        lens=Lens(vignette=0.7, softness=0.8),
    ),
    "overcast": Look(
        light=Light(environment="overcast", roughness=0.5, ambient_occlusion=1.8),
        exposure=Exposure(white_balance=0.8, key=0.18),
        film=Film(contrast=1.2, white=4.0),
        grade=Grade(saturation=0.92),
    ),
}


def look_named(name: str) -> Look:
    """Return a named look, or the look in a JSON file; RecipeError lists the names."""
    if name.endswith(".json"):
        return load(Path(name), Look)
    if name not in NAMED:
        close = difflib.get_close_matches(name, NAMED, n=1)
        raise RecipeError(
            "--look",
            f"no look {name!r}",
            allowed=f"{', '.join(NAMED)}, or a .json file",
            way_out=f"did you mean {close[0]!r}?" if close else "",
        )
    return NAMED[name]


def sample_look(seed: int, index: int) -> Look:
    """Draw a look: light first, because that is what policies gain most from, then the camera.

    The environment suits the clip (skies outdoors, rooms indoors) and changes from index to index;
    its turn is uniform over the circle, as are the sun's height, haze and clouds over their ranges;
    then one stop of exposure, two stops of noise, and mild lens, film and grade.
    """
    draw = np.random.default_rng(derive_seed(seed, "look", str(index)))
    start = int(np.random.default_rng(derive_seed(seed, "look")).integers(64))
    noise = float(2 ** draw.uniform(-1, 1))
    return Look(
        albedo=Albedo(saturation=round(float(draw.uniform(0.85, 1.05)), 3)),
        light=Light(
            pick=start + index,
            turn=round(float(draw.uniform(-180, 180)), 1),
            elevation=round(float(draw.uniform(12, 65)), 1),
            turbidity=round(float(draw.uniform(2.2, 5.5)), 2),
            clouds=round(float(draw.uniform(0, 0.6)), 2),
            roughness=round(float(draw.uniform(0.32, 0.6)), 3),
            specular=round(float(draw.uniform(0.6, 1.3)), 2),
        ),
        exposure=Exposure(
            compensation=round(float(draw.uniform(-0.5, 0.5)), 2),
            white_balance=round(float(draw.uniform(0.4, 0.9)), 2),
        ),
        lens=Lens(
            vignette=round(float(draw.uniform(0.3, 0.9)), 2),
            softness=round(float(draw.uniform(0.5, 1.1)), 2),
        ),
        sensor=Sensor(shot=round(0.0002 * noise, 6), read=round(0.0008 * noise, 6)),
        film=Film(
            contrast=round(float(draw.uniform(1.12, 1.4)), 3),
            white=round(float(draw.uniform(4, 8)), 2),
        ),
        grade=Grade(
            saturation=round(float(draw.uniform(0.88, 1.06)), 3),
            warmth=round(float(draw.uniform(-0.12, 0.15)), 3),
        ),
    )


def named_variants(names: tuple[str, ...], count: int, seed: int) -> tuple[tuple[str, Look], ...]:
    """Return `count` named looks: those asked for by name first, the rest sampled by `seed`."""
    if not names and count == 1:
        return (("natural", NAMED["natural"]),)
    chosen = [(Path(name).stem, look_named(name)) for name in names]
    sampled = [(f"look-{i:02d}", sample_look(seed, i)) for i in range(max(count - len(chosen), 0))]
    return (*chosen, *sampled)
