"""Serve OSCAR from its own environment: load once, do jobs from stdin, tell of them on stdout.

Run by the Python of OSCAR's environment, which needs nothing of simlift:

    python worker.py --checkpoint zywu2115/OSCAR-2B --revision REVISION

Every line on both sides is one JSON object. A job:

    {"id", "first_frame", "skeleton_video", "prompt", "seed", "steps", "guidance", "shift",
     "num_frames", "height", "width", "fps", "output"}

`output` is where the frames go, as a .npy of uint8 [num_frames height width 3]; it appears by
rename when it is whole. Events:

    {"event": "ready"}
    {"event": "progress", "id", "seconds"}     every few seconds while it loads (id null) or works
    {"event": "done", "id", "frames", "height", "width"}
    {"event": "failed", "id", "reason"}

What libraries print goes to stderr. The worker ends when stdin does, in the midst of a job too: it
never outlives the process that started it.
"""

import argparse
import contextlib
import importlib
import inspect
import json
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_BEAT = 5.0  # seconds
# What the public release does unless told: options it has no parameter for may have these alone.
_BUILT_IN = {"shift": 5.0, "num_frames": 81, "height": 480, "width": 640, "fps": 15.0}
_PIPELINE = "oscar_diffusers:OSCARDiffusersPipeline"


def main() -> None:
    """Load the pipeline, then do jobs until stdin ends."""
    parser = argparse.ArgumentParser(description="Serve OSCAR over JSON lines.")
    parser.add_argument("--checkpoint", required=True, help="a folder, or a name on the Hub")
    parser.add_argument("--revision", default="", help="commit of a checkpoint on the Hub")
    parser.add_argument("--pipeline", default=_PIPELINE, help="module:Class of the release")
    given = parser.parse_args()
    say = _speaker()
    jobs = _listen()
    with _beating(say, None):
        pipeline = load(given.pipeline, given.checkpoint, given.revision)
    say({"event": "ready"})
    while True:
        job = jobs.get()
        try:
            with _beating(say, job["id"]):
                shape = do(pipeline, job)
            say({"event": "done", "id": job["id"], **shape})
        except Exception as error:  # whatever the model raises is the job's outcome
            reason = f"{type(error).__name__}: {error}"[:2000]
            say({"event": "failed", "id": job.get("id"), "reason": reason})


def load(pipeline: str, checkpoint: str, revision: str) -> Any:
    """Load the pipeline of a checkpoint; one on the Hub is taken at exactly its revision."""
    module, _, name = pipeline.partition(":")
    kind = getattr(importlib.import_module(module), name)
    if not Path(checkpoint).is_dir() and revision:
        hub = importlib.import_module("huggingface_hub")
        checkpoint = hub.snapshot_download(checkpoint, revision=revision)
    return kind.from_pretrained(checkpoint)


def do(pipeline: Any, job: dict[str, Any]) -> dict[str, int]:
    """Do a job and write its frames; return how many there are, and of which size."""
    import numpy as np

    made = pipeline(
        first_frame=job["first_frame"],
        skeleton_video=job["skeleton_video"],
        prompt=job["prompt"],
        start_frame=0,
        num_inference_steps=job["steps"],
        guidance_scale=job["guidance"],
        seed=job["seed"],
        **options(pipeline, job),
    )
    frames = np.stack([np.asarray(frame) for frame in made.frames])
    if frames.dtype != np.uint8:
        raise TypeError(f"the pipeline made {frames.dtype} frames, not uint8")
    output = Path(job["output"])
    partial = output.with_name(f".{output.stem}.{os.getpid()}.partial.npy")
    try:
        np.save(partial, frames)
        partial.replace(output)
    finally:
        partial.unlink(missing_ok=True)
    return {"frames": len(frames), "height": frames.shape[1], "width": frames.shape[2]}


def options(pipeline: Any, job: dict[str, Any]) -> dict[str, Any]:
    """Return what of a job the release takes as further arguments.

    ValueError for an option that it has no argument for and does otherwise: it is never dropped.
    """
    known = inspect.signature(pipeline.__call__).parameters
    takes_all = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in known.values())
    taken = {}
    for name, built_in in _BUILT_IN.items():
        if name in known:
            taken[name] = job[name]
        elif job[name] != built_in:
            why = "may ignore it" if takes_all else "has no argument for it"
            raise ValueError(f"{name}={job[name]} was asked, the release uses {built_in} and {why}")
    return taken


def _speaker() -> Callable[[dict[str, Any]], None]:
    """Return what writes events; whatever else prints to stdout goes to stderr from here on."""
    lines = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    lock = threading.Lock()

    def say(event: dict[str, Any]) -> None:
        with lock:
            lines.write(json.dumps(event) + "\n")
            lines.flush()

    return say


def _listen() -> "queue.SimpleQueue[dict[str, Any]]":
    """Return the queue that jobs come by; the end of stdin ends the process at once."""
    jobs: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()

    def read() -> None:
        status = 2  # of a line that is no job
        with contextlib.suppress(ValueError):
            for line in sys.stdin:
                jobs.put(json.loads(line))
            status = 0
        os._exit(status)

    threading.Thread(target=read, daemon=True).start()
    return jobs


@contextmanager
def _beating(say: Callable[[dict[str, Any]], None], job: Any) -> Iterator[None]:
    """Tell every few seconds that the process lives, while it loads or works."""
    done, begun = threading.Event(), time.monotonic()

    def beat() -> None:
        while not done.wait(_BEAT):
            say({"event": "progress", "id": job, "seconds": round(time.monotonic() - begun, 1)})

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


if __name__ == "__main__":
    main()
