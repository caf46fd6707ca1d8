"""Write what your own simulator renders as a native clip, and see what simlift makes of it."""

import sys
from fractions import Fraction
from pathlib import Path

import numpy as np

from simlift import Layer, Photographic, open_clip
from simlift.core.camera import Camera
from simlift.core.clip import Label
from simlift.media.native import write_clip
from simlift.pixels.geometry.projection import pinhole

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "out/my-clip")
height, width, frames = 120, 160, 6

with write_clip(
    folder,
    name="my-clip",
    fps=Fraction(24),
    height=height,
    width=width,
    metres_per_unit=0.001,
    labels={1: Label("floor", "floor"), 2: Label("crate_0", "crate")},
) as writer:
    rows = np.arange(height, dtype=np.float32)[:, None] + 0.5
    floor = np.where(rows > height / 2, 60 / np.maximum(rows - height / 2, 0.5), np.inf)
    floor = np.broadcast_to(np.where(floor < 30, floor, np.inf), (height, width))
    for t in range(frames):
        depth, ids = floor.astype(np.float32).copy(), np.isfinite(floor).astype(np.int32)
        depth[50:90, 20 + 4 * t : 60 + 4 * t], ids[50:90, 20 + 4 * t : 60 + 4 * t] = 2.0, 2
        albedo = np.array([(0, 0, 0), (120, 110, 100), (180, 90, 40)], dtype=np.uint8)[ids]
        writer.append(
            {
                Layer.RGB: albedo,  # what your renderer shows
                Layer.ALBEDO: albedo,  # the same with ambient light alone
                Layer.DEPTH: depth,  # metres along the optical axis, inf for the sky
                Layer.SEGMENTATION: ids,
            }
        )
    pose = np.array([[1, 0, 0, 0], [0, 0, -1, 1.0], [0, 1, 0, 0], [0, 0, 0, 1.0]])
    intrinsics = pinhole(height, width, np.radians(60))
    writer.camera(
        Camera(
            np.repeat(intrinsics[None], frames, 0),
            np.repeat(pose[None], frames, 0),
            np.array([0.0, 0.0, 1.0]),
        )
    )

for stage in Photographic().check(open_clip(folder)):
    print(f"{'on ' if stage.on else 'off'} {stage.name}: {stage.reason}")
