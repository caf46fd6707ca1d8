"""The machine -> what runs here, what is missing, how to get it; libraries are tried by loading."""

import importlib
import importlib.util
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
import cv2

from simlift.core.errors import MissingLibrary
from simlift.engines.diffusers.licences import LICENCES
from simlift.engines.pathtraced.llvm import OLDEST_LLVM, find_llvm
from simlift.models.wan.base import EXTRA
from simlift.passes.provenance import installed


@dataclass(frozen=True)
class Finding:
    """One thing that simlift can use: whether it works here, what was found, how to get it."""

    name: str
    works: bool
    found: str
    purpose: str
    way_out: str = ""


def examine() -> tuple[Finding, ...]:
    """Look at everything that decides what runs on this machine."""
    return (
        Finding(
            "python",
            sys.version_info >= (3, 11),
            sys.version.split()[0],
            "everything",
            "install Python 3.11 or newer",
        ),
        Finding("processor", True, f"{os.cpu_count()} cores", "lifting with --workers"),
        _memory(),
        Finding(
            "disk",
            True,
            f"{shutil.disk_usage(Path.cwd()).free / 1e9:.1f} GB free here",
            "takes: about 2 MB for a second of 480p",
        ),
        Finding("OpenCV", True, cv2.__version__, "pixels"),
        *(_encoder(name, purpose) for name, purpose in _ENCODERS),
        _library("mujoco", _try_mujoco, "simlift record", "record"),
        _library("gymnasium_robotics", _try_robot, "simlift record tabletop", "record"),
        _library("OpenEXR", _try_import("OpenEXR"), ".exr environments", "exr"),
        _library("mitsuba", _try_mitsuba, "twins, --engine pathtraced", "pathtraced"),
        _tracer(),
        _library("torch", _try_import("torch"), "simlift estimate", "estimate"),
        _library("transformers", _try_import("transformers"), "simlift estimate", "estimate"),
        *(
            _library(name, _try_import(name), "simlift pair, train; engines with weights", EXTRA)
            for name in ("diffusers", "peft", "ftfy", "tensorboardX")
        ),
        _gpu(),
        *(Finding(f"licence of {x.name}", True, x.licence, x.where) for x in LICENCES),
    )


_ENCODERS = (("libx264", "takes"), ("ffv1", "depth and segmentation of recorded clips"))


def _memory() -> Finding:
    size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return Finding("memory", size > 2, f"{size:.1f} GB", "a worker needs 0.5 to 0.9 GB at 480p")


def _encoder(name: str, purpose: str) -> Finding:
    works = name in av.codecs_available
    found = f"PyAV {av.__version__}" if works else "absent from this build of FFmpeg"
    return Finding(name, works, found, purpose, "pip install --force-reinstall av")


def _library(name: str, attempt: Callable[[], None], purpose: str, extra: str) -> Finding:
    try:
        attempt()
    except (ImportError, MissingLibrary):
        return Finding(name, False, "not installed", purpose, f"pip install 'simlift[{extra}]'")
    except Exception as error:
        way_out = "apt-get install libegl1 libgl1 libgl1-mesa-dri, and set MUJOCO_GL=egl"
        return Finding(name, False, f"is installed and does not load: {error}", purpose, way_out)
    return Finding(name, True, installed(name.replace("_", "-")) or "found", purpose)


def _try_import(name: str) -> Callable[[], None]:
    return lambda: _do_import(name)


def _do_import(name: str) -> None:
    importlib.import_module(name)


def _try_mujoco() -> None:
    os.environ.setdefault("MUJOCO_GL", "egl")
    mujoco = importlib.import_module("mujoco")
    model = mujoco.MjModel.from_xml_string("<mujoco><worldbody><light/></worldbody></mujoco>")
    with mujoco.Renderer(model, 8, 8) as renderer:
        renderer.update_scene(mujoco.MjData(model))
        renderer.render()


def _try_mitsuba() -> None:
    importlib.import_module("simlift.engines.pathtraced._mitsuba")


def _tracer() -> Finding:
    library = find_llvm()
    return Finding(
        "path tracer",
        library is not None,
        f"llvm ({library})" if library else "scalar: works, three to four times slower",
        "how fast Mitsuba runs",
        f"apt-get install libllvm19, or set DRJIT_LIBLLVM_PATH to a libLLVM of {OLDEST_LLVM} or "
        "newer",
    )


def _try_robot() -> None:
    if importlib.util.find_spec("gymnasium_robotics") is None:
        raise ImportError("gymnasium_robotics")


def _gpu() -> Finding:
    tool = shutil.which("nvidia-smi")
    found = f"driver found ({tool})" if tool else "none found"
    return Finding("NVIDIA GPU", bool(tool), found, "engines with weights; the default needs none")
