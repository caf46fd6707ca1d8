"""Turn cameras as engines write them into OpenCV's: matrices, lenses, axes, handedness, units.

Engines differ in where a camera looks, in the handedness of their world, in whether a matrix leads
to the camera or from it, and in whether points are rows or columns. Each convention is a pair of
matrices: from the axes of its camera to OpenCV's (x right, y down, z forward), and from its world
to a right-handed one.

    opencv   x right, y down, z forward
    opengl   x right, y up, z towards the viewer: OpenGL, Blender, MuJoCo, PyBullet, glTF
    usd      as opengl, with matrices that multiply rows: USD, Isaac Sim, Replicator
    unreal   left-handed world (x forward, y right, z up) in centimetres; looks along +x
    unity    left-handed world (x right, y up, z forward); looks along +z
"""

from typing import Literal

import numpy as np
from jaxtyping import Float

from simlift.core.camera import Camera

Convention = Literal["opencv", "opengl", "usd", "unreal", "unity"]
Direction = Literal["world_to_camera", "camera_to_world"]
Up = Literal["+x", "-x", "+y", "-y", "+z", "-z"]

# From the axes of a convention's camera to those of OpenCV's.
TO_OPENCV: dict[str, Float[np.ndarray, "3 3"]] = {
    "opencv": np.eye(3),
    "opengl": np.diag([1.0, -1.0, -1.0]),
    "usd": np.diag([1.0, -1.0, -1.0]),
    "unreal": np.array([[0.0, 1, 0], [0, 0, -1], [1, 0, 0]]),
    "unity": np.diag([1.0, -1.0, 1.0]),
}
# From a convention's world to a right-handed one: left-handed worlds lose the sign of one axis.
TO_RIGHT_HANDED: dict[str, Float[np.ndarray, "3 3"]] = {
    "opencv": np.eye(3),
    "opengl": np.eye(3),
    "usd": np.eye(3),
    "unreal": np.diag([1.0, -1.0, 1.0]),
    "unity": np.diag([1.0, 1.0, -1.0]),
}
METRES_PER_UNIT: dict[str, float] = {"unreal": 0.01}
USUAL_UP: dict[str, Up] = {"unity": "+y"}
_ORTHOGRAPHIC = "the projection is orthographic: the camera of a clip is a pinhole"


def convert_camera(
    poses: Float[np.ndarray, "t 4 4"],
    intrinsics: Float[np.ndarray, "t 3 3"],
    *,
    convention: Convention = "opencv",
    direction: Direction = "world_to_camera",
    metres_per_unit: float | None = None,
    up: Up | None = None,
) -> Camera:
    """Return the camera of some frames; ValueError where a matrix is no rigid motion.

    `metres_per_unit` and `up` (an axis of the convention's world) default to what is usual for the
    convention. A uniform scale of a pose, as scaled stages carry it, is divided out.
    """
    poses = np.array(poses, dtype=np.float64)
    if convention == "usd":
        poses = poses.transpose(0, 2, 1)
    if not np.isfinite(poses).all():
        raise ValueError("a pose holds a value that is not finite")
    size = np.cbrt(np.abs(np.linalg.det(poses[:, :3, :3])))
    if (size < 1e-9).any():
        raise ValueError("a pose is singular: its rotation has the determinant 0")
    if direction == "world_to_camera":
        poses = np.linalg.inv(poses)
        size = 1 / size
    poses[:, :3, :3] /= size[:, None, None]
    unit = metres_per_unit if metres_per_unit is not None else METRES_PER_UNIT.get(convention, 1.0)
    poses[:, :3, 3] *= unit
    world, camera = TO_RIGHT_HANDED[convention], TO_OPENCV[convention]
    rotation = world @ poses[:, :3, :3] @ camera.T
    out = np.repeat(np.eye(4)[None], len(poses), 0)
    out[:, :3, :3] = rotation.transpose(0, 2, 1)
    out[:, :3, 3] = -np.einsum("tij,tj->ti", out[:, :3, :3], poses[:, :3, 3] @ world.T)
    axis = up or USUAL_UP.get(convention, "+z")
    return Camera(np.array(intrinsics, dtype=np.float64), out, world @ axis_of(axis))


def axis_of(name: Up) -> Float[np.ndarray, "3"]:
    """Return the unit vector of an axis such as "+z"."""
    return np.eye(3)["xyz".index(name[1])] * (1.0 if name[0] == "+" else -1.0)


def intrinsics_of_fov(
    height: int, width: int, *, across: float | None = None, down: float | None = None
) -> Float[np.ndarray, "3 3"]:
    """Return the intrinsics of square pixels, from a field of view in degrees across or down."""
    angle, length = (across, width) if across is not None else (down, height)
    if angle is None or (across is not None and down is not None):
        raise ValueError("state the field of view across, or down")
    if not 0 < angle < 180:
        raise ValueError(f"a field of view of {angle} degrees; allowed: above 0 and below 180")
    focal = length / (2 * np.tan(np.radians(angle) / 2))
    return np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1.0]])


