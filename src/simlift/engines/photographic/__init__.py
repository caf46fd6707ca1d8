"""The default engine: re-photographs a scene from the layers its simulator already has."""

from simlift.engines.photographic.looks.look import Look
from simlift.engines.photographic.spec import Photographic

__all__ = ["Look", "Photographic"]
