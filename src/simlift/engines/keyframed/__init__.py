"""Make photoreal video from edited anchors that a video model joins under edge maps.

Stage 1 of RealMaster (arXiv 2603.23462): the first and last frame of a window are edited by an
image editor, and VACE generates the frames between them under the edges of the render.
"""

from simlift.engines.keyframed.spec import Keyframed

__all__ = ["Keyframed"]
