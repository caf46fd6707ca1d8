"""Run a worker process that does jobs over JSON lines, and stop it whatever happens.

A process of ours keeps one worker for each launch, so that a model is loaded once however many
clips follow each other. The worker leads a process group of its own, which is killed as a whole.
"""

import contextlib
import json
import os
import queue
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.util import Finalize
from typing import IO, Any

from simlift.core.errors import RunError, SimliftError

_TAIL = 1500  # characters of stderr that an error shows
_GRACE = 3.0  # seconds that a worker is given to end by itself
_EVENTS = frozenset({"ready", "progress", "done", "failed"})


@dataclass(frozen=True)
class Launch:
    """How a worker is started and how long it is waited for, in seconds.

    start: until it is ready. job: for one job. silence: without any event, after which it hangs.
    """

    command: tuple[str, ...]
    start: float = 1800.0
    job: float = 1800.0
    silence: float = 120.0


class WorkerFault(RunError):
    """A worker died, hung or broke the protocol; another one may do the job."""


class Worker:
    """A started worker that is ready for jobs; RunError where it never becomes so."""

    def __init__(self, launch: Launch) -> None:
        self.launch = launch
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  closed by `stop`
        self._fault_kind: type[RunError] = RunError  # one that never was ready is not tried again
        try:
            self._process = subprocess.Popen(
                launch.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._said,
                text=True,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,
            )
        except OSError as error:
            self._said.close()
            raise RunError(
                launch.command[0],
                f"cannot be started ({error.strerror})",
                way_out="name the Python of OSCAR's environment, then its worker script",
            ) from error
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            self._await(None, launch.start)
        except BaseException:
            self.stop(grace=0.0)
            raise
        self._fault_kind = WorkerFault

    def do(self, job: dict[str, Any]) -> dict[str, Any]:
        """Do a job and return its "done" event.

        RunError where the model could not do it, WorkerFault where the worker is to blame.
        """
        stdin = self._process.stdin
        assert stdin is not None
        try:
            stdin.write(json.dumps(job) + "\n")
            stdin.flush()
        except OSError:
            raise self._fault(self._ended("took no job")) from None
        return self._await(str(job["id"]), self.launch.job)

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def stop(self, grace: float = _GRACE) -> None:
        """End the worker and all that it started, killed after `grace` seconds at the latest."""
        process = self._process
        if process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(grace)
        # The group may live on though its leader ended.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self._reader.join(_GRACE)
        if process.stdout is not None and not self._reader.is_alive():
            process.stdout.close()
        self._said.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with contextlib.suppress(ValueError, OSError):  # closed while it is read
            for line in self._process.stdout:
                self._lines.put(line)
        self._lines.put(None)

    def _await(self, job: str | None, limit: float) -> dict[str, Any]:
        """Return the event that ends a job, or the one that says ready."""
        ends = time.monotonic() + limit
        waiting_for = "to be ready" if job is None else f"for job {job}"
        while True:
            left = ends - time.monotonic()
            try:
                line = self._lines.get(timeout=max(min(left, self.launch.silence), 0.0))
            except queue.Empty:
                if left <= self.launch.silence:
                    raise self._fault(f"was waited {waiting_for} for {limit:g} s") from None
                silent = f"was silent for {self.launch.silence:g} s, waited {waiting_for}"
                raise self._fault(silent) from None
            if line is None:
                when = "before it was ready" if job is None else f"in job {job}"
                raise self._fault(self._ended(f"ended {when}"))
            event = self._parse(line)
            if event["event"] == "progress":
                if time.monotonic() > ends:
                    raise self._fault(f"was waited {waiting_for} for {limit:g} s")
                continue
            if job is None and event["event"] == "ready":
                return event
            if job is not None and event.get("id") == job:
                if event["event"] == "done":
                    return event
                if event["event"] == "failed":
                    raise RunError(
                        f"job {job}",
                        f"OSCAR failed: {event.get('reason', 'no reason given')}",
                        way_out=f"its last words: {self._words()}",
                    )
            raise self._fault(f"wrote {line.strip()[:200]!r} where an event was due {waiting_for}")

    def _parse(self, line: str) -> dict[str, Any]:
        try:
            event = json.loads(line)
        except json.JSONDecodeError:
            event = None
        if not isinstance(event, dict) or event.get("event") not in _EVENTS:
            raise self._fault(f"wrote a line that is no event: {line.strip()[:200]!r}")
        return event

    def _ended(self, when: str) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_GRACE)
        code = self._process.returncode
        how = "" if code is None else f" (signal {-code})" if code < 0 else f" (exit status {code})"
        return f"{when}{how}"

    def _fault(self, found: str) -> RunError:
        return self._fault_kind(
            " ".join(self.launch.command[:2]),
            f"the worker {found}",
            way_out=f"its last words: {self._words()}",
        )

    def _words(self) -> str:
        """Return the end of what it wrote to stderr."""
        number = self._said.fileno()
        size = os.fstat(number).st_size
        # Read beside the position, which the worker writes at.
        text = os.pread(number, 4 * _TAIL, max(size - 4 * _TAIL, 0)).decode("utf-8", "replace")
        text = text.strip()
        return text[-_TAIL:] or "none"


_idle: dict[Launch, Worker] = {}
_lock = threading.Lock()


class Workers:
    """Does jobs by one worker, which is started with the first and again once for a faulty job."""

    def __init__(self, launch: Launch) -> None:
        self._launch = launch
        self._worker: Worker | None = None

    def do(self, job: dict[str, Any]) -> dict[str, Any]:
        """Do a job; a worker that dies, hangs or speaks otherwise is replaced once."""
        try:
            return self._ready().do(job)
        except WorkerFault as fault:
            self.drop(grace=0.0)
            first = fault
        try:
            return self._ready().do(job)
        except WorkerFault as fault:
            self.drop(grace=0.0)
            raise RunError(
                f"job {job['id']}",
                f"failed by two workers; the first: {first}; the second: {fault}",
            ) from fault

    def drop(self, grace: float = _GRACE) -> None:
        """Stop the worker."""
        if self._worker is not None:
            self._worker.stop(grace)
            self._worker = None

    def give_back(self) -> None:
        """Leave the worker to whoever asks for the same launch next."""
        with _lock:
            if self._worker is not None and self._worker.alive and self._launch not in _idle:
                _idle[self._launch] = self._worker
                self._worker = None
        self.drop()

    def _ready(self) -> Worker:
        if self._worker is None:
            with _lock:
                self._worker = _idle.pop(self._launch, None)
        if self._worker is not None and not self._worker.alive:
            self.drop()
        if self._worker is None:
            self._worker = Worker(self._launch)
        return self._worker


@contextmanager
def borrow_worker(launch: Launch) -> Iterator[Workers]:
    """Lend a worker, which is kept for the next who asks.

    So it is where a clip fails for a reason of its own: what loaded a model once is not to blame.
    Whatever else ends the block, such as Ctrl-C, stops it.
    """
    workers = Workers(launch)
    try:
        yield workers
        workers.give_back()
    except SimliftError:
        workers.give_back()
        raise
    finally:
        workers.drop()


def stop_idle_workers() -> None:
    """Stop every worker that is kept; called when the process ends."""
    with _lock:
        kept = list(_idle.values())
        _idle.clear()
    for worker in kept:
        worker.stop()


# Processes of a pool end without atexit; this runs in these and in others alike.
Finalize(None, stop_idle_workers, exitpriority=1)
