"""Tell gray pictures of depth from coloured ones: a colour map is no number."""

import numpy as np
from jaxtyping import UInt8

from simlift.core.errors import ClipError
from simlift.media.video import VideoInfo, VideoStore

_COLOURED = 24  # codes between the channels of a pixel: lossy coding moves gray by less
_MANY = 0.05  # share of such pixels in a picture of a colour map


def is_coloured(picture: UInt8[np.ndarray, "h w c"]) -> bool:
    """Whether a picture has colours, so that one of its channels does not stand for it."""
    channels = picture[..., :3].astype(np.int16)
    return bool((np.ptp(channels, axis=-1) > _COLOURED).mean() > _MANY)


def check_gray(info: VideoInfo) -> None:
    """Raise ClipError where a video of depth is coloured."""
    with VideoStore(info).open() as reader:
        coloured = is_coloured(reader.read([info.num_frames // 2])[0])
    if coloured:
        raise ClipError(
            info.path,
            "shows depth in colours (a colour map such as viridis or jet)",
            allowed="gray pictures of depth, or its numbers",
            way_out="write depth as numbers (.npy, 16-bit .png, .exr), or in gray",
        )
