"""Print a run's scores, or a plan, as tables for the terminal."""

import math
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from simlift.core.run import Run
from simlift.evaluation.metrics import gaps_closed
from simlift.passes.attempts import AttemptsResult
from simlift.passes.plan import ClipPlan
from simlift.passes.twin import under_twin_light

# Short headings, so that the table fits 80 columns.
_SHOWN = {
    "edge_f1_near": "edges",
    "engine_edge_ratio": "geometry",
    "edge_offset": "offset",
    "blur_ssim": "structure",
    "flicker_ratio": "flicker",
}
_TWIN = {
    "twin_psnr": "psnr dB",
    "twin_ssim": "ssim",
    "twin_patches": "patches",
    "twin_flicker": "flicker",
    "lpips": "lpips",
}


def print_summary(run: Run, console: Console) -> None:
    """Print one line for each take: verdict, main scores, reasons."""
    table = Table(box=None, padding=(0, 1))
    for heading in ("clip", "variant", "verdict", *_SHOWN.values()):
        table.add_column(heading, overflow="fold")
    for take in run.takes():
        sheet = run.sheet(take.key)
        if sheet is None:
            table.add_row(escape(take.clip), take.variant, "not scored")
            continue
        values = sheet.values()
        shown = [_number(values.get(name, math.nan)) for name in _SHOWN]
        verdict = "[green]accepted[/green]" if sheet.accepted else "[red]rejected[/red]"
        table.add_row(escape(take.clip), take.variant, verdict, *shown)
    console.print(table)
    for take in run.takes():
        sheet = run.sheet(take.key)
        if sheet is not None and not sheet.accepted:
            console.print(f"  {take.key}: {'; '.join(sheet.reasons)}", markup=False)
    _print_twins(run, console)


def print_yield(tried: AttemptsResult, console: Console) -> None:
    """Print how many takes were accepted, at which attempt, and which are missing."""
    found = tried.yielded
    at = ", ".join(f"{count} at attempt {k + 1}" for k, count in enumerate(found.accepted_at))
    console.print(
        f"{found.accepted} of {found.asked} takes accepted ({found.share:.0%}: {at}); "
        f"{found.rejected} set apart in rejected/",
        markup=False,
    )
    for redo in tried.redo:
        reasons = "; ".join(redo.reasons)
        console.print(
            f"  to redo: {redo.clip}/{redo.variant} after {redo.attempts} attempts: {reasons}",
            markup=False,
        )


def _print_twins(run: Run, console: Console) -> None:
    """Print, for takes of clips with a twin, how near it they come, and the share they closed.

    A twin under another light is no aim, so distances to it are left out.
    """
    sheets = [(take, run.sheet(take.key)) for take in run.takes()]
    found = [(take, sheet.values()) for take, sheet in sheets if sheet]
    rows = [(take, values) for take, values in found if "twin_psnr" in values]
    if not rows:
        return
    table = Table(box=None, padding=(0, 1))
    for heading in ("clip", "variant", *_TWIN.values()):
        table.add_column(heading, overflow="fold")
    others = unknown = 0
    for take, values in rows:
        same = under_twin_light(take)
        if same is False:
            others += 1
            continue
        unknown += same is None
        gap_closed = gaps_closed(values)
        shown = [_to_twin(values.get(n, math.nan), gap_closed.get(n, math.nan)) for n in _TWIN]
        table.add_row(escape(take.clip), take.variant, *shown)
    if table.row_count:
        console.print("against the twin (share of the render's distance closed):")
        console.print(table)
    if others:
        console.print(
            f"no distance to the twin for {others} of {len(rows)} takes: they have another light",
            style="dim",
        )
    if unknown:
        console.print(
            f"for {unknown} of {len(rows)} takes it is not known whether the twin has their light",
            style="dim",
        )


def _to_twin(value: float, share: float) -> str:
    return _number(value) + ("" if math.isnan(share) else f" ({share:.0%})")


def print_idle_stages(plans: Sequence[ClipPlan], console: Console) -> None:
    """Print which stages have nothing to work on, and why.

    Once for each clip, and for each further look what it asks for and that clip does not carry.
    """
    seen = set()
    for plan in plans:
        first = plan.clip not in seen
        seen.add(plan.clip)
        idle = [stage for stage in plan.stages if not stage.on and (first or stage.lost)]
        if not idle:
            continue
        reasons = "; ".join(dict.fromkeys(stage.reason for stage in idle))
        names = ", ".join(stage.name for stage in idle)
        where = plan.clip if first else f"{plan.clip} / {plan.variant}"
        console.print(f"{where}: off: {names} ({reasons})", markup=False)


def print_plans(plans: Sequence[ClipPlan], console: Console) -> None:
    """Print what each clip and variant will do and cost, and the sum."""
    for plan in plans:
        console.print(
            f"{plan.clip} / {plan.variant}: {plan.num_frames} frames", style="bold", markup=False
        )
        if plan.all_frames != plan.num_frames:
            console.print(f"  stands for its camera's episodes: {plan.all_frames} frames in all")
        for stage in plan.stages:
            mark = "on " if stage.on else "off"
            style = "" if stage.on else "dim"
            console.print(f"  {mark} {stage.name}: {stage.reason}", style=style, markup=False)
        console.print(f"  memory about {plan.memory_bytes / 1e9:.2f} GB for a worker")
        console.print(f"  disk about {plan.disk_bytes / 1e6:.0f} MB")
        if plan.seconds is not None:
            console.print(
                f"  time about {_duration(plan.seconds)} without coding "
                f"({plan.num_frames / plan.seconds:.2g} frames/s, from {plan.basis})"
            )
        elif plan.basis:
            console.print(f"  {plan.basis}")
    seconds = [plan.seconds * plan.times for plan in plans if plan.seconds is not None]
    known = f", {_duration(sum(seconds))} on one worker" if seconds else ""
    console.print(
        f"together: {sum(p.all_frames for p in plans)} frames, "
        f"{sum(p.disk_bytes * p.times for p in plans) / 1e6:.0f} MB{known}; nothing was made"
    )


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
