"""What datasets cost: opening many episodes, and reading the frames of one at the decode limit.

    python bench/datasets.py [--episodes 10000] [--frames 240] [--size 480 640] [--dataset FOLDER]

Opening: LeRobot v3.0 and v2.1 by their tables alone, and HDF5 demonstrations; two cameras. Reading:
every frame of an episode in windows of eight, as passes read them, beside what decoding the same
frames takes with PyAV (to RGB), or with h5py in one slice. `--dataset` reads one of your own.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from simlift.core.clip import Clip
from simlift.core.layers import Array, Layer
from simlift.media.hdf5 import Hdf5Store
from simlift.media.video.section import VideoSection
from simlift.scale.memory import keep_pages
from simlift.sources import open_clips, open_dataset

LENGTH, RATE, WINDOW, REPEATS = 300, 30, 8, 4
CAMERAS = ("front", "wrist")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--episodes", type=int, default=10_000)
    parser.add_argument("--frames", type=int, default=240)
    parser.add_argument("--size", type=int, nargs=2, default=(480, 640), metavar=("H", "W"))
    parser.add_argument("--dataset", type=Path)
    given = parser.parse_args()
    keep_pages()  # as every verb does
    if given.dataset:
        read_own(given.dataset)
        return
    with tempfile.TemporaryDirectory() as folder:
        show_opening(Path(folder), given.episodes)
        show_reading(Path(folder), given.frames, tuple(given.size))


def show_opening(folder: Path, episodes: int) -> None:
    """Print how long it takes to open datasets by their tables."""
    for name, write in (
        ("LeRobot v3.0", write_v3),
        ("LeRobot v2.1", write_v21),
        ("robomimic HDF5, without pictures", write_hdf5),
    ):
        path = folder / name.split()[-1].rstrip(",") / ("d.hdf5" if "HDF5" in name else "d")
        write(path, episodes)
        seconds = best(lambda path=path: open_dataset(path), 1)
        print(f"open {episodes} episodes of {name}: {seconds:.2f} s")


def best(work: Callable[[], object], repeats: int = REPEATS) -> float:
    """Return the seconds of the fastest of some runs."""
    times = []
    for _ in range(repeats):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return min(times)


def describe(path: Path, version: str, episodes: int, templates: dict[str, str]) -> None:
    """Write meta/info.json."""
    picture = {"dtype": "video", "shape": [480, 640, 3], "names": ["height", "width", "channels"]}
    features: dict[str, object] = {f"observation.images.{name}": picture for name in CAMERAS}
    features["observation.state"] = {"dtype": "float32", "shape": [9], "names": None}
    info = {
        "codebase_version": version,
        "fps": RATE,
        "total_episodes": episodes,
        "total_frames": episodes * LENGTH,
        "chunks_size": 1000,
        "features": features,
        **templates,
    }
    (path / "meta").mkdir(parents=True)
    (path / "meta" / "info.json").write_text(json.dumps(info))


def write_v3(path: Path, episodes: int) -> None:
    """Write the tables of LeRobot v3.0, with statistics as lerobot writes them."""
    index = np.arange(episodes)
    columns: dict[str, object] = {
        "episode_index": index,
        "tasks": [["stack the cubes"]] * episodes,
        "length": np.full(episodes, LENGTH),
        "data/chunk_index": np.zeros(episodes, int),
        "data/file_index": index // 500,
        "dataset_from_index": index * LENGTH,
        "dataset_to_index": (index + 1) * LENGTH,
    }
    for name in CAMERAS:
        key = f"videos/observation.images.{name}"
        columns[f"{key}/chunk_index"] = np.zeros(episodes, int)
        columns[f"{key}/file_index"] = index // 50
        columns[f"{key}/from_timestamp"] = index % 50 * LENGTH / RATE
        columns[f"{key}/to_timestamp"] = (index % 50 + 1) * LENGTH / RATE
    for value in ("min", "max", "mean", "std", "q01", "q10", "q50", "q90", "q99"):
        columns[f"stats/observation.state/{value}"] = np.zeros((episodes, 9)).tolist()
    templates = {
        "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
        "video_path": "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4",
    }
    describe(path, "v3.0", episodes, templates)
    file = path / "meta" / "episodes" / "chunk-000" / "file-000.parquet"
    file.parent.mkdir(parents=True)
    pq.write_table(pa.table(columns), file)


def write_v21(path: Path, episodes: int) -> None:
    """Write the tables of LeRobot v2.1."""
    templates = {
        "data_path": "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet",
        "video_path": "videos/chunk-{episode_chunk:03d}/{video_key}/"
        "episode_{episode_index:06d}.mp4",
    }
    describe(path, "v2.1", episodes, templates)
    rows = (
        {"episode_index": k, "tasks": ["stack the cubes"], "length": LENGTH}
        for k in range(episodes)
    )
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (path / "meta" / "episodes.jsonl").write_text(text)


def write_hdf5(path: Path, episodes: int) -> None:
    """Write a robomimic file of short episodes without pictures."""
    path.parent.mkdir(parents=True)
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        data.attrs["env_args"] = json.dumps({"type": 1, "env_kwargs": {"control_freq": 20}})
        for k in range(episodes):
            demo = data.create_group(f"demo_{k}")
            demo.attrs["num_samples"] = 4
            demo["actions"] = np.zeros((4, 7))


def show_reading(folder: Path, frames: int, size: tuple[int, int]) -> None:
    """Print what windows of frames cost beside bare decoding."""
    pictures = moving(frames, size)
    for codec, options in (("libx264", {"crf": "18"}), ("libsvtav1", {"crf": "30", "preset": "8"})):
        path = folder / f"{codec}.mp4"
        write_video(path, pictures, codec, options)
        store = VideoSection(path, 0, frames, *size, Fraction(RATE))
        store.info()  # indexed once by a process, however many episodes lie in the file
        show(f"video {codec}", frames, lambda p=path: decode(p), lambda s=store: windows(s, frames))
    path = folder / "f.hdf5"
    with h5py.File(path, "w") as file:
        chunks = (8, size[0] // 4, size[1] // 4, 1)
        file.create_dataset("f", data=pictures, chunks=chunks, compression="gzip")
    store = Hdf5Store(path, "f", frames, *size)
    show("HDF5 gzip", frames, lambda: slices(path), lambda: windows(store, frames))


def show(name: str, frames: int, bare: Callable[[], None], ours: Callable[[], None]) -> None:
    """Print both in frames a second, and their ratio in time and in CPU seconds of all threads."""
    times: dict[Callable[[], None], list[tuple[float, float]]] = {bare: [], ours: []}
    for _ in range(REPEATS):
        for work, found in times.items():
            begun, spent = time.perf_counter(), time.process_time()
            work()
            found.append((time.perf_counter() - begun, time.process_time() - spent))
    (plain, plain_cpu), (read, read_cpu) = (map(min, zip(*times[w])) for w in (bare, ours))
    print(
        f"read {name}: {frames / read:.0f} frames/s, bare decoding {frames / plain:.0f} frames/s, "
        f"ratio {read / plain:.2f} in time, {read_cpu / plain_cpu:.2f} in CPU seconds"
    )


def moving(frames: int, size: tuple[int, int]) -> Array:
    """Return a smooth texture that drifts, with noise, uint8 [t h w 3]."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    noise = np.random.default_rng(0).normal(0, 3, (*size, 3))
    made = [
        128 + 60 * np.sin((columns + 2 * t) / 23 + rows / 31)[..., None] + np.roll(noise, t, 1)
        for t in range(frames)
    ]
    return np.stack(made).clip(0, 255).astype(np.uint8)


