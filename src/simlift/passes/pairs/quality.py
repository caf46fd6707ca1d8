"""Measure the quality of a pair and list the reasons to reject it."""

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from simlift.core.clip import ClipReader
from simlift.core.layers import Layer
from simlift.core.score import Score, merge_all
from simlift.core.window import Frames
from simlift.evaluation.gate import judge
from simlift.evaluation.metrics import ColourShift, EdgeAgreement, Flicker
from simlift.evaluation.metrics.anchors import anchor_scores
from simlift.evaluation.metrics.faces import FaceModels, FaceReader, face_scores
from simlift.passes.pairs.recipe import PairRecipe

EVIDENCE = frozenset(
    {Layer.RGB, Layer.DEPTH, Layer.NORMALS, Layer.SEGMENTATION, Layer.FLOW, Layer.TWIN}
)
_WINDOW = 8  # frames measured at a time; windows share one
_DIGITS = 6


class Judge:
    """Measures pairs; its networks of faces, where there are some, are opened once."""

    def __init__(self, recipe: PairRecipe, faces: FaceReader | None) -> None:
        self._recipe, self._faces = recipe, faces

    def __call__(
        self, reader: ClipReader, start: int, render: Frames, target: Frames, novelty: float
    ) -> tuple[dict[str, float], tuple[str, ...]]:
        """Return what was measured, and why the pair is rejected: nothing where it is not."""
        found: dict[str, Score] = {}
        metrics = (EdgeAgreement(), Flicker(), ColourShift())
        for first in range(0, max(len(render) - 1, 1), _WINDOW):
            last = min(first + _WINDOW + 1, len(render))
            window = reader.window(range(start + first, start + last))
            scores = [s for m in metrics for s in m.measure(window, target[first:last])]
            found = merge_all([*found.values(), *scores])
        values = {name: score.value() for name, score in found.items()}
        values |= anchor_scores(render, target) | {"novelty": novelty}
        models = self._recipe.faces
        if self._faces is not None and models is not None:
            values |= face_scores(models, self._faces, render, target)
        known = {k: round(v, _DIGITS) for k, v in sorted(values.items()) if math.isfinite(v)}
        return known, judge(self._recipe.gate, known)[1]


@contextmanager
def open_judge(recipe: PairRecipe) -> Iterator[Judge]:
    """Open what a recipe's gates need."""
    with ExitStack() as stack:
        models: FaceModels | None = recipe.faces
        yield Judge(recipe, stack.enter_context(models.open()) if models else None)
