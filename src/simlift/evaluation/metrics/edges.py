"""Measure how well a take keeps the render's edges and the edges of the geometry."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool

from simlift.core.layers import Layer
from simlift.core.score import Direction, Score, frame_scores
from simlift.core.window import Frames, Window
from simlift.pixels.image.edges import (
    canny,
    edge_share,
    exact_agreement,
    geometry_edges,
    near_agreement,
    offset,
    recall_counts,
    relative_canny,
)

EdgeMaps = Sequence[Bool[np.ndarray, "h w"]]
_GEOMETRY = (Layer.DEPTH, Layer.NORMALS, Layer.SEGMENTATION)
_LOW, _HIGH = 100.0, 200.0  # of Cosmos's TransferBench
_CHANGED = 12  # codes, of any channel: a pixel of the render that moved
_AROUND = np.ones((5, 5), np.uint8)  # what moved, and 2 pixels around it


@dataclass(frozen=True)
class EdgeAgreement:
    """Whether the take has the render's edges, and those of the geometry, at the same pixels.

    `edge_f1`: F1 of pixel-exact Canny edges (100, 200) of take and render over all frames, as
    TransferBench has it. Its thresholds are absolute, so it falls with contrast: it describes.
    All others take edges whose thresholds follow each image's contrast (`relative_canny`), of the
    take as many of the strongest as the render has.

    `edge_f1_near`: surface Dice within 1 pixel: where edges are, not how strong.
    `moving_edge_f1`: the same where the render changed since the frame before, by 12 codes or
    more, and 2 pixels around: a take that is late or frozen fails here, however still the rest is.
    `edge_offset`: the shift of the whole frame, in pixels, at which edges overlap most.

    `engine_edge_recall`: the share of geometry edges that the take shows within 1 pixel: steps of
    depth, folds of given normals, borders between ids. `engine_edge_recall_render`: the same of
    the render, for not all geometry is visible; `engine_edge_ratio`: the first over the second.
    """

    def needs(self) -> frozenset[Layer]:
        return frozenset({Layer.RGB})

    def measure(self, window: Window, frames: Frames) -> Iterable[Score]:
        """Return all scores; frames without an edge in take and render agree."""
        exact = [canny(frame, _LOW, _HIGH) for frame in frames]
        take, render = take_edges(window, frames), window.derive(render_edges)
        every, higher = window.indices.tolist(), Direction.HIGHER
        counts = map(exact_agreement, exact, window.derive(_canny_of_render))
        yield _ratios("edge_f1", Direction.NEUTRAL, every, counts)
        yield _ratios("edge_f1_near", higher, every, map(near_agreement, take, render))
        yield _ratios("moving_edge_f1", higher, every[1:], _moving(window, take, render))
        yield _offsets(window, take, render)
        wanted = window.derive(_geometry_edges)
        shown, showed = (
            list(map(recall_counts, wanted, take)),
            list(map(recall_counts, wanted, render)),
        )
        yield _ratios("engine_edge_recall", Direction.NEUTRAL, every, shown)
        yield _ratios("engine_edge_recall_render", Direction.NEUTRAL, every, showed)
        ratio = [(mine, its) for (mine, _), (its, _) in zip(shown, showed, strict=True)]
        yield _ratios("engine_edge_ratio", higher, every, ratio)


def _ratios(
    name: str,
    direction: Direction,
    frames: Iterable[int],
    counts: Iterable[tuple[int, int]],
) -> Score:
    pairs = list(counts)
    return frame_scores(
        name, direction, frames, [float(p[0]) for p in pairs], [float(p[1]) for p in pairs]
    )


def _moving(window: Window, take: EdgeMaps, render: EdgeMaps) -> Iterable[tuple[int, int]]:
    for i, region in enumerate(window.derive(_changed), start=1):
        if (take[i] & region).any() or (render[i] & region).any():
            yield near_agreement(take[i], render[i], region)
        else:
            yield 0, 0


def _offsets(window: Window, take: EdgeMaps, render: EdgeMaps) -> Score:
    found = [offset(one, other) for one, other in zip(take, render, strict=True)]
    return frame_scores(
        "edge_offset",
        Direction.LOWER,
        window.indices.tolist(),
        [float(np.hypot(*shift)) if shift else 0.0 for shift in found],
        [1.0 if shift else 0.0 for shift in found],
        "pixels",
    )


def _canny_of_render(window: Window) -> EdgeMaps:
    return [canny(frame, _LOW, _HIGH) for frame in window.rgb]


def take_edges(window: Window, frames: Frames) -> EdgeMaps:
    """Return the strongest edges of a take, as many as its render has.

    New light and materials put texture on what was plain; its edges are weaker than outlines.
    """
    shares = window.derive(_edge_shares)
    return [relative_canny(frame, share) for frame, share in zip(frames, shares, strict=True)]


def _edge_shares(window: Window) -> list[float]:
    return [edge_share(frame) for frame in window.rgb]


def render_edges(window: Window) -> EdgeMaps:
    """Return the edges of the render, by `relative_canny`."""
    return [relative_canny(frame) for frame in window.rgb]


def _changed(window: Window) -> EdgeMaps:
    """Return, for every frame but the first, where it differs from the frame before."""
    render, limit = window.rgb, (_CHANGED - 1,) * 3
    still = [
        cv2.inRange(cv2.absdiff(render[i - 1], render[i]), (0, 0, 0), limit)
        for i in range(1, len(render))
    ]
    return [cv2.erode(mask, _AROUND) == 0 for mask in still]


def _geometry_edges(window: Window) -> EdgeMaps:
    # Folds are not searched in depth: it would take longer than all metrics together, and the
    # two sides of a fold may well be equally bright in another light.
    if not any(layer in window for layer in _GEOMETRY):
        return [np.zeros(window.size, dtype=bool)] * len(window)
    return [
        geometry_edges(
            *(window[layer][i] if layer in window else None for layer in _GEOMETRY),
            metric=window.metric_depth,
        )
        for i in range(len(window))
    ]
