"""Small robot datasets of every format that is read: true files, whose frames name themselves.

`picture` draws frame `t` of an episode and camera: a strip of eight blocks at the top holds its
number in binary (`number_of` reads it back, through any codec). Below it a square stands where the
end effector is projected. All formats hold the same motion: their rows and frames can be compared.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import av
import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tiny import clips

HEIGHT, WIDTH, FRAMES, FPS = 24, 32, 12, 10
EPISODES = (12, 9, 12)
CAMERAS = ("front", "wrist")
_BITS, _STRIP = 8, 6  # blocks across, rows
_FOCAL = HEIGHT / 2 / np.tan(np.radians(30))  # of 60 degrees down
_EYE = np.array([0.0, -1.0, 0.5])  # looks along +y, world z is up
NORMAL = (0.0, 0.0, -1.0)  # of the wall, in the camera's axes
MODEL = """<mujoco model="tiny">
  <worldbody>
    <light pos="0 -1 2"/>
    <camera name="front" pos="0 -1 0.5" quat="0.70710678 0.70710678 0 0" fovy="60"/>
    <body name="hand" pos="0 0 0">
      <joint name="slide_x" type="slide" axis="1 0 0"/>
      <joint name="slide_z" type="slide" axis="0 0 1"/>
      <geom name="hand" type="box" size=".1 .1 .1"/>
      <camera name="wrist" pos="0 -.3 0" quat="0.70710678 0.70710678 0 0" fovy="60"/>
    </body>
  </worldbody>
