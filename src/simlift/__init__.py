"""Lift simulator video into photorealistic video, and prove that its labels still hold."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simlift.core.clip import Clip as Clip
    from simlift.core.errors import SimliftError as SimliftError
    from simlift.core.layers import Layer as Layer
    from simlift.core.recipe import Gate as Gate
    from simlift.core.recipe import Plugin as Plugin
    from simlift.core.recipe import Recipe as Recipe
    from simlift.core.recipe import Variant as Variant
    from simlift.core.run import Run as Run
    from simlift.core.window import ClipSample as ClipSample
    from simlift.core.window import Window as Window
    from simlift.engines.photographic import Look as Look
    from simlift.engines.photographic import Photographic as Photographic
    from simlift.passes.lift import lift_clips as lift_clips
    from simlift.passes.lift_windows import lift as lift
    from simlift.sources import open_clip as open_clip

    __version__: str

__all__ = [
    "Clip",
    "ClipSample",
    "Gate",
    "Layer",
    "Look",
    "Photographic",
    "Plugin",
    "Recipe",
    "Run",
    "SimliftError",
    "Variant",
    "Window",
    "lift",
    "lift_clips",
    "open_clip",
]

# Where each public name lives; it is imported when it is first asked for, so that a command line
# that only prints its help pays for nothing else.
_HOMES = {
    "Clip": "simlift.core.clip",
    "ClipSample": "simlift.core.window",
    "Gate": "simlift.core.recipe",
    "Layer": "simlift.core.layers",
    "Look": "simlift.engines.photographic",
    "Photographic": "simlift.engines.photographic",
    "Plugin": "simlift.core.recipe",
    "Recipe": "simlift.core.recipe",
    "Run": "simlift.core.run",
    "SimliftError": "simlift.core.errors",
    "Variant": "simlift.core.recipe",
    "Window": "simlift.core.window",
    "lift": "simlift.passes.lift_windows",
    "lift_clips": "simlift.passes.lift",
    "open_clip": "simlift.sources",
}


def __getattr__(name: str) -> Any:
    """Import a public name, or read the version, when it is first asked for (PEP 562)."""
    if name == "__version__":
        value: Any = _version()
    elif name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("simlift")
    except PackageNotFoundError:  # a source tree on the path that nobody installed
        return "0+not-installed"
