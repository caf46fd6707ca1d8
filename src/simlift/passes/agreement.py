"""Check once whether a clip's layers agree, remember it, and refuse what contradicts itself."""

import hashlib
import os
from collections.abc import Hashable, Sequence
from dataclasses import replace
from pathlib import Path

from simlift.core.clip import Clip
from simlift.core.errors import ClipError, RecipeError
from simlift.core.layers import FrameStore
from simlift.core.progress import doing
from simlift.core.strict_json import digest, dumps, load
from simlift.evaluation.agreement import VERSION, Agreement, Verdict, check_layers
from simlift.evaluation.agreement.evidence import looked_at
from simlift.passes.episode_check import check_episode, row_files

CACHE_VARIABLE = "SIMLIFT_CACHE"  # names the folder of what is remembered between runs


def examine(clip: Clip) -> Agreement:
    """Return what the layers of a clip say of each other; it is computed once for equal files.

    Files of the frames that are looked at are told apart by path, size and time of change: hashing
    a long video would take longer than the check.
    """
    remembered = _cache_folder() / f"{_fingerprint(clip)}.json"
    if remembered.is_file():
        try:
            return load(remembered, Agreement)
        except RecipeError:  # of another version, or half written
            remembered.unlink(missing_ok=True)
    with doing(f"checking that the layers of {clip.name} agree"):
        found = check_layers(clip)
        if clip.origin is not None:
            found = replace(found, findings=(*check_episode(clip), *found.findings))
    _remember(remembered, found)
    return found


def require_agreement(clips: Sequence[Clip]) -> list[Clip]:
    """Return the clips with doubts in their notes; ClipError where layers contradict each other.

    A clip that was opened with `trust` is returned with its contradictions in `trusted`.
    """
    return [_checked(clip) for clip in clips]


def what_stands_for(clip: Clip) -> Hashable:
    """Return what clips share that one can stand for: their dataset and camera, or nothing."""
    return (clip.origin.dataset, clip.origin.camera) if clip.origin else id(clip)


def first_of_each(clips: Sequence[Clip]) -> list[Clip]:
    """Return what stands for many: of a dataset one clip for each camera, and every other clip."""
    seen = {what_stands_for(clip): clip for clip in reversed(clips)}
    kept = {id(clip) for clip in seen.values()}
    return [clip for clip in clips if id(clip) in kept]


def _checked(clip: Clip) -> Clip:
    found = examine(clip)
    doubts = tuple(f"doubt: {f.text()}" for f in found.findings if f.verdict is Verdict.DOUBT)
    against = found.contradictions
    if against and not clip.read_options.trust:
        more = f" (and {len(against) - 1} more: simlift inspect)" if len(against) > 1 else ""
        first = against[0]
        cause = f"; likely {first.cause}" if first.cause else ""
        state = f"state {first.statement} in clip.json" if first.statement else "write it again"
        if clip.origin is not None:
            state = "leave it out with --episodes and --cameras, or write it again"
        raise ClipError(
            clip.path if clip.origin is None else f"{clip.path}: {clip.name}",
            f"its layers contradict each other{more}: {first.check}: {first.evidence}{cause}",
            way_out=f"{state}; see it with simlift inspect {clip.path} --out .; or --trust to take "
            "it as it is",
        )
    return replace(clip, notes=clip.notes + doubts, trusted=tuple(f.text() for f in against))


def _fingerprint(clip: Clip) -> str:
    total = hashlib.blake2b(digest_size=16)
    total.update(f"{VERSION} {clip.path.resolve()} {clip.fps} {clip.num_frames}".encode())
    for stored in clip.layers:
        total.update(f"{stored.layer.value} {stored.decode!r} {stored.to_camera!r}".encode())
    frames = sorted({k for run in looked_at(clip) for k in run})
    for stored in clip.layers:
        for path in _files_of(stored.store, frames):
            state = path.stat()
            total.update(f"{path} {state.st_size} {state.st_mtime_ns}".encode())
    for path in row_files(clip):
        state = path.stat()
        total.update(f"{path} {state.st_size} {state.st_mtime_ns}".encode())
    if clip.camera is not None:
        total.update(clip.camera.intrinsics.tobytes() + clip.camera.world_to_camera.tobytes())
    if clip.objects is not None:
        total.update(clip.objects.ids.tobytes() + clip.objects.poses.tobytes())
    total.update(digest(clip.read_options).encode())
    return total.hexdigest()


def _files_of(store: FrameStore, frames: Sequence[int]) -> list[Path]:
    """Return the files that hold some frames: all, where they are not one for each frame."""
    files = store.files
    if len(files) == store.num_frames:
        files = [files[k] for k in frames if k < store.num_frames]
    return [Path(path) for path in files]


def _cache_folder() -> Path:
    if named := os.environ.get(CACHE_VARIABLE):
        return Path(named) / "agreement"
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "simlift" / "agreement"


def _remember(path: Path, found: Agreement) -> None:
    partial = path.with_suffix(f".{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(dumps(found), encoding="utf-8")
        partial.replace(path)
    except OSError:
        return  # a folder that cannot be written costs the check again, nothing else