</mujoco>
"""


def hand(episode: int, count: int) -> np.ndarray:
    """Positions of the end effector in the world [t 3]: down, and to and fro."""
    t = np.linspace(0, 1, count)
    x = 0.3 * np.sin(4 * t + episode)
    return np.stack([x, np.zeros(count), 0.62 - 0.35 * t], axis=-1)


def pixel_of(point: np.ndarray) -> tuple[float, float]:
    """Column and row at which the front camera sees a point."""
    ahead = point - _EYE
    return (
        WIDTH / 2 + _FOCAL * ahead[0] / ahead[1],
        HEIGHT / 2 - _FOCAL * ahead[2] / ahead[1],
    )


def number(episode: int, camera: str, t: int) -> int:
    """The number that a frame carries; different for all of 5 episodes, 2 cameras, 24 frames."""
    return (episode * 2 + CAMERAS.index(camera)) * 24 + t


def picture(episode: int, camera: str, t: int, count: int, contrast: int = 100) -> np.ndarray:
    """Draw a frame, uint8 [h w 3]; `contrast` is that of its number: small if nothing is lost."""
    frame = np.full((HEIGHT, WIDTH, 3), (70, 90, 110), np.uint8)
    frame[HEIGHT - 4 :] = (40, 50, 30)
    column, row = (round(float(v)) for v in pixel_of(hand(episode, count)[t]))
    frame[max(row - 2, _STRIP) : row + 3, max(column - 2, 0) : column + 3] = (240, 220, 60)
    value = number(episode, camera, t)
    for bit in range(_BITS):
        level = 120 - contrast // 2 + contrast * (value >> bit & 1)
        frame[:_STRIP, bit * 4 : bit * 4 + 4] = level
    return frame


def pictures(episode: int, camera: str, count: int, contrast: int = 100) -> np.ndarray:
    """All frames of an episode, uint8 [t h w 3]."""
    return np.stack([picture(episode, camera, t, count, contrast) for t in range(count)])


def number_of(frames: np.ndarray) -> list[int]:
    """Read the numbers of upright frames [t h w 3]."""
    blocks = frames[:, 1 : _STRIP - 1, :, 1].reshape(len(frames), -1, _BITS, 4)
    bits = blocks[..., 1:3].mean((1, 3)) > 120
    return (bits * (1 << np.arange(_BITS))).sum(-1).tolist()


def depth_of(episode: int, count: int) -> np.ndarray:
    """Depth in metres, float32 [t h w]: a wall at 2 m, nearer in the lowest rows, and the hand."""
    depth = np.full((count, HEIGHT, WIDTH), 2.0, np.float32)
    depth[:, HEIGHT - 4 :] = 1.5
    for t, point in enumerate(hand(episode, count)):
        column, row = (round(float(v)) for v in pixel_of(point))
        depth[t, max(row - 2, _STRIP) : row + 3, max(column - 2, 0) : column + 3] = 1.0
    return depth


def ids_of(episode: int, count: int) -> np.ndarray:
    """Ids [t h w]: 1 the wall, 2 the hand, 3 the floor."""
    depth = depth_of(episode, count)
    return np.where(depth == 1.0, 2, np.where(depth == 1.5, 3, 1)).astype(np.int16)


def rows_of(episode: int, count: int) -> dict[str, np.ndarray]:
    """State [t 3], action [t 2], reward [t] of an episode, in float64."""
    where = hand(episode, count)
    return {"state": where, "action": np.gradient(where[:, ::2], axis=0), "reward": where[:, 2]}


def _table(episode: int, count: int, first: int, fps: float) -> pa.Table:
    rows, t = rows_of(episode, count), np.arange(count)

    def vectors(values: np.ndarray) -> pa.Array:
        flat = pa.array(values.astype(np.float32).ravel())
        return pa.FixedSizeListArray.from_arrays(flat, values.shape[1])

    return pa.table(
        {
            "observation.state": vectors(rows["state"]),
            "action": vectors(rows["action"]),
            "next.reward": pa.array(rows["reward"].astype(np.float32)),
            "gripper": pa.array(t / count, pa.float64()),
            "timestamp": pa.array((t / fps).astype(np.float32)),
            "frame_index": pa.array(t),
            "episode_index": pa.array(np.full(count, episode)),
            "index": pa.array(first + t),
            "task_index": pa.array(np.zeros(count, np.int64)),
        }
    )


def _scalar(dtype: str, *shape: int) -> dict[str, object]:
    return {"dtype": dtype, "shape": list(shape), "names": None}


def _info(version: str, episodes: Sequence[int], cameras: Sequence[str], fps: float) -> dict:
    features: dict[str, object] = {
        f"observation.images.{name}": {
            "dtype": "video",
            "shape": [HEIGHT, WIDTH, 3],
            "names": ["height", "width", "channels"],
            "info": {"video.fps": fps, "video.is_depth_map": False, "video.codec": "h264"},
        }
        for name in cameras
    }
    features |= {
        "observation.state": {"dtype": "float32", "shape": [3], "names": ["x", "y", "z"]},
        "action": {"dtype": "float32", "shape": [2], "names": {"motors": ["x", "z"]}},
        "next.reward": _scalar("float32", 1),
        "gripper": _scalar("float64"),
        "timestamp": _scalar("float32", 1),
    }
    features |= {
        name: _scalar("int64", 1)
        for name in ("frame_index", "episode_index", "index", "task_index")
    }
    return {
        "codebase_version": version,
        "robot_type": "tiny",
        "total_episodes": len(episodes),
        "total_frames": sum(episodes),
        "total_tasks": 1,
        "chunks_size": 1000,
        "fps": fps,
        "splits": {"train": f"0:{len(episodes)}"},
        "features": features,
    }


def write_json(path: Path, data: object) -> None:
    """Write a JSON file, with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data), encoding="utf-8")


def write_lines(path: Path, rows: Sequence[object]) -> None:
    """Write a file of JSON lines, with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def write_parquet(path: Path, table: pa.Table) -> None:
    """Write a parquet file, with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)


def read_info(folder: Path) -> dict:
    """Read meta/info.json."""
    return json.loads((folder / "meta" / "info.json").read_text(encoding="utf-8"))


def edit_info(folder: Path, **changes: object) -> None:
    """Change keys of meta/info.json."""
    write_json(folder / "meta" / "info.json", read_info(folder) | changes)


