"""Keep the pages of freed images in the process, since every frame needs them again at once."""

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # parameters of mallopt(3)


def keep_pages() -> None:
    """Tell glibc not to give freed images back to the system between two frames.

    Images of some megabytes are otherwise mapped and unmapped for every operation, and the page
    faults cost as much as the arithmetic (bench/plain_speed.py shows it). For processes that are
    ours alone: the command line and its workers.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_TRIM_THRESHOLD, 512 << 20)
        mallopt(_MMAP_THRESHOLD, 32 << 20)
