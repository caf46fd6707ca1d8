"""Name looks and sample random ones (domain randomisation) from a seed."""

import difflib
from pathlib import Path

import numpy as np

from simlift.core.errors import RecipeError
from simlift.core.recipe import derive_seed
from simlift.core.strict_json import decode, load, read_json
from simlift.engines.photographic.camera.optics import Optics
from simlift.engines.photographic.looks.look import (
    Albedo,
    Exposure,
    Film,
    Grade,
    Lens,
    Light,
    Look,
    Sensor,
)
from simlift.engines.photographic.looks.prompt import apply_prompt, phrases_of
from simlift.engines.photographic.materials.settings import Materials
from simlift.engines.photographic.weather.effects import Weather

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
    "night": Look(
        light=Light(environment="night", emission=9.0),
        exposure=Exposure(key=0.055, white_balance=0.3),
        sensor=Sensor(shot=0.0016, read=0.0032),
        film=Film(contrast=1.35, white=6.0),
        optics=Optics(aberration=0.3, glare=0.03),
    ),
    "fog": Look(
        weather=Weather(visibility=110.0),
        exposure=Exposure(key=0.3),
        film=Film(contrast=1.25, white=3.0),
        grade=Grade(saturation=0.95),
    ),
    "rain": Look(
        weather=Weather(rain=25.0, wind=3.0),
        optics=Optics(shutter=0.25, aberration=0.25, glare=0.02),
        optional=("optics",),
        exposure=Exposure(key=0.18),
        film=Film(contrast=1.3, white=3.5),
    ),
    "snow": Look(
        weather=Weather(snowfall=0.8, snow_cover=0.22, wind=1.5),
        exposure=Exposure(key=0.28),
        film=Film(contrast=1.25, white=3.5),
    ),
    "wet": Look(weather=Weather(wetness=0.85), film=Film(contrast=1.35, white=5.5)),
    "film": Look(
        optics=Optics(aberration=0.3, glare=0.03),
        sensor=Sensor(shot=0.0005, read=0.0012),
        film=Film(contrast=1.18, white=8.0),
        lens=Lens(vignette=0.7, softness=0.9),
        grade=Grade(saturation=0.94, warmth=0.06),
    ),
    "phone": Look(
        optics=Optics(aberration=0.15, glare=0.02),
        sensor=Sensor(shot=0.0006, read=0.0018),
        film=Film(contrast=1.35, white=4.0),
        lens=Lens(vignette=0.3, softness=0.55),
        grade=Grade(saturation=1.06),
    ),
    "cinema": Look(
        optics=Optics(f_number=2.0, shutter=0.5, aberration=0.3, glare=0.02),
        film=Film(contrast=1.35, white=7.0),
        lens=Lens(vignette=0.7, softness=0.8),
        grade=Grade(saturation=0.96, split=0.5),
    ),
}


def look_named(name: str) -> Look:
    """Return a named look, or the look in a JSON file; RecipeError lists the names.

    The file is a look, a twin's settings, or the provenance of a take, which hold one.
    """
    if name.endswith(".json"):
        data = read_json(Path(name))
        if isinstance(data, dict) and isinstance(data.get("settings"), dict):
            data = data["settings"]
        if isinstance(data, dict) and isinstance(data.get("look"), dict):
            return decode(data["look"], Look, f"{name}: look")
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
    """Draw a look: light first, because that is what policies gain most from, then the rest.

    The environment suits the clip (skies outdoors, rooms indoors) and changes from index to index.
    Then materials, then the camera, and last and rarely weather, which stays outdoors. The ranges
    stand in docs/looks.md.
    """
    draw = np.random.default_rng(derive_seed(seed, "look", str(index)))
    start = int(np.random.default_rng(derive_seed(seed, "look")).integers(64))

    def between(low: float, high: float, digits: int = 2) -> float:
        return round(float(draw.uniform(low, high)), digits)

    light = Light(
        pick=start + index,
        turn=between(-180, 180, 1),
        elevation=between(12, 65, 1),
        turbidity=between(2.2, 5.5),
        clouds=between(0, 0.6),
        roughness=between(0.32, 0.6, 3),
        specular=between(0.6, 1.3),
    )
    noise = float(2 ** draw.uniform(-1, 1))
    return Look(
        albedo=Albedo(saturation=between(0.85, 1.05, 3)),
        light=light,
        exposure=Exposure(compensation=between(-0.5, 0.5), white_balance=between(0.4, 0.9)),
        lens=Lens(vignette=between(0.3, 0.9), softness=between(0.5, 1.1)),
        sensor=Sensor(shot=round(0.0002 * noise, 6), read=round(0.0008 * noise, 6)),
        film=Film(contrast=between(1.12, 1.4, 3), white=between(4, 8)),
        grade=Grade(saturation=between(0.88, 1.06, 3), warmth=between(-0.12, 0.15, 3)),
        materials=Materials(
            strength=between(0.5, 1), detail=between(0.6, 1.3), scale=round(2 ** between(-1, 1), 3)
        ),
        optics=Optics(
            shutter=between(0, 0.5) if draw.random() < 0.5 else 0.0,
            aberration=between(0, 0.6),
            glare=between(0, 0.03, 4),
        ),
        weather=_sample_weather(draw),
        optional=("optics", "weather"),
    )


def _sample_weather(draw: np.random.Generator) -> Weather:
    """Draw the weather: 70 % clear, 10 % wet ground, 10 % fog, 5 % rain, 5 % snow."""
    kind = draw.choice(5, p=(0.70, 0.10, 0.10, 0.05, 0.05))
    amount, wind = float(draw.uniform()), round(float(draw.uniform(0, 6)), 1)
    if kind == 1:
        return Weather(wetness=round(0.3 + 0.6 * amount, 2))
    if kind == 2:
        return Weather(visibility=round(60 * 20**amount, 1))
    if kind == 3:
        return Weather(rain=round(20**amount, 2), wind=wind)
    if kind == 4:
        cover = round(float(draw.uniform(0.05, 0.25)), 2)
        return Weather(snowfall=round(0.3 * 3**amount, 2), snow_cover=cover, wind=wind)
    return Weather()


def named_variants(
    names: tuple[str, ...], count: int, seed: int, prompt: str | None = None
) -> tuple[tuple[str, Look], ...]:
    """Return `count` named looks: those asked for by name first, the rest sampled by `seed`.

    A prompt changes all of them, and the names of those that were asked for.
    """
    said = "" if prompt is None else "-".join(phrases_of(prompt)).replace(" ", "-")
    if not names and count == 1:
        pairs = [(said or "natural", NAMED["natural"])]
    else:
        pairs = [("-".join(filter(None, (Path(n).stem, said))), look_named(n)) for n in names]
        rest = range(max(count - len(pairs), 0))
        pairs += [(f"look-{i:02d}", sample_look(seed, i)) for i in rest]
    return tuple(
        (name, look if prompt is None else apply_prompt(look, prompt)) for name, look in pairs
    )
