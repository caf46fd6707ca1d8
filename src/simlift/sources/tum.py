"""Read a TUM RGB-D sequence -> Clip: rgb, depth in metres, camera.

rgb.txt and depth.txt name a file for each time in seconds, groundtruth.txt a camera_to_world pose
(tx ty tz qx qy qz qw) in OpenCV's axes. Depth is 16-bit PNG, 5000 for a metre, 0 where nothing is
known. Without the lists, the names of the files in rgb/ and depth/ are the times.

Source: TUM, "File formats for the RGB-D SLAM dataset", and "Intrinsic camera calibration".
"""

import re
from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from simlift.core.camera import Camera
from simlift.core.camera_conventions import convert_camera, poses_of, rotation_of_quaternion
from simlift.core.clip import Clip
from simlift.core.errors import ClipError
from simlift.core.layers import Array, Layer, StoredLayer, Unit
from simlift.core.read_options import ReadOptions
from simlift.media.decodings import Colour
from simlift.media.geometry_decodings import ScaledDepth
from simlift.media.images import probe_images, read_image
from simlift.sources.lens import fixed_camera
from simlift.sources.rigs import rate_of, upright
from simlift.sources.tables import floats, nanoseconds, rows
from simlift.sources.unread import not_read

_NEAREST = 20_000_000  # nanoseconds between the frames of two sensors that belong together
_LARGEST_GAP = 0.5  # seconds between two poses, across which the camera is interpolated
_METRES = 1 / 5000
_SUFFIXES = {".png", ".jpg", ".jpeg"}
_TIME = re.compile(r"^\d+\.\d+$")
_SIZE = (480, 640)
# fx, fy, cx, cy of the colour camera, for pixel centres at whole numbers, by sequence.
_LENSES = {
    "freiburg1": (517.3, 516.5, 318.6, 255.3),
    "freiburg2": (520.9, 521.0, 325.1, 249.7),
    "freiburg3": (535.4, 539.2, 320.1, 247.6),
}
_USUAL_LENS = (525.0, 525.0, 319.5, 239.5)


def recognises(folder: Path) -> bool:
    """Whether rgb.txt and depth.txt lie there, or images named by times, those of depth 16-bit."""
    if (folder / "rgb.txt").is_file() and (folder / "depth.txt").is_file():
        return True
    depth = _timed(folder / "depth") if _timed(folder / "rgb") else []
    return bool(depth) and _is_depth(read_image(depth[0], samples=True))


def read(folder: Path, options: ReadOptions = ReadOptions()) -> Clip:
    """Read the colour frames that have depth within 20 ms, at their own times."""
    colour, depth = _frames(folder, "rgb"), _frames(folder, "depth")
    pairs = _pairs([t for t, _ in colour], [t for t, _ in depth])
    if len(pairs) * 2 < len(colour):
        raise ClipError(
            folder,
            f"{len(pairs)} of {len(colour)} colour frames have depth within 20 ms",
            allowed="at least half of them",
            way_out="check that both sensors share one clock; name rgb/ to read colour alone",
        )
    truth = folder / "groundtruth.txt"
    poses = _poses(truth, [colour[a][0] for a, _ in pairs]) if truth.is_file() else None
    notes = _lost(len(colour), len(pairs), poses)
    if poses is not None:
        kept = np.flatnonzero(np.isfinite(poses[:, 0, 0]))
        if not len(kept):
            raise ClipError(truth, "holds no pose at the time of any frame", allowed="one clock")
        span = slice(int(kept[0]), int(kept[-1]) + 1)
        pairs, poses = pairs[span], poses[span]
    store, _ = probe_images([colour[a][1] for a, _ in pairs])
    deep, first = probe_images([depth[b][1] for _, b in pairs], samples=True)
    if not _is_depth(first):
        raise ClipError(
            deep.paths[0],
            f"holds {first.dtype} {list(first.shape)}",
            allowed="16-bit gray, 5000 for a metre",
            way_out="state what the numbers are in a clip.json (simlift init)",
        )
    times = [colour[a][0] for a, _ in pairs]
    fps, timestamps, said = rate_of(times, folder)
    camera, assumed = _camera(folder, poses, len(pairs), (store.height, store.width), options)
    lists = [folder / name for name in ("rgb.txt", "depth.txt", "groundtruth.txt")]
    return Clip(
        name=folder.name,
        path=folder,
        fps=options.fps or fps,
        num_frames=len(pairs),
        height=store.height,
        width=store.width,
        layers=(
            StoredLayer(Layer.RGB, store, Colour(), Unit.SRGB),
            StoredLayer(Layer.DEPTH, deep, ScaledDepth(_METRES, (0,)), Unit.METRES),
        ),
        timestamps=None if options.fps else timestamps,
        camera=camera,
        notes=(
            *notes,
            "depth is 5000 for a metre, and 0 where nothing is known: read as nothing hit",
            *(() if options.fps else said),
            *assumed,
            *not_read(folder, [*(p for _, p in colour), *(p for _, p in depth), *lists]),
        ),
        read_options=options,
    )


def _is_depth(frame: Array) -> bool:
    return frame.dtype == np.uint16 and frame.ndim == 2


