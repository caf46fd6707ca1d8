"""Depth and segmentation estimated from video by networks on disk."""

from simlift.models.vision.depth import DepthEstimator
from simlift.models.vision.segmentation import Segmenter

__all__ = ["DepthEstimator", "Segmenter"]
