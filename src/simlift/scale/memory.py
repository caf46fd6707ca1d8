"""Keep the pages of freed images between two frames; give them back between two clips."""

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8  # parameters of mallopt(3)
_ARENAS = 4  # of threads that allocate at once: images are few and large


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
        mallopt(_ARENA_MAX, _ARENAS)


def return_pages() -> None:
    """Give freed images back to the system: between two clips, whose threads leave them scattered.

    Every thread takes memory from an arena; what a thread that ended has freed there is not seen by
    those of the next clip, so that a process grows from clip to clip though nothing is in use.
    """
    if not sys.platform.startswith("linux"):
        return
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
