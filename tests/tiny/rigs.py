"""Write one recording in the layouts of driving and RGB-D data sets, each with its own axes.

Conversions are written out here a second time, in the other direction and from the data sets' own
descriptions, so that a reader is checked against them and not against itself.
"""

import gzip
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from simlift.core.camera import Camera
from simlift.core.layers import Layer
from simlift.media.images import write_image
from simlift.passes.demo import episode_path
from simlift.sources import open_clip
from tiny import clips
from tiny.clips import FRAMES, carla_code

CARLA_COLOURS = np.array([[0, 0, 0], [128, 64, 128], [0, 0, 142], [70, 130, 180]], np.uint8)
VKITTI_COLOURS = np.array([[0, 0, 0], [100, 60, 100], [255, 127, 80], [90, 200, 255]], np.uint8)


@dataclass(frozen=True)
class Recording:
    """Colours, depth in metres, ids 0 to 3 and the camera of some frames."""

    rgb: np.ndarray
    depth: np.ndarray
    ids: np.ndarray
    camera: Camera

    def __len__(self) -> int:
        return len(self.rgb)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.rgb.shape[1], self.rgb.shape[2]


def small(count: int = FRAMES) -> Recording:
    """The scene of closed forms, seen by a camera that moves and turns."""
    frames = [clips.scene(i) for i in range(count)]
    camera = clips.camera(count)
    poses = camera.world_to_camera.copy()
    for i in range(count):
        poses[i, :3, :3] = turn(0.02 * i, 1) @ turn(-0.01 * i, 0) @ poses[i, :3, :3]
    return Recording(
        np.stack([f[Layer.RGB] for f in frames]),
        np.stack([f[Layer.DEPTH] for f in frames]),
        np.stack([f[Layer.SEGMENTATION] for f in frames]),
        Camera(camera.intrinsics, poses, camera.up),
    )


def drive(count: int = 4) -> Recording:
    """Frames of the shipped drive, every fourth pixel: real geometry under a moving camera."""
    clip = open_clip(episode_path("drive"))
    with clip.open([Layer.RGB, Layer.DEPTH]) as reader:
        window = reader.window(range(count))
    depth = np.ascontiguousarray(window[Layer.DEPTH][:, 2::4, 2::4])
    camera = clip.camera.at(np.arange(count)).scaled(0.25, 0.25)
    rgb = np.ascontiguousarray(window[Layer.RGB][:, 2::4, 2::4])
    return Recording(rgb, depth, np.where(np.isfinite(depth), 1, 3), camera)


def turn(angle: float, axis: int) -> np.ndarray:
    """A rotation about an axis."""
    out = np.eye(3)
    a, b = [(1, 2), (2, 0), (0, 1)][axis]
    out[a, a] = out[b, b] = np.cos(angle)
    out[a, b], out[b, a] = -np.sin(angle), np.sin(angle)
    return out


def quaternion(rotation: np.ndarray) -> np.ndarray:
    """The quaternion w x y z of a rotation, as the eigenvector of Bar-Itzhack's matrix."""
    r = rotation
    k = np.array(
        [
            [r[0, 0] + r[1, 1] + r[2, 2], 0, 0, 0],
            [r[2, 1] - r[1, 2], r[0, 0] - r[1, 1] - r[2, 2], 0, 0],
            [r[0, 2] - r[2, 0], r[0, 1] + r[1, 0], r[1, 1] - r[0, 0] - r[2, 2], 0],
            [r[1, 0] - r[0, 1], r[0, 2] + r[2, 0], r[1, 2] + r[2, 1], r[2, 2] - r[0, 0] - r[1, 1]],
        ]
    )
    return np.linalg.eigh(k)[1][:, -1]


def poses(recording: Recording) -> np.ndarray:
    """camera_to_world in OpenCV's axes."""
    return np.linalg.inv(recording.camera.world_to_camera)


def same_motion(found: Camera, truth: Camera) -> None:
    """Assert that two cameras are one, whatever the axes of their worlds."""
    np.testing.assert_allclose(found.intrinsics, truth.intrinsics, atol=1e-3)
    for camera, other in ((found, truth),):
        ways = [c.world_to_camera @ np.linalg.inv(c.world_to_camera[0]) for c in (camera, other)]
        np.testing.assert_allclose(ways[0], ways[1], atol=2e-5)
        ups = [c.world_to_camera[:, :3, :3] @ c.up for c in (camera, other)]
        np.testing.assert_allclose(ups[0], ups[1], atol=1e-5)


