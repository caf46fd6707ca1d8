"""Make photoreal first frames (anchors) that video models go on from, and judge each one.

Three makers: the photographic engine, which moves no pixel; an image editor; Cosmos-Transfer2.5 on
one frame. Whatever made it, a first frame passes a gate before a model sees it.
"""

from simlift.engines.anchors.first_frame import (
    MAKERS,
    FirstFrame,
    FirstFrames,
    make_first_frame,
    prompt_of,
)
from simlift.engines.anchors.gate import FirstFrameGate

__all__ = [
    "MAKERS",
    "FirstFrame",
    "FirstFrameGate",
    "FirstFrames",
    "make_first_frame",
    "prompt_of",
]
