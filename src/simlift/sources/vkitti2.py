"""Read one camera of a Virtual KITTI 2 scene -> Clip: rgb, depth, classes, flow, moving camera.

    clone/frames/rgb/Camera_0/rgb_00000.jpg
    clone/frames/depth/Camera_0/depth_00000.png                       centimetres, 65535 the sky
    clone/frames/classSegmentation/Camera_0/classgt_00000.png         colours of colors.txt
    clone/frames/forwardFlow/Camera_0/flow_00000.png                  16 bit, blue 0 not known
    clone/{intrinsic,extrinsic,colors}.txt                            textgt

Source: Cabon, Murray, Humenberger, "Virtual KITTI 2", 2020, and the notes of its download page.
"""

from fractions import Fraction
from pathlib import Path

import numpy as np

from simlift.core.camera import Camera
from simlift.core.camera_conventions import convert_camera
from simlift.core.clip import Clip, Label
from simlift.core.errors import ClipError
from simlift.core.layers import Array, Layer, StoredLayer, Unit
from simlift.core.read_options import ReadOptions
from simlift.media.decodings import Colour, PaletteIds, ScaledFlow
from simlift.media.geometry_decodings import ScaledDepth
from simlift.media.images import numbered, probe_images
from simlift.sources.rigs import choose_camera
from simlift.sources.tables import floats, matrix, rows
from simlift.sources.unread import not_read

_FPS = Fraction(10)  # of the drives of KITTI that the scenes were cloned from
_FRAMES = {
    Layer.RGB: ("rgb", "rgb_*.jpg"),
    Layer.DEPTH: ("depth", "depth_*.png"),
    Layer.SEGMENTATION: ("classSegmentation", "classgt_*.png"),
    Layer.FLOW: ("forwardFlow", "flow_*.png"),
}
_SKY = 65535
_LOST = {
    "intrinsic": "no camera is read",
    "extrinsic": "no camera is read",
    "colors": "classes have no names and are not read",
}
# simlift's words for classes that it would not know by their own names.
_CATEGORIES = {"GuardRail": "fence", "TrafficSign": "sign", "TrafficLight": "lamp", "Misc": "other"}


def recognises(folder: Path) -> bool:
    """Whether frames/rgb/Camera_0 lies in the folder, or rgb/Camera_0 in one named frames."""
    return bool(_cameras(_base(folder)))


def read(folder: Path, options: ReadOptions = ReadOptions()) -> Clip:
    """Read the camera that `options.camera` names."""
    base = _base(folder)
    name = choose_camera(folder, _cameras(base), options)
    files = {layer: _files(base, layer, name) for layer in _FRAMES}
    numbers = [_number(path) for path in files[Layer.RGB]]
    store, _ = probe_images(files[Layer.RGB])
    layers = [StoredLayer(Layer.RGB, store, Colour(), Unit.SRGB)]
    layers += [
        _numbers(layer, _matched(files[layer], numbers, layer, base))
        for layer in (Layer.DEPTH, Layer.FLOW)
        if files[layer]
    ]
    labels: dict[int, Label] = {}
    text = [base / f"{part}.txt" for part in ("intrinsic", "extrinsic", "colors")]
    notes = [] if options.fps else ["10 fps is assumed, the rate of KITTI's drives"]
    notes += [
        f"{path.name} is not there (textgt): {_LOST[path.stem]}"
        for path in text
        if not path.is_file()
    ]
    if files[Layer.SEGMENTATION] and text[2].is_file():
        palette, labels = _classes(base / "colors.txt")
        ids, _ = probe_images(
            _matched(files[Layer.SEGMENTATION], numbers, Layer.SEGMENTATION, base)
        )
        decode = PaletteIds(palette, tolerance=0)
        layers.append(StoredLayer(Layer.SEGMENTATION, ids, decode, Unit.IDS))
    whole = text[0].is_file() and text[1].is_file()
    camera = _camera(base, int(name.rsplit("_", 1)[1]), numbers) if whole else None
    read_files = [Path(path) for stored in layers for path in stored.store.files]
    return Clip(
        name="_".join((*base.resolve().parts[-2:], name)),
        path=folder,
        fps=options.fps or _FPS,
        num_frames=len(numbers),
        height=store.height,
        width=store.width,
        layers=tuple(layers),
        camera=camera,
        labels=labels,
        notes=(*notes, *not_read(base, [*read_files, *text])),
        read_options=options,
    )


def _base(folder: Path) -> Path:
    """Return the folder of a variation (clone, fog, ...), which holds frames/ and the tables."""
    return folder.resolve().parent if folder.resolve().name == "frames" else folder


