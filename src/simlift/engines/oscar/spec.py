"""Define the OSCAR engine as a frozen value: its settings, what a clip needs, how it opens."""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from simlift.core.clip import Clip
from simlift.core.errors import ClipError, RecipeError
from simlift.core.layers import Layer
from simlift.core.protocols import Control, Engine, Stage, WindowSize
from simlift.core.recipe import Plugin, derive_seed
from simlift.engines.anchors import FirstFrames
from simlift.engines.anchors.protocols import OpenAnchorMaker
from simlift.engines.anchors.scenes import check_template
from simlift.engines.diffusers.licences import licence_of
from simlift.engines.oscar.conditions import DrawnAt, Fit, check_skeleton, fit_frames
from simlift.engines.oscar.jobs import Sampling
from simlift.engines.oscar.process import Launch, borrow_worker
from simlift.models.hub.locate import HUB_NAME

PYTHON_VARIABLE = "SIMLIFT_OSCAR_PYTHON"
WORKER = Path(__file__).with_name("worker.py")
_TRAINED = 70  # frames of a training clip
_SEEDS = 2**31  # what every random generator of OSCAR's environment takes


@dataclass(frozen=True)
class Oscar:
    """Generate by OSCAR-2B from a photoreal first frame and the robot's skeleton.

    checkpoint: a folder, or a name on the Hugging Face Hub. revision: the commit of a name there.
    prompt: what the video shows; may name {caption}, {environment}, {background}, {objects} and
        {light}. Empty: the caption, and the drawn place where the first frame shows it.
    steps, guidance, shift: 35, 6 and 5 are the release's own.
    frames: of a window, 4k+1; it was trained on 70. A window goes on from the last frame made.
    fps: what the model is told. Frames are never resampled: a clip of another rate is seen as if it
        had this one.
    other_rates: "as-is" takes clips of another rate and says so, "refuse" does not.
    fit: "letterbox" pads frames that are not 4:3 by their border; "squash" fills 640x480 with them,
        as the release does. A crop is not offered: it could not give whole frames back.
    drawn_at: "model" draws the skeleton at 640x480, "clip" on the clip's frames, resized with them.
    first_frames: how the first frame is made and judged. control: what draws the skeleton.
    worker: the Python of OSCAR's environment, and a script where it is not the one that simlift
        has; empty takes SIMLIFT_OSCAR_PYTHON. Such as ["env", "PYTHONPATH=/oscar", "python"].
    keep: a folder in which jobs stay, so that a run that was killed repeats no window.
    start_seconds, job_seconds, silence_seconds: how long to wait for a worker to be ready, for a
        window, and without any sign of life.
    Source: Wu and Gao, OSCAR, arXiv 2606.04463; github.com/wuzy2115/oscar-public.
    """

    checkpoint: str = "zywu2115/OSCAR-2B"
    revision: str = "c9781ffa7dd8556d862d7d9f338a2ea008a58ca6"
    prompt: str = ""
    steps: int = 35
    guidance: float = 6.0
    shift: float = 5.0
    frames: int = 81
    fps: float = 15.0
    other_rates: Literal["as-is", "refuse"] = "as-is"
    fit: Fit = "letterbox"
    drawn_at: DrawnAt = "model"
    first_frames: FirstFrames = FirstFrames()
    control: Plugin = field(default_factory=lambda: Plugin("simlift.controls.skeleton:Skeleton"))
    # Where and how long it runs decides no pixel.
    worker: tuple[str, ...] = field(default=(), compare=False)
    keep: Path | None = field(default=None, compare=False)
    start_seconds: float = field(default=1800.0, compare=False)
    job_seconds: float = field(default=1800.0, compare=False)
    silence_seconds: float = field(default=120.0, compare=False)

    def __post_init__(self) -> None:
        for name, good, allowed in (
            ("steps", self.steps >= 1, "at least 1"),
            ("guidance", self.guidance >= 0, "0 or more"),
            ("shift", self.shift > 0, "above 0"),
            ("frames", self.frames >= 5 and self.frames % 4 == 1, "4k+1, such as 81"),
            ("fps", 1 <= self.fps <= 120, "1 to 120"),
            ("start_seconds", self.start_seconds > 0, "above 0"),
            ("job_seconds", self.job_seconds > 0, "above 0"),
            ("silence_seconds", self.silence_seconds > 0, "above 0"),
        ):
            if not good:
                raise RecipeError(f"oscar.{name}", f"found {getattr(self, name)}", allowed=allowed)
        check_template("oscar.prompt", self.prompt)
        self.first_frames.spec()

    @classmethod
    def licence(cls) -> str:
        """Say under which terms code, weights and training data come."""
        return licence_of("oscar")

    def needs(self) -> frozenset[Layer]:
        """Colour, and what the skeleton and the maker of first frames cannot do without."""
        return (
            frozenset({Layer.RGB}) | self.first_frames.spec().needs() | self.open_control().needs()
        )

    def uses(self) -> frozenset[Layer]:
        """The segmentation tells the robot's pixels, by which first frames are judged."""
        return frozenset({Layer.SEGMENTATION}) | self.first_frames.spec().uses()

    def window_size(self) -> WindowSize:
        """A window begins with the last frame of the one before, which is its first frame."""
        return WindowSize(self.frames, 1)

    def check(self, clip: Clip) -> tuple[Stage, ...]:
        """Say what will run; ClipError or RecipeError for what cannot, before any frame is made."""
        self.launch()
        return (
            *self.check_conditions(clip),
            Stage("windows", True, self._windows_in_words(clip)),
            Stage(
                "model",
                True,
                f"{self.weights()}, {self.steps} steps, guidance {self.guidance:g}, shift "
                f"{self.shift:g}",
            ),
            Stage("licence", True, self.licence()),
        )

    def check_conditions(self, clip: Clip) -> tuple[Stage, ...]:
        """Say how first frame and skeleton are made, which needs no worker; errors as of `check`.

        The first skeleton is drawn, without a pixel of the clip.
        """
        check_skeleton(self.open_control(), clip)
        return (
            Stage(
                "first frame",
                True,
                f"{self.first_frames.spec().check(clip)}; up to {self.first_frames.attempts} "
                "seeds, each judged",
            ),
            Stage("skeleton", True, f"{self.control.kind}, drawn at the {self.drawn_at}'s size"),
            Stage("size", True, self._size_in_words(clip)),
            self._rate(clip),
        )

    def effort(self, clip: Clip) -> str:
        """Say how many windows are generated."""
        number = len(self.window_starts(clip.num_frames))
        return (
            f"{number} window{'s' if number > 1 else ''} of {self.frames} frames and {self.steps} "
            "steps: its authors state about a minute each on an RTX PRO 6000, and 24 GB"
        )

    def launch(self) -> Launch:
        """Return how the worker is started; RecipeError where its command cannot be run."""
        command = self.worker or default_worker()
        if not command:
            raise RecipeError(
                "oscar.worker",
                "is not given",
                allowed="the Python of the environment in which OSCAR's release is installed",
                way_out=f"--set 'worker=[\"/path/to/python\"]', or export {PYTHON_VARIABLE}=...",
            )
        if shutil.which(command[0]) is None:
            raise RecipeError(
                "oscar.worker",
                f"{command[0]} cannot be run",
                allowed="a program, by its path or found through PATH",
            )
        scripts = [part for part in command if part.endswith(".py")]
        for script in scripts[:1]:
            if not Path(script).is_file():
                raise RecipeError("oscar.worker", f"{script} does not exist", allowed="a script")
        if not Path(self.checkpoint).is_dir() and not HUB_NAME.fullmatch(self.checkpoint):
            raise RecipeError(
                "oscar.checkpoint",
                f"{self.checkpoint} does not exist",
                allowed="a folder, or a name on the Hugging Face Hub as owner/model",
            )
        asked = ["--checkpoint", self.checkpoint]
        if not Path(self.checkpoint).is_dir():
            asked += ["--revision", self.revision]
        return Launch(
            (*command, *(() if scripts else (str(WORKER),)), *asked),
            self.start_seconds,
            self.job_seconds,
            self.silence_seconds,
        )

    def open_control(self) -> Control:
        """Return what draws the skeleton."""
        return self.control.load_control()

    def sampling(self) -> Sampling:
        """Return what decides the frames beside the conditions."""
        return Sampling(self.steps, self.guidance, self.shift, num_frames=self.frames, fps=self.fps)

    def weights(self) -> str:
        """Name the weights: a checkpoint on the Hub with its revision."""
        if Path(self.checkpoint).is_dir():
            return f"{self.checkpoint} (a folder, of no known revision)"
        return f"{self.checkpoint}@{self.revision}"

    def window_starts(self, num_frames: int) -> tuple[int, ...]:
        """Return the first frame of every window of a clip."""
        step = self.frames - 1
        return tuple(range(0, max(num_frames - 1, 1), step))

    def window_seed(self, seed: int, start: int) -> int:
        """Return the model's seed of the window from a frame, of a take's seed."""
        return derive_seed(seed, "window", str(start)) % _SEEDS

    @contextmanager
    def open(self, device: str) -> Iterator[Engine]:
        """Lend a worker, which starts with the first window; `device` is for first frames alone."""
        from simlift.engines.oscar.engine import OscarEngine

        maker = self.first_frames.spec()
        with ExitStack() as stack:
            opened: list[OpenAnchorMaker] = []

            def open_maker() -> OpenAnchorMaker:
                if not opened:
                    opened.append(stack.enter_context(maker.open(device)))
                return opened[0]

            workers = stack.enter_context(borrow_worker(self.launch()))
            yield OscarEngine(self, workers, self.open_control(), maker, open_maker)

    def _size_in_words(self, clip: Clip) -> str:
        how = fit_frames(clip.height, clip.width, self.fit)
        size = f"{clip.width}x{clip.height}"
        if not how.resizes and how.padded_width == clip.width:
            return f"{size}, as the model makes it"
        if self.fit == "squash":
            return f"{size} squashed to 640x480 and back"
        return (
            f"{size} as {how.inner_width}x{how.inner_height} inside 640x480, padded by its border; "
            "the release would squash it"
        )

    def _rate(self, clip: Clip) -> Stage:
        if clip.timestamps is None and clip.fps == self.fps:
            return Stage("rate", True, f"{self.fps:g} fps, as the model is told")
        own = "a varying rate" if clip.timestamps else f"{float(clip.fps):g} fps"
        if self.other_rates == "refuse":
            raise ClipError(
                clip.path,
                f"has {own}",
                allowed=f"{self.fps:g} fps, as the model is told",
                way_out="record it at that rate, or --set other_rates=as-is",
            )
        return Stage(
            "rate",
            True,
            f"{own}: every frame is kept and none made up; the model sees them as if they were "
            f"{self.fps:g} a second",
        )

    def _windows_in_words(self, clip: Clip) -> str:
        starts = self.window_starts(clip.num_frames)
        number = len(starts)
        words = [f"{number} of {self.frames} frames"]
        if number > 1:
            words.append("each goes on from the last frame of the one before, where it may show")
        last = clip.num_frames - starts[-1]
        if last < self.frames:
            words.append(
                f"the last is {last} long: its skeleton stands still to the end, and what is made "
                "of that is cut off"
            )
        if self.frames > _TRAINED:
            words.append(f"trained on {_TRAINED}")
        return "; ".join(words)


def default_worker() -> tuple[str, ...]:
    """Return the command of the worker where no setting names one; () where nothing does."""
    python = os.environ.get(PYTHON_VARIABLE, "")
    return (python, str(WORKER)) if python else ()
