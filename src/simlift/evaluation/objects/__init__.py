"""Follow the objects of a clip: where the simulator says they go, and where a take shows them."""

from simlift.evaluation.objects.appearance import Followed, References, follow, read_references
from simlift.evaluation.objects.motion import MovingObject, moving_objects

__all__ = [
    "Followed",
    "MovingObject",
    "References",
    "follow",
    "moving_objects",
    "read_references",
]
