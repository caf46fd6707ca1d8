"""Say in words why MuJoCo cannot draw on a machine, and what it needs."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from simlift.core.errors import RunError, SimliftError


@contextmanager
def drawing() -> Iterator[None]:
    """Turn whatever OpenGL, its loaders and MuJoCo raise into a RunError with the way out."""
    try:
        with warnings.catch_warnings():  # GLFW warns of what MuJoCo then fails of
            warnings.simplefilter("ignore")
            yield
    except SimliftError:
        raise
    except Exception as error:  # of PyOpenGL, EGL, GLFW and MuJoCo: each has its own
        raise graphics_error(error) from error


def graphics_error(error: Exception) -> RunError:
    """Return the error of a machine on which MuJoCo finds no OpenGL."""
    reason = str(error).strip().partition("\n")[0][:200]
    platform = os.environ.get("MUJOCO_GL") or "not set"
    return RunError(
        f"MuJoCo's OpenGL (MUJOCO_GL {platform})",
        f"cannot draw here ({type(error).__name__}: {reason})",
        allowed="MUJOCO_GL=egl (no display needed), osmesa (slow, no GPU needed), or glfw with a "
        "display",
        way_out="MUJOCO_GL=egl with apt install libegl1 libgl1 libgl1-mesa-dri; in a container "
        "with an NVIDIA GPU also NVIDIA_DRIVER_CAPABILITIES=all; or MUJOCO_GL=osmesa with apt "
        "install libosmesa6",
    )
