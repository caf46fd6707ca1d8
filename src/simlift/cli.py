"""The command line: one short function for each verb; everything it does, Python can do too."""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from simlift.core.clip import Clip
from simlift.core.errors import RecipeError, SimliftError
from simlift.core.recipe import Recipe
from simlift.core.run import Run
from simlift.runs.memory import keep_pages
from simlift.runs.progress import Terminal
from simlift.runs.workers import Failure

Clips = tyro.conf.Positional[tuple[Path, ...]]
RunFolder = tyro.conf.Positional[Path]
Looks = Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME"), tyro.conf.UseAppendAction]
Settings = Annotated[
    tuple[str, ...], tyro.conf.arg(name="set", metavar="K=V"), tyro.conf.UseAppendAction
]
Classes = Annotated[tuple[str, ...], tyro.conf.arg(metavar="CLASS"), tyro.conf.UseAppendAction]

_out = Console(emoji=False)
_err = Console(stderr=True, emoji=False)


def demo(out: Path = Path("demo-run"), workers: int = os.cpu_count() or 1) -> int:
    """Lift the shipped episodes into four looks, score them, write the report.

    Args:
        out: Folder of the run.
        workers: Processes that work at once.
    """
    from simlift.runs.demo import demo_clips, demo_recipe
    from simlift.runs.lift import lift_clips
    from simlift.runs.report import report_run
    from simlift.runs.score import score_run
    from simlift.runs.summary import print_summary

    run, progress = Run(out), Terminal(_out)
    result = lift_clips(demo_clips(), demo_recipe(), out, workers=workers, progress=progress)
    failures = [*result.failures, *score_run(run, workers=workers, progress=progress)]
    page = report_run(run, progress=progress)
    print_summary(run, _out)
    _out.print(f"open {page} in a browser, or run: simlift serve {out}", markup=False)
    return _close(failures)


def look(clips: Clips, /, out: Path | None = None) -> int:
    """Say what is in a clip, and draw a contact sheet of its layers.

    Args:
        clips: Folders, videos or images.
        out: Folder for the contact sheets. Without it, only words.
    """
    from simlift.runs.look import contact_sheet, describe

    for clip in _open(clips):
        describe(clip, _out)
        if out is not None:
            _out.print(f"  sheet: {contact_sheet(clip, out / f'{clip.name}.png')}", markup=False)
    return 0


def record(
    scene: tyro.conf.Positional[Literal["tabletop", "drive", "model"]],
    /,
    out: Path,
    seed: int = 0,
    frames: int | None = None,
    size: tuple[int, int] | None = None,
    model: Path | None = None,
    camera: str | None = None,
    twin: bool = False,
    look: str | None = None,
    samples: int = 128,
) -> int:
    """Record an episode in MuJoCo, with every layer and its scene, as a native clip.

    Args:
        scene: An embedded scene, or "model" for the MJCF file given by --model.
        out: Folder of the clip.
        seed: Decides the scene's layout.
        frames: Number of frames.
        size: Width and height in pixels.
        model: An MJCF file.
        camera: A camera of that file; without it, one that sees the whole model.
        twin: Render the path-traced twin too; a clip that is there gains one, a killed one goes on.
        look: The twin's look: a name or a JSON file.
        samples: Paths for each pixel of the twin.
    """
    from simlift.runs.record import record_scene
    from simlift.runs.twin import record_twin, twin_spec
    from simlift.sources import open_clip

    if look is not None and not twin:
        raise RecipeError("--look", f"found {look!r}", allowed="with --twin")
    spec = twin_spec(scene, look, samples)
    progress = Terminal(_out)
    if not (twin and (out / "clip.json").exists()):
        missing = record_scene(
            scene, out, progress, seed=seed, frames=frames, size=size, model=model, camera=camera
        )
        if missing:
            _out.print(f"the clip carries no scene to trace: {missing}", markup=False)
    if twin:
        settings = record_twin(open_clip(out), spec, progress)
        _out.print(f"the twin and its settings: {settings}", markup=False)
    _out.print(f"recorded {out}; see it with: simlift look {out} --out .", markup=False)
    return 0


