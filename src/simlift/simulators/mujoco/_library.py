"""Import mujoco ready to render without a display (headless).

MuJoCo chooses its OpenGL platform while it is imported, so every other file of this folder gets
the module from here.
"""

import os
import sys

from simlift.core.errors import MissingLibrary
from simlift.simulators.mujoco._graphics import graphics_error

if (
    sys.platform.startswith("linux")
    and not os.environ.get("DISPLAY")
    and not os.environ.get("MUJOCO_GL")
):
    os.environ["MUJOCO_GL"] = "egl"

try:
    import mujoco
except ModuleNotFoundError as error:
    raise MissingLibrary("mujoco", "recording an episode", "record") from error
except Exception as error:  # of PyOpenGL, where a platform's library is absent
    raise graphics_error(error) from error

__all__ = ["mujoco"]