def _cameras(base: Path) -> list[str]:
    return sorted(path.name for path in (base / "frames" / "rgb").glob("Camera_[0-9]"))


def _files(base: Path, layer: Layer, camera: str) -> list[Path]:
    folder, pattern = _FRAMES[layer]
    found = list((base / "frames" / folder / camera).glob(pattern))
    if layer is Layer.RGB and not found:
        raise ClipError(base / "frames" / folder / camera, f"holds no {pattern}")
    return list(numbered(found, base / "frames" / folder / camera)) if found else []


def _number(path: Path) -> int:
    return int(path.stem.rsplit("_", 1)[1])


def _matched(files: list[Path], numbers: list[int], layer: Layer, base: Path) -> list[Path]:
    """Return the files of the frames of rgb, by number; flow has none for the last frame."""
    found = {_number(path): path for path in files}
    wanted = numbers[:-1] if layer is Layer.FLOW and numbers[-1] not in found else numbers
    if missing := [number for number in wanted if number not in found]:
        raise ClipError(
            base / "frames" / _FRAMES[layer][0],
            f"has no frame {', '.join(map(str, missing[:8]))}",
            allowed="the numbers of frames/rgb",
            way_out="unpack the archive again, or remove the folder",
        )
    return [found[number] for number in wanted]


def _numbers(layer: Layer, files: list[Path]) -> StoredLayer:
    """Describe depth or flow, which are 16-bit PNG."""
    store, first = probe_images(files, samples=True)
    dimensions, allowed = (2, "[h w]") if layer is Layer.DEPTH else (3, "[h w 3]")
    if first.dtype != np.uint16 or first.ndim != dimensions:
        raise ClipError(
            files[0],
            f"holds {first.dtype} {list(first.shape)}",
            allowed=f"uint16 {allowed}",
            way_out="unpack the archive again",
        )
    if layer is Layer.DEPTH:
        return StoredLayer(layer, store, ScaledDepth(0.01, (_SKY,)), Unit.METRES)
    # 0..65535 is from -(w - 1) to w - 1 pixels to the right, and likewise down.
    scale = (2 * (store.width - 1) / 65535, 2 * (store.height - 1) / 65535)
    return StoredLayer(layer, store, ScaledFlow(scale, zero=32767.5), Unit.PIXELS)


def _classes(path: Path) -> tuple[tuple[tuple[int, int, int, int], ...], dict[int, Label]]:
    """Read the colours of classes; ids count the lines, and 0 is what is undefined."""
    palette, labels = [], {}
    for number, words in enumerate(rows(path, 4)):
        if number == 0 and words[0] == "Category":
            continue
        red, green, blue = (int(value) for value in floats(words[1:], path))
        index = 0 if words[0] == "Undefined" else number
        palette.append((red, green, blue, index))
        name = words[0]
        labels[index] = Label(name, _CATEGORIES.get(name, name.lower()))
    if not palette:
        raise ClipError(path, "names no class", allowed="Category r g b")
    return tuple(palette), labels


def _camera(base: Path, camera: int, numbers: list[int]) -> Camera:
    """Read intrinsics, whose pixel centres are whole numbers, and world_to_camera."""
    lens = _table(base / "intrinsic.txt", camera, 4, numbers)
    poses = _table(base / "extrinsic.txt", camera, 16, numbers)
    intrinsics = np.zeros((len(numbers), 3, 3))
    intrinsics[:, 0, 0], intrinsics[:, 1, 1] = lens[:, 0], lens[:, 1]
    intrinsics[:, 0, 2], intrinsics[:, 1, 2] = lens[:, 2] + 0.5, lens[:, 3] + 0.5
    intrinsics[:, 2, 2] = 1
    try:
        return convert_camera(poses.reshape(-1, 4, 4), intrinsics, up="-y")
    except ValueError as error:
        raise ClipError(base / "extrinsic.txt", str(error), way_out="restore the file") from error


def _table(path: Path, camera: int, columns: int, numbers: list[int]) -> Array:
    """Return the values of each frame for one camera."""
    found = {}
    for words in rows(path, columns + 2):
        if words[0] == "frame":
            continue
        frame, which, *values = floats(words, path)
        if which == camera:
            found[int(frame)] = values
    if missing := [number for number in numbers if number not in found]:
        raise ClipError(
            path,
            f"has no line for frame {', '.join(map(str, missing[:8]))} of Camera_{camera}",
            allowed="one line for each frame and camera",
            way_out="unpack vkitti_2.0.3_textgt again",
        )
    rows_found = [value for number in numbers for value in found[number]]
    return matrix(rows_found, (len(numbers), columns), path)
