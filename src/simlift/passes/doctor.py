"""Check what this machine can run and what is missing; libraries load only when asked."""

import importlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
import cv2

from simlift.engines.oscar.spec import PYTHON_VARIABLE
from simlift.engines.pathtraced.llvm import OLDEST_LLVM, find_llvm
from simlift.models.wan.base_model import EXTRA
from simlift.passes.provenance import installed
from simlift.passes.score import LPIPS_VARIABLE


@dataclass(frozen=True)
class Finding:
    """One thing that simlift can use: whether it is here, what was found, how to get it.

    `tried` says that it was put to use; a library that was only looked up may still not load.
    """

    name: str
    works: bool
    found: str
    way_out: str = ""
    tried: bool = True


@dataclass(frozen=True)
class Group:
    """Findings that serve one purpose."""

    name: str
    purpose: str
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class _Library:
    """A library of an extra: its module, its distribution, and a use of it that shows it works."""

    module: str
    extra: str
    distribution: str = ""
    attempt: Callable[[], None] | None = None


def examine(*, deep: bool = False) -> tuple[Group, ...]:
    """Look at everything that decides what runs on this machine.

    Libraries are looked up without importing them, which takes no time; `deep` imports each of
    them, opens a renderer and asks for a GPU, which takes many seconds.
    """

    def libraries(*asked: _Library) -> tuple[Finding, ...]:
        return tuple(_try(library) if deep else _look_up(library) for library in asked)

    return (
        Group(
            "core",
            "inspect, lift, score, report: the default engine needs nothing else",
            (
                Finding(
                    "python",
                    sys.version_info >= (3, 11),
                    sys.version.split()[0],
                    "install Python 3.11 or newer",
                ),
                Finding("processor", True, f"{os.cpu_count()} cores, for --workers"),
                _memory(),
                Finding("OpenCV", True, cv2.__version__),
                *libraries(_Library("numba", "", attempt=_try_numba)),
            ),
        ),
        Group(
            "record",
            "simlift record",
            libraries(
                _Library("mujoco", "record", attempt=_try_mujoco),
                _Library("gymnasium_robotics", "record", "gymnasium-robotics"),
            ),
        ),
        Group(
            "robot datasets",
            "LeRobot, HDF5; recordings for Rerun",
            libraries(
                _Library("pyarrow", ""),
                _Library("h5py", ""),
                _Library("rerun", "rerun", "rerun-sdk"),
            ),
        ),
        Group(
            "path tracing",
            "twins, --engine pathtraced",
            (*libraries(_Library("mitsuba", "pathtraced", attempt=_try_mitsuba)), _llvm()),
        ),
        Group(
            "models and GPU",
            "simlift estimate, pair, train; engines with weights",
            (
                *libraries(
                    _Library("torch", "estimate"),
                    _Library("transformers", "estimate"),
                    _Library("safetensors", "estimate"),
                    _Library("diffusers", EXTRA),
                    _Library("accelerate", EXTRA),
                    _Library("peft", EXTRA),
                    _Library("ftfy", EXTRA),
                    _Library("tensorboardX", EXTRA),
                ),
                _driver(),
                *((_cuda(),) if deep else ()),
            ),
        ),
        Group("OSCAR", "--engine oscar, in its own environment", (_oscar(deep=deep),)),
        Group("evaluation", "simlift score; LPIPS needs torch too", (_lpips(),)),
        Group(
            "files",
            "what is read and written",
            (
                _encoder("libx264", "takes"),
                _encoder("ffv1", "depth and segmentation of recorded clips"),
                *libraries(_Library("OpenEXR", "exr")),
                Finding(
                    "disk",
                    True,
                    f"{shutil.disk_usage(Path.cwd()).free / 1e9:.1f} GB free here; "
                    "takes need about 2 MB for a second of 480p",
                ),
            ),
        ),
    )


def _memory() -> Finding:
    size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    found = f"{size:.1f} GB; a worker needs 0.5 to 0.9 GB at 480p"
    return Finding("memory", size > 2, found, "lift smaller frames")


