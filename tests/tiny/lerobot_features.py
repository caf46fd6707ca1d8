"""LeRobot datasets with pictures in rows, and depth and ids beside the colour of a camera."""

import io
from collections.abc import Mapping
from pathlib import Path

import av
import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tiny.datasets import FPS, HEIGHT, WIDTH, depth_of, edit_info, ids_of, pictures, read_info

QUANTA = 4095


def feature(kind: str, channels: int, **info: object) -> dict[str, object]:
    """Describe a feature of pictures."""
    return {
        "dtype": kind,
        "shape": [HEIGHT, WIDTH, channels],
        "names": ["height", "width", "channels"],
        "info": info,
    }


def add_features(folder: Path, features: Mapping[str, object]) -> None:
    """Add features to meta/info.json."""
    edit_info(folder, features={**read_info(folder)["features"], **features})


def png(pixels: np.ndarray) -> bytes:
    """Encode RGB or gray as PNG."""
    flipped = pixels[..., ::-1] if pixels.ndim == 3 else pixels
    return cv2.imencode(".png", np.ascontiguousarray(flipped))[1].tobytes()


def _column(frames: np.ndarray) -> pa.Array:
    return pa.array([{"bytes": png(frame), "path": None} for frame in frames])


def with_images(
    folder: Path, *, depth_unit: str | None = "mm", group: int = 4, shape: int | None = None
) -> Path:
    """Turn the wrist into PNG images in the rows of v3.0 or v2.1, with depth of 16 bits beside it.

    `group` are the rows of a group of a file; ids are in the rows too.
    """
    files = sorted((folder / "data").rglob("*.parquet"))
    for file in files:
        table = pq.read_table(file)
        numbers = table["episode_index"].to_pylist()
        made: dict[str, list[np.ndarray]] = {"wrist": [], "wrist_depth": [], "wrist_seg": []}
        for k in sorted(set(numbers)):
            count = numbers.count(k)
            made["wrist"] += list(pictures(k, "wrist", count, contrast=8))
            made["wrist_depth"] += list(np.rint(depth_of(k, count) * 1000).astype(np.uint16))
            made["wrist_seg"] += list(ids_of(k, count).astype(np.uint8))
        for name, frames in made.items():
            table = table.append_column(f"observation.images.{name}", _column(np.stack(frames)))
        pq.write_table(table, file, row_group_size=group)
    stated = {} if depth_unit is None else {"depth_unit": depth_unit}
    add_features(
        folder,
        {
            "observation.images.wrist": feature("image", 3),
            "observation.images.wrist_depth": feature("image", 1, is_depth_map=True, **stated),
            "observation.images.wrist_seg": feature("image", 1),
        },
    )
    return folder


def quantised(depth: np.ndarray, near: float = 0.01, far: float = 10.0, shift: float = 3.5):
    """Code metres as LeRobot does, uint16 of 12 bits."""
    low, high = np.log(near + shift), np.log(far + shift)
    return np.rint((np.log(depth + shift) - low) / (high - low) * QUANTA).astype(np.uint16)


def with_depth_video(
    folder: Path, episodes: tuple[int, ...], near: float = 0.01, **info: object
) -> Path:
    """Add the front camera's depth to a v2.1 dataset: HEVC of 12 bits, without loss.

    `info` is what info.json states of it.
    """
    for k, count in enumerate(episodes):
        name = "observation.images.front.depth"
        path = folder / f"videos/chunk-000/{name}/episode_{k:06d}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(path), "w") as out:
            options = {"x265-params": "lossless=1:log-level=error"}
            stream = out.add_stream("libx265", rate=FPS, options=options)
            stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, "gray12le"
            for codes in quantised(depth_of(k, count), near):
                out.mux(stream.encode(av.VideoFrame.from_ndarray(codes, "gray12le")))
            out.mux(stream.encode(None))
    described = feature("video", 1, is_depth_map=True, **{"video.pix_fmt": "gray12le"}, **info)
    add_features(folder, {"observation.images.front.depth": described})
    return folder


def pickle_that_runs(path: Path, proof: Path) -> None:
    """Write a pickle that creates `proof` where anything loads it."""
    buffer = io.BytesIO()
    buffer.write(b"cbuiltins\nopen\n(V" + str(proof).encode() + b"\nVw\ntR.")
    path.write_bytes(buffer.getvalue())
