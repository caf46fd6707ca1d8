"""Read one camera of a KITTI drive, odometry sequence or single scene -> Clip: rgb, camera.

    2011_09_26_drive_0001_sync/image_02/data/0000000000.png, timestamps.txt, oxts/data/*.txt
        with calib_cam_to_cam.txt, calib_velo_to_cam.txt, calib_imu_to_velo.txt in the folder above
    sequences/00/image_2/000000.png, calib.txt, times.txt, with poses/00.txt beside sequences/
    image_2/000000.png, calib/000000.txt                             the object benchmark

Its depth are points of a laser, which are not read. Source: Geiger, Lenz, Stiller, Urtasun, "Vision
meets robotics: the KITTI dataset", IJRR 2013, and the readmes of the development kits.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from pathlib import Path

import numpy as np

from simlift.core.camera import Camera
from simlift.core.camera_conventions import convert_camera
from simlift.core.clip import Clip
from simlift.core.errors import ClipError
from simlift.core.layers import Array, Layer, StoredLayer, Unit
from simlift.core.read_options import ReadOptions
from simlift.media.decodings import Colour
from simlift.media.images import numbered, probe_images
from simlift.sources.kitti_poses import imu_to_camera, offset_of, oxts_poses
from simlift.sources.rigs import choose_camera, rate_of
from simlift.sources.tables import floats, matrix, nanoseconds, rows
from simlift.sources.unread import not_read

_CAMERA = re.compile(r"^image_0?([0-3])$")
_SUFFIXES = {".png", ".jpg"}
_FPS = Fraction(10)


@dataclass(frozen=True)
class Read:
    """What a layout of KITTI says of some frames beside their colours."""

    camera: Camera | None
    fps: Fraction
    timestamps: tuple[Fraction, ...] | None
    files: tuple[Path, ...]
    notes: tuple[str, ...]


def recognises(folder: Path) -> bool:
    """Whether image_02/data/, or image_2/ beside calib.txt or calib/, lies in the folder."""
    return bool(_cameras(folder))


def read(folder: Path, options: ReadOptions = ReadOptions()) -> Clip:
    """Read the camera that `options.camera` names, such as image_02."""
    name = choose_camera(folder, _cameras(folder), options)
    images = _images(folder, name)
    number, frames = int(name[-1]), [int(path.stem) for path in images]
    raw = (folder / name / "data").is_dir()
    if raw:
        beside = _raw(folder, name, number, frames)
    elif (folder / "calib.txt").is_file():
        beside = _odometry(folder, number, frames)
    else:
        beside = _object(folder, number, images)
    store, first = probe_images(images)
    gray = ("the images are gray: colour is three equal channels",) if first.ndim == 2 else ()
    return Clip(
        name=f"{folder.resolve().name}_{name}",
        path=folder,
        fps=options.fps or beside.fps,
        num_frames=len(images),
        height=store.height,
        width=store.width,
        layers=(StoredLayer(Layer.RGB, store, Colour(), Unit.SRGB),),
        timestamps=None if options.fps else beside.timestamps,
        camera=beside.camera,
        notes=(*gray, *beside.notes, *not_read(folder, [*images, *beside.files])),
        read_options=options,
    )


def _cameras(folder: Path) -> list[str]:
    calibrated = (folder / "calib.txt").is_file() or (folder / "calib").is_dir()
    return sorted(
        path.name
        for path in folder.iterdir()
        if _CAMERA.match(path.name) and ((path / "data").is_dir() or (calibrated and path.is_dir()))
    )


def _images(folder: Path, name: str) -> tuple[Path, ...]:
    place = folder / name / "data" if (folder / name / "data").is_dir() else folder / name
    found = [p for p in place.iterdir() if p.suffix.lower() in _SUFFIXES and p.stem.isdecimal()]
    if not found:
        raise ClipError(place, "holds no images", allowed="000000.png, 000001.png, ...")
    return numbered(found, place)


def _raw(folder: Path, name: str, camera: int, frames: Sequence[int]) -> Read:
    where = folder / name / "timestamps.txt"
    notes: list[str] = []
    used: list[Path] = []
    fps, times = _FPS, None
    if where.is_file():
        stamps = [_stamp(" ".join(words), where) for words in rows(where)]
        _check_rows(where, len(stamps), frames)
        fps, times, said = rate_of([stamps[frame] for frame in frames], where)
        notes += said
        used.append(where)
    else:
        notes.append("no timestamps.txt: 10 fps is assumed")
    calibration = folder.resolve().parent / "calib_cam_to_cam.txt"
    if not calibration.is_file():
        notes.append("no camera is read: calib_cam_to_cam.txt is not in the folder above")
        return Read(None, fps, times, tuple(used), tuple(notes))
    values = _keyed(calibration)
    projection = _value(values, f"P_rect_0{camera}", (3, 4), calibration)
    world, files, said = oxts_poses(folder, frames)
    used += files
    notes += said
    if world is None:
        return Read(_still(projection, len(frames)), fps, times, tuple(used), tuple(notes))
    rectified = _value(values, "R_rect_00", (3, 3), calibration)
    poses = world @ np.linalg.inv(imu_to_camera(folder.resolve().parent, rectified, projection))
    return Read(_moving(projection, poses, "+z", folder), fps, times, tuple(used), tuple(notes))


def _odometry(folder: Path, camera: int, frames: Sequence[int]) -> Read:
    calibration, clock = folder / "calib.txt", folder / "times.txt"
    projection = _value(_keyed(calibration), f"P{camera}", (3, 4), calibration)
    fps, times = _FPS, None
    notes: list[str] = []
    used = [calibration]
    if clock.is_file():
        stamps = [nanoseconds(words[0], clock) for words in rows(clock, 1)]
        _check_rows(clock, len(stamps), frames)
        fps, times, said = rate_of([stamps[frame] for frame in frames], clock)
        notes += said
        used.append(clock)
    else:
        notes.append("no times.txt: 10 fps is assumed")
    number = folder.resolve().name
    truth = folder.resolve().parent.parent / "poses" / f"{number}.txt"
    if not truth.is_file():
        notes.append(f"no poses are read (poses/{number}.txt): the camera is taken as fixed")
        return Read(_still(projection, len(frames)), fps, times, tuple(used), tuple(notes))
    table = [floats(words, truth) for words in rows(truth, 12)]
    _check_rows(truth, len(table), frames)
    poses = np.repeat(np.eye(4)[None], len(frames), 0)
    poses[:, :3] = np.array(table)[list(frames)].reshape(-1, 3, 4)
    # Poses are those of camera 0; the others lie beside it.
    poses[:, :3, 3] -= poses[:, :3, :3] @ offset_of(projection)
    return Read(_moving(projection, poses, "-y", folder), fps, times, tuple(used), tuple(notes))


def _check_rows(path: Path, found: int, frames: Sequence[int]) -> None:
    """Raise ClipError where a table, whose lines are counted from 0, ends before the last image."""
    if found <= frames[-1]:
        raise ClipError(
            path,
            f"holds {found} lines",
            allowed=f"one for each image, {frames[-1] + 1} at least",
            way_out="restore the file",
        )


def _object(folder: Path, camera: int, images: tuple[Path, ...]) -> Read:
    if len(images) > 1:
        raise ClipError(
            folder,
            f"holds {len(images)} scenes of KITTI's object benchmark, each of another place",
            allowed="one scene, or a drive whose frames follow each other",
            way_out="name the pictures one by one",
        )
    calibration = folder / "calib" / f"{images[0].stem}.txt"
    projection = _value(_keyed(calibration), f"P{camera}", (3, 4), calibration)
    notes = ("the clip has one frame: scores over time have no evidence",)
    return Read(_still(projection, 1), _FPS, None, (calibration,), notes)


def _intrinsics(projection: Array, count: int) -> Array:
    """Return intrinsics; those of KITTI have pixel centres at whole numbers."""
    intrinsics = np.array(projection[:, :3])
    intrinsics[:2, 2] += 0.5
    return np.repeat(intrinsics[None], count, 0)


def _still(projection: Array, count: int) -> Camera:
    poses = np.repeat(np.eye(4)[None], count, 0)
    return Camera(_intrinsics(projection, count), poses, np.array([0.0, -1.0, 0.0]))


def _moving(projection: Array, poses: Array, up: str, folder: Path) -> Camera:
    try:
        return convert_camera(
            poses,
            _intrinsics(projection, len(poses)),
            direction="camera_to_world",
            up="+z" if up == "+z" else "-y",
        )
    except ValueError as error:
        raise ClipError(folder, f"its poses: {error}", way_out="restore the files") from error


def _keyed(path: Path) -> Mapping[str, list[str]]:
    """Return the lines of a calibration by the names before their colons."""
    return {words[0].rstrip(":"): words[1:] for words in rows(path)}


def _value(values: Mapping[str, list[str]], name: str, shape: tuple[int, int], path: Path) -> Array:
    if name not in values:
        raise ClipError(path, f"has no {name}", allowed=", ".join(values))
    return matrix(floats(values[name], path), shape, path)


def _stamp(text: str, path: Path) -> int:
    """Return a time such as 2011-09-26 13:02:25.964389445, in nanoseconds."""
    whole, _, fraction = text.partition(".")
    try:
        moment = datetime.fromisoformat(f"{whole}+00:00")
        return int(moment.timestamp()) * 10**9 + int(f"{fraction[:9]:0<9}")
    except ValueError as error:
        raise ClipError(path, f"holds {text!r}", allowed="2011-09-26 13:02:25.964389445") from error