def mp4(path: Path, frames: np.ndarray, fps: float = FPS) -> Path:
    """Write a video that keeps the numbers of its frames."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return clips.video(path, frames, rate=int(fps), options={"crf": "10"}, gop=4)


def lerobot_v3(
    folder: Path,
    *,
    episodes: Sequence[int] = EPISODES,
    cameras: Sequence[str] = CAMERAS,
    fps: float = FPS,
    data_files: Sequence[int] | None = None,
    video_files: Mapping[str, Sequence[int]] | None = None,
    drift: float = 0.0,
) -> Path:
    """Write a LeRobot v3.0 dataset; episodes lie one after the other in the files that are named.

    `data_files` and `video_files` hold the number of the file of each episode, all 0 by default.
    `drift` are seconds by which from_timestamp runs ahead, more with every episode.
    """
    places = list(data_files or [0] * len(episodes))
    starts = np.concatenate([[0], np.cumsum(episodes)])
    tables = [_table(k, n, int(starts[k]), fps) for k, n in enumerate(episodes)]
    for file in sorted(set(places)):
        part = pa.concat_tables([tables[k] for k, at in enumerate(places) if at == file])
        write_parquet(folder / f"data/chunk-000/file-{file:03d}.parquet", part)
    listed: dict[str, list] = {
        "episode_index": list(range(len(episodes))),
        "tasks": [["move the hand"]] * len(episodes),
        "length": list(episodes),
        "data/chunk_index": [0] * len(episodes),
        "data/file_index": places,
        "dataset_from_index": starts[:-1].tolist(),
        "dataset_to_index": starts[1:].tolist(),
    }
    for name in cameras:
        at = list((video_files or {}).get(name, [0] * len(episodes)))
        key, begins = f"observation.images.{name}", [0.0] * len(episodes)
        for file in sorted(set(at)):
            inside = [k for k, number in enumerate(at) if number == file]
            first = 0
            for k in inside:
                begins[k] = first / fps + drift * k
                first += episodes[k]
            frames = np.concatenate([pictures(k, name, episodes[k]) for k in inside])
            mp4(folder / f"videos/{key}/chunk-000/file-{file:03d}.mp4", frames, fps)
        listed[f"videos/{key}/chunk_index"] = [0] * len(episodes)
        listed[f"videos/{key}/file_index"] = at
        listed[f"videos/{key}/from_timestamp"] = begins
        listed[f"videos/{key}/to_timestamp"] = [b + n / fps for b, n in zip(begins, episodes)]
    write_parquet(folder / "meta/episodes/chunk-000/file-000.parquet", pa.table(listed))
    tasks = pa.table({"task_index": [0], "task": ["move the hand"]})
    write_parquet(folder / "meta/tasks.parquet", tasks)
    info = _info("v3.0", episodes, cameras, fps)
    info["data_path"] = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
    info["video_path"] = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
    write_json(folder / "meta/info.json", info)
    return folder


def lerobot_v21(
    folder: Path,
    *,
    episodes: Sequence[int] = EPISODES,
    cameras: Sequence[str] = CAMERAS,
    fps: float = FPS,
) -> Path:
    """Write a LeRobot v2.1 dataset: a parquet file, and a video of each camera, to an episode."""
    first = 0
    for k, count in enumerate(episodes):
        write_parquet(
            folder / f"data/chunk-000/episode_{k:06d}.parquet", _table(k, count, first, fps)
        )
        for name in cameras:
            path = folder / f"videos/chunk-000/observation.images.{name}/episode_{k:06d}.mp4"
            mp4(path, pictures(k, name, count), fps)
        first += count
    rows = [
        {"episode_index": k, "tasks": ["move the hand"], "length": n}
        for k, n in enumerate(episodes)
    ]
    write_lines(folder / "meta/episodes.jsonl", rows)
    write_lines(folder / "meta/tasks.jsonl", [{"task_index": 0, "task": "move the hand"}])
    stats = [{"episode_index": k, "stats": {}} for k in range(len(episodes))]
    write_lines(folder / "meta/episodes_stats.jsonl", stats)
    info = _info("v2.1", episodes, cameras, fps)
    info["total_videos"] = len(episodes) * len(cameras)
    info["total_chunks"] = 1
    info["data_path"] = "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet"
    info["video_path"] = (
        "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4"
    )
    write_json(folder / "meta/info.json", info)
    return folder


def _stored(group: h5py.Group, name: str, values: np.ndarray) -> None:
    group.create_dataset(
        name, data=values, compression="gzip", chunks=(min(4, len(values)), *values.shape[1:])
    )


def robomimic(
    file: Path,
    *,
    episodes: Sequence[int] = EPISODES,
    cameras: Sequence[str] = CAMERAS,
    upside_down: bool = True,
    fps: int = FPS,
    model: str = MODEL,
) -> Path:
    """Write a robomimic file as robosuite records it: rows of pictures from below, if stated."""
    with h5py.File(file, "w") as out:
        data = out.create_group("data")
        env = {"env_name": "Tiny", "type": 1, "env_kwargs": {"control_freq": fps}}
        data.attrs["env_args"] = json.dumps(env)
        data.attrs["total"] = sum(episodes)
        for k, count in enumerate(episodes):
            demo, rows = data.create_group(f"demo_{k}"), rows_of(k, count)
            demo.attrs["num_samples"] = count
            demo.attrs["model_file"] = model
            demo["actions"] = rows["action"]
            slides = rows["state"][:, ::2]
            time = np.arange(count)[:, None] / fps
            demo["states"] = np.concatenate([time, slides, np.gradient(slides, axis=0)], axis=1)
            demo["rewards"], demo["dones"] = rows["reward"], np.arange(count) == count - 1
            obs = demo.create_group("obs")
            _stored(obs, "robot0_eef_pos", rows["state"])
            _stored(obs, "robot0_joint_pos", slides)
            for name in cameras:
                frames = pictures(k, name, count, contrast=8)
                _stored(obs, f"{name}_image", frames[:, ::-1] if upside_down else frames)
        names = [f"demo_{k}".encode() for k in range(len(episodes))]
        out.create_dataset("mask/train", data=np.array(names[:-1]))
        out.create_dataset("mask/valid", data=np.array(names[-1:]))
    return file


IDS_COLOURS = {1: (140, 25, 61, 255), 2: (25, 255, 82, 255), 3: (25, 82, 255, 255)}


def isaac_lab(
    file: Path, *, episodes: Sequence[int] = EPISODES, quaternion: str | None = "wxyz"
) -> Path:
    """Write an Isaac Lab file with the cameras table_cam and wrist_cam, as Mimic records them.

    `quaternion` is the order in the cameras file beside it; None writes no such file.
    """
    names = {"table_cam": "front", "wrist_cam": "wrist"}
    colours = np.array([(0, 0, 0, 0), *IDS_COLOURS.values()], np.uint8)
    with h5py.File(file, "w") as out:
        data = out.create_group("data")
        data.attrs["env_args"] = json.dumps({"env_name": "Isaac-Tiny-v0", "type": 2})
        data.attrs["total"] = sum(episodes)
        for k, count in enumerate(episodes):
            demo, rows = data.create_group(f"demo_{k}"), rows_of(k, count)
            demo.attrs["num_samples"], demo.attrs["seed"] = count, k
            demo.attrs["success"] = True
            _stored(demo, "actions", rows["action"].astype(np.float32))
            obs = demo.create_group("obs")
            _stored(obs, "eef_pos", rows["state"].astype(np.float32))
            for name, view in names.items():
                _stored(obs, name, pictures(k, view, count))
            _stored(obs, "table_cam_depth", depth_of(k, count)[..., None])
            _stored(obs, "table_cam_segmentation", colours[ids_of(k, count)])
            normals = np.broadcast_to(np.float32([0, -1, 0]), (count, HEIGHT, WIDTH, 3))
            _stored(obs, "table_cam_normals", np.array(normals))
            robot = demo.create_group("states/articulation/robot")
            _stored(robot, "joint_position", rows["state"][:, ::2].astype(np.float32))
            cube = demo.create_group("states/rigid_object/cube")
            _stored(cube, "root_pose", np.tile(np.float32([0, 0, 0.1, 1, 0, 0, 0]), (count, 1)))
            start = demo.create_group("initial_state/articulation/robot")
            start["joint_position"] = rows["state"][:1, ::2].astype(np.float32)
    if quaternion is not None:
        _write_cameras(file, episodes, quaternion)
    return file


def _write_cameras(file: Path, episodes: Sequence[int], order: str) -> None:
    # From OpenCV axes to the world: y points down, z ahead along +y: -90 degrees about x.
    half = float(np.sqrt(0.5))
    turn = [half, -half, 0.0, 0.0] if order == "wxyz" else [-half, 0.0, 0.0, half]
    still = [1.0, 0.0, 0.0, 0.0] if order == "wxyz" else [0.0, 0.0, 0.0, 1.0]
    k = [[_FOCAL, 0, WIDTH / 2], [0, _FOCAL, HEIGHT / 2], [0, 0, 1]]
    demos = {}
    for e, count in enumerate(episodes):
        where = hand(e, count)
        table = {"intrinsics": [k] * count, "position": [_EYE.tolist()] * count}
        wrist = {"intrinsics": [k] * count, "position": (where - [0, 0.3, 0]).tolist()}
        demos[f"demo_{e}"] = {
            "cameras": {
                "table_cam": {**table, "quaternion": [turn] * count},
                "wrist_cam": {**wrist, "quaternion": [turn] * count},
            },
            "robots": {
                "robot": {
                    "joint_names": ["slide_x", "slide_z"],
                    "joint_positions": where[:, ::2].tolist(),
                    "link_names": ["base", "hand"],
                    "link_positions": [[[0, 0, 0], p.tolist()] for p in where],
                    "link_quaternions": [[still, still]] * count,
                }
            },
        }
    write_json(
        Path(f"{file}.cameras.json"),
        {
            "format": "simlift-cameras/1",
            "recorded_with": "isaaclab 2.3.0",
            "quaternion": order,
            "convention": "opencv",
            "fps": FPS,
            "demos": demos,
        },
    )


def maniskill(file: Path, *, episodes: Sequence[int] = EPISODES, fps: int | None = FPS) -> Path:
    """Write a ManiSkill trajectory: an observation more than actions; `file` ends in .h5.

    The frames of an episode are those of `episodes` and one more at its end.
    """
    pose = np.array([[1, 0, 0, 0], [0, 0, -1, 0.5], [0, 1, 0, 1.0]], np.float32)  # world to camera
    to_world = np.linalg.inv(np.vstack([pose, [0, 0, 0, 1]]))
    gl = (to_world @ np.diag([1, -1, -1, 1])).astype(np.float32)
    k = np.array([[_FOCAL, 0, WIDTH / 2], [0, _FOCAL, HEIGHT / 2], [0, 0, 1]], np.float32)
    with h5py.File(file, "w") as out:
        for e, count in enumerate(episodes):
            seen = count + 1
            group, rows = out.create_group(f"traj_{e}"), rows_of(e, seen)
            group["actions"] = rows["action"][:-1].astype(np.float32)
            for name in ("terminated", "truncated", "success"):
                group[name] = np.arange(count) == count - 1
            _stored(group, "obs/agent/qpos", rows["state"][:, ::2].astype(np.float32))
            _stored(group, "env_states/actors/cube", np.zeros((seen, 13), np.float32))
            for name in CAMERAS:
                place = f"obs/sensor_data/{name}"
                _stored(group, f"{place}/rgb", pictures(e, name, seen))
                if name == "front":
                    depth = np.rint(depth_of(e, seen) * 1000).astype(np.int16)
                    _stored(group, f"{place}/depth", depth[..., None])
                    _stored(group, f"{place}/segmentation", ids_of(e, seen)[..., None])
                place = f"obs/sensor_param/{name}"
                _stored(group, f"{place}/extrinsic_cv", np.tile(pose, (seen, 1, 1)))
                _stored(group, f"{place}/cam2world_gl", np.tile(gl, (seen, 1, 1)))
                _stored(group, f"{place}/intrinsic_cv", np.tile(k, (seen, 1, 1)))
    settings = {} if fps is None else {"sim_config": {"control_freq": fps}}
    write_json(
        file.with_suffix(".json"),
        {
            "env_info": {"env_id": "Tiny-v1", "env_kwargs": {"obs_mode": "rgbd", **settings}},
            "source_type": "motionplanning",
            "episodes": [
                {"episode_id": e, "episode_seed": e, "elapsed_steps": n, "success": True}
                for e, n in enumerate(episodes)
            ],
        },
    )
    return file


def video_numbers(path: Path) -> list[int]:
    """Read the numbers of all frames of a video by PyAV alone."""
    with av.open(str(path)) as container:
        return number_of(
            np.stack([f.to_ndarray(format="rgb24") for f in container.decode(video=0)])
        )
