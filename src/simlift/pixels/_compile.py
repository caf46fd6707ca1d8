"""Compile loops over pixels to machine code with Numba.

Kernels take float32 arrays; their docstrings give the shapes. What lets the compiler work on eight
pixels at once: inner loops without branches; numbers of 32 bits, also for sums of whole numbers;
places as unsigned 64-bit numbers, which cannot count from the end; vectors of three read from one
long line, whose step is known; and no slices, each of which is counted like an array.
"""

import hashlib
import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any

from numba import njit
from numba.core import event

from simlift.pixels.compilation import report_compiling


class _Announcer(event.Listener):
    """Names each kernel of ours as numba begins to compile it; what is cached raises no event."""

    def on_start(self, event: Any) -> None:
        function = event.data["dispatcher"].py_func
        if function.__module__.startswith("simlift."):  # numba compiles helpers of its own too
            report_compiling(f"{function.__module__}.{function.__qualname__}")

    def on_end(self, event: Any) -> None:
        del event


event.register("numba:compile", _Announcer())  # type: ignore[no-untyped-call]


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function for this machine and cache it beside the package; release the GIL."""
    # A type checker's import hook wraps functions, and only plain ones can be kept.
    plain = inspect.unwrap(function)
    return njit(cache=True, nogil=True, error_model="numpy")(plain)


def compiled_with(*files: ModuleType) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Compile a kernel that calls compiled functions of other files.

    Kept machine code is looked up by the kernel's name and is valid as long as the kernel's own
    file stays as it is. So the contents of the other files become a part of that name.
    """
    sources = "".join(inspect.getsource(file) for file in files)
    digest = hashlib.sha256(sources.encode()).hexdigest()[:12]

    def compile_under_digest(function: Callable[..., Any]) -> Callable[..., Any]:
        plain = inspect.unwrap(function)
        plain.__qualname__ += f"_{digest}"
        return compiled(plain)

    return compile_under_digest
