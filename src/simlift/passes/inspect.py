"""Describe what a clip holds, in words and as a contact sheet."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from simlift.controls import EngineEdges
from simlift.core.clip import Clip
from simlift.core.layers import Array, Layer
from simlift.core.window import Window
from simlift.engines.photographic import Photographic
from simlift.evaluation.agreement import Agreement, Verdict
from simlift.media.images import write_image
from simlift.passes.agreement import examine

_TILE = 320  # width of a tile in pixels
_COLUMNS = 5  # frames across the sheet
_MARGIN = 3  # pixels around a tile
_RED = (230, 40, 30)

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
        "robot": f"{len(clip.robot.joint_names)} joints, {len(clip.robot.link_names)} links"
        if clip.robot
        else "",
        "actions": clip.actions.name if clip.actions else "",
        "audio": "carried over" if clip.audio else "",
    }


def contact_sheet(clip: Clip, path: Path) -> Path:
    """Write a sheet with one row for each layer, and one for the geometry edges, and return it.

    The frame in which layers agree least has a red frame, where they contradict each other.
    """
    found = examine(clip)
    worst = found.worst_frame if found.contradictions else None
    even = np.linspace(0, clip.num_frames - 1, _COLUMNS).astype(int)
    indices = np.unique([*even, *([] if worst is None else [worst])])
    with clip.open(Layer) as reader:
        windows = [reader.window([int(i)]) for i in indices]
    rows = [
        np.hstack([_tile(draw(window)) for window in windows])
        for layer, draw in _PICTURES.items()
        if layer in clip
    ]
    edges = EngineEdges()
    if any(layer in clip for layer in (Layer.DEPTH, Layer.NORMALS, Layer.SEGMENTATION)):
        rows.append(np.hstack([_tile(edges.draw(window)[0]) for window in windows]))
    sheet = np.vstack(rows)
    if worst is not None:
        width = _TILE + 2 * _MARGIN
        left = int(np.searchsorted(indices, worst)) * width
        cv2.rectangle(sheet, (left, 0), (left + width - 1, len(sheet) - 1), _RED, _MARGIN)
    write_image(path, sheet)
    return path


def _tile(picture: Array) -> Array:
    height = max(round(picture.shape[0] * _TILE / picture.shape[1]), 1)
    tile = cv2.resize(picture, (_TILE, height), interpolation=cv2.INTER_AREA)
    return np.pad(tile, ((_MARGIN,) * 2, (_MARGIN,) * 2, (0, 0)), constant_values=24)


def _depth(window: Window) -> Array:
    depth = window[Layer.DEPTH][0]
    finite = depth[np.isfinite(depth)]
    low, high = np.percentile(finite, [1, 99]) if finite.size else (0.0, 1.0)
    near = 1 - np.clip((depth - low) / max(high - low, 1e-6), 0, 1)
    codes = np.where(np.isfinite(depth), near * 255, 0).astype(np.uint8)
    return np.asarray(
        cv2.cvtColor(cv2.applyColorMap(codes, cv2.COLORMAP_VIRIDIS), cv2.COLOR_BGR2RGB)
    )


def _ids(window: Window) -> Array:
    ids = window[Layer.SEGMENTATION][0].astype(np.uint32)
    mixed = ids * np.uint32(2654435761)
    colours = np.dstack([(mixed >> shift) & 255 for shift in (8, 16, 24)]).astype(np.uint8)
    return np.where(ids[..., None] == 0, 0, colours | 48).astype(np.uint8)


def _normals(window: Window) -> Array:
    return (
        ((window[Layer.NORMALS][0] * (0.5, -0.5, -0.5) + 0.5) * 255).clip(0, 255).astype(np.uint8)
    )


def _flow(window: Window) -> Array:
    flow = np.nan_to_num(window[Layer.FLOW][0])
    size, angle = cv2.cartToPolar(flow[..., 0].copy(), flow[..., 1].copy())
    scale = max(float(np.percentile(size, 99)), 1e-6)
    full = np.full_like(size, 255)
    hsv = np.dstack([angle / (2 * np.pi) * 180, full, np.minimum(size / scale, 1) * 255])
    return np.asarray(cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB))


_PICTURES: dict[Layer, Callable[[Window], Array]] = {
    Layer.RGB: lambda window: window.rgb[0],
    Layer.ALBEDO: lambda window: window[Layer.ALBEDO][0],
    Layer.DEPTH: _depth,
    Layer.NORMALS: _normals,
    Layer.SEGMENTATION: _ids,
    Layer.FLOW: _flow,
    Layer.MATERIAL: lambda window: window[Layer.MATERIAL][0],
    Layer.TWIN: lambda window: window[Layer.TWIN][0],
}
