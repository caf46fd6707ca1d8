"""Generate robot video by OSCAR-2B, whose release runs as a worker process of its own environment.

The simulator says how the robot moves: its skeleton, drawn through the camera, is the condition. A
photoreal first frame says what everything looks like. What objects do after they are let go is the
model's guess, for it knows no physics.
"""

from simlift.engines.oscar.spec import Oscar

__all__ = ["Oscar"]
