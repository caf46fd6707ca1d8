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


def open_environment(light: Light, name: str) -> Environment:
    """Build the environment of a light; RecipeError when its file cannot be used.

    Rooms and files are the same under every light, so that looks that are drawn share them.
    """
    if name == "clear-sky":
        return _clear_sky(light.elevation, light.turbidity, light.clouds, light.pick)
    if name == "night":
        return _night(light.elevation, light.pick)
    if name == "overcast":
        return _overcast(light.pick)
    return _unchanging(name)


# Skies are drawn anew for every episode: few are kept, for the looks of one.
@lru_cache(maxsize=4)
def _clear_sky(elevation: float, turbidity: float, clouds: float, pick: int) -> Environment:
    radiance, sun = sky.clear_sky(np.radians(elevation), turbidity, clouds, pick)
    return build_environment(radiance, (sun,))


@lru_cache(maxsize=4)
def _night(elevation: float, pick: int) -> Environment:
    radiance, moon = sky.night_sky(np.radians(elevation), pick)
    return build_environment(radiance, (moon,))


@lru_cache(maxsize=4)
def _overcast(pick: int) -> Environment:
    return build_environment(sky.overcast_sky(pick))


@lru_cache(maxsize=8)
def _unchanging(name: str) -> Environment:
    rooms = {"studio": sky.studio, "window-room": sky.window_room, "lamp-room": sky.lamp_room}
    if name in rooms:
        return build_environment(rooms[name]())
    return build_environment(read_environment(Path(name)).radiance)


@lru_cache(maxsize=16)
def environment_notes(name: str) -> tuple[str, ...]:
    """Return what was changed or assumed as a file was read; RecipeError if it cannot be used."""
    return () if name in BUILT_IN else read_environment(Path(name)).notes
