"""Skeleton videos of a seven-jointed arm at 480x640, side by side with the usual way.

    python bench/skeleton.py [--frames 600] [--repeats 5]

The usual way: for every frame yourdfpy's update_cfg, get_transform for each link, projection by
numpy and drawing by OpenCV. simlift: the poses of all frames at once, then `controls.Skeleton` on
windows of 32 frames, as `simlift controls` does. Both draw the same pixels, which is checked.
Rates are of processor time, so that other work on the machine does not move them.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from itertools import chain, pairwise
from pathlib import Path

import cv2
import numpy as np
import yourdfpy

from simlift.controls import Skeleton
from simlift.core.camera import Arm, Camera, Robot
from simlift.core.layers import Layer
from simlift.core.window import Window
from simlift.media.video.writer import write_video
from simlift.robots.tree import KinematicTree
from simlift.robots.urdf import read_urdf

HEIGHT, WIDTH, FOCAL = 480, 640, 600.0
# Franka's Panda by Craig's parameters: a and d in metres, alpha in quarter turns.
PANDA = (
    (0, 0.333, 0),
    (0, 0, -1),
    (0, 0.316, 1),
    (0.0825, 0, 1),
    (-0.0825, 0.384, -1),
    (0, 0, 1),
    (0.088, 0, 1),
)
FLANGE = 0.107  # metres from link 7 to the end effector
LINKS = ("hand", *(f"link{i}" for i in range(7, -1, -1)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--frames", type=int, default=600)
    parser.add_argument("--repeats", type=int, default=5)
    asked = parser.parse_args()
    rng = np.random.default_rng(0)
    home = np.array([0, -0.3, 0, -2.2, 0, 1.9, 0.8])
    joints = home + rng.normal(size=(asked.frames, 7)).cumsum(0) * 0.02
    opening = 0.5 + 0.5 * np.sin(np.arange(asked.frames) / 9)
    camera = look_at(np.array([1.6, -1.1, 0.9]), np.array([0.3, 0, 0.4]))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "arm.urdf"
        file.write_text(urdf())
        model = yourdfpy.URDF.load(str(file), build_scene_graph=True, load_meshes=False)
        tree = read_urdf(file).tree

        def usual() -> Iterator[np.ndarray]:
            return frame_by_frame(model, joints, opening, camera)

        def ours() -> Iterator[np.ndarray]:
            return window_by_window(tree, joints, opening, camera)

        for a, b in zip(chain.from_iterable(usual()), chain.from_iterable(ours()), strict=True):
            assert np.array_equal(a, b), "the two draw different pixels"
        print(
            f"{asked.frames} frames of {WIDTH}x{HEIGHT}, 7 joints; median of {asked.repeats} runs"
        )
        print("                        yourdfpy + OpenCV       simlift    ratio")
        video = Path(folder) / "skeleton.mp4"
        for name, take in (("drawn", spend), ("drawn and encoded", partial(encode, video))):
            rates = [[], []]
            for _ in range(asked.repeats):
                for rate, draw_all in zip(rates, (usual, ours), strict=True):
                    start = time.process_time()
                    take(draw_all())
                    rate.append(asked.frames / (time.process_time() - start))
            a, b = map(statistics.median, rates)
            print(f"{name:<24}{a:>13.0f} fps{b:>10.0f} fps{b / a:>8.1f}x")


def spend(windows: Iterator[np.ndarray]) -> None:
    for _ in windows:
        pass


def encode(path: Path, windows: Iterator[np.ndarray]) -> None:
    with write_video(path, height=HEIGHT, width=WIDTH, fps=Fraction(15)) as video:
        for frames in windows:
            video.append(frames)


def look_at(eye: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return world_to_camera of a camera that looks at a point, world z up."""
    forward = (target - eye) / np.linalg.norm(target - eye)
    right = np.cross(forward, (0, 0, 1.0))
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = [right, np.cross(forward, right), forward]
    pose[:3, 3] = -pose[:3, :3] @ eye
    return pose


def lens() -> np.ndarray:
    return np.array([[FOCAL, 0, WIDTH / 2], [0, FOCAL, HEIGHT / 2], [0, 0, 1]])


