"""Find out whether the rows of recorded pictures run from above or from below, by what moves.

The end effector of a robot is projected into a fixed camera of the model. Where pictures are
upright, the rows that change from frame to frame go up and down with it; where the first row is
the lowest, as OpenGL's buffers are, they go against it.
"""

import xml.etree.ElementTree as ET
from dataclasses import dataclass

import numpy as np

from simlift.core.camera_conventions import rotation_of_quaternion
from simlift.core.layers import Array

_SURE = 0.6  # of the correlation
_CHANGED = 12  # codes of gray: more than noise
_FEWEST = 5  # steps with a change
_TRAVEL = 0.02  # of the height, by which the projected point must move
_FOVY = 45.0  # degrees, of a camera that states none: MuJoCo XML reference, body/camera/fovy


@dataclass(frozen=True)
class FixedCamera:
    """A camera that hangs in the world: its position, its axes as columns, degrees down.

    Axes are OpenGL's: x right, y up, looking along -z.
    """

    position: Array
    axes: Array
    fovy: float

    def rows_of(self, points: Array, height: int) -> Array:
        """Return the row [t] at which points [t 3] of the world are seen in upright pictures."""
        seen = (points - self.position) @ self.axes
        focal = height / 2 / np.tan(np.radians(self.fovy) / 2)
        ahead = np.where(seen[:, 2] < -1e-6, -seen[:, 2], np.nan)
        return np.asarray(height / 2 - focal * seen[:, 1] / ahead)


def fixed_cameras(model: str) -> dict[str, FixedCamera]:
    """Return the cameras that lie in the world of an MJCF model, by name; none where it is broken.

    A camera whose direction is stated in another way than by a quaternion or two axes is left out.
    """
    try:
        world = ET.fromstring(model).find("worldbody")
    except (ET.ParseError, ValueError):
        return {}
    found = {}
    for entry in world.findall("camera") if world is not None else ():
        try:
            axes = _axes(entry)
            if axes is not None and entry.get("mode", "fixed") == "fixed":
                position = _numbers(entry.get("pos", "0 0 0"), 3)
                fovy = float(entry.get("fovy", _FOVY))
                found[entry.get("name", "")] = FixedCamera(position, axes, fovy)
        except ValueError:
            continue
    return found


def _axes(entry: ET.Element) -> Array | None:
    if "xyaxes" in entry.attrib:
        x, y = _numbers(entry.attrib["xyaxes"], 6).reshape(2, 3)
        x = x / np.linalg.norm(x)
        y = y - x * (x @ y)
        y = y / np.linalg.norm(y)
        return np.stack([x, y, np.cross(x, y)], axis=-1)
    if {"axisangle", "euler", "zaxis", "target"} & set(entry.attrib):
        return None
    quaternion = _numbers(entry.get("quat", "1 0 0 0"), 4)
    return np.asarray(rotation_of_quaternion(quaternion, "wxyz"))


def _numbers(text: str, count: int) -> Array:
    numbers = np.array([float(word) for word in text.split()])
    if len(numbers) != count:
        raise ValueError(text)
    return numbers


def row_correlation(frames: Array, rows: Array) -> float | None:
    """Return how the rows that change [t h w 3] go with projected `rows` [t]: -1 to 1.

    None where too little moves to say it.
    """
    gray = frames.astype(np.float32).mean(-1)
    change = np.abs(np.diff(gray, axis=0))
    weight = np.where(change > _CHANGED, change, 0).sum(2)
    total = weight.sum(1)
    due = (rows[1:] + rows[:-1]) / 2
    used = (total > 0) & np.isfinite(due)
    if used.sum() < _FEWEST or np.ptp(due[used]) < _TRAVEL * frames.shape[1]:
        return None
    centre = (weight[used] * np.arange(frames.shape[1])).sum(1) / total[used]
    if np.ptp(centre) == 0:
        return None
    return float(np.corrcoef(centre, due[used])[0, 1])


def is_sure(correlation: float | None) -> bool:
    """Whether a correlation decides."""
    return correlation is not None and abs(correlation) >= _SURE
