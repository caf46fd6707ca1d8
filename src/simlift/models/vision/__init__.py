"""Estimate depth and segmentation of a video with networks on disk."""

from simlift.models.vision.depth import DepthEstimator
from simlift.models.vision.segmentation import Segmenter

__all__ = ["DepthEstimator", "Segmenter"]
