"""Draw contact sheets: the layers of a clip, or the cameras of an episode, with curves below."""

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from simlift.controls import EngineEdges, Overlay
from simlift.core.clip import Clip
from simlift.core.layers import Array, Layer
from simlift.core.window import Window
from simlift.media.images import write_image
from simlift.passes.agreement import examine
from simlift.passes.curve_plots import draw_curves
from simlift.sources.curves import curves_of

_TILE = 320  # width of a tile in pixels
_COLUMNS = 5  # frames across the sheet
_MARGIN = 3  # pixels around a tile
_RED = (230, 40, 30)
_GEOMETRY = (Layer.DEPTH, Layer.NORMALS, Layer.SEGMENTATION)


def contact_sheet(clip: Clip, path: Path) -> Path:
    """Write a sheet with one row for each layer, and one for the geometry edges, and return it.

    The robot's skeleton over the frames is a row where its arms and the camera are known; joints
    and actions are curves below, with a cursor at each of the frames. The frame in which layers
    agree least has a red frame, where they contradict each other.
    """
    found = examine(clip)
    worst = found.worst_frame if found.contradictions else None
    indices = np.unique([*_even(clip.num_frames), *([] if worst is None else [worst])])
    with clip.open(Layer) as reader:
        windows = [reader.window([int(i)]) for i in indices]
    rows = [
        np.hstack([_tile(draw(window)) for window in windows])
        for layer, draw in _PICTURES.items()
        if layer in clip
    ]
    edges = EngineEdges()
    if any(layer in clip for layer in _GEOMETRY):
        rows.append(np.hstack([_tile(edges.draw(window)[0]) for window in windows]))
    if has_skeleton(clip):
        rows.append(np.hstack([_tile(Overlay().draw(window)[0]) for window in windows]))
    sheet = np.vstack(rows)
    if worst is not None:
        width = _TILE + 2 * _MARGIN
        left = int(np.searchsorted(indices, worst)) * width
        cv2.rectangle(sheet, (left, 0), (left + width - 1, len(sheet) - 1), _RED, _MARGIN)
    write_image(path, _with_curves(clip, sheet, indices.tolist()))
    return path


def episode_sheet(clips: Sequence[Clip], path: Path) -> Path:
    """Write the cameras of one episode side by side, the same frames of each, and return it.

    A row is one camera, with the robot's skeleton where it is known; curves lie below.
    """
    indices = np.unique(_even(min(clip.num_frames for clip in clips)))
    rows = []
    for clip in clips:
        name = clip.origin.camera if clip.origin else clip.name
        with clip.open([Layer.RGB]) as reader:
            windows = [reader.window([int(i)]) for i in indices]
        draw = Overlay().draw if has_skeleton(clip) else (lambda window: window.rgb)
        tiles = [_tile(draw(window)[0]) for window in windows]
        strip = np.full((22, _width(len(tiles)), 3), 24, np.uint8)
        cv2.putText(
            strip, name, (6, 15), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255,) * 3, 1, cv2.LINE_AA
        )
        rows += [strip, np.hstack(tiles)]
    write_image(path, _with_curves(clips[0], np.vstack(rows), indices.tolist()))
    return path


def has_skeleton(clip: Clip) -> bool:
    """Whether a clip knows its camera and the arms of its robot."""
    return clip.camera is not None and clip.robot is not None and bool(clip.robot.arms)


def _with_curves(clip: Clip, sheet: Array, marks: Sequence[int]) -> Array:
    plots = [draw_curves(curves, sheet.shape[1], marks) for curves in curves_of(clip)]
    return np.vstack([sheet, *plots])


def _even(num_frames: int) -> list[int]:
    return np.linspace(0, num_frames - 1, _COLUMNS).astype(int).tolist()


def _width(tiles: int) -> int:
    return tiles * (_TILE + 2 * _MARGIN)


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
