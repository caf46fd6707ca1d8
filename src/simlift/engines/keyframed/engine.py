"""Lift a window by the opened keyframed engine: cut it into shots, edit anchors, join them."""

from itertools import pairwise

import numpy as np
from jaxtyping import UInt8

from simlift.core.errors import ClipError
from simlift.core.recipe import derive_seed
from simlift.core.window import ClipSample, Frames, PreviousFrames, Window
from simlift.engines.keyframed.anchors import Anchors, anchor_positions, edit_anchors
from simlift.engines.keyframed.conditions import draw
from simlift.engines.keyframed.protocols import Editor, LiftSettings, Propagator
from simlift.pixels.image.cuts import find_cuts
from simlift.pixels.image.letterbox import letterbox, pad_frames, padded_length

_MULTIPLE = 16  # of VACE's sides: 8 of its autoencoder times a patch of 2


class KeyframedEngine:
    """Lifts windows; without an editor, by the control alone."""

    def __init__(self, spec: LiftSettings, editor: Editor | None, propagator: Propagator) -> None:
        self._spec, self._editor, self._propagator = spec, editor, propagator

    def lift(
        self, window: Window, *, sample: ClipSample, previous: PreviousFrames | None, seed: int
    ) -> Frames:
        """Return the frames after those given in `previous`; ClipError where anchors never lie."""
        bounds = [0, *find_cuts(window.rgb), len(window)]
        prompt = fill_prompt(self._spec.prompt, window.caption)
        made = []
        for start, stop in pairwise(bounds):
            given = previous[-1] if previous is not None and start == 0 else None
            shot = window.part(slice(start, stop))
            anchors = self._anchors(shot, given, seed)
            number = derive_seed(seed, "propagation", str(shot.indices[0]))
            made.append(
                join_anchors(self._spec, self._propagator, shot, sample, anchors, prompt, number)
            )
        return np.concatenate(made)[0 if previous is None else len(previous) :]

    def _anchors(
        self, shot: Window, given: UInt8[np.ndarray, "h w 3"] | None, seed: int
    ) -> Anchors:
        positions = anchor_positions(self._spec.anchors, len(shot))
        if self._editor is None:
            held = shot.rgb[:0] if given is None else given[None]
            return Anchors((0,) * len(held), held, ())
        reasons: tuple[str, ...] = ()
        for attempt in range(self._spec.attempts):
            # The same seed in every window: anchors of one clip shall share their look.
            number = derive_seed(seed, "anchor", str(attempt))
            anchors = edit_anchors(self._editor, shot.rgb, positions, number, given)
            reasons = anchors.reasons(self._spec.alignment)
            if not reasons:
                return anchors
        raise ClipError(
            f"frames {shot.indices[0]} to {shot.indices[-1]}",
            f"no edit of {self._spec.attempts} lies over its render; the last: {reasons[0]}",
            way_out="allow more with --set alignment.max_shift=..., or try --set attempts=...",
        )


def join_anchors(
    spec: LiftSettings,
    propagator: Propagator,
    shot: Window,
    sample: ClipSample,
    anchors: Anchors,
    prompt: str,
    seed: int,
) -> Frames:
    """Generate the frames of a shot between its anchors, of the render's size and number.

    The condition is [anchor, control ..., anchor], the mask [keep, generate ..., keep], as VACE
    composes extension and control. Frames at anchors are generated too: VACE sees the anchors, and
    its own frames there go together with their neighbours.
    """
    if len(anchors.positions) == len(shot):
        return anchors.pictures
    size = letterbox(*shot.size, _MULTIPLE, spec.propagation.box)
    video = draw(spec.control, spec.drawing, shot, sample, size)
    generate = np.ones(len(shot), dtype=bool)
    if anchors.positions:
        places = list(anchors.positions)
        video[places], generate[places] = size.apply(anchors.pictures), False
    # Causal autoencoders take 4k+1 frames; the last one is repeated and what it makes cut away.
    length = padded_length(len(shot))
    padded = np.append(generate, np.repeat(generate[-1], length - len(shot)))
    made = propagator.propagate(pad_frames(video, length), padded, prompt, seed)
    return size.undo(made[: len(shot)])


def fill_prompt(template: str, caption: str) -> str:
    """Put a caption into a template; without a caption, what separated it goes too."""
    return template.replace("{caption}", caption.strip()).strip().rstrip(",").strip()
