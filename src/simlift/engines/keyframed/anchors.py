"""Choose the anchors of a shot, edit them, and measure how well each edit lies over its frame."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from simlift.core.window import Frames
from simlift.engines.keyframed.protocols import Editor
from simlift.engines.keyframed.settings import AnchorGate, Where
from simlift.pixels.image.alignment import Alignment, align


@dataclass(frozen=True, eq=False)
class Anchors:
    """Anchors of a shot: their positions in it, their images, and how each lies over its frame.

    An image that was made before, and not edited anew, has no alignment: its render was judged
    then.
    """

    positions: tuple[int, ...]
    pictures: UInt8[np.ndarray, "n h w 3"]
    alignments: tuple[Alignment, ...]

    def reasons(self, gate: AnchorGate) -> tuple[str, ...]:
        """Return what speaks against these anchors."""
        found = []
        for place, lies in zip(self.positions[-len(self.alignments) :], self.alignments):
            if lies.edge_f1 < gate.min_edge_f1:
                found.append(f"{lies.edge_f1:.3g} of edges agree, below {gate.min_edge_f1:g}")
            elif lies.shift > gate.max_shift:
                found.append(f"shifted by {lies.shift:.3g} pixels, above {gate.max_shift:g}")
            elif abs(lies.zoom) > gate.max_zoom:
                found.append(f"zoomed by {lies.zoom:.3g}, above {gate.max_zoom:g}")
            else:
                continue
            found[-1] = f"anchor at frame {place}: {found[-1]}"
        return tuple(found)


def anchor_positions(anchors: Where | int, num_frames: int) -> tuple[int, ...]:
    """Return which frames of a shot are anchors, increasing, each once."""
    last = num_frames - 1
    if anchors == "none":
        return ()
    if anchors == "first" or anchors == 1:
        return (0,)
    number = 2 if anchors == "first-last" else int(anchors)
    return tuple(sorted({round(k * last / (number - 1)) for k in range(number)}))


def edit_anchors(
    editor: Editor,
    render: Frames,
    positions: Sequence[int],
    seed: int,
    given: UInt8[np.ndarray, "h w 3"] | None = None,
) -> Anchors:
    """Edit the frames at positions with one seed, so that they share a look.

    `given` is the image at position 0 where it was made before; it comes first and is kept.
    """
    todo = [p for p in positions if given is None or p > 0]
    edits = [editor.edit(render[p], seed) for p in todo]
    lies = tuple(align(render[p], edit) for p, edit in zip(todo, edits))
    if given is not None:
        todo, edits = [0, *todo], [given, *edits]
    pictures = np.stack(edits) if edits else render[:0]
    return Anchors(tuple(todo), pictures, lies)
