"""A plain function to machine code: how every loop over pixels here is compiled.

Kernels take float32 arrays and keep sums in double precision; their docstrings give the shapes.
"""

import inspect
from collections.abc import Callable
from typing import Any

from numba import njit


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile once for each machine and keep the result beside the package; release the GIL."""
    # A type checker's import hook wraps functions, and only plain ones can be kept.
    plain = inspect.unwrap(function)
    return njit(cache=True, nogil=True, error_model="numpy")(plain)