def estimate(
    clip: tyro.conf.Positional[Path],
    /,
    out: Path,
    depth: str | None = None,
    segmentation: str | None = None,
    near: float | None = None,
    far: float | None = None,
    fov: float | None = None,
    device: str = "cpu",
) -> int:
    """Give a plain video depth and segmentation by models of your own; run again to resume.

    Args:
        clip: A video, or a folder of images.
        out: Folder of the clip that is made.
        depth: A depth model: a folder in the layout of transformers, or an id of the Hub.
        segmentation: A semantic segmentation model, named the same way.
        near: Metres at which the nearest things stand, for models of relative depth.
        far: Metres at which the farthest things stand.
        fov: The camera's horizontal field of view in degrees, where it is known.
        device: "cpu" or "cuda".
    """
    from simlift.models.provenance import Estimate, advice
    from simlift.runs.estimate import estimate_clip
    from simlift.sources import open_clip

    settings = Estimate(depth, segmentation, near, far, fov)
    made = estimate_clip(open_clip(clip), out, settings, Terminal(_out), device=device)
    for line in advice(made):
        _out.print(line, markup=False)
    _out.print(f"estimated {out}; see it with: simlift look {out} --out .", markup=False)
    return 0


def lift(
    clips: Clips,
    /,
    out: Path,
    engine: str = "photographic",
    look: Looks = (),
    variants: int = 1,
    seed: int = 0,
    environment: str | None = None,
    backdrop: Path | None = None,
    replace: Classes = (),
    like: Path | None = None,
    prompt: str | None = None,
    samples: int | None = None,
    base: str | None = None,
    adapter: str | None = None,
    settings: Settings = (),
    device: str = "cpu",
    workers: int = 1,
) -> int:
    """Lift clips into takes; run it again to resume.

    Args:
        clips: Folders, videos or images.
        out: Folder of the run.
        engine: "photographic", "pathtraced", "echo", "wan", "keyframed", "lucy", "ditto", "cosmos",
            "ltx", "aleph", or your own as module:Class.
        look: A named look or a look's JSON file; may be given several times.
        variants: Looks (or seeds) of each clip; those not named by --look are sampled.
        seed: Decides sampled looks and noise.
        environment: Light: clear-sky, overcast, night, studio, window-room, lamp-room, or .hdr/.exr
            file.
        backdrop: Folder of photos to stand behind the scene.
        replace: A class of the segmentation that the backdrop replaces; may be given several times.
        like: Folder of real photos whose colours the takes shall have; photos in a sub-folder
            named after a class are for that class.
        prompt: Words that change the looks, such as "rain at night"; with learned weights, what
            the video shall show.
        samples: Paths for each pixel, with --engine pathtraced; 64 without it.
        base: Weights of an engine that has them: a folder as diffusers saves it, or a name of the
            Hugging Face Hub.
        adapter: What simlift train made.
        settings: A setting of the engine, such as steps=8; may be given several times.
        device: "cpu" or "cuda".
        workers: Processes that work at once, one clip each.
    """
    from simlift.runs.lift import lift_clips
    from simlift.runs.plan import plan_lift
    from simlift.runs.summary import print_idle_stages

    recipe = _recipe(
        engine,
        variants,
        seed,
        looks=look,
        environment=environment,
        backdrop=backdrop,
        replaced=replace,
        like=like,
        prompt=prompt,
        samples=samples,
        base=base,
        adapter=adapter,
        settings=settings,
    )
    opened = _open(clips)
    print_idle_stages(plan_lift(opened, recipe, measure=False), _out)
    result = lift_clips(
        opened, recipe, out, workers=workers, progress=Terminal(_out), device=device
    )
    _out.print(f"{result.made} takes made, {result.kept} were there: {out / 'takes'}", markup=False)
    return _close(result.failures)


