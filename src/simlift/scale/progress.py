"""Frames made -> a line on the terminal: how far, how fast, how long still; silent when not one."""

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

from simlift.core.progress import watching


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
    """Shows a bar with frames per second and the time left."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def task(self, name: str, frames: int, unit: str = "frames") -> Iterator[Callable[[int], None]]:
        """Draw one pass; where the output is no terminal, print one line when it ends."""
        begun = time.monotonic()
        done = 0
        bar = RichProgress(
            TextColumn("{task.description:>8}"),
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

            def advance(count: int) -> None:
                nonlocal done
                done += count
                bar.advance(task, count)

            with watching(show_step):
                yield advance
        if not self._console.is_terminal and frames:
            seconds = time.monotonic() - begun
            self._console.print(
                f"{name}: {done} of {frames} {unit} in {seconds:.1f} s, "
                f"{done / seconds:.1f} {unit}/s"
            )


class _Rate(ProgressColumn):
    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.1f} {self._unit}/s" if speed else "")
