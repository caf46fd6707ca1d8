"""Segment frames: the class of every pixel, with a segmentation model on disk."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float, Int

from simlift.core.clip import Label
from simlift.core.errors import RecipeError
from simlift.core.window import Frames
from simlift.models.hub.folder import ModelFolder, find_model
from simlift.models.vision.depth import require_torch
from simlift.models.vision.preprocessing import ImagePreprocessing, read_preprocessing

_SEMANTIC = frozenset({"segformer", "beit", "upernet"})
_UNIVERSAL = frozenset({"mask2former", "maskformer"})
_HEADS = ("ForSemanticSegmentation", "ForUniversalSegmentation", "ForInstanceSegmentation")


@dataclass(frozen=True)
class Segmenter:
    """A segmentation model: a folder, or owner/model on the Hugging Face Hub."""

    model: str

    def find(self) -> ModelFolder:
        """Return the model's folder; RecipeError says why it cannot be used."""
        folder = find_model(
            self.model, purpose="segmentation", kinds=_SEMANTIC | _UNIVERSAL, heads=_HEADS
        )
        read_preprocessing(folder.path)
        if not labels(folder):
            raise RecipeError(
                folder.path / "config.json",
                "names no classes",
                allowed="id2label with a name for each class",
            )
        return folder

    @contextmanager
    def open(self, device: str = "cpu") -> Iterator["SegmentationTool"]:
        """Load the weights; leaving the block frees them."""
        folder = self.find()
        require_torch()
        from simlift.models.vision import _networks

        universal = folder.kind in _UNIVERSAL
        network = _networks.load(folder, "universal" if universal else "semantic", device)
        yield SegmentationTool(folder, network, read_preprocessing(folder.path))


@dataclass(frozen=True, eq=False)
class SegmentationTool:
    """An opened segmentation model."""

    folder: ModelFolder
    network: Any
    preprocessing: ImagePreprocessing

    def segment(self, frames: Frames) -> Int[np.ndarray, "t h w"]:
        """Return ids, as `labels` names them."""
        from simlift.models.vision import _networks

        found = []
        for frame in frames:
            output = _networks.run(self.network, self.preprocessing(frame))
            found.append(largest(_networks.class_scores(output), *frame.shape[:2]) + 1)
        return np.stack(found)


def labels(folder: ModelFolder) -> dict[int, Label]:
    """Return the classes of a model: id k + 1 is its class k, because 0 means nothing.

    Whatever begins with the word sky is of the class "sky", by which engines find it.
    """
    out = {}
    for key, name in (folder.config.get("id2label") or {}).items():
        first = re.split(r"[^a-z]+", str(name).lower())[0]
        out[int(key) + 1] = Label(str(name), "sky" if first == "sky" else str(name))
    return out


def largest(scores: Float[np.ndarray, "c a b"], height: int, width: int) -> Int[np.ndarray, "h w"]:
    """Return the class with the largest score at every pixel, scores interpolated linearly.

    One class at a time: 150 classes at full size would need half a gigabyte.
    """
    best = np.full((height, width), -np.inf, dtype=np.float32)
    which = np.zeros((height, width), dtype=np.int32)
    for index, score in enumerate(scores):
        full = cv2.resize(score, (width, height), interpolation=cv2.INTER_LINEAR)
        wins = full > best
        which[wins] = index
        np.maximum(best, full, out=best)
    return which
