"""Import Mitsuba 3 in the fastest variant that runs on this machine.

`llvm_ad_rgb` compiles the renderer for this processor and needs a libLLVM; `scalar_rgb` needs
nothing. Every other file of this folder gets the module from here.
"""

import os

from simlift.core.errors import MissingLibrary
from simlift.engines.pathtraced.llvm import find_llvm

try:
    import mitsuba as mi
except ImportError as error:
    raise MissingLibrary("mitsuba", "path tracing", "pathtraced") from error

LIBRARY = find_llvm()
if LIBRARY is not None:
    os.environ["DRJIT_LIBLLVM_PATH"] = str(LIBRARY)
mi.set_variant("llvm_ad_rgb" if LIBRARY is not None else "scalar_rgb")

__all__ = ["mi"]
