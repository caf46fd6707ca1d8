"""The slow, exact end of the seam: renders a clip that carries its scene by path tracing."""

from simlift.engines.pathtraced.spec import PathTraced

__all__ = ["PathTraced"]
