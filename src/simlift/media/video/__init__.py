"""Read and write video files: exact frames by index, as players show them."""

from simlift.media.video.index import probe_video
from simlift.media.video.info import VideoInfo
from simlift.media.video.store import (
    ANIMATIONS,
    VIDEO_SUFFIXES,
    VideoReader,
    VideoStore,
    pixel_aspect,
)

__all__ = [
    "ANIMATIONS",
    "VIDEO_SUFFIXES",
    "VideoInfo",
    "VideoReader",
    "VideoStore",
    "pixel_aspect",
    "probe_video",
]
