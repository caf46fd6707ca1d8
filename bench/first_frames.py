"""What the gate of first frames says of good ones and of ones that were spoiled on purpose.

Good: the path-traced twin of the tabletop's first frame, looks drawn by seed, and the twin's robot
before other backgrounds. Spoiled: everything moved, the robot alone moved, the robot gone, and the
render handed back. Every good one must pass and every spoiled one must not.

python bench/first_frames.py [--looks 12]
"""

import argparse
import sys
from collections.abc import Iterator

import cv2
import numpy as np

from simlift import Layer, open_clip
from simlift.core.clip_sample import sample_clip
from simlift.core.window import ClipSample, Window
from simlift.engines.anchors import FirstFrameGate
from simlift.engines.anchors.gate import judge_first_frame
from simlift.engines.anchors.photographic import PhotographicAnchors
from simlift.engines.anchors.scenes import draw_scene
from simlift.passes.demo import episode_path

Image = np.ndarray


def moved(image: Image, dx: float, dy: float) -> Image:
    """Return an image moved by some pixels."""
    matrix = np.array([[1.0, 0.0, dx], [0.0, 1.0, dy]])
    size = image.shape[1::-1]
    return cv2.warpAffine(image, matrix, size, borderMode=cv2.BORDER_REFLECT)


def blocks(seed: int, height: int, width: int) -> Image:
    """Return a picture of flat blocks: edges in every direction, none of them the render's."""
    draw = np.random.default_rng(seed)
    image = np.full((height, width, 3), 90, np.uint8)
    for _ in range(200):
        centre = tuple(draw.uniform(0, (width, height)).tolist())
        box = (centre, tuple(draw.uniform(8, 70, 2).tolist()), float(draw.uniform(0, 180)))
        cv2.fillPoly(image, [cv2.boxPoints(box).astype(int)], draw.integers(20, 236, 3).tolist())
    return image


def drive_frames(height: int, width: int) -> Iterator[tuple[str, Image]]:
    """Yield frames of the other episode, resized."""
    clip = open_clip(episode_path("drive"))
    with clip.open([Layer.TWIN]) as reader:
        for index in (0, 20, 45):
            frame = reader.window([index])[Layer.TWIN][0]
            yield f"drive, frame {index}", cv2.resize(frame, (width, height))


def good(
    window: Window, sample: ClipSample, robot: np.ndarray, looks: int
) -> Iterator[tuple[str, Image]]:
    """Yield first frames in which the robot stands where it should."""
    twin = window[Layer.TWIN][0]
    yield "twin", twin
    with PhotographicAnchors().open("cpu") as maker:
        for seed in range(looks):
            scene = draw_scene(seed)
            yield (
                f"look {seed}",
                maker.make(window, sample=sample, scene=scene, seed=seed),
            )
    height, width = window.size
    others = ((f"blocks {k}", blocks(k, height, width)) for k in range(6))
    for name, place in (*drive_frames(height, width), *others):
        yield f"before {name}", np.where(robot[..., None], twin, place)


def spoiled(window: Window, robot: np.ndarray) -> Iterator[tuple[str, Image]]:
    """Yield first frames that no video may go on from."""
    twin, render = window[Layer.TWIN][0], window.rgb[0]
    around = cv2.dilate(robot.astype(np.uint8), np.ones((5, 5), np.uint8))
    for dx, dy in ((2, -1), (5, 3), (-3, 0)):
        yield f"all moved by {dx}, {dy}", moved(twin, dx, dy)
        there = moved(around, dx, dy)[..., None] > 0
        yield f"robot moved by {dx}, {dy}", np.where(there, moved(twin, dx, dy), twin)
    for name, place in drive_frames(*window.size):
        yield f"{name} without robot", place
    wide = cv2.dilate(around, np.ones((5, 5), np.uint8))[..., None] > 0
    yield "robot painted out", np.where(wide, np.uint8(128), twin)
    yield "the render", render
    noise = np.random.default_rng(0).normal(0, 4, render.shape)
    yield "the render and noise", np.clip(render + noise, 0, 255).astype(np.uint8)
    yield (
        "the render as JPEG 70",
        cv2.imdecode(
            cv2.imencode(".jpg", render, [cv2.IMWRITE_JPEG_QUALITY, 70])[1], cv2.IMREAD_COLOR
        ),
    )


def main() -> int:
    """Print the table; 1 where the gate was wrong."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--looks", type=int, default=12)
    given = parser.parse_args()
    clip, gate = open_clip(episode_path("tabletop")), FirstFrameGate()
    with clip.open(Layer) as reader:
        sample, window = sample_clip(reader), reader.window([0])
    robot = np.isin(window[Layer.SEGMENTATION][0], sorted(clip.ids_of(gate.robot_classes)))
    wrong = 0
    print(
        f"{'first frame':28} {'robot: shift':>12} {'edges':>6} {'like':>6} "
        f"{'frame: shift':>12} {'zoom':>8} {'edges':>6} {'change':>7}  verdict"
    )
    for name, due, picture in (
        *((name, True, picture) for name, picture in good(window, sample, robot, given.looks)),
        *((name, False, picture) for name, picture in spoiled(window, robot)),
    ):
        found = judge_first_frame(window.rgb[0], picture, robot)
        passes = not found.reasons(gate)
        wrong += passes != due
        assert found.robot is not None
        print(
            f"{name:28} {found.robot.shift:12.2f} {found.robot.edge_f1:6.2f} "
            f"{found.robot.likeness:6.2f} {found.frame.shift:12.2f} {found.frame.zoom:8.4f} "
            f"{found.frame.edge_f1:6.2f} {found.change:7.1f}  {'passes' if passes else 'fails'}"
            f"{'' if passes == due else '  WRONG'}"
        )
    print(f"{wrong} wrong")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