def _encoder(name: str, purpose: str) -> Finding:
    works = name in av.codecs_available
    found = f"PyAV {av.__version__}" if works else "absent from this build of FFmpeg"
    return Finding(name, works, f"{found}, for {purpose}", "pip install --force-reinstall av")


def _look_up(library: _Library) -> Finding:
    if importlib.util.find_spec(library.module) is None:
        return _absent(library)
    return Finding(library.module, True, _version(library), tried=False)


def _try(library: _Library) -> Finding:
    # A search first: what is installed and lacks a part of its own raises ImportError as well.
    if importlib.util.find_spec(library.module) is None:
        return _absent(library)
    try:
        importlib.import_module(library.module)
        if library.attempt is not None:
            library.attempt()
    except Exception as error:  # whatever a library raises is what the user has to know
        reason = f"{_version(library)} does not work: {type(error).__name__}: {error}"
        return Finding(library.module, False, reason, _mend(library))
    return Finding(library.module, True, _version(library))


def _absent(library: _Library) -> Finding:
    return Finding(library.module, False, "not installed", _install(library))


def _install(library: _Library) -> str:
    return f"pip install 'simlift[{library.extra}]'" if library.extra else "pip install simlift"


def _mend(library: _Library) -> str:
    if library.module == "mujoco":
        return "apt-get install libegl1 libgl1 libgl1-mesa-dri, and set MUJOCO_GL=egl"
    return f"{_install(library)} --force-reinstall"


def _version(library: _Library) -> str:
    return installed(library.distribution or library.module) or "version unknown"


def _try_numba() -> None:
    numba = importlib.import_module("numba")
    numba.njit(lambda x: x + 1)(1)


def _try_mujoco() -> None:
    from simlift.simulators.mujoco._renderer import check_drawing

    check_drawing()


def _try_mitsuba() -> None:
    importlib.import_module("simlift.engines.pathtraced._mitsuba")


def _llvm() -> Finding:
    library = find_llvm()
    return Finding(
        "libLLVM",
        library is not None,
        str(library) if library else "none: Mitsuba works without it, three to four times slower",
        f"apt-get install libllvm19, or set DRJIT_LIBLLVM_PATH to a libLLVM of {OLDEST_LLVM} or "
        "newer",
        tried=False,
    )


def _driver() -> Finding:
    tool = shutil.which("nvidia-smi")
    found = f"driver found ({tool})" if tool else "none found; the default engine needs none"
    return Finding("NVIDIA GPU", bool(tool), found, tried=False)


def _cuda() -> Finding:
    try:
        torch = importlib.import_module("torch")
        works = bool(torch.cuda.is_available())
        found = torch.cuda.get_device_name() if works else "torch sees no CUDA device"
    except Exception as error:  # said in full beside torch itself
        works, found = False, f"torch does not load: {type(error).__name__}"
    return Finding("CUDA", works, found)


def _oscar(*, deep: bool) -> Finding:
    """Look for the Python of OSCAR's environment; `deep` has it import the release."""
    python = os.environ.get(PYTHON_VARIABLE, "")
    way_out = f"set {PYTHON_VARIABLE} to the Python in which OSCAR's release is installed"
    if not python:
        return Finding("OSCAR", False, "no environment is named", way_out, tried=False)
    if shutil.which(python) is None:
        return Finding("OSCAR", False, f"{python} cannot be run", way_out, tried=False)
    if not deep:
        return Finding("OSCAR", True, python, tried=False)
    try:
        done = subprocess.run(
            [python, "-c", "import oscar_diffusers"], capture_output=True, text=True, timeout=300
        )
        failed = done.stderr.strip().rpartition("\n")[2] if done.returncode else ""
    except (OSError, subprocess.TimeoutExpired) as error:
        failed = str(error)
    return Finding("OSCAR", not failed, f"{python}: {failed}" if failed else python, way_out)


def _lpips() -> Finding:
    folder = os.environ.get(LPIPS_VARIABLE, "")
    there = bool(folder) and Path(folder).is_dir()
    found = folder or "no folder of weights is named; every other score works without it"
    return Finding(
        "LPIPS weights",
        there,
        found if there or not folder else f"{folder} is no folder",
        f"set {LPIPS_VARIABLE} to their folder (docs/scores.md)",
        tried=False,
    )
