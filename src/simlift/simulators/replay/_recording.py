"""Turn a replayed demonstration into recordings, one for each camera."""

from collections.abc import Mapping, Sequence
from fractions import Fraction

from simlift.simulators.recording import Recording
from simlift.simulators.replay._model import Replay
from simlift.simulators.replay._robot import replayed_robot


def recordings_of(
    replay: Replay,
    cameras: Sequence[str],
    *,
    height: int,
    width: int,
    fps: Fraction,
    caption: str,
    notes: list[str],
) -> Mapping[str, Recording]:
    """Return a recording of each camera; all show the same states, bodies and robot."""
    first = replay.episode(cameras[0], height=height, width=width)
    robot = replayed_robot(first, replay.robot_bodies, notes)
    return {
        camera: replay.episode(camera, height=height, width=width).recording(
            fps, caption=caption, robot=robot
        )
        for camera in cameras
    }