def flow_of(recording: Recording, index: int) -> np.ndarray:
    """Flow of the still world from a frame to the next, NaN where nothing was hit."""
    height, width = recording.size
    k, depth = recording.camera.intrinsics[index], recording.depth[index].astype(float)
    z = np.where(np.isfinite(depth), depth, np.nan)
    rows, columns = np.mgrid[:height, :width] + 0.5
    x, y = (columns - k[0, 2]) / k[0, 0] * z, (rows - k[1, 2]) / k[1, 1] * z
    ways = recording.camera.world_to_camera
    points = (
        np.stack([x, y, z, np.ones_like(z)], -1) @ (ways[index + 1] @ np.linalg.inv(ways[index])).T
    )
    after = points[..., :2] / points[..., 2:3] * (k[0, 0], k[1, 1]) + (k[0, 2], k[1, 2])
    return after - np.stack([columns, rows], -1)


# --- layouts -------------------------------------------------------------------------------------


def bench2drive(folder: Path, recording: Recording, cameras: tuple[str, ...] = ("front",)) -> Path:
    """camera/rgb_front/00000.jpg ..., anno/00000.json.gz; CARLA's left-handed world, in metres."""
    # From OpenCV's camera to x ahead, y right, z up; from CARLA's world to z up, y to the left.
    to_sensor = np.array([[0.0, 0, 1, 0], [1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
    from_carla = np.diag([1.0, -1, 1, 1])
    height, width = recording.size
    for i in range(len(recording)):
        code = carla_code(recording.depth[i])
        depth = np.stack([code & 255, (code >> 8) & 255, code >> 16], -1).astype(np.uint8)
        for camera in cameras:
            base = folder / "camera"
            write_image(base / f"rgb_{camera}" / f"{i:05d}.jpg", recording.rgb[i])
            write_image(base / f"depth_{camera}" / f"{i:05d}.png", depth)
            write_image(
                base / f"semantic_{camera}" / f"{i:05d}.png", CARLA_COLOURS[recording.ids[i]]
            )
        sensor = {
            "intrinsic": recording.camera.intrinsics[i].tolist(),
            "world2cam": (to_sensor @ recording.camera.world_to_camera[i] @ from_carla).tolist(),
            "image_size_x": width,
            "image_size_y": height,
        }
        names = {f"CAM_{camera.upper()}": sensor for camera in cameras}
        path = folder / "anno" / f"{i:05d}.json.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(json.dumps({"sensors": names}).encode(), 1))
    return folder


def tum(
    folder: Path, recording: Recording, *, lists: bool = True, start: float = 1305031102.90
) -> Path:
    """rgb.txt, depth.txt, groundtruth.txt: depth 4 ms after colour, poses at 200 Hz between."""
    times = [start + i / 24 for i in range(len(recording))]
    text: dict[str, list[str]] = {"rgb": ["# timestamp filename"], "depth": [], "groundtruth": []}
    for i, time in enumerate(times):
        write_image(folder / "rgb" / f"{time:.6f}.png", recording.rgb[i])
        depth = recording.depth[i]
        units = np.where(depth < 13, np.rint(depth * 5000), 0).astype(np.uint16)
        write_image(folder / "depth" / f"{time + 0.004:.6f}.png", units)
        text["rgb"].append(f"{time:.6f} rgb/{time:.6f}.png")
        text["depth"].append(f"{time + 0.004:.6f} depth/{time + 0.004:.6f}.png")
        pose = poses(recording)[i]
        w, x, y, z = quaternion(pose[:3, :3])
        numbers = " ".join(f"{v:.9f}" for v in (*pose[:3, 3], x, y, z, w))
        text["groundtruth"].append(f"{time:.6f} {numbers}")
    for name, lines in text.items() if lists else ():
        (folder / f"{name}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def vkitti2(folder: Path, recording: Recording, cameras: tuple[str, ...] = ("Camera_0",)) -> Path:
    """clone/frames/...: a world whose y leads down, pixel centres at whole numbers."""
    height, width = recording.size
    down = np.eye(4)
    down[:3, :3] = [[1, 0, 0], [0, 0, 1], [0, -1, 0]]  # x, z, -y of the data set are ours
    lens, ways = ["frame cameraID K[0,0] K[1,1] K[0,2] K[1,2]"], ["frame cameraID r1,1 ... 1"]
    ways = ["frame cameraID r1,1 r1,2 r1,3 t1 r2,1 r2,2 r2,3 t2 r3,1 r3,2 r3,3 t3 0 0 0 1"]
    for i in range(len(recording)):
        depth = recording.depth[i]
        units = np.where(np.isfinite(depth), np.rint(depth * 100), 65535).astype(np.uint16)
        known = flow_of(recording, min(i, len(recording) - 2))
        share = known / (width - 1, height - 1)
        valid = (np.abs(share) <= 1).all(-1)
        flow = np.zeros((height, width, 3), np.uint16)
        flow[valid, :2] = np.rint((share[valid] + 1) * 32767.5)
        flow[valid, 2] = 65535
        for name in cameras:
            frames = folder / "frames"
            write_image(frames / "rgb" / name / f"rgb_{i:05d}.jpg", recording.rgb[i])
            write_image(frames / "depth" / name / f"depth_{i:05d}.png", units)
            write_image(
                frames / "classSegmentation" / name / f"classgt_{i:05d}.png",
                VKITTI_COLOURS[recording.ids[i]],
            )
            if i < len(recording) - 1:
                write_image(frames / "forwardFlow" / name / f"flow_{i:05d}.png", flow)
            k = recording.camera.intrinsics[i]
            number = name[-1]
            lens.append(f"{i} {number} {k[0, 0]} {k[1, 1]} {k[0, 2] - 0.5} {k[1, 2] - 0.5}")
            way = recording.camera.world_to_camera[i] @ down
            ways.append(f"{i} {number} " + " ".join(f"{v:.9f}" for v in way.ravel()))
    for name, lines in (("intrinsic", lens), ("extrinsic", ways)):
        (folder / f"{name}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "colors.txt").write_text(
        "Category r g b\nRoad 100 60 100\nCar 255 127 80\nSky 90 200 255\nUndefined 0 0 0\n",
        encoding="utf-8",
    )
    return folder


def kitti_raw(folder: Path, recording: Recording, cameras: tuple[str, ...] = ("image_02",)) -> Path:
    """A drive inside `folder`: images, times, oxts, and calibrations in the folder above it."""
    date = folder.parent
    velo_to_cam, imu_to_velo = np.eye(4), np.eye(4)
    velo_to_cam[:3, :3] = turn(0.01, 0) @ [[0, -1, 0], [0, 0, -1], [1, 0, 0]]
    velo_to_cam[:3, 3] = (0.0, -0.07, -0.27)
    imu_to_velo[:3, :3] = turn(0.002, 2)
    imu_to_velo[:3, 3] = (-0.81, 0.32, -0.8)
    rectified = np.eye(4)
    rectified[:3, :3] = turn(0.005, 1)
    beside = np.eye(4)
    beside[:3, 3] = (0.06, 0.001, 0.003)
    to_camera = beside @ rectified @ velo_to_cam @ imu_to_velo
    intrinsics = recording.camera.intrinsics[0].copy()
    intrinsics[:2, 2] -= 0.5
    projection = intrinsics @ beside[:3]
    lines = ["calib_time: 09-Jan-2012 13:57:47", _line("R_rect_00", rectified[:3, :3])]
    lines += [_line(f"P_rect_0{name[-1]}", projection) for name in cameras]
    date.mkdir(parents=True, exist_ok=True)
    (date / "calib_cam_to_cam.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for name, rigid in (("velo_to_cam", velo_to_cam), ("imu_to_velo", imu_to_velo)):
        rows = [_line("R", rigid[:3, :3]), _line("T", rigid[:3, 3])]
        (date / f"calib_{name}.txt").write_text("\n".join(rows) + "\n", encoding="utf-8")
    start = datetime(2011, 9, 26, 13, 2, 25, tzinfo=UTC)
    stamps = [start + timedelta(seconds=i / 24) for i in range(len(recording))]
    text = "".join(f"{stamp:%Y-%m-%d %H:%M:%S.%f}000\n" for stamp in stamps)
    bodies = poses(recording) @ to_camera
    earth, latitude = 6378137.0, 49.0
    scale = earth * np.cos(np.radians(latitude))
    north = scale * np.log(np.tan(np.radians(90 + latitude) / 2))
    (folder / "oxts" / "data").mkdir(parents=True)
    for i, body in enumerate(bodies):
        for name in cameras:
            write_image(folder / name / "data" / f"{i:010d}.png", recording.rgb[i])
            (folder / name / "timestamps.txt").write_text(text, encoding="utf-8")
        step = body[:3, 3] - bodies[0, :3, 3]
        # The first latitude sets the scale of the map, so it is exact.
        values = (
            np.degrees(2 * np.arctan(np.exp((north + step[1]) / scale))) - 90,
            8.4 + np.degrees(step[0] / scale),
            110 + step[2],
            np.arctan2(body[2, 1], body[2, 2]),
            np.arcsin(-body[2, 0]),
            np.arctan2(body[1, 0], body[0, 0]),
        )
        words = " ".join(f"{v:.15f}" for v in (*values, *np.zeros(24)))
        (folder / "oxts" / "data" / f"{i:010d}.txt").write_text(words + "\n", encoding="utf-8")
    return folder


def kitti_odometry(root: Path, recording: Recording, number: str = "03") -> Path:
    """sequences/03/image_2, calib.txt, times.txt, with poses/03.txt of camera 0."""
    folder = root / "sequences" / number
    projection = recording.camera.intrinsics[0].copy()
    projection[:2, 2] -= 0.5
    beside = np.eye(4)
    beside[:3, 3] = (0.06, 0.001, 0.003)
    for i in range(len(recording)):
        write_image(folder / "image_2" / f"{i:06d}.png", recording.rgb[i])
    (folder / "calib.txt").write_text(_line("P2", projection @ beside[:3]) + "\n", encoding="utf-8")
    times = "".join(f"{i / 24:.6e}\n" for i in range(len(recording)))
    (folder / "times.txt").write_text(times, encoding="utf-8")
    # World and camera 0 are one at first: x right, y down, z ahead.
    level = np.eye(4)
    level[:3, :3] = [[1, 0, 0], [0, 0, -1], [0, 1, 0]]
    zero = level @ poses(recording) @ beside
    rows = "".join(" ".join(f"{v:.9e}" for v in pose[:3].ravel()) + "\n" for pose in zero)
    (root / "poses").mkdir()
    (root / "poses" / f"{number}.txt").write_text(rows, encoding="utf-8")
    return folder


def airsim(
    folder: Path, recording: Recording, *, kind: int = 1, cameras: tuple[str, ...] = ("0",)
) -> Path:
    """airsim_rec.txt and images/: a vehicle in NED axes whose camera looks ahead."""
    ned = np.eye(4)
    ned[:3, :3] = [[0, 1, 0], [1, 0, 0], [0, 0, -1]]  # our y is north, our x east
    ahead = np.eye(4)
    ahead[:3, :3] = [[0, 1, 0], [0, 0, 1], [1, 0, 0]]  # body to OpenCV's camera
    lines = ["VehicleName\tTimeStamp\tPOS_X\tPOS_Y\tPOS_Z\tQ_W\tQ_X\tQ_Y\tQ_Z\tImageFile"]
    height, width = recording.size
    k = recording.camera.intrinsics[0]
    x, y = np.arange(width) + 0.5 - k[0, 2], np.arange(height) + 0.5 - k[1, 2]
    ray = np.sqrt(1 + (x[None] / k[0, 0]) ** 2 + (y[:, None] / k[1, 1]) ** 2)
    for i in range(len(recording)):
        stamp = 1650000000000 + round(i * 1000 / 24)
        names = []
        for camera in cameras:
            name = f"img_Car_{camera}_{{}}_{stamp}000000"
            write_image(folder / "images" / f"{name.format(0)}.png", recording.rgb[i])
            depth = np.where(np.isfinite(recording.depth[i]), recording.depth[i], 65504.0)
            write_pfm(
                folder / "images" / f"{name.format(kind)}.pfm", depth * (ray if kind == 2 else 1)
            )
            names += [f"{name.format(0)}.png", f"{name.format(kind)}.pfm"]
        body = ned @ poses(recording)[i] @ ahead
        numbers = "\t".join(f"{v:.9f}" for v in (*body[:3, 3], *quaternion(body[:3, :3])))
        lines.append(f"Car\t{stamp}\t{numbers}\t{';'.join(names)}")
    (folder / "airsim_rec.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def write_pfm(path: Path, image: np.ndarray) -> None:
    """Write float32 rows in the order in which they stand, as AirSim does."""
    height, width = image.shape
    path.parent.mkdir(parents=True, exist_ok=True)
    head = f"Pf\n{width} {height}\n-1\n".encode()
    path.write_bytes(head + np.ascontiguousarray(image, "<f4").tobytes())


def sailvos(folder: Path, recording: Recording) -> Path:
    """images/*.bmp, depth/*.npy, rage_matrices/*.npz: a reversed z-buffer, rows times matrices."""
    height, width = recording.size
    near = 0.15
    for name in ("images", "depth", "rage_matrices"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for i in range(len(recording)):
        k = recording.camera.intrinsics[i]
        project = np.zeros((4, 4))
        project[0, 0], project[1, 1] = 2 * k[0, 0] / width, 2 * k[1, 1] / height
        project[2, 3], project[3, 2] = -1, near
        view = np.diag([1.0, -1, -1, 1]) @ recording.camera.world_to_camera[i]
        # The graphics card's depth is near / z, and 0 without end.
        card = np.where(np.isfinite(recording.depth[i]), near / recording.depth[i], 0)
        write_image(folder / "images" / f"{i:06d}.bmp", recording.rgb[i])
        np.save(folder / "depth" / f"{i:06d}.npy", ((card + 4e-5) * 6).astype(np.float32))
        np.savez(
            folder / "rage_matrices" / f"{i:06d}.npz",
            P=project.astype(np.float32),
            VP=(view.T @ project).astype(np.float32),
        )
    return folder


def _line(name: str, values: np.ndarray) -> str:
    return f"{name}: " + " ".join(f"{v:.12e}" for v in np.ravel(values))
