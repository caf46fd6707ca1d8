"""Robots whose arms stand where a test wants them, in the window of a pinhole camera."""

from dataclasses import replace
from fractions import Fraction

import numpy as np

from simlift.core.camera import Arm, Camera, Robot
from simlift.core.layers import Layer
from simlift.core.window import Window
from simlift.media.native import write_clip


def pose(position, rotation=None):
    """Return a 4x4 pose."""
    made = np.eye(4)
    made[:3, :3] = np.eye(3) if rotation is None else rotation
    made[:3, 3] = position
    return made


def robot(arms, grippers=None, joints=2):
    """Return a robot from link_to_world poses by arm: {name: [t k 4 4]}, end effector first."""
    names, poses, made = [], [], []
    count = len(next(iter(arms.values())))
    for name, links in arms.items():
        own = tuple(f"{name}_{k}" for k in range(np.shape(links)[1]))
        names += own
        poses.append(np.asarray(links, float))
        gripper = np.full(count, np.nan) if grippers is None else np.asarray(grippers[name], float)
        made.append(Arm(name, own, gripper))
    turn = np.linspace(0, 1, count)[:, None] * np.arange(1, joints + 1)
    return Robot(
        tuple(f"joint_{k}" for k in range(joints)),
        turn,
        tuple(names),
        np.concatenate(poses, axis=1),
        made[0].gripper,
        tuple(made),
    )


def window(robot, *, height=96, width=128, focal=100.0, poses=None, rgb=None):
    """Return a window of that robot, seen along +z from the origin or from `poses` [t 4 4]."""
    count = len(robot.link_poses)
    lens = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
    at = np.repeat(np.eye(4)[None], count, 0) if poses is None else np.asarray(poses, float)
    gray = np.full((count, height, width, 3), 90, np.uint8)
    return Window(
        indices=np.arange(count),
        arrays={Layer.RGB: gray if rgb is None else rgb},
        num_frames=count,
        fps=24.0,
        metric_depth=False,
        camera=Camera(np.repeat(lens[None], count, 0), at, np.array([0.0, -1.0, 0.0])),
        robot=robot,
    )


FRAMES, HEIGHT, WIDTH = 6, 48, 64


def moving(count=FRAMES, gripper=True):
    """Return a robot whose hand wanders to the right while its gripper opens."""
    links = [
        [pose((0.05 * t, 0, 1)), pose((-0.2, 0.1, 1)), pose((-0.3, 0.25, 1))] for t in range(count)
    ]
    return robot({"panda": links}, {"panda": np.linspace(0, 1, count)} if gripper else None)


def clip(folder, *, count=FRAMES, known=True, gripper=True):
    """Write a native clip of gray frames with that robot; `known` says whether with its arms."""
    made = moving(count, gripper)
    seen = window(made, height=HEIGHT, width=WIDTH, focal=60.0)
    with write_clip(
        folder, name=folder.name, fps=Fraction(15), height=HEIGHT, width=WIDTH
    ) as writer:
        for frame in seen.rgb:
            writer.append({Layer.RGB: frame})
        writer.camera(seen.camera)
        writer.robot(made if known else replace(made, arms=()))
    return folder
