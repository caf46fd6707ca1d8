"""Lift windows by OSCAR: make and judge the first frame, draw the skeleton, let the worker work."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
from jaxtyping import UInt8

from simlift.core.protocols import Control
from simlift.core.window import ClipSample, Frames, PreviousFrames, Window
from simlift.engines.anchors import FirstFrames, make_first_frame, prompt_of
from simlift.engines.anchors.protocols import AnchorMaker, OpenAnchorMaker
from simlift.engines.oscar.conditions import (
    DrawnAt,
    Fit,
    draw_skeleton,
    first_skeleton,
    fit_frames,
)
from simlift.engines.oscar.jobs import Job, Sampling
from simlift.engines.oscar.process import Workers
from simlift.pixels.image.letterbox import pad_frames


class LiftSettings(Protocol):
    """What lifting a window reads of the settings; Oscar describes each."""

    @property
    def prompt(self) -> str: ...
    @property
    def fit(self) -> Fit: ...
    @property
    def drawn_at(self) -> DrawnAt: ...
    @property
    def first_frames(self) -> FirstFrames: ...
    @property
    def keep(self) -> Path | None: ...
    def sampling(self) -> Sampling: ...
    def weights(self) -> str: ...
    def window_seed(self, seed: int, start: int) -> int: ...


class OscarEngine:
    """The opened engine; first frames are made by what `open_maker` opens when one is due."""

    def __init__(
        self,
        spec: LiftSettings,
        workers: Workers,
        control: Control,
        maker: AnchorMaker,
        open_maker: Callable[[], OpenAnchorMaker],
    ) -> None:
        self._spec, self._workers, self._control = spec, workers, control
        self._maker, self._open_maker = maker, open_maker
        self._notes: dict[int, list[str]] = {}

    def lift(
        self, window: Window, *, sample: ClipSample, previous: PreviousFrames | None, seed: int
    ) -> Frames:
        """Return the frames after the overlap; RunError where no first frame passes its gate.

        The first frame stays as it was made, or as it ended the window before: OSCAR's own frame
        there is its picture of the same.
        """
        if previous is None:
            first = self._first_frame(window, sample, seed)
        else:
            first = previous[-1]
        if len(window) == 1:
            return first[None]
        frames = self._generate(window, first, seed)
        strayed = float(np.abs(frames[0].astype(np.float32) - first).mean())
        self._note(
            seed,
            f"window from frame {window.indices[0]}: OSCAR's own first frame differed by "
            f"{strayed:.1f} codes from the one that it was given, which stands in its place",
        )
        frames[0] = first
        return frames[0 if previous is None else len(previous) :]

    def attest(self, seed: int) -> tuple[str, ...]:
        """Return what was measured of the take of a seed."""
        return tuple(self._notes.get(seed, ()))

    def _note(self, seed: int, text: str) -> None:
        self._notes.setdefault(seed, []).append(text)

    def _first_frame(
        self, window: Window, sample: ClipSample, seed: int
    ) -> UInt8[np.ndarray, "h w 3"]:
        made = make_first_frame(
            self._spec.first_frames,
            self._open_maker(),
            window,
            sample,
            first_skeleton(self._control, window),
            seed,
        )
        self._notes[seed] = [made.note, f"prompt: {self._prompt(window, seed)}"]
        return made.picture

    def _prompt(self, window: Window, seed: int) -> str:
        return prompt_of(self._spec.prompt, self._maker, window.caption, seed)

    def _generate(self, window: Window, first: UInt8[np.ndarray, "h w 3"], seed: int) -> Frames:
        """Return a frame for each of the window, at its own size."""
        spec, how = self._spec, fit_frames(*window.size, self._spec.fit)
        sampling = spec.sampling()
        skeleton = draw_skeleton(self._control, window, how, spec.drawn_at)
        job = Job(
            how.apply(first[None])[0],
            pad_frames(skeleton, sampling.num_frames),
            self._prompt(window, seed),
            spec.window_seed(seed, int(window.indices[0])),
            sampling,
            spec.weights(),
        )
        if spec.keep is not None:
            made = self._made(job, spec.keep / job.name)
        else:
            with tempfile.TemporaryDirectory(prefix="simlift-oscar-") as folder:
                made = self._made(job, Path(folder))
        return how.undo(made[: len(window)]).copy()

    def _made(self, job: Job, folder: Path) -> Frames:
        """Return a job's frames: those that were made before, or new ones."""
        if (found := job.found(folder)) is not None:
            return found
        self._workers.do(job.write(folder))
        return job.read(folder)
