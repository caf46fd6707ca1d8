"""Run jobs in worker processes; a job that fails never stops the others.

Workers send how many frames they made, what they compile and what takes them long through a
queue; the parent alone prints and writes events.
A worker whose parent was killed stops at the next frame.
"""

import multiprocessing
import os
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import cv2

from simlift.core.errors import RecipeError, SimliftError
from simlift.core.progress import listen_to_activity, report_activity
from simlift.pixels.compilation import listen_to_compilation, report_compiling
from simlift.scale.memory import keep_pages, return_pages


class Job(Protocol):
    """A unit of work with a name for people."""

    @property
    def name(self) -> str: ...


J = TypeVar("J", bound=Job)
Work = Callable[[J, Callable[[int], None]], None]


@dataclass(frozen=True)
class Failure:
    """A job that failed: its name, the reason in words, and the trace where it is our fault."""

    name: str
    reason: str
    trace: str = ""


def run_jobs(
    jobs: Sequence[J],
    work: Work[J],
    *,
    workers: int,
    progress: Callable[[int], None],
    finished: Callable[[str, Failure | None], None],
) -> list[Failure]:
    """Do every job; call `finished` for each, and return those that failed."""
    if workers < 1:
        raise RecipeError("--workers", f"found {workers}", allowed="at least 1")
    if workers == 1 or len(jobs) <= 1:
        outcomes: Iterator[tuple[str, Failure | None]] = (
            (job.name, _attempt(work, job, progress)) for job in jobs
        )
    else:
        outcomes = _in_processes(jobs, work, min(workers, len(jobs)), progress)
    failures = []
    for name, failure in outcomes:
        finished(name, failure)
        if failure is not None:
            failures.append(failure)
    return failures


def _attempt(work: Work[J], job: J, progress: Callable[[int], None]) -> Failure | None:
    try:
        work(job, progress)
    except SimliftError as error:
        return Failure(job.name, str(error))
    except Exception as error:  # a defect in an engine must not stop the other clips
        return Failure(job.name, f"{type(error).__name__}: {error}", traceback.format_exc())
    finally:
        return_pages()
    return None


def _in_processes(
    jobs: Sequence[J], work: Work[J], workers: int, progress: Callable[[int], None]
) -> Iterator[tuple[str, Failure | None]]:
    context = multiprocessing.get_context("spawn")
    # Read when a worker imports numpy: BLAS threads of several processes spin against each other.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    counts = context.SimpleQueue()
    # A second thread for each worker keeps the last one busy on its own when the others are done.
    cores = os.cpu_count() or 1
    threads = max(cores // workers, min(cores, 2))
    with (
        _listening(counts, progress),
        ProcessPoolExecutor(
            workers, mp_context=context, initializer=_begin, initargs=(counts, threads, os.getpid())
        ) as pool,
    ):
        names: dict[Future[Failure | None], str] = {
            pool.submit(_attempt_in_worker, work, job): job.name for job in jobs
        }
        for future in as_completed(names):
            try:
                yield names[future], future.result()
            except BrokenProcessPool:
                yield (
                    names[future],
                    Failure(names[future], "its process was killed (out of memory?)"),
                )


_counts: Any = None
_parent = 0


def _begin(counts: Any, threads: int, parent: int) -> None:
    global _counts, _parent
    _counts, _parent = counts, parent
    keep_pages()
    cv2.setNumThreads(threads)
    listen_to_compilation(lambda kernel: counts.put((report_compiling, (kernel,))))
    listen_to_activity(lambda what, seconds: counts.put((report_activity, (what, seconds))))


def _attempt_in_worker(work: Work[J], job: J) -> Failure | None:
    return _attempt(work, job, _count)


def _count(frames: int) -> None:
    if os.getppid() != _parent:
        os._exit(1)  # the parent was killed: nobody waits for this work
    _counts.put(frames)


@contextmanager
def _listening(counts: Any, progress: Callable[[int], None]) -> Iterator[None]:
    def listen() -> None:
        while (told := counts.get()) is not None:
            if isinstance(told, int):
                progress(told)
            else:
                report, words = told
                report(*words)

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    try:
        yield
    finally:
        counts.put(None)
        thread.join()
