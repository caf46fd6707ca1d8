"""Reading ahead and writing behind: threads that keep decoder and encoder busy beside an engine.

Both hold a bounded number of windows, pass errors on to the caller, and end when they are left.
"""

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
_END = object()


@contextmanager
def read_ahead(items: Iterator[T], count: int = 1) -> Iterator[Iterator[T]]:
    """Take the next `count` items while the current one is in use."""
    ready: queue.Queue[Any] = queue.Queue(maxsize=count)
    left = threading.Event()

    def offer(item: object) -> None:
        while not left.is_set():
            try:
                ready.put(item, timeout=0.1)
                return
            except queue.Full:
                continue

    def work() -> None:
        try:
            for item in items:
                offer(item)
                if left.is_set():
                    return
            offer(_END)
        except BaseException as error:  # handed to the caller, who raises it
            offer(error)

    def taken() -> Iterator[T]:
        while (item := ready.get()) is not _END:
            if isinstance(item, BaseException):
                raise item
            yield item

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield taken()
    finally:
        left.set()
        thread.join()


class Sink(Protocol):
    """Whatever takes frames in order."""

    def append(self, frames: Any) -> None: ...


class WriteBehind:
    """A sink that returns at once and hands frames to another sink in a thread of its own."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._waiting: queue.Queue[Any] = queue.Queue(maxsize=1)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def append(self, frames: Any) -> None:
        """Queue frames; raise what the sink raised before."""
        if self._error is not None:
            raise self._error
        self._waiting.put(frames)

    def finish(self) -> None:
        """Wait until all frames are through; raise what the sink raised."""
        self.stop()
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """Wait until all queued frames are through or dropped."""
        if self._thread.is_alive():
            self._waiting.put(_END)
            self._thread.join()

    def _work(self) -> None:
        while (frames := self._waiting.get()) is not _END:
            if self._error is None:
                try:
                    self._sink.append(frames)
                except BaseException as error:
                    self._error = error
