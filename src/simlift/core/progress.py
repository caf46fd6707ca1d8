"""Report progress of long steps inside an engine or a training to a listener, if any."""

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
