"""Frames -> layers that a learned model estimates; its weights lie on the user's disk."""

from simlift.models.depth import DepthEstimator
from simlift.models.segmentation import Segmenter

__all__ = ["DepthEstimator", "Segmenter"]
