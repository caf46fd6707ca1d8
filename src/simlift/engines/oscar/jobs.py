"""Write a job's first frame and skeleton for the worker, and read the frames that it made."""

import hashlib
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from simlift.core.errors import RunError
from simlift.core.recipe import Encoding
from simlift.core.strict_json import digest
from simlift.core.window import Frames
from simlift.engines.oscar.conditions import HEIGHT, WIDTH
from simlift.media.images import write_image
from simlift.media.video.writer import VideoWriter, write_video

# Lines of 3 pixels between flat colours: nearly without loss, in what every decoder reads.
ENCODING = Encoding(crf=6, preset="medium")
FIRST_FRAME, SKELETON, OUTPUT = "first_frame.png", "skeleton.mp4", "frames.npy"


@dataclass(frozen=True)
class Sampling:
    """What decides the frames beside the conditions; as the release calls it, and its defaults."""

    steps: int = 35
    guidance: float = 6.0
    shift: float = 5.0
    num_frames: int = 81
    height: int = HEIGHT
    width: int = WIDTH
    fps: float = 15.0


@dataclass(frozen=True, eq=False)
class Job:
    """One window to be generated: its conditions at the model's size, its words and its seed."""

    first_frame: UInt8[np.ndarray, "480 640 3"]
    skeleton: UInt8[np.ndarray, "num_frames 480 640 3"]
    prompt: str
    seed: int
    sampling: Sampling
    checkpoint: str

    @property
    def name(self) -> str:
        """A name by all that decides its outcome."""
        total = hashlib.blake2b(digest_size=8)
        rest = [self.prompt, self.seed, asdict(self.sampling), self.checkpoint]
        total.update(digest(rest).encode())
        for array in (self.first_frame, self.skeleton):
            total.update(np.ascontiguousarray(array).tobytes())
        return total.hexdigest()

    def write(self, folder: Path) -> dict[str, Any]:
        """Write the conditions into a folder and return the job as the worker is given it."""
        first, skeleton, output = (folder / n for n in (FIRST_FRAME, SKELETON, OUTPUT))
        write_image(first, self.first_frame)
        with open_skeleton(skeleton, self.sampling.fps) as video:
            video.append(self.skeleton)
        return {
            "id": self.name,
            "first_frame": str(first.resolve()),
            "skeleton_video": str(skeleton.resolve()),
            "prompt": self.prompt,
            "seed": self.seed,
            **asdict(self.sampling),
            "output": str(output.resolve()),
        }

    def found(self, folder: Path) -> Frames | None:
        """Return the frames of a job that was done before, or None: outputs appear whole."""
        return self.read(folder) if (folder / OUTPUT).exists() else None

    def read(self, folder: Path) -> Frames:
        """Return the frames that were made; RunError where they are not those that were asked."""
        path, asked = folder / OUTPUT, self.sampling
        expected = (asked.num_frames, asked.height, asked.width, 3)
        try:
            made = np.load(path, allow_pickle=False)
        except FileNotFoundError:
            raise RunError(path, "the worker said that it is done and wrote no frames") from None
        except (ValueError, OSError, EOFError) as error:
            raise RunError(path, f"is no whole .npy of frames ({error})") from error
        if made.shape != expected or made.dtype != np.uint8:
            path.unlink()
            raise RunError(
                path,
                f"the worker made {made.dtype} {made.shape}",
                allowed=f"uint8 {expected}: frames, height, width, colours",
                way_out="set frames to what the release makes, or use the worker that simlift has",
            )
        return made


def open_skeleton(path: Path, fps: float) -> AbstractContextManager[VideoWriter]:
    """Open a skeleton video of the model's size for writing, at the rate that it is told.

    Its colours are right for readers that ask which matrix coded them, and for older OpenCV, which
    takes every file for BT.601.
    """
    rate = Fraction(fps).limit_denominator(1001)
    return write_video(
        path, height=HEIGHT, width=WIDTH, fps=rate, encoding=ENCODING, matrix="bt601"
    )
