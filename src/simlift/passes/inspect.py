"""Describe in words what a clip or a dataset holds."""

from collections.abc import Sequence
from itertools import islice

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from simlift.core.clip import Clip
from simlift.core.dataset import Dataset, Episode
from simlift.core.layers import Layer
from simlift.engines.photographic import Photographic
from simlift.evaluation.agreement import Agreement, Verdict
from simlift.passes.agreement import examine

_TASKS = 5  # that are listed

# How a verdict is printed: a word, and a colour.
_VERDICTS = {
    Verdict.AGREES: ("agrees", "green"),
    Verdict.NO_EVIDENCE: ("no evidence", "dim"),
    Verdict.DOUBT: ("doubt", "yellow"),
    Verdict.CONTRADICTS: ("contradicts", "red"),
}


def describe(clip: Clip, console: Console) -> None:
    """Print what the clip holds, what is missing, and what the default engine will make of it."""
    rate = "varying, about " if clip.timestamps else ""
    console.print(
        f"{clip.name}  {clip.num_frames} frames, {clip.width}x{clip.height}, "
        f"{rate}{float(clip.fps):.3f} fps, {clip.num_frames / float(clip.fps):.2f} s",
        markup=False,
    )
    if clip.caption:
        console.print(f"  {clip.caption}", markup=False)
    table = Table(box=None, padding=(0, 2), show_header=False)
    for layer in Layer:
        if layer in clip:
            stored = clip.stored(layer)
            table.add_row("layer", layer.value, stored.unit.value, stored.note)
        else:
            table.add_row("[dim]absent", f"[dim]{layer.value}", "", "")
    for name, found in _tracks(clip).items():
        table.add_row("track" if found else "[dim]absent", name if found else f"[dim]{name}", found)
    agreement = examine(clip)
    if agreement.depth_range is not None:
        low, high = agreement.depth_range
        sky = f"nothing hit in {agreement.sky or 0:.1%} of pixels"
        table.add_row("depth", f"{low:.3g} to {high:.4g} m", "of 98 % of pixels", sky)
    for stage in Photographic().check(clip):
        mark = "stage on" if stage.on else "[dim]stage off"
        table.add_row(mark, stage.name if stage.on else f"[dim]{stage.name}", stage.reason)
    console.print(table)
    print_findings(agreement, console)
    for note in clip.notes:
        console.print(f"  note: {note}", markup=False)


def print_findings(agreement: Agreement, console: Console) -> None:
    """Print whether layers agree with each other, each check as a paragraph of its own."""
    table = Table(box=None, padding=(0, 2), show_header=False)
    for finding in agreement.findings:
        mark, style = _VERDICTS[finding.verdict]
        worst = f" (worst: frame {finding.frame})" if style == "red" and finding.frame else ""
        table.add_row(f"[{style}]{mark}", escape(finding.text() + worst))
    if agreement.findings:
        console.print(table)


def _tracks(clip: Clip) -> dict[str, str]:
    camera = clip.camera
    return {
        "camera": ("moving" if camera.moves else "fixed") if camera else "",
        "objects": f"{len(clip.objects.ids)} rigid bodies" if clip.objects else "",
        "labels": f"{len({k.category for k in clip.labels.values()})} classes"
        if clip.labels
        else "",
        "robot": f"{len(clip.robot.joint_names)} joints, {len(clip.robot.link_names)} links, "
        f"arms: {', '.join(arm.name for arm in clip.robot.arms) or 'unknown'}"
        if clip.robot
        else "",
        "actions": clip.actions.name if clip.actions else "",
        "audio": "carried over" if clip.audio else "",
    }


def describe_dataset(
    dataset: Dataset, episodes: Sequence[Episode], cameras: Sequence[str], console: Console
) -> None:
    """Print what a dataset holds of some episodes and cameras; no pixel is read."""
    lengths = [episode.num_frames for episode in episodes]
    rows: list[tuple[str, ...]] = []

    def row(*words: object) -> None:
        rows.append((*map(str, words), "", "")[:4])

    row("format", dataset.layout)
    row("robot", dataset.robot_type or "not stated")
    row("licence", dataset.licence or "not stated")
    row("frames a second", f"{float(dataset.fps):g}")
    part = "" if len(episodes) == len(dataset.episodes) else f" of {len(dataset.episodes)}"
    row("episodes", f"{len(episodes)}{part}", f"of {min(lengths)} to {max(lengths)} frames")
    row("frames", sum(lengths), f"{sum(lengths) / float(dataset.fps) / 60:.1f} min")
    judged = [episode.success for episode in episodes if episode.success is not None]
    if judged:
        row("success", f"{sum(judged)} of {len(judged)}")
    for camera in cameras:
        clip = dataset.clip(episodes[0], camera)
        more = [layer.value for layer in Layer if layer in clip and layer is not Layer.RGB]
        row("camera", camera, f"{clip.width}x{clip.height}", ", ".join(more))
    for name, feature in dataset.features.items():
        shape = "x".join(map(str, feature.shape)) or "scalar"
        row("feature", name, f"{feature.dtype} {shape}", ", ".join(feature.names or ()))
    tasks = dict.fromkeys(task for episode in episodes for task in episode.tasks)
    for task in islice(tasks, _TASKS):
        row("task", task)
    if len(tasks) > _TASKS:
        row("", f"and {len(tasks) - _TASKS} more tasks")
    widths = [max(len(line[k]) for line in rows) for k in range(2)]
    console.print(f"{dataset.path}", markup=False, highlight=False, soft_wrap=True)
    for first, second, *rest in rows:
        line = "  ".join((first.ljust(widths[0]), second.ljust(widths[1]), *rest)).rstrip()
        console.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)
    for note in dataset.notes:
        console.print(f"  note: {note}", markup=False)
