"""Read a SAIL-VOS 3D video (GTA V) -> Clip: rgb, depth in metres, camera.

    images/000000.bmp
    depth/000000.npy            d, for which d / 6 - 0.00004 is the depth of the graphics card
    rage_matrices/000000.npz    P and VP: camera, and world, to the card's coordinates, for rows

The z-buffer is reversed, without end: 0 is the sky. What visible/ and camera/ hold is not read.
Source: Hu et al., "SAIL-VOS 3D", CVPR 2021, as its loaders in nianticlabs/mvsanywhere and
facebookresearch/map-anything read it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from simlift.core.camera import Camera
from simlift.core.camera_conventions import convert_camera, intrinsics_of_projection
from simlift.core.clip import Clip
from simlift.core.errors import ClipError
from simlift.core.layers import Array, Layer, StoredLayer, Unit
from simlift.core.read_options import ReadOptions
from simlift.media.arrays import read_npz
from simlift.media.decodings import Colour
from simlift.media.frame_files import DerivedFrames
from simlift.media.geometry_decodings import ScaledDepth
from simlift.media.images import numbered, probe_images
from simlift.sources.images import ASSUMED_FPS
from simlift.sources.unread import not_read

_SCALE, _SHIFT = 6.0, 4e-5
_NEAREST_TO_SKY = 1e-9  # of the card's depth, which is 1e-6 at a hundred kilometres


def recognises(folder: Path) -> bool:
    """Whether images/*.bmp and rage_matrices/*.npz lie in the folder."""
    matrices, images = folder / "rage_matrices", folder / "images"
    return any(matrices.glob("*.npz")) and any(images.glob("*.bmp"))


def read(folder: Path, options: ReadOptions = ReadOptions()) -> Clip:
    """Read the frames of images/ with their depth and cameras."""
    images = numbered(_visible(folder / "images", "*.bmp"), folder / "images")
    matrices = tuple(_beside(folder / "rage_matrices", path, ".npz") for path in images)
    store, _ = probe_images(images)
    projection, camera = _camera(matrices, store.height, store.width)
    layers = [StoredLayer(Layer.RGB, store, Colour(), Unit.SRGB)]
    read_files = [*images, *matrices]
    if (folder / "depth").is_dir():
        deep = tuple(_beside(folder / "depth", path, ".npy") for path in images)
        depth = CardDepthStore(probe_images(deep)[0], _planes(projection))
        layers.append(StoredLayer(Layer.DEPTH, depth, ScaledDepth(), Unit.METRES))
        read_files += deep
    notes = [] if options.fps else [f"images carry no frame rate: {ASSUMED_FPS} fps is assumed"]
    return Clip(
        name=folder.resolve().name,
        path=folder,
        fps=options.fps or ASSUMED_FPS,
        num_frames=len(images),
        height=store.height,
        width=store.width,
        layers=tuple(layers),
        camera=camera,
        notes=(
            *notes,
            "the layout is read by its loaders' code: it was not checked on a sample",
            *not_read(folder, read_files),
        ),
        read_options=options,
    )


@dataclass(frozen=True)
class CardDepthStore(DerivedFrames):
    """Depth of the graphics card read as metres; `planes` are two numbers of each projection."""

    planes: tuple[tuple[float, float], ...]

    def read(self, indices: Sequence[int]) -> Array:
        """Return float32 metres [t h w], +inf for the sky."""
        with self.images.open() as reader:
            stored = reader.read(indices).astype(np.float64)
        planes = np.array([self.planes[index] for index in indices])[:, :, None, None]
        card = stored / _SCALE - _SHIFT
        # card = b / z - a, with a = 0 where the far plane is at no end.
        inverse = card + planes[:, 0]
        with np.errstate(divide="ignore"):
            depth = np.where(inverse > _NEAREST_TO_SKY, planes[:, 1] / inverse, np.inf)
        depth[card <= _NEAREST_TO_SKY] = np.inf
        return depth.astype(np.float32)


def _camera(matrices: Sequence[Path], height: int, width: int) -> tuple[Array, Camera]:
    """Return the projections, and the camera; both multiply rows, and look along -z."""
    projection = np.stack([_matrix(path, "P") for path in matrices])
    to_card = np.stack([_matrix(path, "VP") for path in matrices])
    try:
        intrinsics = intrinsics_of_projection(projection.transpose(0, 2, 1), height, width)
        view = (to_card @ np.linalg.inv(projection)).transpose(0, 2, 1)
        # The last row is what is left of two large numbers.
        view[:, 3] = (0, 0, 0, 1)
        return projection, convert_camera(view, intrinsics, convention="opengl")
    except (ValueError, np.linalg.LinAlgError) as error:
        raise ClipError(
            matrices[0], f"P and VP are no camera ({error})", way_out="simlift init states another"
        ) from error


def _planes(projection: Array) -> tuple[tuple[float, float], ...]:
    """Return a and b of card = b / z - a, for each frame."""
    return tuple((float(p[2, 2]), float(p[3, 2])) for p in projection)


def _matrix(path: Path, name: str) -> Array:
    found = read_npz(path, name)
    if found.shape != (4, 4):
        raise ClipError(path, f"{name} holds {list(found.shape)}", allowed="4 by 4 numbers")
    return found.astype(np.float64)


def _visible(folder: Path, pattern: str) -> list[Path]:
    return [path for path in folder.glob(pattern) if not path.name.startswith(".")]


def _beside(folder: Path, image: Path, suffix: str) -> Path:
    path = folder / f"{image.stem}{suffix}"
    if not path.is_file():
        raise ClipError(
            path, "does not exist", allowed="a file for each image", way_out="restore it"
        )
    return path
