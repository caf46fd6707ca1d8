"""Read a CARLA sensor dump -> Clip: rgb, 24-bit depth in metres, semantic classes.

Files are matched by the number or time in their names, for example rgb000012.png, depth000012.png
and sem000012.png in one folder, or rgb/000012.png and so on. Depth may be a PNG (RGB order) or a
raw BGRA buffer as .npy. Semantics are class colours (CityScapes palette) or tags in the red
channel, whose numbering changed in CARLA 0.9.14. Source: CARLA documentation, "Sensors reference".
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from simlift.core.clip import Clip, Label
from simlift.core.errors import ClipError
from simlift.core.layers import Array, Layer, StoredLayer, Unit
from simlift.core.read_options import ReadOptions
from simlift.media.decodings import Colour, PaletteIds
from simlift.media.geometry_decodings import CarlaDepth
from simlift.media.images import ImageStore, numbered, probe_images, read_image
from simlift.sources.images import ASSUMED_FPS
from simlift.sources.lens import fixed_camera

_KINDS = {"rgb": ("rgb",), "depth": ("depth",), "segmentation": ("semantic", "sem", "seg")}
_SUFFIXES = {".png", ".jpg", ".jpeg", ".npy"}
_ASSUMED_FOV = 90.0  # the camera blueprint's default, in degrees across

# name, tag before 0.9.14, tag from 0.9.14 on, palette colours of the releases
_CLASSES: tuple[tuple[str, int, int, tuple[tuple[int, int, int], ...]], ...] = (
    ("unlabeled", 0, 0, ((0, 0, 0),)),
    ("building", 1, 3, ((70, 70, 70),)),
    ("fence", 2, 5, ((100, 40, 40), (190, 153, 153))),
    ("other", 3, 22, ((55, 90, 80), (250, 170, 160))),
    ("pedestrian", 4, 12, ((220, 20, 60),)),
    ("pole", 5, 6, ((153, 153, 153),)),
    ("road_line", 6, 24, ((157, 234, 50),)),
    ("road", 7, 1, ((128, 64, 128),)),
    ("sidewalk", 8, 2, ((244, 35, 232),)),
    ("vegetation", 9, 9, ((107, 142, 35),)),
    ("car", 10, 14, ((0, 0, 142),)),
    ("wall", 11, 4, ((102, 102, 156),)),
    ("traffic_sign", 12, 8, ((220, 220, 0),)),
    ("sky", 13, 11, ((70, 130, 180),)),
    ("ground", 14, 25, ((81, 0, 81),)),
    ("bridge", 15, 26, ((150, 100, 100),)),
    ("rail_track", 16, 27, ((230, 150, 140),)),
    ("guard_rail", 17, 28, ((180, 165, 180),)),
    ("traffic_light", 18, 7, ((250, 170, 30),)),
    ("static", 19, 20, ((110, 190, 160),)),
    ("dynamic", 20, 21, ((170, 120, 50),)),
    ("water", 21, 23, ((45, 60, 150),)),
    ("terrain", 22, 10, ((145, 170, 100), (152, 251, 152))),
    ("rider", 23, 13, ((255, 0, 0),)),
    ("truck", 24, 15, ((0, 0, 70),)),
    ("bus", 25, 16, ((0, 60, 100),)),
    ("train", 26, 17, ((0, 80, 100),)),
    ("motorcycle", 27, 18, ((0, 0, 230),)),
    ("bicycle", 28, 19, ((119, 11, 32),)),
)
_LAST_OLD_TAG = 22


@dataclass(frozen=True)
class RedTags:
    """Decode CARLA's raw semantic images to ids: the tag is in the red channel."""

    from_0_9_14: bool
    red: int = 0

    def __call__(self, raw: Array) -> Array:
        table = np.zeros(256, dtype=np.int32)
        for index, (_, old, new, _) in enumerate(_CLASSES):
            table[new if self.from_0_9_14 else old] = index
        return table[raw[..., self.red]]


def recognises(folder: Path) -> bool:
    """Whether rgb and depth or semantic frames lie in the folder, in CARLA's manner."""
    found = _frames(folder)
    return "rgb" in found and ("depth" in found or "segmentation" in found)


def read(folder: Path, options: ReadOptions = ReadOptions()) -> Clip:
    """Read a dump: frames that every sensor has, in order.

    Raw tags that either numbering allows are refused until `options.tags` says which. The field of
    view is 90 degrees (CARLA's default) where it is not stated.
    """
    found = _frames(folder)
    shared = _shared_frames(folder, found)
    rgb, _ = probe_images([found["rgb"][k] for k in shared])
    layers = [StoredLayer(Layer.RGB, rgb, Colour(), Unit.SRGB)]
    notes = [
        f"{len(found[kind]) - len(shared)} {kind} frames have no partner and are left out"
        for kind in found
        if len(found[kind]) > len(shared)
    ]
    if "depth" in found:
        layers.append(_depth([found["depth"][k] for k in shared], rgb))
    if "segmentation" in found:
        layers.append(_semantics([found["segmentation"][k] for k in shared], options.tags))
    if options.fov is None:
        notes.append(
            f"no camera is written: a field of view of {_ASSUMED_FOV:.0f} degrees is assumed"
        )
    notes.append("no poses are written: the camera is taken as fixed")
    if len(shared) > 1 and options.fps is None:
        notes.append(f"images carry no frame rate: {ASSUMED_FPS} fps is assumed")
    return Clip(
        name=folder.name,
        path=folder,
        fps=options.fps or ASSUMED_FPS,
        num_frames=len(shared),
        height=rgb.height,
        width=rgb.width,
        layers=tuple(layers),
        camera=fixed_camera(len(shared), rgb.height, rgb.width, options.fov or _ASSUMED_FOV),
        labels={i: Label(name, name) for i, (name, *_) in enumerate(_CLASSES)},
        notes=tuple(notes),
        read_options=options,
    )


