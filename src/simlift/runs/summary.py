"""A run's sheets, or a plan -> tables for the terminal."""

import math
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from simlift.core.run import Run
from simlift.runs.plan import ClipPlan

_SHOWN = ("edge_f1_near", "engine_edge_ratio", "edge_offset", "blur_ssim", "flicker_ratio")


def print_summary(run: Run, console: Console) -> None:
    """Print one line for each take: verdict, main scores, reasons."""
    table = Table("clip", "variant", "verdict", *_SHOWN, box=None, padding=(0, 1))
    for take in run.takes():
        sheet = run.sheet(take.key)
        if sheet is None:
            table.add_row(take.clip, take.variant, "not scored")
            continue
        values = sheet.values()
        shown = [_number(values.get(name, math.nan)) for name in _SHOWN]
        verdict = "[green]accepted[/green]" if sheet.accepted else "[red]rejected[/red]"
        table.add_row(take.clip, take.variant, verdict, *shown)
    console.print(table)
    for take in run.takes():
        sheet = run.sheet(take.key)
        if sheet is not None and not sheet.accepted:
            console.print(f"  {take.key}: {'; '.join(sheet.reasons)}")


def print_plans(plans: Sequence[ClipPlan], console: Console) -> None:
    """Print what each clip and variant will do and cost, and the sum."""
    for plan in plans:
        console.print(f"[bold]{plan.clip}[/bold] / {plan.variant}: {plan.num_frames} frames")
        for stage in plan.stages:
            mark = "on " if stage.on else "off"
            style = "" if stage.on else "dim"
            console.print(f"  {mark} {stage.name}: {stage.reason}", style=style)
        console.print(f"  memory about {plan.memory_bytes / 1e9:.2f} GB for a worker")
        console.print(f"  disk about {plan.disk_bytes / 1e6:.0f} MB")
        if plan.seconds is not None:
            console.print(
                f"  time about {_duration(plan.seconds)} without coding "
                f"({plan.num_frames / plan.seconds:.1f} frames/s, measured on two frames)"
            )
    seconds = [plan.seconds for plan in plans if plan.seconds is not None]
    console.print(
        f"together: {sum(p.num_frames for p in plans)} frames, "
        f"{sum(p.disk_bytes for p in plans) / 1e6:.0f} MB, {_duration(sum(seconds))} on one worker"
    )


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
