"""Excerpts of the shipped episodes in memory and on disk, to be written in other conventions."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import numpy as np

from simlift.core.camera import Camera
from simlift.core.clip import Clip
from simlift.core.layers import Layer, StoredLayer, Unit
from simlift.media.images import write_image
from simlift.passes.demo import episode_path
from simlift.pixels.geometry.projection import normals_from_depth
from simlift.sources import open_clip

UNITS = {
    Layer.RGB: Unit.SRGB,
    Layer.DEPTH: Unit.METRES,
    Layer.SEGMENTATION: Unit.IDS,
    Layer.NORMALS: Unit.CAMERA_VECTOR,
    Layer.FLOW: Unit.PIXELS,
}


@dataclass(frozen=True, eq=False)
class MemoryStore:
    """Frames of a layer in memory."""

    frames: np.ndarray
    files: tuple[Path, ...] = ()

    @property
    def num_frames(self) -> int:
        return len(self.frames)

    @property
    def height(self) -> int:
        return int(self.frames.shape[1])

    @property
    def width(self) -> int:
        return int(self.frames.shape[2])

    @contextmanager
    def open(self) -> Iterator["MemoryStore"]:
        yield self

    def read(self, indices: Sequence[int]) -> np.ndarray:
        return self.frames[np.asarray(indices)]


def as_stored(raw: np.ndarray) -> np.ndarray:
    """Return numbers as they are."""
    return raw


@dataclass(frozen=True, eq=False)
class Excerpt:
    """Layers of some frames with their camera; to be changed, then made a clip."""

    layers: dict[Layer, np.ndarray]
    intrinsics: np.ndarray
    poses: np.ndarray
    fps: Fraction = Fraction(24)
    decodes: dict[Layer, Callable[[np.ndarray], np.ndarray]] = field(default_factory=dict)

    def changed(self, layer: Layer, change: Callable[[np.ndarray], np.ndarray]) -> "Excerpt":
        """Return it with another layer."""
        return replace(self, layers=self.layers | {layer: change(self.layers[layer])})

    def clip(self) -> Clip:
        """Return it as a clip in memory."""
        count, height, width = self.layers[Layer.RGB].shape[:3]
        return Clip(
            name="excerpt",
            path=Path("excerpt"),
            fps=self.fps,
            num_frames=count,
            height=height,
            width=width,
            layers=tuple(
                StoredLayer(layer, MemoryStore(np.ascontiguousarray(x)), as_stored, UNITS[layer])
                for layer, x in self.layers.items()
            ),
            camera=Camera(self.intrinsics, self.poses, np.array([0.0, 0.0, 1.0])),
        )

    def write(self, folder: Path, **sides: object) -> Path:
        """Write its layers as a folder that says nothing of conventions: no clip.json."""
        for layer, frames in self.layers.items():
            for k, frame in enumerate(frames):
                path = folder / layer.value / f"{k:04d}"
                if layer is Layer.RGB:
                    write_image(path.with_suffix(".png"), frame)
                elif layer is Layer.SEGMENTATION:
                    write_image(path.with_suffix(".png"), frame.astype(np.uint16))
                else:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    np.save(path.with_suffix(".npy"), frame)
        np.savez(folder / "camera.npz", intrinsics=self.intrinsics, world_to_camera=self.poses)
        for name, data in sides.items():
            (folder / f"{name}.json").write_text(json.dumps(data), encoding="utf-8")
        return folder


@lru_cache(maxsize=4)
def excerpt(episode: str, start: int, count: int) -> Excerpt:
    """Return frames of a shipped episode, with the normals of its depth."""
    clip = open_clip(episode_path(episode))
    wanted = (Layer.RGB, Layer.DEPTH, Layer.SEGMENTATION)
    with clip.open(wanted) as reader:
        window = reader.window(range(start, start + count))
    assert window.camera is not None
    layers = {layer: window[layer] for layer in wanted}
    k = window.camera.intrinsics
    layers[Layer.NORMALS] = np.stack(
        [normals_from_depth(d, i) for d, i in zip(layers[Layer.DEPTH], k, strict=True)]
    )
    return Excerpt(layers, k, window.camera.world_to_camera)
