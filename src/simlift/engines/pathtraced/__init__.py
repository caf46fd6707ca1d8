"""Render a clip that stores its scene by path tracing: slow and exact."""

from simlift.engines.pathtraced.spec import PathTraced

__all__ = ["PathTraced"]