def _frames(folder: Path, name: str) -> list[tuple[int, Path]]:
    """Return times in nanoseconds and files of a sensor, in order of time."""
    listed = folder / f"{name}.txt"
    if not listed.is_file():
        return sorted((nanoseconds(path.stem, path), path) for path in _timed(folder / name))
    found = sorted((nanoseconds(t, listed), folder / file) for t, file in rows(listed, 2))
    if missing := [path for _, path in found if not path.is_file()]:
        raise ClipError(
            listed,
            f"{len(missing)} files are missing, such as {missing[0].relative_to(folder)}",
            allowed="every file that it names",
            way_out="restore them, or remove their lines",
        )
    if not found:
        raise ClipError(listed, "names no frame", allowed="a time and a file in each line")
    return found


def _timed(folder: Path) -> list[Path]:
    """Return the images of a folder if their names are times with fractions of a second."""
    if not folder.is_dir():
        return []
    images = [p for p in folder.iterdir() if p.suffix.lower() in _SUFFIXES and p.name[0] != "."]
    return images if images and all(_TIME.match(path.stem) for path in images) else []


def _pairs(colour: Sequence[int], depth: Sequence[int]) -> list[tuple[int, int]]:
    """Pair frames by time, the closest first; each is used once."""
    near: list[tuple[int, int, int]] = []
    for a, time in enumerate(colour):
        at = bisect_left(depth, time)
        beside = range(max(at - 1, 0), min(at + 1, len(depth)))
        near += [(abs(depth[b] - time), a, b) for b in beside]
    taken: dict[int, int] = {}
    used: set[int] = set()
    for apart, a, b in sorted(near):
        if apart <= _NEAREST and a not in taken and b not in used:
            taken[a] = b
            used.add(b)
    return sorted(taken.items())


def _poses(path: Path, times: Sequence[int]) -> Array:
    """Return camera_to_world at some times, NaN before the first and after the last pose."""
    table = np.array([floats(words, path) for words in rows(path, 8)])
    if len(table) < 2:
        raise ClipError(path, f"holds {len(table)} poses", allowed="at least 2")
    table = table[np.argsort(table[:, 0], kind="stable")]
    wanted = np.array([time / 1e9 for time in times])
    after = np.clip(np.searchsorted(table[:, 0], wanted), 1, len(table) - 1)
    a, b = table[after - 1], table[after]
    gap = b[:, 0] - a[:, 0]
    outside = (wanted < table[0, 0]) | (wanted > table[-1, 0])
    if (wide := (gap > _LARGEST_GAP) & ~outside).any():
        raise ClipError(
            path,
            f"holds no pose for {gap[wide].max():.2f} s at {wanted[wide][0]:.3f}",
            allowed=f"gaps of {_LARGEST_GAP} s at most, across which poses are interpolated",
            way_out="remove the frames of the gap; or remove the file to read without poses",
        )
    share = np.divide(wanted - a[:, 0], gap, out=np.zeros_like(gap), where=gap > 0)[:, None]
    # A quaternion and its negative are one rotation: the nearer one is mixed.
    sign = np.where((a[:, 4:] * b[:, 4:]).sum(-1, keepdims=True) < 0, -1.0, 1.0)
    mixed = (1 - share) * a[:, 4:] + share * sign * b[:, 4:]
    poses = poses_of(
        (1 - share) * a[:, 1:4] + share * b[:, 1:4], rotation_of_quaternion(mixed, "xyzw")
    )
    poses[outside] = np.nan
    return poses


def _lost(colour: int, pairs: int, poses: Array | None) -> list[str]:
    notes = []
    if pairs < colour:
        notes.append(f"{colour - pairs} of {colour} colour frames have no depth within 20 ms")
    if poses is not None and (without := int(np.isnan(poses[:, 0, 0]).sum())):
        notes.append(f"{without} frames are before or after all poses and are left out")
    return notes


def _camera(
    folder: Path, poses: Array | None, count: int, size: tuple[int, int], options: ReadOptions
) -> tuple[Camera | None, list[str]]:
    notes = []
    place = str(folder.resolve()).lower()
    known = next((n for n in _LENSES if n in place or n.replace("reiburg", "r") in folder.name), "")
    if options.fov is not None:
        intrinsics = fixed_camera(1, *size, options.fov).intrinsics[0]
    elif size == _SIZE:
        fx, fy, cx, cy = _LENSES.get(known, _USUAL_LENS)
        intrinsics = np.array([[fx, 0, cx + 0.5], [0, fy, cy + 0.5], [0, 0, 1]])
        which = f"of {known}" if known else "that TUM's tools use by default (525 pixels)"
        notes.append(f"no lens is written: the one {which} is assumed, without distortion")
    else:
        unread = "; poses are not read" if poses is not None else ""
        notes.append(f"no lens is written, and the size is not TUM's: state it by --fov{unread}")
        return None, notes
    if poses is None:
        notes.append("no poses are written: the camera is taken as fixed")
        level = fixed_camera(count, *size, 60.0)
        return Camera(np.repeat(intrinsics[None], count, 0), level.world_to_camera, level.up), notes
    up = upright(poses)
    if up != "+z":
        notes.append(f"up is {up} of the poses' world, along which the camera stands upright")
    lens = np.repeat(intrinsics[None], count, 0)
    return convert_camera(poses, lens, direction="camera_to_world", up=up), notes
