"""Report which kernels are being compiled, which happens once for each machine."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

_listeners: list[Callable[[str], None]] = []  # of the process: kernels compile in any thread


def report_compiling(kernel: str) -> None:
    """Say that a kernel, named by its module and function, is not in the cache and is compiled."""
    for listener in tuple(_listeners):
        listener(kernel)


def listen_to_compilation(listener: Callable[[str], None]) -> None:
    """Hear of every kernel that this process compiles, from any thread, as long as it lives."""
    _listeners.append(listener)


@contextmanager
def hearing_compilation(listener: Callable[[str], None]) -> Iterator[None]:
    """Hear of every kernel that this process compiles, from any thread, while the block runs."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)
