"""Sort the files of a folder into layers by their names, align them by number, name what is left.

Engines write a file for each frame and layer. The numbers of the pictures decide which frames a
clip has; a layer that lacks one of them is an error, and files that no layer uses are named.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path

from simlift.core.camera import Camera
from simlift.core.errors import ClipError, RecipeError
from simlift.core.layers import FrameStore, Layer
from simlift.core.read_options import ReadOptions
from simlift.media.images import numbered
from simlift.sources.images import ASSUMED_FPS
from simlift.sources.lens import fixed_camera

_LAST_NUMBER = re.compile(r"\d+(?=\D*$)")


def names_in(folder: Path) -> Iterator[str]:
    """Yield the names of a folder's files, without hidden ones."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if not entry.name.startswith(".") and entry.is_file():
                yield entry.name


def folders_in(folder: Path) -> list[Path]:
    """Return the folders in a folder, sorted, without hidden ones."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.name[0] != "." and entry.is_dir()]
    return [folder / name for name in sorted(names)]


def sorted_by_kind(
    folder: Path,
    pattern: re.Pattern[str],
    into: dict[str, dict[int, Path]] | None = None,
    accepts: Callable[[re.Match[str]], bool] = bool,
) -> dict[str, dict[int, Path]]:
    """Return files by the groups `kind` and `number` of a pattern of whole names.

    ClipError where two files of one kind have one number.
    """
    found = {} if into is None else into
    for name in names_in(folder):
        match = pattern.fullmatch(name)
        if match is None or not accepts(match):
            continue
        files = found.setdefault(match["kind"], {})
        number = int(match["number"])
        if number in files:
            raise ClipError(
                folder,
                f"frame {number} is there twice: {files[number].name}, {name}",
                allowed="one file of a kind for each frame",
                way_out="name the files of one recording alone",
            )
        files[number] = folder / name
    return found


def aligned(
    folder: Path, pictures: Mapping[int, Path], others: Mapping[str, Mapping[int, Path]]
) -> tuple[tuple[int, ...], dict[str, tuple[Path, ...]], tuple[str, ...]]:
    """Return the numbers of the pictures, the files of every kind in their order, and notes.

    ClipError where a kind lacks a frame that the pictures have; forward flow may lack the last.
    """
    numbered(list(pictures.values()), folder)
    numbers = tuple(sorted(pictures))
    files, notes = {}, []
    for kind, found in others.items():
        wanted = numbers
        if kind == Layer.FLOW.value and numbers[-1] not in found:
            wanted = numbers[:-1]
        missing = [number for number in wanted if number not in found]
        if missing or not wanted:
            raise ClipError(
                folder,
                f"{kind} lacks {len(missing)} frames ({', '.join(map(str, missing[:8]))})",
                allowed="a file of every kind for each picture",
                way_out=f"write them again, or remove the files of {kind}",
            )
        files[kind] = tuple(found[number] for number in wanted)
        if extra := len(found) - len(wanted):
            notes.append(f"{extra} files of {kind} have no picture and are left out")
    return numbers, files, tuple(notes)


def frame_rate(
    options: ReadOptions, known: Fraction | None, num_frames: int
) -> tuple[Fraction, tuple[str, ...]]:
    """Return the rate that is stated, written or assumed, and what is assumed as notes."""
    rate = options.fps or known
    if rate is not None or num_frames == 1:
        return rate or ASSUMED_FPS, ()
    return ASSUMED_FPS, (f"no frame rate is written: {ASSUMED_FPS} fps is assumed",)


def written_or_stated(
    written: Camera | None, options: ReadOptions, pictures: FrameStore
) -> Camera | None:
    """Return the camera that the files hold, or a fixed one of the field of view that is stated."""
    if options.fov is None:
        return written
    if written is not None:
        raise RecipeError(
            "--fov",
            f"found {options.fov:g}, but the files hold the camera",
            allowed="a field of view for folders without a camera",
            way_out="leave it out",
        )
    return fixed_camera(pictures.num_frames, pictures.height, pictures.width, options.fov)
