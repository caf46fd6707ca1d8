"""List the shipped episodes and the looks that `simlift demo` lifts."""

from importlib.resources import files
from pathlib import Path

from simlift.core.clip import Clip
from simlift.core.recipe import Plugin, Recipe, Variant
from simlift.engines.photographic import Look, Photographic
from simlift.engines.photographic.looks.look import Exposure, Film, Light
from simlift.engines.photographic.weather.effects import Weather
from simlift.sources import open_clip

EPISODES = ("tabletop", "drive")

# The environment suits the clip: `pick` names a room indoors and a sky outdoors, where it may rain.
LOOKS: dict[str, Look] = {
    "day": Look(light=Light(pick=0, elevation=52, turn=55, clouds=0.35)),
    "soft": Look(
        light=Light(pick=1, turn=-30),
        weather=Weather(rain=12.0, wind=2.0),
        optional=("weather", "optics"),
        exposure=Exposure(white_balance=0.8),
        film=Film(contrast=1.2, white=4.5),
    ),
    "hard": Look(
        light=Light(pick=6, elevation=40, turn=-60, turbidity=2.4, clouds=0.1, roughness=0.36),
        exposure=Exposure(compensation=-0.2),
        film=Film(contrast=1.4, white=6.0),
    ),
}


def episode_path(name: str) -> Path:
    """Return the folder of a shipped episode."""
    return Path(str(files("simlift") / "episodes" / name))


def demo_clips() -> tuple[Clip, ...]:
    """Open the shipped episodes."""
    return tuple(open_clip(episode_path(name)) for name in EPISODES)


def demo_recipe(seed: int = 0) -> Recipe:
    """Return the recipe of the demo: three looks."""
    return Recipe(
        variants=tuple(Variant(name, Plugin.of(Photographic(k))) for name, k in LOOKS.items()),
        seed=seed,
    )
