"""Write OSCAR jobs by hand: first frames and skeletons as folders that its own CLI reads.

    out/<clip>/<variant>/first_frame.png  skeleton.mp4  prompt.txt  job.json

A folder is whole when job.json is there. First frames, prompts and seeds are those that
`simlift lift --engine oscar` would use under the same recipe.
"""

import shlex
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from simlift.core.clip import Clip, ClipReader
from simlift.core.clip_sample import sample_clip
from simlift.core.errors import RecipeError, RunError
from simlift.core.protocols import Control, WindowSize
from simlift.core.recipe import Recipe, Variant
from simlift.core.run import hold_folder, write_text
from simlift.core.strict_json import dumps, encode, read_json
from simlift.core.window import ClipSample
from simlift.engines.anchors import FirstFrame, make_first_frame, prompt_of
from simlift.engines.oscar import Oscar
from simlift.engines.oscar.conditions import draw_skeleton, first_skeleton, fit_frames
from simlift.engines.oscar.jobs import FIRST_FRAME, SKELETON, open_skeleton
from simlift.media.images import write_image
from simlift.passes.agreement import require_agreement
from simlift.passes.lift import check_layers, check_names
from simlift.passes.lift_windows import read_windows
from simlift.passes.provenance import source_digest
from simlift.scale.progress import Progress

_FRAMES_READ = 16


@dataclass(frozen=True)
class JobFolders:
    """What was written: folders made now, and those that were there already."""

    made: tuple[Path, ...]
    kept: tuple[Path, ...]


def write_oscar_jobs(
    clips: Sequence[Clip], recipe: Recipe, out: Path, *, device: str = "cpu", progress: Progress
) -> JobFolders:
    """Write a job folder for every clip and variant of a recipe of the OSCAR engine.

    `device` is where first frames are made. RecipeError for a recipe of another engine; RunError
    where no first frame passes its gate.
    """
    specs = {variant.name: _oscar(variant) for variant in recipe.variants}
    check_names(clips)
    clips = require_agreement(clips)
    for clip in clips:
        for spec in specs.values():
            check_layers(clip, spec.needs())
            spec.check_conditions(clip)
    made, kept = list[Path](), list[Path]()
    with (
        hold_folder(out),
        progress.task("OSCAR jobs", sum(c.num_frames for c in clips) * len(specs)) as advance,
    ):
        for clip in clips:
            todo = []
            for variant in recipe.variants:
                folder = out / clip.name / variant.name
                whole = _is_made(folder, variant, recipe.seed_for(variant, clip.group))
                (kept if whole else made).append(folder)
                todo += [] if whole else [variant]
                advance(clip.num_frames if whole else 0)
            if todo:
                _write_clip(clip, recipe, todo, specs, out, device)
                advance(clip.num_frames * len(todo))
    return JobFolders(tuple(made), tuple(kept))


def _is_made(folder: Path, variant: Variant, take_seed: int) -> bool:
    """Whether a folder holds the job of a variant; RunError where it holds another one."""
    file = folder / "job.json"
    if not file.is_file():
        return False
    found, expected = read_json(file), encode({"engine": variant.engine, "take_seed": take_seed})
    if {key: found.get(key) for key in expected} != expected:
        raise RunError(
            file,
            "is the job of another recipe",
            allowed="the same engine settings and seed to go on",
            way_out="choose another folder",
        )
    return True


def _oscar(variant: Variant) -> Oscar:
    spec = variant.engine.load()
    if not isinstance(spec, Oscar):
        raise RecipeError(
            f"variant {variant.name}",
            f"is of {variant.engine.kind}",
            allowed="variants of --engine oscar",
        )
    return spec


def _write_clip(
    clip: Clip,
    recipe: Recipe,
    variants: Sequence[Variant],
    specs: dict[str, Oscar],
    out: Path,
    device: str,
) -> None:
    layers = frozenset().union(*(specs[v.name].needs() | specs[v.name].uses() for v in variants))
    with clip.open(layers) as reader:
        sample = sample_clip(reader)
        for variant in variants:
            spec, folder = specs[variant.name], out / clip.name / variant.name
            seed = recipe.seed_for(variant, clip.group)
            control = spec.open_control()
            first = _first_frame(reader, spec, sample, control, seed, device)
            how = fit_frames(clip.height, clip.width, spec.fit)
            write_image(folder / FIRST_FRAME, how.apply(first.picture[None])[0])
            _write_skeleton(reader, spec, control, folder / SKELETON)
            prompt = prompt_of(spec.prompt, spec.first_frames.spec(), clip.caption, seed)
            write_text(folder / "prompt.txt", prompt + "\n")
            job = _job(clip, variant, spec, prompt, seed, first)
            write_text(folder / "job.json", dumps(job))


def _first_frame(
    reader: ClipReader, spec: Oscar, sample: ClipSample, control: Control, seed: int, device: str
) -> FirstFrame:
    window = reader.window([0])
    with spec.first_frames.spec().open(device) as maker:
        return make_first_frame(
            spec.first_frames, maker, window, sample, first_skeleton(control, window), seed
        )


def _write_skeleton(reader: ClipReader, spec: Oscar, control: Control, path: Path) -> None:
    how = fit_frames(reader.clip.height, reader.clip.width, spec.fit)
    with ExitStack() as stack:
        video = stack.enter_context(open_skeleton(path, spec.fps))
        for window in read_windows(reader, WindowSize(_FRAMES_READ)):
            video.append(draw_skeleton(control, window, how, spec.drawn_at))


def _job(
    clip: Clip, variant: Variant, spec: Oscar, prompt: str, seed: int, first: FirstFrame
) -> dict[str, Any]:
    """Return what job.json holds: how the folder came about, and the release's own command."""
    number = spec.window_seed(seed, 0)
    command = [
        *("torchrun", "--nproc_per_node=1", "inference/inference_oscar.py"),
        *("--checkpoint", "checkpoints", "--first-frame", FIRST_FRAME),
        *("--skeleton-video", SKELETON, "--start-frame", "0", "--prompt", prompt),
        *("--num-steps", str(spec.steps), "--guidance", f"{spec.guidance:g}"),
        *("--seed", str(number), "--output", "out.mp4"),
    ]
    return {
        "clip": clip.name,
        "variant": variant.name,
        "source": clip.path.resolve(),
        "source_digest": source_digest(clip),
        "engine": variant.engine,
        "origin": clip.origin,
        "weights": spec.weights(),
        "prompt": prompt,
        "take_seed": seed,
        "seed": number,
        "sampling": asdict(spec.sampling()),
        "first_frame": first.note,
        "clip_frames": clip.num_frames,
        "clip_fps": clip.fps,
        "clip_size": [clip.height, clip.width],
        # Later windows begin with the last frame of the video before, which is not made yet.
        "window_starts": spec.window_starts(clip.num_frames),
        "command": shlex.join(command),
        "notes": clip.notes,
    }
