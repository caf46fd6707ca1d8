"""Define the verbs that make, score and show takes."""

import os
from pathlib import Path
from typing import Literal

from simlift.cli import options
from simlift.cli.options import (
    Classes,
    Clips,
    Looks,
    MaybeChoosing,
    MaybePath,
    MaybeText,
    RunFolder,
    Settings,
)


def demo(out: Path = Path("demo-run"), workers: int = os.cpu_count() or 1) -> int:
    """Lift the shipped episodes into three looks, score them, report.

    Args:
        out: Folder of the run.
        workers: Processes that work at once.
    """
    from simlift.core.run import Run
    from simlift.passes.demo import demo_clips, demo_recipe
    from simlift.passes.lift import lift_clips
    from simlift.passes.report import report_run
    from simlift.passes.score import score_run
    from simlift.passes.tables import print_summary

    run, progress = Run(out), options.progress()
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
    looks: Literal["drawn", "shared"] = "drawn",
    environment: MaybeText = None,
    backdrop: MaybePath = None,
    replace: Classes = (),
    like: MaybePath = None,
    prompt: MaybeText = None,
    base: MaybeText = None,
    adapter: MaybeText = None,
    settings: Settings = (),
    device: str = "auto",
    workers: int = 1,
    attempts: int = 1,
    dry_run: bool = False,
    reading: MaybeChoosing = options.Choosing(),
) -> int:
    """Lift clips into takes; run it again to resume.

    Args:
        clips: Folders, videos or images.
        out: Folder of the run.
        engine: A name that simlift engines lists, or your own as module:Class.
        look: A look that simlift looks lists, or a look's JSON file.
        variants: Looks (or seeds) of each clip; those not named by --look are sampled.
        seed: Decides sampled looks and noise.
        looks: Whether every episode of a dataset draws its sampled looks anew, or all share one
            set. All cameras of an episode share its looks either way.
        environment: Light: clear-sky, overcast, night, studio, window-room, lamp-room, or .hdr/.exr
            file.
        backdrop: Folder of photos to stand behind the scene.
        replace: A class of the segmentation that the backdrop replaces.
        like: Folder of real photos whose colours the takes shall have; photos in a sub-folder
            named after a class are for that class.
        prompt: Words that change the looks, such as "rain at night"; with learned weights, what
            the video shall show.
        base: Weights of an engine that has them: a folder as diffusers saves it, or a name of the
            Hugging Face Hub.
        adapter: What simlift train made.
        settings: A setting of the engine, such as steps=8, which simlift engines NAME lists;
            may be given several times.
        device: "cpu", "cuda", or "auto": cuda where torch finds it.
        workers: Processes that work at once, one clip each.
        attempts: With 2 or more, takes are scored, and those that the gate rejects are set apart in
            rejected/ and made again with another seed, this often at most.
        dry_run: Say what it would do and cost, and make nothing.
    """
    from simlift.core.errors import RecipeError
    from simlift.core.run import Run
    from simlift.passes.lift import check_names, lift_clips
    from simlift.passes.plan import plan_lift
    from simlift.passes.tables import print_idle_stages, print_plans, print_summary

    if attempts < 1:
        raise RecipeError("--attempts", f"found {attempts}", allowed="at least 1")
    opened = options.open_clips(clips, reading)
    check_names(opened)
    recipe = options.recipe_of(
        engine,
        variants,
        seed,
        drawn=looks == "drawn" and any(clip.origin for clip in opened),
        looks=look,
        environment=environment,
        backdrop=backdrop,
        replaced=replace,
        like=like,
        prompt=prompt,
        base=base,
        adapter=adapter,
        settings=settings,
    )
    place = options.engine_device(device, engine)
    options.print_doubts(opened)
    if dry_run:
        print_plans(plan_lift(opened, recipe, device=place), options.out)
        return 0
    print_idle_stages(plan_lift(opened, recipe, measure=False), options.out)
    if attempts != 1:
        from simlift.passes.attempts import lift_until_accepted
        from simlift.passes.tables import print_yield

        tried = lift_until_accepted(
            opened,
            recipe,
            out,
            attempts=attempts,
            workers=workers,
            progress=options.progress(),
            device=place,
        )
        print_summary(Run(out), options.out)
        print_yield(tried, options.out)
        return options.close(tried.failures)
    result = lift_clips(
        opened, recipe, out, workers=workers, progress=options.progress(), device=place
    )
    options.out.print(
        f"{result.made} takes made, {result.kept} were there: {out / 'takes'}", markup=False
    )
    return options.close(result.failures)


def score(
    run: RunFolder,
    /,
    workers: int = 1,
    critic_url: MaybeText = None,
    critic_model: MaybeText = None,
    critic_key: MaybeText = None,
) -> int:
    """Measure what stayed true in every take, and let the gate decide.

    Args:
        run: Folder of the run.
        workers: Processes that work at once, one clip each.
        critic_url: OpenAI-compatible server of a vision model that scores takes from 1 to 5.
        critic_model: Name of that model.
        critic_key: Environment variable that holds the server's key.
    """
    from simlift.core.errors import RecipeError
    from simlift.core.run import Run
    from simlift.passes.critic import Critic
    from simlift.passes.score import score_run
    from simlift.passes.tables import print_summary

    if (critic_url is None) != (critic_model is None):
        raise RecipeError("--critic-url, --critic-model", "one is missing", allowed="both or none")
    critic = Critic(critic_url, critic_model, critic_key) if critic_url and critic_model else None
    failures = score_run(Run(run), workers=workers, progress=options.progress(), critic=critic)
    print_summary(Run(run), options.out)
    return options.close(failures)


def report(run: RunFolder, /) -> int:
    """Write a run's page: one file that opens from disk.

    Args:
        run: Folder of the run.
    """
    from simlift.core.run import Run
    from simlift.passes.report import report_run

    page = report_run(Run(run), progress=options.progress())
    options.out.print(f"open {page} in a browser", markup=False)
    return 0


def serve(run: RunFolder, /, host: str = "127.0.0.1", port: int = 8000) -> int:
    """Serve a run's page, on this machine alone unless told otherwise.

    Args:
        run: Folder of the run.
        host: Address to listen on; 0.0.0.0 for every network.
        port: Port to listen on; 0 for any that is free.
    """
    from simlift.core.run import Run
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
        deep: Import every library and try its renderer or device, which may take a minute.
    """
    from rich.markup import escape
    from rich.table import Table

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
