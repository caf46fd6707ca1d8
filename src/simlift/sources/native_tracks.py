"""Read the arrays of a native folder: bodies, robot, and what other arrays state by their axes."""

import os
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from simlift.core.camera import Arm, Objects, Robot
from simlift.core.errors import ClipError
from simlift.core.layers import Array

T = TypeVar("T")

_OPTIONAL = frozenset({"up", "arm_names", "arm_links", "arm_grippers"})


def existing(folder: Path, name: str | None) -> Path | None:
    """Return a file that clip.json names; ClipError where it is not there."""
    if name is None:
        return None
    path = inside(folder, name)
    if not path.is_file():
        raise ClipError(path, "does not exist", way_out="remove it from clip.json")
    return path


def inside(folder: Path, name: str) -> Path:
    """Return the path of a file in the folder; ClipError where its name leads out of it.

    A link inside the folder may point elsewhere, as the cache of a dataset hub keeps its files.
    """
    path = Path(os.path.normpath(folder / name))
    if not path.is_relative_to(Path(os.path.normpath(folder))):
        raise ClipError(
            folder / "clip.json", f"{name!r} leads out of the folder", allowed="paths inside it"
        )
    return path


def read_arrays(folder: Path, name: str, shapes: Mapping[str, str]) -> dict[str, Array]:
    """Read arrays whose axes `shapes` states; equal letters are equal lengths."""
    path = inside(folder, name)
    try:
        with path.open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise ValueError("one array, no archive")
            arrays = {key: archive[key] for key in archive.files}
    except FileNotFoundError:
        raise ClipError(path, "does not exist", way_out="remove it from clip.json") from None
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ClipError(
            path,
            f"is not a plain .npz archive ({error})",
            allowed=f"arrays without pickles: {', '.join(shapes)}",
            way_out="save it again with numpy.savez",
        ) from error
    if missing := [key for key in shapes if key not in arrays and key not in _OPTIONAL]:
        raise ClipError(path, f"lacks {', '.join(missing)}", allowed=", ".join(shapes))
    lengths: dict[str, int] = {}
    for key in [key for key in shapes if key in arrays]:
        _check_axes(path, key, arrays[key], shapes[key], lengths)
    return arrays


def _check_axes(path: Path, key: str, array: Array, axes: str, lengths: dict[str, int]) -> None:
    names = axes.split()
    numbers = "U" if key.endswith(("names", "arm_links")) else "iuf"
    fits = len(names) == array.ndim and array.dtype.kind in numbers
    if not fits or any(
        size != int(name) for name, size in zip(names, array.shape) if name.isdigit()
    ):
        raise ClipError(
            path,
            f"{key} holds {array.dtype} {list(array.shape)}",
            allowed=f"{'texts' if numbers == 'U' else 'numbers'} [{axes}]",
        )
    for name, size in zip(names, array.shape):
        if not name.isdigit() and lengths.setdefault(name, size) != size:
            raise ClipError(
                path,
                f"{key} has {size} entries along {name}, the other arrays {lengths[name]}",
                allowed="equal lengths",
            )


def read_objects(folder: Path, name: str | None) -> Objects | None:
    """Read objects.npz."""
    if name is None:
        return None
    found = read_arrays(folder, name, {"ids": "o", "poses": "t o 4 4"})
    return built(
        folder / name,
        Objects,
        ids=found["ids"].astype(np.int64),
        poses=found["poses"].astype(np.float64),
    )


def read_robot(folder: Path, name: str | None) -> Robot | None:
    """Read robot.npz."""
    if name is None:
        return None
    shapes = {
        "joint_names": "j",
        "joint_positions": "t j",
        "link_names": "l",
        "link_poses": "t l 4 4",
        "gripper": "t",
        "arm_names": "a",
        "arm_links": "a k",
        "arm_grippers": "t a",
    }
    found = read_arrays(folder, name, shapes)
    arms: tuple[Arm, ...] = ()
    if "arm_names" in found:
        arms = tuple(
            Arm(str(arm), tuple(str(n) for n in links if n), opening.astype(np.float64))
            for arm, links, opening in zip(
                found["arm_names"], found["arm_links"], found["arm_grippers"].T
            )
        )
    return built(
        folder / name,
        Robot,
        joint_names=tuple(str(n) for n in found["joint_names"]),
        joint_positions=found["joint_positions"].astype(np.float64),
        link_names=tuple(str(n) for n in found["link_names"]),
        link_poses=found["link_poses"].astype(np.float64),
        gripper=found["gripper"].astype(np.float64),
        arms=arms,
    )


def built(path: Path, kind: type[T], **fields: Any) -> T:
    """Build a value from arrays; ClipError where its own check refuses them."""
    try:
        return kind(**fields)
    except ValueError as error:
        raise ClipError(path, str(error), allowed=str(kind.__doc__).splitlines()[0]) from error
