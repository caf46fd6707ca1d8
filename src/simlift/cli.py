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
from simlift.core.recipe import Recipe, Variant
from simlift.core.run import Run
from simlift.runs.memory import keep_pages
from simlift.runs.progress import Terminal
from simlift.runs.workers import Failure

Clips = tyro.conf.Positional[tuple[Path, ...]]
RunFolder = tyro.conf.Positional[Path]
Looks = Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME"), tyro.conf.UseAppendAction]
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
) -> int:
    """Record an episode in MuJoCo, with every layer, as a native clip.

    Args:
        scene: An embedded scene, or "model" for the MJCF file given by --model.
        out: Folder of the clip.
        seed: Decides the scene's layout.
        frames: Number of frames.
        size: Width and height in pixels.
        model: An MJCF file.
        camera: A camera of that file; without it, one that sees the whole model.
    """
    from simlift.runs.record import record_scene

    path = record_scene(
        scene, out, Terminal(_out), seed=seed, frames=frames, size=size, model=model, camera=camera
    )
    _out.print(f"recorded {path}; see it with: simlift look {path} --out .", markup=False)
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
    workers: int = 1,
) -> int:
    """Lift clips into takes; run it again to resume.

    Args:
        clips: Folders, videos or images.
        out: Folder of the run.
        engine: "photographic", "echo", or your own as module:Class.
        look: A named look or a look's JSON file; may be given several times.
        variants: Looks (or seeds) of each clip; those not named by --look are sampled.
        seed: Decides sampled looks and noise.
        environment: Light: clear-sky, overcast, studio, window-room, lamp-room, or .hdr/.exr file.
        backdrop: Folder of photos to stand behind the scene.
        replace: A class of the segmentation that the backdrop replaces; may be given several times.
        like: Folder of real photos whose colours the takes shall have.
        workers: Processes that work at once, one clip each.
    """
    from simlift.runs.lift import lift_clips
    from simlift.runs.plan import plan_lift
    from simlift.runs.summary import print_idle_stages

    recipe = _recipe(engine, look, variants, seed, environment, backdrop, replace, like)
    opened = _open(clips)
    print_idle_stages(plan_lift(opened, recipe, measure=False), _out)
    result = lift_clips(opened, recipe, out, workers=workers, progress=Terminal(_out))
    _out.print(f"{result.made} takes made, {result.kept} were there: {out / 'takes'}", markup=False)
    return _close(result.failures)


def plan(
    clips: Clips,
    /,
    engine: str = "photographic",
    look: Looks = (),
    variants: int = 1,
    seed: int = 0,
) -> int:
    """Say what a lift would do and cost, before it runs.

    Args:
        clips: Folders, videos or images.
        engine: "photographic", "echo", or your own as module:Class.
        look: A named look or a look's JSON file; may be given several times.
        variants: Looks (or seeds) of each clip.
        seed: Decides sampled looks.
    """
    from simlift.runs.plan import plan_lift
    from simlift.runs.summary import print_plans

    recipe = _recipe(engine, look, variants, seed, None, None, (), None)
    print_plans(plan_lift(_open(clips), recipe), _out)
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


def _recipe(
    engine: str,
    looks: Sequence[str],
    count: int,
    seed: int,
    environment: str | None,
    backdrop: Path | None,
    replaced: Sequence[str],
    like: Path | None,
) -> Recipe:
    from simlift.runs.engines import variants_of

    variants: tuple[Variant, ...] = variants_of(
        engine,
        looks=looks,
        count=count,
        seed=seed,
        environment=environment,
        backdrop=backdrop,
        replaced=replaced,
        like=like,
    )
    return Recipe(variants=variants, seed=seed)


def _close(failures: Sequence[Failure]) -> int:
    for failure in failures:
        _err.print(f"failed: {failure.name}: {failure.reason}", style="red", markup=False)
        if failure.trace:
            _err.print(failure.trace, markup=False, highlight=False)
    return 1 if failures else 0
