"""A stand-in for OSCAR's release and for what feeds it: a package, workers that break, controls.

The package `oscar_diffusers` speaks the release's public API, so that simlift's own worker script
runs over it. Its pipeline shows the first frame under the skeleton's lines, in a tint of the seed.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np

from simlift.core.layers import Layer
from simlift.core.recipe import Plugin, Recipe, Variant
from simlift.engines.anchors import FirstFrameGate
from simlift.engines.oscar.spec import WORKER
from tiny import clips as builders

HEIGHT, WIDTH = 120, 160  # of episodes here
ANY = FirstFrameGate(min_edge_f1=0, min_robot_edge_f1=0, min_likeness=0, max_shift=99, max_zoom=9)

_PACKAGE = """
import os, pathlib, time
import cv2
import numpy as np

FOLDER = pathlib.Path({folder!r})

def note(line):
    with open(FOLDER / "log.txt", "a") as file:
        file.write(line + "\\n")

class Made:
    def __init__(self, frames):
        self.frames = frames

class OSCARDiffusersPipeline:
    @classmethod
    def from_pretrained(cls, name):
        print("a library that prints to stdout while it loads")
        note(f"load {{name}} {{os.getpid()}}")
        mode = (FOLDER / "load").read_text() if (FOLDER / "load").exists() else ""
        if mode == "raise":
            raise OSError("the checkpoint is cut short")
        return cls()

    def __call__(self, first_frame, skeleton_video, prompt, start_frame, num_inference_steps,
                 guidance_scale, seed, num_frames=81, fps=15.0):
        print("a library that prints to stdout while it works")
        note(f"job {{seed}} {{num_inference_steps}} {{prompt}}")
        mode = FOLDER / "job"
        mode = mode.read_text() if mode.exists() else ""
        if mode.endswith(" once"):
            (FOLDER / "job").unlink()
            mode = mode[:-5]
        if mode == "die":
            os.write(2, b"CUDA error: device lost\\n")
            os._exit(7)
        if mode == "hang":
            time.sleep(1000)
        if mode == "raise":
            raise MemoryError("out of GPU memory")
        assert start_frame == 0
        first = cv2.imread(first_frame)[..., ::-1]
        video = cv2.VideoCapture(skeleton_video)
        assert abs(video.get(cv2.CAP_PROP_FPS) - fps) < 0.01, video.get(cv2.CAP_PROP_FPS)
        frames = []
        while True:
            good, lines = video.read()
            if not good:
                break
            lines = lines[..., ::-1]
            tinted = np.clip(first.astype(int) // 2 + seed % 64, 0, 255).astype(np.uint8)
            frames.append(np.where(lines.max(-1, keepdims=True) > 60, lines, tinted))
        assert len(frames) == num_frames, len(frames)
        if mode == "short":
            frames = frames[:-1]
        if mode == "small":
            frames = [frame[:240] for frame in frames]
        if mode == "float":
            frames = [frame / 255.0 for frame in frames]
        return Made(frames)
"""

_BROKEN = {
    "exits": "import sys; sys.stderr.write('no module named torch'); sys.exit(3)",
    "garbage": "print('Loading checkpoint shards: 100%', flush=True); input()",
    "never ready": "import time; time.sleep(1000)",
    "deaf": 'import sys, time; print(\'{"event": "ready"}\', flush=True); time.sleep(1000)',
    "liar": (
        'import json\nprint(\'{"event": "ready"}\', flush=True)\n'
        "job = json.loads(input())\n"
        "print(json.dumps({'event': 'done', 'id': job['id']}), flush=True)\ninput()"
    ),
    "babbles": (
        'print(\'{"event": "ready"}\', flush=True)\ninput()\n'
        "print('{\"step\": 1}', flush=True)\ninput()"
    ),
    "stubborn": (
        'import sys, time\nprint(\'{"event": "ready"}\', flush=True)\n'
        "while True:\n    time.sleep(1000)"
    ),
}


@dataclass(frozen=True)
class Release:
    """A stand-in release in a folder; `mode` files beside it say how it misbehaves."""

    folder: Path

    @property
    def worker(self) -> tuple[str, ...]:
        """simlift's own worker script, in an environment in which this release is installed."""
        return ("env", f"PYTHONPATH={self.folder}", sys.executable, str(WORKER))

    @property
    def log(self) -> list[str]:
        file = self.folder / "log.txt"
        return file.read_text().splitlines() if file.exists() else []

    @property
    def loads(self) -> int:
        return sum(line.startswith("load ") for line in self.log)

    @property
    def jobs(self) -> list[str]:
        return [line for line in self.log if line.startswith("job ")]

    @property
    def last_process(self) -> int:
        return int([line for line in self.log if line.startswith("load ")][-1].split()[-1])

    def misbehave(self, *, load: str = "", job: str = "") -> None:
        for name, mode in (("load", load), ("job", job)):
            (self.folder / name).write_text(mode)


def write_release(folder: Path) -> Release:
    """Write the stand-in package and a folder that stands for its checkpoint."""
    (folder / "oscar_diffusers").mkdir(parents=True)
    (folder / "oscar_diffusers" / "__init__.py").write_text(_PACKAGE.format(folder=str(folder)))
    (folder / "checkpoint").mkdir()
    return Release(folder)


def write_episode(path, count):
    """A clip that moves its robot's one link through the picture."""
    builders.native(path, [Layer.RGB, Layer.SEGMENTATION], count, HEIGHT, WIDTH)
    poses = np.repeat(np.eye(4)[None, None], count, 0)
    poses[:, 0, :3, 3] = np.stack(
        [np.linspace(-0.4, 0.6, count), np.full(count, 2.0), np.full(count, 1.1)], axis=-1
    )
    with np.load(path / "robot.npz") as data:
        known = dict(data)
    key = next(k for k, v in known.items() if v.shape == poses.shape)
    np.savez(path / "robot.npz", **known | {key: poses})
    return path


def recipe_of(spec, count=1, seed=0):
    names = [f"oscar-{k:02d}" for k in range(count)]
    return Recipe(tuple(Variant(name, Plugin.of(spec)) for name in names), seed=seed)


def broken_worker(folder: Path, how: str) -> tuple[str, ...]:
    """Write a worker that breaks the protocol and return its command."""
    script = folder / "broken.py"
    script.write_text(_BROKEN[how])
    return (sys.executable, str(script))


@dataclass(frozen=True)
class Dots:
    """A stand-in skeleton: a red dot of radius 4 at the origin of every link, by the camera."""

    def needs(self) -> frozenset[Layer]:
        return frozenset({Layer.RGB})

    def draw(self, window):
        from simlift.core.errors import ClipError

        if window.robot is None or window.camera is None:
            raise ClipError("dots", "the clip has no robot or no camera")
        frames = np.zeros((len(window), *window.size, 3), np.uint8)
        for t in range(len(window)):
            for x, y in project(window, t):
                cv2.circle(frames[t], (int(x), int(y)), 4, (255, 0, 0), -1)
        return frames


def project(window, t: int) -> np.ndarray:
    """Pixels [l 2] of the links' origins in frame t of a window."""
    points = window.robot.link_poses[t, :, :, 3]
    seen = (window.camera.world_to_camera[t] @ points.T)[:3]
    pixels = window.camera.intrinsics[t] @ seen
    return (pixels[:2] / pixels[2]).T


@dataclass(frozen=True)
class Recolour:
    """A stand-in maker of first frames: other colours, moved by `shift` in some attempts.

    moves: what it does in each attempt, in turn: "" nothing wrong, "shift" moves all pixels by 3,
    "same" gives the render back.
    """

    moves: tuple[str, ...] = ("",)

    repaints: ClassVar[bool] = True

    def needs(self) -> frozenset[Layer]:
        return frozenset({Layer.RGB})

    def uses(self) -> frozenset[Layer]:
        return frozenset()

    def check(self, clip) -> str:
        return "recoloured"

    @contextmanager
    def open(self, device: str) -> Iterator["OpenRecolour"]:
        yield OpenRecolour(list(self.moves))


class OpenRecolour:
    """Does what is asked in turn, and the last of it for ever."""

    def __init__(self, moves: list[str]) -> None:
        self.moves, self.scenes, self.seeds = moves, [], []

    def make(self, window, *, sample, scene, seed):
        self.scenes.append(scene)
        self.seeds.append(seed)
        move = self.moves.pop(0) if len(self.moves) > 1 else self.moves[0]
        image = window.rgb[0]
        if move == "same":
            return image.copy()
        made = np.clip(230 - 0.7 * image.astype(float)[..., ::-1], 0, 255).astype(np.uint8)
        made[..., 0] += np.uint8(seed % 20)
        return np.roll(made, 3, axis=1) if move == "shift" else made


def ends(process: int, seconds: float = 10.0) -> bool:
    """Whether a process is gone within some seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False
