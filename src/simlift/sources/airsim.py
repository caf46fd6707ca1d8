"""Read an AirSim recording -> Clip: rgb, depth in metres, the pose of the vehicle.

airsim_rec.txt holds a row for each moment: TimeStamp in milliseconds, POS_X..Z in metres and
Q_W..Z in NED axes (x north, y east, z down), and the files of images/ that were taken, named
img_<vehicle>_<camera>_<type>_<time>. Type 0 is the scene, 1 depth along the axis, 2 depth along
the ray, 5 segmentation. Depth is PFM, whose rows AirSim writes from above, unlike the format.
Recorders that keep to the format write them from below: the edges of depth, which lie on those of
colour, tell.

Source: AirSim documentation, "Image APIs" and "Settings", and its RecordingFile.cpp, Utils.hpp.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from simlift.core.camera import Camera
from simlift.core.camera_conventions import convert_camera, poses_of, rotation_of_quaternion
from simlift.core.clip import Clip
from simlift.core.errors import ClipError
from simlift.core.layers import Array, Layer, StoredLayer, Unit
from simlift.core.read_options import ReadOptions
from simlift.media.decodings import Colour
from simlift.media.geometry_decodings import AlongRay, ScaledDepth
from simlift.media.images import probe_images, read_image
from simlift.media.pfm import PfmStore, read_pfm
from simlift.sources.lens import fixed_camera
from simlift.sources.rigs import choose_camera, rate_of
from simlift.sources.tables import floats, lines
from simlift.sources.unread import not_read

_TABLE = "airsim_rec.txt"
_COLUMNS = ("TimeStamp", "POS_X", "POS_Y", "POS_Z", "Q_W", "Q_X", "Q_Y", "Q_Z", "ImageFile")
_NAME = re.compile(r"^img_(?P<camera>.*?)_?(?P<type>\d)_\d+\.\w+$")
_SCENE, _PLANAR, _PERSPECTIVE, _SEGMENTATION = 0, 1, 2, 5
_OTHERS = {3: "DepthVis", 4: "disparity", 6: "surface normals", 7: "infrared", 8: "optical flow"}
_ASSUMED_FOV = 90.0  # FOV_Degrees, where settings.json says no other
_EVIDENT = 0.15  # of correlation: right rows have about 0.4, wrong ones 0.05
_FAR = 65000.0  # metres: the sky, at the end of half floats
# The axes of OpenCV's camera (columns) in those of the body: x ahead, y right, z down.
_AHEAD = np.array([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]])


@dataclass(frozen=True)
class Moment:
    """A row: its time in nanoseconds, position, quaternion w x y z, and files by (camera, type)."""

    time: int
    position: tuple[float, ...]
    quaternion: tuple[float, ...]
    files: Mapping[tuple[str, int], Path]


def recognises(folder: Path) -> bool:
    """Whether airsim_rec.txt lies in the folder."""
    return (folder / _TABLE).is_file()


def read(folder: Path, options: ReadOptions = ReadOptions()) -> Clip:
    """Read the camera that `options.camera` names, or the only one."""
    moments = _moments(folder)
    cameras = sorted({c for m in moments for c, kind in m.files if kind == _SCENE})
    if not cameras:
        raise ClipError(
            folder / _TABLE, "names no image of the scene (type 0)", allowed="one a row"
        )
    name = choose_camera(folder, cameras, options)
    taken = [m for m in moments if any(camera == name for camera, _ in m.files)]
    kinds = sorted({kind for m in taken for camera, kind in m.files if camera == name})
    files = {kind: _files(folder, taken, name, kind) for kind in kinds}
    store, _ = probe_images(files[_SCENE])
    layers = [StoredLayer(Layer.RGB, store, Colour(), Unit.SRGB)]
    notes: list[str] = []
    read_files = list(files[_SCENE])
    for kind in kinds[1:]:
        has_depth = Layer.DEPTH in {stored.layer for stored in layers}
        stored, said = _layer(kind, files[kind], files[_SCENE], has_depth)
        notes += said
        if stored is not None:
            layers.append(stored)
            read_files += files[kind]
    fps, times, said = rate_of([m.time for m in taken], folder / _TABLE)
    notes += () if options.fps else said
    if options.fov is None:
        notes.append(
            f"no lens is written: a field of view of {_ASSUMED_FOV:.0f} degrees is assumed"
        )
    notes.append(
        "poses are those of the vehicle: the camera is taken to be at its origin and to look ahead"
    )
    fov = options.fov or _ASSUMED_FOV
    return Clip(
        name=folder.resolve().name if len(cameras) == 1 else f"{folder.resolve().name}_{name}",
        path=folder,
        fps=options.fps or fps,
        num_frames=len(taken),
        height=store.height,
        width=store.width,
        layers=tuple(layers),
        timestamps=None if options.fps else times,
        camera=_camera(folder, taken, store.height, store.width, fov),
        notes=(*notes, *not_read(folder, [*read_files, folder / _TABLE])),
        read_options=options,
    )


def _moments(folder: Path) -> list[Moment]:
    path = folder / _TABLE
    table = [line.split("\t") for line in lines(path)] or [[]]
    header = [word.strip() for word in table[0]]
    if missing := [column for column in _COLUMNS if column not in header]:
        raise ClipError(path, f"has no column {', '.join(missing)}", allowed=" ".join(_COLUMNS))
    vehicles = (
        {row[header.index("VehicleName")] for row in table[1:] if len(row) == len(header)}
        if ("VehicleName" in header)
        else {""}
    )
    moments = []
    for number, words in enumerate(table[1:], 2):
        if words == [""]:
            continue
        if len(words) < len(header):
            raise ClipError(
                path,
                f"line {number} holds {len(words)} columns",
                allowed=f"{len(header)}",
                way_out="remove the line if the recording was cut there",
            )
        row = dict(zip(header, words, strict=False))
        time, *numbers = floats([row[column] for column in _COLUMNS[:-1]], path)
        vehicle = row.get("VehicleName", "")
        prefix = f"{vehicle} " if len(vehicles) > 1 else ""
        moments.append(
            Moment(
                round(time) * 10**6,
                tuple(numbers[:3]),
                tuple(numbers[3:]),
                _named(folder, row["ImageFile"], vehicle, prefix),
            )
        )
    if not moments:
        raise ClipError(path, "holds no rows", allowed="one for each moment")
    return moments


def _named(folder: Path, names: str, vehicle: str, prefix: str) -> dict[tuple[str, int], Path]:
    """Return the files of a row by camera and type; a name of another form is the scene's."""
    found: dict[tuple[str, int], Path] = {}
    for name in filter(None, (part.strip() for part in names.split(";"))):
        path = folder / "images" / name.replace("\\", "/").rsplit("/", 1)[-1]
        match = _NAME.match(path.name)
        camera = match["camera"] if match else ""
        if vehicle:
            camera = camera.removeprefix(vehicle).strip("_")
        key = (prefix + (camera or "front_center"), int(match["type"]) if match else _SCENE)
        if key in found:
            raise ClipError(folder / _TABLE, f"names {found[key].name} and {path.name} in one row")
        found[key] = path
    return found


