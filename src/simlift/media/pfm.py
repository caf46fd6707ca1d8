"""Read PFM images (portable float maps) as frames of a layer.

The format stores rows from below. Some writers store them from above, and nothing in the file says
so: the reader is told. Source: http://www.pauldebevec.com/Research/HDR/PFM/.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from simlift.core.errors import ClipError
from simlift.core.layers import Array
from simlift.media.frame_files import FrameFiles

# One byte of white space ends the header: what follows are numbers, whatever they look like.
_HEAD = re.compile(rb"(P[Ff])\s+(\d+)\s+(\d+)\s+([-+]?[\d.]+(?:[eE][-+]?\d+)?)\s")


def read_pfm(path: Path, *, top_down: bool = False) -> Array:
    """Read float32 [h w] or [h w 3], the top row first; ClipError where the file is not whole."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ClipError(path, f"cannot be read ({error.strerror})") from error
    head = _HEAD.match(data)
    if head is None:
        raise ClipError(path, "is no PFM image", allowed="Pf or PF, width, height, scale")
    channels = 3 if head[1] == b"PF" else 1
    width, height, start = int(head[2]), int(head[3]), head.end()
    size = width * height * channels * 4
    if min(width, height) < 1 or len(data) - start != size:
        raise ClipError(
            path,
            f"holds {len(data) - start} bytes of numbers",
            allowed=f"{size} ({width}x{height}, {channels} of 4 bytes for each pixel)",
            way_out="export it again",
        )
    values = np.frombuffer(data, "<f4" if head[4].startswith(b"-") else ">f4", offset=start)
    image = values.reshape((height, width) if channels == 1 else (height, width, 3))
    return np.ascontiguousarray(image if top_down else image[::-1], dtype=np.float32)


@dataclass(frozen=True)
class PfmStore(FrameFiles):
    """Frames in one PFM file each."""

    top_down: bool = False

    def read_frame(self, path: Path) -> Array:
        return read_pfm(path, top_down=self.top_down)
