"""Find the sensors of a CARLA dump by the names of its files and folders, and pair their frames.

A name says the kind of sensor and, in a rig, its camera: rgb000012.png, rgb_front/000012.png,
CameraDepth/image_00012.png, semantic_segmentation_left/12.png. Numbers, or times, name frames.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from simlift.core.errors import ClipError
from simlift.media.images import numbered

KINDS = ("rgb", "depth", "semantic", "instance")
Frames = dict[tuple[int, ...], Path]

_SUFFIXES = {"png", "jpg", "jpeg", "npy"}
_WORDS = {
    "rgb": "rgb",
    "depth": "depth",
    **dict.fromkeys(("semantic", "semantics", "sem", "seg", "semseg", "segmentation"), "semantic"),
    **dict.fromkeys(("instance", "instances", "inst", "ins"), "instance"),
}
# Words that say neither the kind nor the camera.
_FILLING = {"camera", "cam", "image", "images", "img", "frame", "frames", "sensor", "map", "raw"}
_STEM = re.compile(r"^(.*?)[-_.]?(\d[\d_.-]*)$")
_MOST_CAMERAS = 100  # rgb_1_000012 is a camera and a frame, rgb_20191104_142916 is a time
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


@dataclass(frozen=True)
class Sensor:
    """What a name says: the kind of sensor, and its camera ("" where there is but one)."""

    kind: str
    camera: str


@lru_cache(maxsize=4096)
def sensor_of(name: str) -> Sensor | None:
    """Return the sensor that a name says, or None."""
    parts = [part.lower() for part in _PART.findall(name)]
    kinds = [_WORDS[part] for part in parts if part in _WORDS]
    if not kinds or ("rgb" in kinds) + ("depth" in kinds) + bool({*kinds} & {*KINDS[2:]}) > 1:
        return None
    kind = "instance" if "instance" in kinds else kinds[0]
    rest = [part for part in parts if part not in _WORDS and part not in _FILLING]
    return Sensor(kind, "_".join(rest))


def find_sensors(folder: Path) -> dict[str, dict[str, Frames]]:
    """Return the frames of every camera and kind of sensor, by their numbers.

    They lie in the folder itself, in folders of sensors inside (rgb_front/, or rgb/front/), or in
    such folders inside camera/.
    """
    found: dict[str, dict[str, Frames]] = {}
    _in_one_folder(folder, found)
    _in_folders(folder, found)
    if (folder / "camera").is_dir():
        _in_folders(folder / "camera", found)
    # A single unnamed camera is named as its colours are.
    if "" in found:
        found["rgb"] = {**found.pop(""), **found.get("rgb", {})}
    return {camera: found[camera] for camera in sorted(found) if "rgb" in found[camera]}


def _in_one_folder(folder: Path, found: dict[str, dict[str, Frames]]) -> None:
    for name in _images(folder):
        match = _STEM.match(name.rpartition(".")[0])
        sensor = sensor_of(match.group(1)) if match else None
        if match and sensor:
            _add(found, sensor, _numbers(match.group(2)), folder / name)


def _in_folders(folder: Path, found: dict[str, dict[str, Frames]]) -> None:
    for inner in sorted(folder.iterdir()):
        sensor = sensor_of(inner.name)
        if sensor is None or inner.name.startswith(".") or not inner.is_dir():
            continue
        if _add_folder(found, sensor, inner):
            continue
        for camera in sorted(path for path in inner.iterdir() if path.is_dir()):
            name = "_".join(filter(None, (sensor.camera, camera.name)))
            _add_folder(found, Sensor(sensor.kind, name), camera)


def _add_folder(found: dict[str, dict[str, Frames]], sensor: Sensor, folder: Path) -> bool:
    """Add the images of a folder to a sensor; return whether there were any."""
    names = _images(folder)
    for name in names:
        if numbers := _numbers(name.rpartition(".")[0]):
            _add(found, sensor, numbers, folder / name)
    return bool(names)


def _images(folder: Path) -> list[str]:
    """Return the names of the images in a folder, in order."""
    return sorted(
        name
        for name in (path.name for path in folder.iterdir())
        if name.rpartition(".")[2].lower() in _SUFFIXES and not name.startswith(".")
    )


def _numbers(name: str) -> tuple[int, ...]:
    """Return the numbers in a name; the fraction of a time counts nanoseconds."""
    if name.isdecimal():
        return (int(name),)
    decimal = re.sub(r"(\d{6,})\.(\d{1,9})(?!\d)", lambda m: f"{m[1]} {m[2]:0<9}", name)
    return tuple(int(digits) for digits in re.findall(r"\d+", decimal))


def _add(
    found: dict[str, dict[str, Frames]], sensor: Sensor, numbers: tuple[int, ...], path: Path
) -> None:
    camera = sensor.camera
    if len(numbers) == 2 and numbers[0] < _MOST_CAMERAS:
        camera, numbers = f"{camera}_{numbers[0]}".strip("_"), numbers[1:]
    frames = found.setdefault(camera, {}).setdefault(sensor.kind, {})
    if numbers in frames:
        raise ClipError(
            path.parent,
            f"frame {_text(numbers)} of {sensor.kind} is there twice: {frames[numbers]}, {path}",
            allowed="one file for each frame of a sensor",
        )
    frames[numbers] = path


def pair_frames(
    folder: Path, sensors: Mapping[str, Frames]
) -> tuple[list[tuple[int, ...]], tuple[str, ...]]:
    """Return the numbers of the frames that every sensor has, and what was left out.

    The same number is the same frame. Sensors may begin or end alone; a frame that only some have
    in the middle is an error, and so are sensors that share no number.
    """
    every = sorted({key for frames in sensors.values() for key in frames})
    shared = [key for key in every if all(key in frames for frames in sensors.values())]
    if not shared:
        raise ClipError(
            folder,
            f"no frame is there for every sensor ({_ranges(sensors)})",
            allowed="the same numbers in all names",
            way_out=_way_out_of_lag(sensors),
        )
    inside = [key for key in every if shared[0] <= key <= shared[-1]]
    lost = [
        f"{kind} {_text(k)}" for kind, frames in sensors.items() for k in inside if k not in frames
    ]
    if lost:
        raise ClipError(
            folder,
            f"{len(lost)} frames are missing ({', '.join(lost[:8])})",
            allowed="every frame from every sensor",
            way_out="record them again, or remove the frames that are not whole at one end",
        )
    if all(len(key) == 1 for key in shared):
        numbered([sensors["rgb"][key] for key in shared], folder)
    notes = [
        f"{len(frames) - len(shared)} {kind} frames have no partner and are left out"
        for kind, frames in sensors.items()
        if len(frames) > len(shared)
    ]
    if notes and len({len(frames) for frames in sensors.values()}) == 1:
        notes.append(
            f"sensors begin at different numbers ({_ranges(sensors)}): equal numbers are taken as "
            "one moment"
        )
    return shared, tuple(notes)


def _way_out_of_lag(sensors: Mapping[str, Frames]) -> str:
    """Say the lag of a sensor whose numbers are those of rgb, moved by a constant."""
    lags = []
    for kind, frames in sensors.items():
        ours, theirs = sorted(sensors["rgb"]), sorted(frames)
        if len(ours) != len(theirs) or any(len(key) > 1 for key in (*ours, *theirs)):
            continue
        steps = {theirs[k][0] - ours[k][0] for k in range(len(ours))}
        if len(steps) == 1 and (lag := steps.pop()):
            lags.append(f"the numbers of {kind} are {lag:+d} from those of rgb in every frame")
    if not lags:
        return "record all sensors in synchronous mode"
    return (
        f"{'; '.join(lags)}: if they were taken at the same moments, rename them, or state "
        "number_offset in a clip.json (simlift init)"
    )


def _ranges(sensors: Mapping[str, Sequence[tuple[int, ...]] | Frames]) -> str:
    return ", ".join(
        f"{kind} {_text(min(frames))} to {_text(max(frames))}" for kind, frames in sensors.items()
    )


def _text(key: tuple[int, ...]) -> str:
    return "-".join(map(str, key))