def _shared_frames(folder: Path, found: dict[str, dict[str, Path]]) -> list[str]:
    """Return the frames that every sensor has, in order; sensors may begin or end alone."""
    every = sorted({key for frames in found.values() for key in frames}, key=_order)
    shared = [key for key in every if all(key in frames for frames in found.values())]
    if not shared:
        raise ClipError(
            folder, "no frame is there for every sensor", allowed="the same numbers in all names"
        )
    inside = every[every.index(shared[0]) : every.index(shared[-1]) + 1]
    lost = [f"{kind} {k}" for kind, frames in found.items() for k in inside if k not in frames]
    if lost:
        raise ClipError(
            folder,
            f"{len(lost)} frames are missing ({', '.join(lost[:8])})",
            allowed="every frame from every sensor",
            way_out="record them again, or remove the frames that are not whole at one end",
        )
    if all(len(_order(key)[0]) == 1 for key in shared):
        numbered([found["rgb"][key] for key in shared], folder)
    return shared


def _order(name: str) -> tuple[tuple[int, ...], str]:
    return tuple(int(number) for number in re.findall(r"\d+", name)), name


def _depth(paths: list[Path], rgb: ImageStore) -> StoredLayer:
    first = read_image(paths[0])
    if paths[0].suffix == ".npy":
        decode = CarlaDepth(channels=(2, 1, 0))
        return StoredLayer(Layer.DEPTH, _raw_buffers(paths, first, rgb), decode, Unit.METRES)
    # Sky alone is white in raw depth too, and black is the camera's own place.
    between = (first != 0) & (first != 255)
    if first.ndim != 3 or (between.any() and not np.ptp(first[..., :3], axis=-1).any()):
        raise ClipError(
            paths[0],
            "is gray",
            allowed="the raw depth camera (24 bits in R, G, B)",
            way_out="save with ColorConverter.Raw",
        )
    store, _ = probe_images(paths)
    return StoredLayer(Layer.DEPTH, store, CarlaDepth(), Unit.METRES)


def _raw_buffers(paths: list[Path], first: Array, rgb: ImageStore) -> ImageStore:
    if first.size != rgb.height * rgb.width * 4:
        raise ClipError(
            paths[0],
            f"holds {first.size} bytes",
            allowed=f"{rgb.height * rgb.width * 4} ({rgb.width}x{rgb.height} BGRA)",
        )
    return ImageStore(tuple(paths), rgb.height, rgb.width, flat_channels=4)


def _semantics(paths: list[Path], tags: str | None) -> StoredLayer:
    store, first = probe_images(paths)
    if first.ndim == 3 and (first[..., 1].any() or first[..., 2].any()):
        palette = tuple(
            (*colour, i) for i, (_, _, _, colours) in enumerate(_CLASSES) for colour in colours
        )
        return StoredLayer(Layer.SEGMENTATION, store, PaletteIds(palette), Unit.IDS)
    red = first[..., 0] if first.ndim == 3 else first
    if tags is None and int(red.max()) <= _LAST_OLD_TAG:
        raise ClipError(
            paths[0],
            "raw tags that either numbering allows",
            allowed="--tags pre0.9.14 or --tags 0.9.14",
            way_out="state the release of CARLA by --tags; or save with "
            "ColorConverter.CityScapesPalette",
        )
    decode = RedTags(from_0_9_14=tags != "pre0.9.14")
    return StoredLayer(Layer.SEGMENTATION, store, decode, Unit.IDS)


def _frames(folder: Path) -> dict[str, dict[str, Path]]:
    found: dict[str, dict[str, Path]] = {}
    for kind, names in _KINDS.items():
        pattern = re.compile(rf"^(?:{'|'.join(names)})[a-z_]*[-_.]?(\d[\d_-]*)$", re.IGNORECASE)
        for path in sorted(folder.iterdir()):
            match = pattern.match(path.stem)
            if match and path.suffix.lower() in _SUFFIXES:
                found.setdefault(kind, {})[match.group(1)] = path
        for inner in sorted(p for p in folder.iterdir() if p.is_dir()):
            if inner.name.lower().startswith(names):
                for path in sorted(inner.iterdir()):
                    if path.suffix.lower() in _SUFFIXES:
                        found.setdefault(kind, {})[path.stem] = path
    return found
