"""Parse a prompt such as "rain at night" into changes of a look; refuse unknown words.

Each phrase of the tables sets some numbers of a look. Later tables win over earlier ones: a style
is refined by the weather, the weather by the light, and colours have the last word.
"""

import difflib
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from simlift.core.errors import RecipeError
from simlift.engines.photographic.looks.look import Look
from simlift.engines.photographic.weather.effects import Weather

Changes = Mapping[str, Any]  # "group.field" -> value

_FILLERS = frozenset(
    "a an and as at be by day during for from give have i in into is it like look looking looks "
    "make mood of on please scene shot show sky some that the there this time to under video want "
    "weather with".split()
)

STYLES: dict[str, Changes] = {
    "cinematic": {
        "optics.f_number": 2.0,
        "optics.shutter": 0.5,
        "film.contrast": 1.35,
        "film.white": 7.0,
        "lens.vignette": 0.7,
    },
    "film": {
        "sensor.shot": 0.0005,
        "sensor.read": 0.0012,
        "film.contrast": 1.18,
        "film.white": 8.0,
        "optics.glare": 0.03,
    },
    "phone": {
        "optics.f_number": None,
        "optics.shutter": 0.0,
        "sensor.shot": 0.0006,
        "sensor.read": 0.0018,
        "grade.saturation": 1.08,
    },
    "shallow focus": {"optics.f_number": 1.8},
    "deep focus": {"optics.f_number": None},
    "motion blur": {"optics.shutter": 0.5},
    "grainy": {"sensor.shot": 0.0016, "sensor.read": 0.003},
    "clean": {"sensor.shot": 0.00005, "sensor.read": 0.0003},
}

_OUT = {"weather": Weather()}
WEATHER: dict[str, Changes] = {
    "drizzle": {"weather.rain": 1.0},
    "light rain": {"weather.rain": 2.5},
    "rain": {"weather.rain": 10.0},
    "heavy rain": {"weather.rain": 40.0},
    "storm": {"weather.rain": 50.0, "weather.wind": 14.0},
    "wet": {"weather.wetness": 0.85},
    "damp": {"weather.wetness": 0.4},
    "light snow": {"weather.snowfall": 0.4, "weather.snow_cover": 0.1},
    "snow": {"weather.snowfall": 0.8, "weather.snow_cover": 0.22},
    "heavy snow": {"weather.snowfall": 4.0, "weather.snow_cover": 0.95},
    "snowy": {"weather.snow_cover": 0.85},
    "mist": {"weather.visibility": 400.0},
    "fog": {"weather.visibility": 90.0},
    "dense fog": {"weather.visibility": 35.0},
    "wind": {"weather.wind": 8.0},
    "dry": _OUT,
}

LIGHT: dict[str, Changes] = {
    "overcast": {"light.environment": "overcast", "film.contrast": 1.25},
    "sunny": {"light.environment": "clear-sky", "light.elevation": 45.0, "light.clouds": 0.25},
    "clear": {
        "light.environment": "clear-sky",
        "light.clouds": 0.0,
        "light.turbidity": 2.2,
        **_OUT,
    },
    "morning": {"light.environment": "clear-sky", "light.elevation": 22.0, "light.turn": 70.0},
    "noon": {"light.environment": "clear-sky", "light.elevation": 62.0, "light.clouds": 0.2},
    "golden hour": {
        "light.environment": "clear-sky",
        "light.elevation": 12.0,
        "light.turn": -65.0,
        "light.turbidity": 4.5,
        "exposure.white_balance": 0.35,
    },
    "sunset": {
        "light.environment": "clear-sky",
        "light.elevation": 5.0,
        "light.turn": -60.0,
        "light.turbidity": 5.0,
        "light.clouds": 0.45,
        "exposure.white_balance": 0.3,
    },
    "sunrise": {
        "light.environment": "clear-sky",
        "light.elevation": 5.0,
        "light.turn": 75.0,
        "light.turbidity": 3.5,
        "light.clouds": 0.3,
        "exposure.white_balance": 0.4,
    },
    "evening": {
        "light.environment": "clear-sky",
        "light.elevation": 9.0,
        "light.turn": -70.0,
        "light.turbidity": 4.5,
        "exposure.key": 0.12,
        "exposure.white_balance": 0.45,
    },
    "dusk": {
        "light.environment": "clear-sky",
        "light.elevation": 2.0,
        "light.turn": -150.0,
        "light.turbidity": 3.0,
        "light.clouds": 0.6,
        "light.emission": 5.0,
        "exposure.key": 0.08,
        "exposure.white_balance": 0.4,
        "sensor.shot": 0.0008,
        "sensor.read": 0.002,
    },
    "night": {
        "light.environment": "night",
        "light.emission": 9.0,
        "exposure.key": 0.055,
        "exposure.white_balance": 0.3,
        "sensor.shot": 0.0016,
        "sensor.read": 0.0032,
    },
    "studio": {"light.environment": "studio"},
    "window light": {"light.environment": "window-room"},
    "lamps": {"light.environment": "lamp-room", "exposure.white_balance": 0.45},
}

