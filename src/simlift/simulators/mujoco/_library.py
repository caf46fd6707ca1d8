"""Import mujoco ready to render without a display (headless).

MuJoCo chooses its OpenGL platform while it is imported, so every other file of this folder gets
the module from here.
"""

import os
import sys

from simlift.core.errors import MissingLibrary

if sys.platform.startswith("linux") and "DISPLAY" not in os.environ:
    os.environ.setdefault("MUJOCO_GL", "egl")

try:
    import mujoco
except ImportError as error:
    raise MissingLibrary("mujoco", "recording an episode", "record") from error

__all__ = ["mujoco"]