def _files(folder: Path, moments: list[Moment], camera: str, kind: int) -> list[Path]:
    paths = [m.files.get((camera, kind)) for m in moments]
    found = [path for path in paths if path is not None]
    if len(found) < len(paths):
        raise ClipError(
            folder / _TABLE,
            f"{len(paths) - len(found)} rows have no image of type {kind} of camera {camera}",
            allowed="the same images in every row",
            way_out="remove the rows that are not whole",
        )
    if missing := [path for path in found if not path.is_file()]:
        raise ClipError(
            missing[0], f"does not exist ({len(missing)} files are missing)", way_out="restore them"
        )
    return found


def _layer(
    kind: int, files: list[Path], colour: list[Path], has_depth: bool
) -> tuple[StoredLayer | None, tuple[str, ...]]:
    if kind in (_PLANAR, _PERSPECTIVE):
        if files[0].suffix.lower() != ".pfm":
            return None, ("depth is not read: it is a picture (PixelsAsFloat was not set)",)
        if has_depth:
            return None, ("depth along the ray is not read: depth along the axis is there",)
        height, width = read_pfm(files[0]).shape[:2]
        from_above = _rows_from_above(files, colour)
        store = PfmStore(tuple(files), height, width, top_down=from_above)
        turn = AlongRay() if kind == _PERSPECTIVE else None
        decode = ScaledDepth(far=_FAR)
        rows = f"depth is read with its rows from {'above' if from_above else 'below'}"
        return StoredLayer(Layer.DEPTH, store, decode, Unit.METRES, to_camera=turn), (rows,)
    if kind == _SEGMENTATION:
        note = "segmentation is not read: no file names its colours (simlift init states them)"
        return None, (note,)
    return None, (f"images of {_OTHERS.get(kind, f'type {kind}')} are not read",)


def _rows_from_above(depth: list[Path], colour: list[Path]) -> bool:
    """Tell the order of rows by which the edges of depth lie on those of colour."""
    above, below = 0.0, 0.0
    some = sorted({0, len(depth) // 2, len(depth) - 1})
    for index in some:
        far = read_pfm(depth[index], top_down=True)
        shown = read_image(colour[index])
        if far.shape != shown.shape[:2] or shown.ndim != 3:
            return True  # the clip says that sizes differ
        # The inverse depth of a plane is linear, so that its bends are edges alone.
        bends, steps = _bends(1 / np.clip(far, 0.01, _FAR)), _steps(shown[..., 1])
        above += _agreement(bends, steps) / len(some)
        below += _agreement(bends[::-1], steps) / len(some)
    return below < above + _EVIDENT


def _bends(image: Array) -> Array:
    middle = 4 * image[1:-1, 1:-1]
    beside = image[1:-1, 2:] + image[1:-1, :-2] + image[2:, 1:-1] + image[:-2, 1:-1]
    return np.asarray(np.abs(middle - beside))


def _steps(image: Array) -> Array:
    values = image.astype(np.float64)
    return np.hypot(values[1:-1, 2:] - values[1:-1, :-2], values[2:, 1:-1] - values[:-2, 1:-1])


def _agreement(a: Array, b: Array) -> float:
    """Return Spearman's correlation, to which a few large edges are no more than many small."""
    x, y = _ranks(a), _ranks(b)
    spread = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / spread if spread else 0.0


def _ranks(values: Array) -> Array:
    """Return ranks about their mean; equal values have their mean rank."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - counts / 2
    return np.asarray(ranks[inverse.ravel()] - values.size / 2)


def _camera(folder: Path, moments: list[Moment], height: int, width: int, fov: float) -> Camera:
    try:
        turned = rotation_of_quaternion(np.array([m.quaternion for m in moments]), "wxyz")
        poses = poses_of(np.array([m.position for m in moments]), turned @ _AHEAD)
        lens = fixed_camera(len(moments), height, width, fov).intrinsics
        return convert_camera(poses, lens, direction="camera_to_world", up="-z")
    except ValueError as error:
        raise ClipError(
            folder / _TABLE, str(error), way_out="remove the rows that hold it"
        ) from error
