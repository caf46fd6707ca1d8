"""Draw the segmentation control: one flat colour for each id, the same in every clip."""

from dataclasses import dataclass

from simlift.core.layers import Layer
from simlift.core.window import Frames, Window
from simlift.pixels.colour.label_colours import label_colours


@dataclass(frozen=True)
class Segmentation:
    """One flat colour for each id, by the colour map of PASCAL VOC; id 0 is black."""

    def needs(self) -> frozenset[Layer]:
        return frozenset({Layer.SEGMENTATION})

    def draw(self, window: Window) -> Frames:
        """Return the condition frames [t h w 3]."""
        return label_colours(window[Layer.SEGMENTATION])
