"""Read MJCF by MuJoCo's own compiler: defaults, includes and frames are its business."""

from pathlib import Path

from simlift.robots.urdf import RobotModel


def read_mjcf(file: Path) -> RobotModel:
    """Read the bodies and joints of an MJCF file; MissingLibrary without MuJoCo.

    InputError for what does not compile, and for ball joints and free ones below the root.
    """
    from simlift.robots import _mjcf

    return _mjcf.read(file)
