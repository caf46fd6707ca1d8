"""Relight and re-photograph a clip from the layers that its simulator rendered."""

from simlift.engines.photographic.looks.look import Look
from simlift.engines.photographic.spec import Photographic

__all__ = ["Look", "Photographic"]
