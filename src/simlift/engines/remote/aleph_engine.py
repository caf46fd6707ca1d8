"""Send a window to Runway as an H.264 file and read the window's frames from the video it makes."""

import base64
import hashlib
import json
import os
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from jaxtyping import UInt8

from simlift.core.errors import ClipError, RunError
from simlift.core.recipe import Encoding
from simlift.core.run import write_text
from simlift.core.window import ClipSample, Frames, PreviousFrames, Window
from simlift.engines.remote.runway import SECONDS, Account, Model, Runway, TaskFailed, TaskGone
from simlift.media.video import VideoStore, probe_video
from simlift.media.video.writer import write_video
from simlift.pixels.image.letterbox import Letterbox, pad_frames

_ENCODING = Encoding(crf=8)
_SEEDS = 2**32
_JPEG = 95
_SLACK = 0.25  # seconds that an answer may be shorter than what was sent


class EditSettings(Protocol):
    """What is read of the settings; Aleph describes each."""

    @property
    def prompt(self) -> str: ...
    @property
    def model(self) -> Model: ...
    @property
    def public_figures(self) -> str: ...
    @property
    def base_url(self) -> str: ...
    @property
    def tasks(self) -> Path | None: ...
    @property
    def inline_megabytes(self) -> float: ...
    def letterbox(self, height: int, width: int) -> Letterbox: ...


class AlephEngine:
    """The opened account."""

    def __init__(self, spec: EditSettings, account: Account) -> None:
        self._spec, self._runway = spec, Runway(account)
        self._tasks = spec.tasks if spec.tasks is not None else _cache_folder()

    def lift(
        self, window: Window, *, sample: ClipSample, previous: PreviousFrames | None, seed: int
    ) -> Frames:
        """Return the edited frames after the overlap; every call that is not resumed is paid."""
        del sample
        how = self._spec.letterbox(*window.size)
        least = round(SECONDS[self._spec.model][0] * window.fps)
        sent = pad_frames(how.apply(window.rgb), max(least, 2))
        last = None if previous is None else how.apply(previous[-1:])[0]
        with tempfile.TemporaryDirectory() as folder:
            made = self._edit(Path(folder), sent, last, window.fps, seed)
            frames = _to_size(resample(made, len(window), window.fps), how)
        return how.undo(frames)[0 if previous is None else len(previous) :]

    def _edit(
        self,
        folder: Path,
        sent: Frames,
        last: UInt8[np.ndarray, "h w 3"] | None,
        fps: float,
        seed: int,
    ) -> VideoStore:
        """Return Runway's video of the frames: of a task started before, or of a new one."""
        request = self._request(sent, last, seed)
        record = self._tasks / f"{_digest(sent, fps, request, self._spec.base_url)}.json"
        if (task := _cached_task(record)) is not None:
            try:
                return self._collect(folder, task, record)
            except TaskGone:
                record.unlink(missing_ok=True)
        request["videoUri"] = self._address(_film(folder / "window.mp4", sent, fps))
        task = self._runway.start(request)
        write_text(record, json.dumps({"task": task}) + "\n")
        return self._collect(folder, task, record)

    def _collect(self, folder: Path, task: str, record: Path) -> VideoStore:
        """Wait for a task and return its video; one that failed is forgotten."""
        try:
            address = self._runway.outcome(task)
        except TaskFailed:
            record.unlink(missing_ok=True)
            raise
        path = folder / "edited.mp4"
        self._runway.download(address, path)
        try:
            return VideoStore(probe_video(path))
        except ClipError as error:
            raise RunError(f"Runway, task {task}", f"sent no whole video ({error})") from error

    def _request(
        self, sent: Frames, last: UInt8[np.ndarray, "h w 3"] | None, seed: int
    ) -> dict[str, Any]:
        """Return the body of a task without its video."""
        spec = self._spec
        body: dict[str, Any] = {
            "model": spec.model,
            "promptText": spec.prompt,
            "seed": seed % _SEEDS,
            "contentModeration": {"publicFigureThreshold": spec.public_figures},
        }
        if spec.model == "gen4_aleph":  # aleph2 keeps its input's size, as gen4_aleph came to do
            body["ratio"] = f"{sent.shape[2]}:{sent.shape[1]}"
        if last is not None and spec.model == "gen4_aleph":
            body["references"] = [{"type": "image", "uri": _jpeg(last)}]
        elif last is not None:
            body["keyframes"] = [{"seconds": 0, "uri": _jpeg(last)}]
        return body

    def _address(self, source: Path) -> str:
        """Return a video as the request names it: whole in a data URI, or uploaded."""
        data = source.read_bytes()
        inline = "data:video/mp4;base64," + base64.b64encode(data).decode()
        if len(inline) <= self._spec.inline_megabytes * 1e6:
            return inline
        return self._runway.upload(source.name, data, "video/mp4")


def resample(made: VideoStore, num_frames: int, fps: float) -> Frames:
    """Return the frames of a video that are shown at i / `fps` seconds, `num_frames` of them.

    RunError where the video ends more than a quarter of a second too early.
    """
    info = made.info
    seconds, wanted = made.num_frames / float(info.fps), num_frames / fps
    if seconds < wanted - _SLACK:
        raise RunError(
            "Runway",
            f"sent {seconds:.2f} s of video for {wanted:.2f} s",
            way_out="set fewer frames, so that a window is no longer than a task makes",
        )
    shown = np.rint(np.arange(num_frames) / fps * float(info.fps)).astype(int)
    with made.open() as reader:
        return np.asarray(reader.read(np.minimum(shown, made.num_frames - 1).tolist()))


def _to_size(frames: UInt8[np.ndarray, "t a b 3"], how: Letterbox) -> Frames:
    """Return frames at the size that was sent, where Runway chose another."""
    size = (how.padded_width, how.padded_height)
    if frames.shape[1:3] == (how.padded_height, how.padded_width):
        return frames
    return np.stack([cv2.resize(f, size, interpolation=cv2.INTER_CUBIC) for f in frames])


def _film(path: Path, frames: Frames, fps: float) -> Path:
    rate = Fraction(fps).limit_denominator(1001)
    height, width = frames.shape[1:3]
    with write_video(path, height=height, width=width, fps=rate, encoding=_ENCODING) as video:
        video.append(frames)
    return path


def _jpeg(frame: UInt8[np.ndarray, "h w 3"]) -> str:
    good, data = cv2.imencode(
        ".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _JPEG]
    )
    assert good, "OpenCV writes JPEG"
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()


def _digest(frames: Frames, fps: float, request: dict[str, Any], url: str) -> str:
    """Name a request by all that decides its outcome, and the server that keeps it."""
    total = hashlib.blake2b(digest_size=16)
    total.update(json.dumps([request, fps, url, frames.shape], sort_keys=True).encode())
    total.update(np.ascontiguousarray(frames).tobytes())
    return total.hexdigest()


def _cached_task(record: Path) -> str | None:
    """Return the task that was started for a request before."""
    try:
        found = json.loads(record.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return str(found["task"]) if isinstance(found, dict) and "task" in found else None


def _cache_folder() -> Path:
    named = os.environ.get("XDG_CACHE_HOME")
    return (Path(named) if named else Path.home() / ".cache") / "simlift" / "runway"
