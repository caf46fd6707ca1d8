"""Build the environment map of a look, ready for lookup, once in a process."""

from functools import lru_cache
from pathlib import Path

import numpy as np

from simlift.engines.photographic.looks.look import BUILT_IN, Light
from simlift.media.environments import read_environment
from simlift.pixels.light import sky
from simlift.pixels.light.environment import Environment, build_environment

INDOOR = ("studio", "window-room", "lamp-room")
OUTDOOR = ("clear-sky", "overcast")


def resolve(light: Light, outdoors: bool) -> str:
    """Return the environment's name; "auto" picks one that suits the scene."""
    if light.environment != "auto":
        return light.environment
    choices = OUTDOOR if outdoors else INDOOR
    return choices[light.pick % len(choices)]


@lru_cache(maxsize=16)
def open_environment(light: Light, name: str) -> Environment:
    """Build the environment of a light; RecipeError when its file cannot be used."""
    if name == "clear-sky":
        radiance, sun = sky.clear_sky(
            np.radians(light.elevation), light.turbidity, light.clouds, light.pick
        )
        return build_environment(radiance, (sun,))
    if name == "night":
        radiance, moon = sky.night_sky(np.radians(light.elevation), light.pick)
        return build_environment(radiance, (moon,))
    if name == "overcast":
        return build_environment(sky.overcast_sky(light.pick))
    rooms = {"studio": sky.studio, "window-room": sky.window_room, "lamp-room": sky.lamp_room}
    if name in rooms:
        return build_environment(rooms[name]())
    return build_environment(read_environment(Path(name)).radiance)


@lru_cache(maxsize=16)
def environment_notes(name: str) -> tuple[str, ...]:
    """Return what was changed or assumed as a file was read; RecipeError if it cannot be used."""
    return () if name in BUILT_IN else read_environment(Path(name)).notes
