"""Lift simulator video into photorealistic video, and prove that its labels still hold."""

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
