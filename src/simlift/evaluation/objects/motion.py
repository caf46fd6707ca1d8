"""Find what moves in a clip beside the robot: where it goes, when it is let go, where it rests.

All of it comes from the poses that the simulator wrote, for all frames at once.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from simlift.core.camera import Camera
from simlift.core.clip import Clip

ROBOT = "robot"  # the class of the segmentation whose bodies carry others
_MOVES = 4.0  # pixels that a body goes by itself, from which it counts as moving
_SLIP = 0.01  # of a body's whole way, in a frame: what a grip or a resting place may give way
_CARRIED = 0.1  # of a body's whole way: what is carried farther than this was held


@dataclass(frozen=True, eq=False)
class MovingObject:
    """A body that moves by itself: its segmentation id, its path in the picture, its events.

    `places` [t 2] are the pixels of its origin, NaN behind the camera. `release` is the last frame
    in which it moves as one with a link of the robot, `rest` the first from which it lies still in
    the world; None where that does not happen.
    """

    id: int
    name: str
    places: Float[np.ndarray, "t 2"]
    release: int | None
    rest: int | None


def moving_objects(clip: Clip) -> tuple[MovingObject, ...]:
    """Return the bodies of a clip that move by themselves, the robot's links left out.

    Without camera, ids or poses there are none.
    """
    camera, bodies = clip.camera, clip.objects
    if camera is None or bodies is None:
        return ()
    robot = {i for i, label in clip.labels.items() if label.category == ROBOT}
    is_robot = np.array([i in robot for i in bodies.ids.tolist()], dtype=bool)
    links = bodies.poses[:, is_robot]
    if clip.robot is not None:
        links = np.concatenate([links, clip.robot.link_poses], axis=1)
    found = []
    for k in np.flatnonzero(~is_robot).tolist():
        points = bodies.poses[:, k, :3, 3]
        places, still = project(camera, points), project(camera, points[:1].repeat(len(points), 0))
        way = np.linalg.norm(places - still, axis=1)
        if not np.nanmax(np.where(np.isfinite(way), way, 0.0)) >= _MOVES:
            continue
        number = int(bodies.ids[k])
        release = release_frame(points, links)
        name = clip.labels[number].name if number in clip.labels else str(number)
        found.append(MovingObject(number, name, places, release, rest_frame(points, release or 0)))
    return tuple(found)


def project(camera: Camera, points: Float[np.ndarray, "t 3"]) -> Float[np.ndarray, "t 2"]:
    """Project one world point of each frame to pixels; NaN behind the camera."""
    pose, lens = camera.world_to_camera, camera.intrinsics
    seen = np.einsum("tij,tj->ti", pose[:, :3, :3], points) + pose[:, :3, 3]
    with np.errstate(divide="ignore", invalid="ignore"):
        flat = np.einsum("tij,tj->ti", lens, seen / seen[:, 2:])[:, :2]
    return np.where(seen[:, 2:] > 0, flat, np.nan)


def release_frame(
    points: Float[np.ndarray, "t 3"], links: Float[np.ndarray, "t l 4 4"]
) -> int | None:
    """Return the last frame in which a point that a link carried still moves as one with it.

    It is carried while its place in the link's own frame changes by at most 1 % of its whole way
    from frame to frame, through a tenth of that way at least. None where nothing carries it, or
    where the carrying does not end within the frames.
    """
    way = _extent(points)
    if len(points) < 3 or not way:
        return None
    last: tuple[int, float] | None = None  # end of a run, and how far it led
    offsets = np.einsum("tlji,tlj->tli", links[..., :3, :3], points[:, None] - links[..., :3, 3])
    held = np.linalg.norm(np.diff(offsets, axis=0), axis=2) <= _SLIP * way  # [t - 1, l]
    for steps in held.T:
        for start, stop in _runs(steps):  # frames start..stop move as one
            led = _extent(points[start : stop + 1])
            if led >= _CARRIED * way and (last is None or (stop, led) > last):
                last = stop, led
    return last[0] if last and last[0] < len(points) - 1 else None


def rest_frame(points: Float[np.ndarray, "t 3"], start: int) -> int | None:
    """Return the first frame, at `start` or later, from which a point stays where it is."""
    far = np.linalg.norm(points - points[-1], axis=1) > _SLIP * _extent(points)
    moving = np.flatnonzero(far)
    rest = max(int(moving[-1]) + 1 if len(moving) else 0, start)
    return rest if rest < len(points) - 1 else None


def _extent(points: Float[np.ndarray, "t 3"]) -> float:
    """Return the farthest distance from the first point."""
    return float(np.linalg.norm(points - points[0], axis=1).max())


def _runs(flags: Bool[np.ndarray, "n"]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]
