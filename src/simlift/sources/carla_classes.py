"""Name CARLA's semantic classes, and decode its tags to them.

Tags were renumbered in CARLA 0.9.14. An id of a clip is the row of a class below, whatever the
release. Source: CARLA documentation, "Sensors reference", semantic and instance segmentation.
"""

from dataclasses import dataclass

import numpy as np

from simlift.core.clip import Label
from simlift.core.errors import ClipError
from simlift.core.layers import Array

# name, tag before 0.9.14, tag from 0.9.14 on, palette colours of the releases
CLASSES: tuple[tuple[str, int, int, tuple[tuple[int, int, int], ...]], ...] = (
    ("unlabeled", 0, 0, ((0, 0, 0),)),
    ("building", 1, 3, ((70, 70, 70),)),
    ("fence", 2, 5, ((100, 40, 40), (190, 153, 153))),
    ("other", 3, 22, ((55, 90, 80), (250, 170, 160))),
    ("pedestrian", 4, 12, ((220, 20, 60),)),
    ("pole", 5, 6, ((153, 153, 153),)),
    ("road_line", 6, 24, ((157, 234, 50),)),
    ("road", 7, 1, ((128, 64, 128),)),
    ("sidewalk", 8, 2, ((244, 35, 232),)),
    ("vegetation", 9, 9, ((107, 142, 35),)),
    ("car", 10, 14, ((0, 0, 142),)),
    ("wall", 11, 4, ((102, 102, 156),)),
    ("traffic_sign", 12, 8, ((220, 220, 0),)),
    ("sky", 13, 11, ((70, 130, 180),)),
    ("ground", 14, 25, ((81, 0, 81),)),
    ("bridge", 15, 26, ((150, 100, 100),)),
    ("rail_track", 16, 27, ((230, 150, 140),)),
    ("guard_rail", 17, 28, ((180, 165, 180),)),
    ("traffic_light", 18, 7, ((250, 170, 30),)),
    ("static", 19, 20, ((110, 190, 160),)),
    ("dynamic", 20, 21, ((170, 120, 50),)),
    ("water", 21, 23, ((45, 60, 150),)),
    ("terrain", 22, 10, ((145, 170, 100), (152, 251, 152))),
    ("rider", 23, 13, ((255, 0, 0),)),
    ("truck", 24, 15, ((0, 0, 70),)),
    ("bus", 25, 16, ((0, 60, 100),)),
    ("train", 26, 17, ((0, 80, 100),)),
    ("motorcycle", 27, 18, ((0, 0, 230),)),
    ("bicycle", 28, 19, ((119, 11, 32),)),
)
LAST_TAG = 28
LAST_OLD_TAG = 22
LABELS = {i: Label(name, name) for i, (name, *_) in enumerate(CLASSES)}
PALETTE = tuple((*colour, i) for i, (*_, colours) in enumerate(CLASSES) for colour in colours)


@dataclass(frozen=True)
class RedTags:
    """Decode CARLA's raw semantic and instance images to ids: the tag is gray, or in red."""

    from_0_9_14: bool
    red: int = 0

    def __call__(self, raw: Array) -> Array:
        tags = raw if raw.ndim == 3 else raw[..., self.red]
        table = np.full(256, -1, dtype=np.int32)
        for index, (_, old, new, _) in enumerate(CLASSES):
            if self.from_0_9_14 or old <= LAST_OLD_TAG:
                table[new if self.from_0_9_14 else old] = index
        ids = table[tags]
        if (ids < 0).any():
            last = LAST_TAG if self.from_0_9_14 else LAST_OLD_TAG
            raise ClipError(
                "segmentation",
                f"a frame holds the tag {int(tags[ids < 0][0])}",
                allowed=f"CARLA's tags, 0 to {last}",
                way_out="state the release of CARLA by --tags; or leave the layer out",
            )
        return ids
