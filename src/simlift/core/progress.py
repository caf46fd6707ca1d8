"""Report progress of long steps inside an engine or a training to a listener, if any."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_watcher: ContextVar[Callable[[int, int], None] | None] = ContextVar("watcher", default=None)


def report_step(done: int, total: int) -> None:
    """Say that `done` of `total` steps of the work at hand are through."""
    watcher = _watcher.get()
    if watcher is not None:
        watcher(done, total)


@contextmanager
def watching(watcher: Callable[[int, int], None]) -> Iterator[None]:
    """Hear of every step that is reported while the block runs, in this thread."""
    token = _watcher.set(watcher)
    try:
        yield
    finally:
        _watcher.reset(token)


# What is under way, and the seconds it took once it is over.
ActivityListener = Callable[[str, float | None], None]

_activity_listeners: list[ActivityListener] = []  # of the process: work goes on in many threads


def report_activity(what: str, seconds: float | None = None) -> None:
    """Say that something besides frames is under way, or with `seconds` that it is over."""
    for listener in tuple(_activity_listeners):
        listener(what, seconds)


@contextmanager
def doing(what: str) -> Iterator[None]:
    """Report what the block does, which may take longer than a second, and how long it took."""
    begun = time.monotonic()
    report_activity(what)
    try:
        yield
    finally:
        report_activity(what, time.monotonic() - begun)


def listen_to_activity(listener: ActivityListener) -> None:
    """Hear of every activity that is reported in this process, as long as it lives."""
    _activity_listeners.append(listener)


@contextmanager
def hearing_activity(listener: ActivityListener) -> Iterator[None]:
    """Hear of every activity that is reported in this process, while the block runs."""
    _activity_listeners.append(listener)
    try:
        yield
    finally:
        _activity_listeners.remove(listener)