COLOUR: dict[str, Changes] = {
    "warm": {"grade.warmth": 0.4},
    "cold": {"grade.warmth": -0.4},
    "vivid": {"grade.saturation": 1.2},
    "muted": {"grade.saturation": 0.75},
    "black and white": {"grade.saturation": 0.0},
    "bright": {"exposure.compensation": 0.6},
    "dark": {"exposure.compensation": -0.8},
    "soft": {"film.contrast": 1.15},
    "contrasty": {"film.contrast": 1.6, "film.white": 8.0},
}

_MILD = frozenset({"optics.glare"})  # every clip can carry it

TABLES = (STYLES, WEATHER, LIGHT, COLOUR)

_SYNONYMS = {
    "cinema": "cinematic",
    "movie": "cinematic",
    "35mm": "film",
    "analog": "film",
    "grain": "grainy",
    "noisy": "grainy",
    "smartphone": "phone",
    "bokeh": "shallow focus",
    "shallow depth of field": "shallow focus",
    "drizzling": "drizzle",
    "raining": "rain",
    "rainy": "rain",
    "downpour": "heavy rain",
    "pouring": "heavy rain",
    "stormy": "storm",
    "puddles": "wet",
    "snowing": "snow",
    "snowfall": "snow",
    "blizzard": "heavy snow",
    "snow covered": "snowy",
    "misty": "mist",
    "haze": "mist",
    "hazy": "mist",
    "light fog": "mist",
    "foggy": "fog",
    "thick fog": "dense fog",
    "heavy fog": "dense fog",
    "windy": "wind",
    "cloudy": "overcast",
    "clouds": "overcast",
    "gray": "overcast",
    "grey": "overcast",
    "sun": "sunny",
    "sunshine": "sunny",
    "blue sky": "clear",
    "clear sky": "clear",
    "midday": "noon",
    "dawn": "sunrise",
    "twilight": "dusk",
    "nighttime": "night",
    "clear night": "night",
    "cloudy night": "night",
    "lamp light": "lamps",
    "lamplight": "lamps",
    "window": "window light",
    "cool": "cold",
    "colourful": "vivid",
    "colorful": "vivid",
    "saturated": "vivid",
    "desaturated": "muted",
    "pale": "muted",
    "monochrome": "black and white",
    "darker": "dark",
    "brighter": "bright",
    "warmer": "warm",
    "colder": "cold",
}


def phrases_of(prompt: str) -> tuple[str, ...]:
    """Return the known phrases of a prompt, each once; RecipeError for any other word."""
    words = re.findall(r"[a-z0-9]+", prompt.lower())
    known = {p: p for table in TABLES for p in table} | _SYNONYMS
    longest = max(len(phrase.split()) for phrase in known)
    found, strange, at = [], [], 0
    while at < len(words):
        for length in range(longest, 0, -1):
            phrase = " ".join(words[at : at + length])
            if phrase in known:
                found.append(known[phrase])
                at += length
                break
        else:
            if words[at] not in _FILLERS:
                strange.append(words[at])
            at += 1
    if strange or not found:
        raise RecipeError(
            "--prompt",
            f"does not know {', '.join(dict.fromkeys(strange))}" if strange else "says nothing",
            allowed=", ".join(p for table in TABLES for p in table),
            way_out=_nearest(strange, known),
        )
    return tuple(dict.fromkeys(found))


def _nearest(strange: list[str], known: Mapping[str, str]) -> str:
    close = [m for word in strange for m in difflib.get_close_matches(word, known, n=1)]
    return f"did you mean {' '.join(close)!r}?" if close else ""


def apply_prompt(look: Look, prompt: str) -> Look:
    """Return the look changed by the words of a prompt; RecipeError where they contradict.

    What words ask for is not optional any more, and weather that was is gone when words speak of
    weather or light.
    """
    phrases = phrases_of(prompt)
    changes = _changes(phrases)
    if any(phrase in WEATHER or phrase in LIGHT for phrase in phrases):
        if "weather" in look.optional:
            look = replace(look, weather=Weather())
        if look.light.environment == "clear-sky":
            # Bad weather has no sun, unless words ask for one.
            changes = {"light.environment": "auto", **changes}
    for key, value in changes.items():
        group, _, name = key.partition(".")
        whole = replace(getattr(look, group), **{name: value}) if name else value
        look = replace(look, **{group: whole})
    asked = {key.partition(".")[0] for key in changes if key not in _MILD}
    return replace(look, optional=tuple(group for group in look.optional if group not in asked))


def _changes(phrases: tuple[str, ...]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for table in TABLES:
        out |= _gathered([p for p in phrases if p in table], table)
    if "weather" in out and any(key.startswith("weather.") for key in out):
        wet = [p for p in phrases if p in WEATHER and p != "dry"]
        clear = [p for p in phrases if p in ("dry", "clear")]
        raise _contradiction(clear[0], wet[0])
    return out


def _gathered(phrases: list[str], table: Mapping[str, Changes]) -> Changes:
    out: dict[str, Any] = {}
    by: dict[str, str] = {}
    for phrase in phrases:
        for key, value in table[phrase].items():
            if key in out and out[key] != value:
                raise _contradiction(by[key], phrase)
            out[key], by[key] = value, phrase
    return out


def _contradiction(one: str, other: str) -> RecipeError:
    return RecipeError("--prompt", f"asks for both {one} and {other}", allowed="one of them")