def intrinsics_of_lens(
    height: int,
    width: int,
    *,
    focal_length: float,
    sensor_width: float,
    sensor_height: float | None = None,
    offset: tuple[float, float] = (0.0, 0.0),
) -> Float[np.ndarray, "3 3"]:
    """Return the intrinsics of a lens: millimetres (or any one unit) of focal length and sensor.

    Pixels are square where `sensor_height` is not given. `offset` moves the principal point right
    and down, in the same unit.
    """
    if min(focal_length, sensor_width, sensor_height or 1) <= 0:
        raise ValueError(f"a focal length of {focal_length} for a sensor of {sensor_width}")
    x = width / sensor_width
    y = height / sensor_height if sensor_height is not None else x
    return np.array(
        [
            [focal_length * x, 0, width / 2 + offset[0] * x],
            [0, focal_length * y, height / 2 + offset[1] * y],
            [0, 0, 1.0],
        ]
    )


def intrinsics_of_projection(
    projection: Float[np.ndarray, "t 4 4"], height: int, width: int
) -> Float[np.ndarray, "t 3 3"]:
    """Return the intrinsics in OpenGL projection matrices that multiply columns.

    Source: OpenGL 2.1 reference, glFrustum: column 2 of the first two rows moves the principal
    point. ValueError on an orthographic matrix.
    """
    matrix = np.asarray(projection, dtype=np.float64)
    if not np.isclose(np.abs(matrix[:, 3, 2]), 1).all() or np.abs(matrix[:, 3, 3]).max() > 1e-6:
        raise ValueError(_ORTHOGRAPHIC)
    out = np.zeros((len(matrix), 3, 3))
    ahead = -matrix[:, 3, 2]  # +1 where the camera looks along -z, as OpenGL's does
    out[:, 0, 0] = matrix[:, 0, 0] * width / 2
    out[:, 1, 1] = np.abs(matrix[:, 1, 1]) * height / 2
    out[:, 0, 2] = (1 - ahead * matrix[:, 0, 2]) * width / 2
    out[:, 1, 2] = (1 + ahead * matrix[:, 1, 2]) * height / 2
    out[:, 2, 2] = 1
    return out


def clip_planes_of_projection(
    projection: Float[np.ndarray, "4 4"],
) -> tuple[float, float]:
    """Return the near and far distance in an OpenGL projection matrix that multiplies columns."""
    a, b = float(projection[2, 2]), float(projection[2, 3])
    return b / (a - 1), b / (a + 1)


def rotation_of_quaternion(
    quaternion: Float[np.ndarray, "*t 4"], order: Literal["wxyz", "xyzw"]
) -> Float[np.ndarray, "*t 3 3"]:
    """Return rotation matrices of quaternions, which need not be of unit length."""
    values = np.asarray(quaternion, dtype=np.float64)
    if order == "xyzw":
        values = np.roll(values, 1, axis=-1)
    length = np.linalg.norm(values, axis=-1, keepdims=True)
    if (length < 1e-9).any():
        raise ValueError("a quaternion has the length 0")
    w, x, y, z = np.moveaxis(values / length, -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.moveaxis(np.array(rows), (0, 1), (-2, -1))


def rotation_of_rotator(rotator: Float[np.ndarray, "*t 3"]) -> Float[np.ndarray, "*t 3 3"]:
    """Return the camera-to-world rotation of Unreal's (pitch, yaw, roll) in degrees.

    Axes are Unreal's own, left-handed; CARLA's transforms are the same.
    Source: Unreal Engine, FRotationMatrix.
    """
    pitch, yaw, roll = np.moveaxis(np.radians(np.asarray(rotator, dtype=np.float64)), -1, 0)
    sp, cp, sy, cy, sr, cr = (f(a) for a in (pitch, yaw, roll) for f in (np.sin, np.cos))
    columns = [
        [cp * cy, cp * sy, sp],
        [sr * sp * cy - cr * sy, sr * sp * sy + cr * cy, -sr * cp],
        [-(cr * sp * cy + sr * sy), cy * sr - cr * sp * sy, cr * cp],
    ]
    return np.moveaxis(np.array(columns), (0, 1), (-1, -2))


def poses_of(
    positions: Float[np.ndarray, "t 3"], rotations: Float[np.ndarray, "t 3 3"]
) -> Float[np.ndarray, "t 4 4"]:
    """Return matrices that rotate, then move."""
    out = np.repeat(np.eye(4)[None], len(positions), 0)
    out[:, :3, :3], out[:, :3, 3] = rotations, positions
    return out