def write_video(path: Path, pictures: Array, codec: str, options: dict[str, str]) -> None:
    """Write a video as LeRobot does, with a key frame in every second frame."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=RATE, options={**options, "g": "2"})
        stream.height, stream.width, stream.pix_fmt = *pictures.shape[1:3], "yuv420p"
        for picture in pictures:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        out.mux(stream.encode(None))


def decode(path: Path) -> None:
    """Decode a video to RGB with PyAV alone, by as many threads as FFmpeg takes."""
    with av.open(str(path)) as container:
        container.streams.video[0].thread_type = "AUTO"
        for frame in container.decode(video=0):
            frame.to_ndarray(format="rgb24")


def slices(path: Path) -> None:
    """Read a dataset with h5py, a chunk at a time."""
    with h5py.File(path) as file:
        for start in range(0, len(file["f"]), WINDOW):
            file["f"][start : start + WINDOW]


def windows(store: VideoSection | Hdf5Store, frames: int) -> None:
    """Read a store in windows, as passes do."""
    with store.open() as reader:
        for start in range(0, frames, WINDOW):
            reader.read(range(start, min(start + WINDOW, frames)))


def read_own(path: Path) -> None:
    """Print what reading the first clip of a dataset takes, decoded to layers."""
    print(f"open {path.name}: {best(lambda: open_dataset(path), 1):.2f} s")
    clip: Clip = open_clips(path, episodes=str(open_dataset(path).episodes[0].index))[0]
    seconds = best(lambda: whole(clip))
    print(f"read {clip.name}: {clip.num_frames / seconds:.0f} frames/s")


def whole(clip: Clip) -> None:
    """Read the colour of a clip in windows."""
    with clip.open([Layer.RGB]) as reader:
        for start in range(0, clip.num_frames, WINDOW):
            reader.window(range(start, min(start + WINDOW, clip.num_frames)))


if __name__ == "__main__":
    main()
