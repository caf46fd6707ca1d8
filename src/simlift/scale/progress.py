"""Show the progress of passes on the terminal: how far, how fast, how long still."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as RichProgress
from rich.text import Text

from simlift.core.progress import hearing_activity, watching
from simlift.pixels.compilation import hearing_compilation

_LONG = 1.0  # seconds; what takes less needs no line in a log


class Progress(Protocol):
    """Shows passes as they go."""

    def task(
        self, name: str, frames: int, unit: str = "frames"
    ) -> AbstractContextManager[Callable[[int], None]]:
        """Begin a pass of so many frames; entering it gives the function that counts them."""
        ...


class Silent:
    """Shows nothing."""

    @contextmanager
    def task(self, name: str, frames: int, unit: str = "frames") -> Iterator[Callable[[int], None]]:
        """Count nothing."""
        del name, frames, unit
        yield _ignore


def _ignore(count: int) -> None:
    del count


class Terminal:
    """Shows a bar with frames per second and the time left; kernels that compile; long waits.

    Where the output is no terminal, each line is printed once.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._logged: set[str] = set()

    @contextmanager
    def task(self, name: str, frames: int, unit: str = "frames") -> Iterator[Callable[[int], None]]:
        """Draw one pass; where the output is no terminal, print one line when it ends."""
        begun = time.monotonic()
        done = 0
        kernels: set[str] = set()
        bar = RichProgress(
            TextColumn("{task.description:>8}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn(unit),
            _Rate(unit),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        with bar:
            task = bar.add_task(name, total=frames)

            def show_step(step: int, steps: int) -> None:
                bar.update(task, description=f"{name} {step}/{steps}")

            def show_activity(what: str, seconds: float | None) -> None:
                bar.update(task, description=name if seconds is not None else what)
                if seconds is not None:
                    self._log_wait(what, seconds)

            def show_kernel(kernel: str) -> None:
                kernels.add(kernel)  # workers compile the same ones, each for itself
                count = len(kernels)
                bar.update(task, description=f"compiling kernel {count}, once per machine")
                self._log("compiling kernels, once per machine: it takes up to some minutes")

            def advance(count: int) -> None:
                nonlocal done
                done += count
                if kernels:
                    bar.update(task, description=name)
                bar.advance(task, count)

            with (
                watching(show_step),
                hearing_activity(show_activity),
                hearing_compilation(show_kernel),
            ):
                yield advance
        if kernels:
            what = "kernel" if len(kernels) == 1 else "kernels"
            self._console.print(f"{name}: compiled {len(kernels)} {what}, once per machine")
        if not self._console.is_terminal and frames:
            seconds = time.monotonic() - begun
            self._console.print(
                f"{name}: {done} of {frames} {unit} in {seconds:.1f} s, "
                f"{done / seconds:.1f} {unit}/s"
            )

    @contextmanager
    def wait(self, what: str) -> Iterator[None]:
        """Show what goes on; where the output is no terminal, print it once if it was long."""
        begun = time.monotonic()
        if self._console.is_terminal:
            with self._console.status(Text(what)):
                yield
        else:
            yield
            self._log_wait(what, time.monotonic() - begun)

    def _log_wait(self, what: str, seconds: float) -> None:
        if seconds >= _LONG:
            self._log(f"{what}: {seconds:.1f} s", key=what)

    def _log(self, line: str, key: str = "") -> None:
        if not self._console.is_terminal and (key or line) not in self._logged:
            self._logged.add(key or line)
            self._console.print(line, markup=False)


class _Rate(ProgressColumn):
    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.1f} {self._unit}/s" if speed else "")