def urdf() -> str:
    """Return the arm as URDF, without meshes."""
    rows = ['<robot name="arm"><link name="link0"/>']
    origins = [
        (f"{a} {-np.sin(q * np.pi / 2) * d} {np.cos(q * np.pi / 2) * d}", f"{q * np.pi / 2} 0 0")
        for a, d, q in PANDA
    ]
    for i, (xyz, rpy) in enumerate(origins):
        rows.append(
            f'<link name="link{i + 1}"/><joint name="joint{i + 1}" type="revolute">'
            f'<parent link="link{i}"/><child link="link{i + 1}"/><axis xyz="0 0 1"/>'
            f'<origin xyz="{xyz}" rpy="{rpy}"/>'
            '<limit lower="-9" upper="9" effort="1" velocity="1"/></joint>'
        )
    rows.append(
        '<link name="hand"/><joint name="mount" type="fixed"><parent link="link7"/>'
        f'<child link="hand"/><origin xyz="0 0 {FLANGE}"/></joint></robot>'
    )
    return "".join(rows)


def frame_by_frame(
    model: yourdfpy.URDF, joints: np.ndarray, opening: np.ndarray, camera: np.ndarray
) -> Iterator[np.ndarray]:
    """Draw as one does it with yourdfpy: frame by frame, link by link."""
    names = model.actuated_joint_names
    for row, openness in zip(joints, opening, strict=True):
        model.update_cfg(dict(zip(names, row, strict=True)))
        poses = [camera @ model.get_transform(link, "link0") for link in LINKS]
        yield draw(poses, openness)[None]


def draw(poses: list[np.ndarray], openness: float) -> np.ndarray:
    canvas = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    box, k, hand = (0, 0, WIDTH, HEIGHT), lens(), poses[0]

    def pixel(point: np.ndarray) -> tuple[int, int]:
        u, v, w = k @ (point[0], point[1], max(point[2], 1e-3))
        column, row = np.clip(np.floor((u / w, v / w)), -100_000, 100_000)
        return int(column), int(row)

    points = [poses[0][:3, 3]]
    for pose in poses[1:]:
        if np.linalg.norm(pose[:3, 3] - points[-1]) >= 1e-4:
            points.append(pose[:3, 3])
    dots = [pixel(point) for point in points]
    for a, b in pairwise(dots):
        inside, a, b = cv2.clipLine(box, a, b)
        if inside:
            cv2.line(canvas, a, b, (255, 255, 0), 3)
    for dot in dots:
        cv2.circle(canvas, dot, 4, (0, 0, 255), -1)
    s, c = 0.2 * np.sin(np.pi / 12 * openness), 0.2 * np.cos(np.pi / 12 * openness)
    local = ((0.2, 0, 0), (0, 0.2, 0), (0, 0, 0.2), (0, s, c), (0, -s, c))
    colours = ((0, 0, 255), (0, 255, 0), (255, 0, 0), (255, 0, 0), (255, 0, 0))
    for tip, colour in zip(local, colours, strict=True):
        inside, a, b = cv2.clipLine(box, dots[0], pixel(hand[:3, :3] @ tip + hand[:3, 3]))
        if inside:
            cv2.arrowedLine(canvas, a, b, colour, 5, tipLength=0.15)
    return canvas


def window_by_window(
    tree: KinematicTree, joints: np.ndarray, opening: np.ndarray, camera: np.ndarray
) -> Iterator[np.ndarray]:
    """Draw with simlift: the poses of all frames, then the control on windows of them."""
    count = len(joints)
    poses = tree.poses(dict(zip(tree.moving, joints.T, strict=True)))
    links = poses[:, [tree.links.index(name) for name in LINKS]]
    robot = Robot((), np.zeros((count, 0)), LINKS, links, opening, (Arm("arm", LINKS, opening),))
    seen = Camera(np.tile(lens(), (count, 1, 1)), np.tile(camera, (count, 1, 1)), np.eye(3)[2])
    window = Window(
        indices=np.arange(count),
        arrays={Layer.RGB: np.broadcast_to(np.uint8(0), (count, HEIGHT, WIDTH, 3))},
        num_frames=count,
        fps=15.0,
        metric_depth=False,
        camera=seen,
        robot=robot,
    )
    skeleton = Skeleton()
    for start in range(0, count, 32):
        yield skeleton.draw(window.part(slice(start, start + 32)))


if __name__ == "__main__":
    main()