def plan(
    clips: Clips,
    /,
    engine: str = "photographic",
    look: Looks = (),
    variants: int = 1,
    seed: int = 0,
    prompt: str | None = None,
    samples: int | None = None,
    base: str | None = None,
    adapter: str | None = None,
    settings: Settings = (),
    device: str = "cpu",
) -> int:
    """Say what a lift would do and cost, before it runs.

    Args:
        clips: Folders, videos or images.
        engine: "photographic", "pathtraced", "echo", "wan", "keyframed", "lucy", "ditto", "cosmos",
            "ltx", "aleph", or your own as module:Class.
        look: A named look or a look's JSON file; may be given several times.
        variants: Looks (or seeds) of each clip.
        seed: Decides sampled looks.
        prompt: Words that change the looks, such as "rain at night".
        samples: Paths for each pixel, with --engine pathtraced; 64 without it.
        base: Weights of an engine that has them.
        adapter: What simlift train made.
        settings: A setting of the engine, such as steps=8; may be given several times.
        device: "cpu" or "cuda".
    """
    from simlift.runs.plan import plan_lift
    from simlift.runs.summary import print_plans

    recipe = _recipe(
        engine,
        variants,
        seed,
        looks=look,
        prompt=prompt,
        samples=samples,
        base=base,
        adapter=adapter,
        settings=settings,
    )
    print_plans(plan_lift(_open(clips), recipe, device=device), _out)
    return 0


def score(run: RunFolder, /, workers: int = 1) -> int:
    """Measure what stayed true in every take, and let the gate decide.

    Args:
        run: Folder of the run.
        workers: Processes that work at once, one clip each.
    """
    from simlift.runs.score import score_run
    from simlift.runs.summary import print_summary

    failures = score_run(Run(run), workers=workers, progress=Terminal(_out))
    print_summary(Run(run), _out)
    return _close(failures)


def report(run: RunFolder, /) -> int:
    """Write a run's page: one file that opens from disk.

    Args:
        run: Folder of the run.
    """
    from simlift.runs.report import report_run

    page = report_run(Run(run), progress=Terminal(_out))
    _out.print(f"open {page} in a browser", markup=False)
    return 0


def serve(run: RunFolder, /, host: str = "127.0.0.1", port: int = 8000) -> int:
    """Serve a run's page, on this machine alone unless told otherwise.

    Args:
        run: Folder of the run.
        host: Address to listen on; 0.0.0.0 for every network.
        port: Port to listen on; 0 for any that is free.
    """
    from simlift.reports import serve as serve_report

    Run(run).recipe()
    serve_report(
        run,
        say=lambda url: _out.print(f"serving {url}; stop with Ctrl-C", markup=False),
        host=host,
        port=port,
    )
    return 0


def doctor() -> int:
    """Say what this machine can run, what is missing, and how to get it."""
    from simlift.runs.doctor import examine

    table = Table("", "found", "for", "way out", box=None, padding=(0, 2))
    for finding in examine():
        mark = "[green]yes[/green]" if finding.works else "[yellow]no[/yellow]"
        way_out = "" if finding.works else escape(finding.way_out)
        table.add_row(f"{mark} {finding.name}", escape(finding.found), finding.purpose, way_out)
    _out.print(table)
    return 0


VERBS: dict[str, Callable[..., Any]] = {
    "demo": demo,
    "look": look,
    "record": record,
    "estimate": estimate,
    "lift": lift,
    "plan": plan,
    "score": score,
    "report": report,
    "serve": serve,
    "doctor": doctor,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a verb; exit with 0, 1 where clips failed, 2 on bad input, 130 when interrupted."""
    keep_pages()
    try:
        code: int = tyro.extras.subcommand_cli_from_dict(
            VERBS, prog="simlift", description=__import__("simlift").__doc__, args=arguments
        )
    except SimliftError as error:
        _err.print(f"error: {error}", style="bold red", markup=False, highlight=False)
        code = 2
    except OSError as error:  # a file that may not be read or written
        _err.print(f"error: {error.filename}: {error.strerror}", style="bold red", markup=False)
        code = 2
    except KeyboardInterrupt:
        _err.print("interrupted; the same command resumes")
        code = 130
    sys.exit(code)


def _open(paths: Sequence[Path]) -> list[Clip]:
    from simlift.sources import open_clip

    if not paths:
        raise RecipeError("CLIP", "none was named", allowed="folders, videos or images")
    return [open_clip(path) for path in paths]


def _recipe(engine: str, count: int, seed: int, **asked: Any) -> Recipe:
    from simlift.runs.engines import variants_of

    variants = variants_of(engine, count=count, seed=seed, **asked)
    return Recipe(variants=variants, seed=seed)


def _close(failures: Sequence[Failure]) -> int:
    for failure in failures:
        _err.print(f"failed: {failure.name}: {failure.reason}", style="red", markup=False)
        if failure.trace:
            _err.print(failure.trace, markup=False, highlight=False)
    return 1 if failures else 0
