"""The verbs that make, judge and show takes."""

import os
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from simlift.cli import options
from simlift.cli.options import Classes, Clips, Looks, RunFolder, Settings
from simlift.core.run import Run
from simlift.scale.progress import Terminal


def demo(out: Path = Path("demo-run"), workers: int = os.cpu_count() or 1) -> int:
    """Lift the shipped episodes into three looks, score them, write the report.

    Args:
        out: Folder of the run.
        workers: Processes that work at once.
    """
    from simlift.passes.demo import demo_clips, demo_recipe
    from simlift.passes.lift import lift_clips
    from simlift.passes.report import report_run
    from simlift.passes.score import score_run
    from simlift.passes.tables import print_summary

    run, progress = Run(out), Terminal(options.out)
    result = lift_clips(demo_clips(), demo_recipe(), out, workers=workers, progress=progress)
    failures = [*result.failures, *score_run(run, workers=workers, progress=progress)]
    page = report_run(run, progress=progress)
    print_summary(run, options.out)
    options.out.print(f"open {page} in a browser, or run: simlift serve {out}", markup=False)
    return options.close(failures)


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
    from simlift.passes.lift import lift_clips
    from simlift.passes.plan import plan_lift
    from simlift.passes.tables import print_idle_stages

    recipe = options.recipe_of(
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
    opened = options.open_clips(clips)
    print_idle_stages(plan_lift(opened, recipe, measure=False), options.out)
    result = lift_clips(
        opened, recipe, out, workers=workers, progress=Terminal(options.out), device=device
    )
    options.out.print(
        f"{result.made} takes made, {result.kept} were there: {out / 'takes'}", markup=False
    )
    return options.close(result.failures)


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
    from simlift.passes.plan import plan_lift
    from simlift.passes.tables import print_plans

    recipe = options.recipe_of(
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
    print_plans(plan_lift(options.open_clips(clips), recipe, device=device), options.out)
    return 0


def score(run: RunFolder, /, workers: int = 1) -> int:
    """Measure what stayed true in every take, and let the gate decide.

    Args:
        run: Folder of the run.
        workers: Processes that work at once, one clip each.
    """
    from simlift.passes.score import score_run
    from simlift.passes.tables import print_summary

    failures = score_run(Run(run), workers=workers, progress=Terminal(options.out))
    print_summary(Run(run), options.out)
    return options.close(failures)


def report(run: RunFolder, /) -> int:
    """Write a run's page: one file that opens from disk.

    Args:
        run: Folder of the run.
    """
    from simlift.passes.report import report_run

    page = report_run(Run(run), progress=Terminal(options.out))
    options.out.print(f"open {page} in a browser", markup=False)
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
        say=lambda url: options.out.print(f"serving {url}; stop with Ctrl-C", markup=False),
        host=host,
        port=port,
    )
    return 0


def doctor(deep: bool = False) -> int:
    """Say what this machine can run, what is missing, and how to get it.

    Args:
        deep: Import every library and try its renderer or device, which takes half a minute.
    """
    from simlift.passes.doctor import examine

    untried = False
    for group in examine(deep=deep):
        options.out.print(f"[bold]{group.name}[/bold]  {escape(group.purpose)}", highlight=False)
        table = Table.grid(padding=(0, 2, 0, 0))
        for finding in group.findings:
            mark = "[green]yes[/green]" if finding.works else "[yellow]no[/yellow]"
            seen = finding.found
            if finding.works and not finding.tried:
                seen, untried = f"{seen} (found, not tried)", True
            if not finding.works and finding.way_out:
                seen = f"{seen}\n{finding.way_out}"
            table.add_row("", mark, escape(finding.name), escape(seen))
        options.out.print(table)
    if untried and not deep:
        options.out.print("simlift doctor --deep tries what was only found", highlight=False)
    return 0
