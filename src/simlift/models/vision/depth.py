"""Estimate inverse depth of frames with a monocular depth model on disk."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from simlift.core.errors import MissingLibrary, RecipeError
from simlift.core.window import Frames
from simlift.models.hub.folder import ModelFolder, find_model
from simlift.models.vision.preprocessing import ImagePreprocessing, read_preprocessing

_METRES = frozenset({"zoedepth", "glpn", "depth_pro"})
_KINDS = _METRES | {"depth_anything", "dpt"}
_FARTHEST = 1e4  # metres: what a model calls infinitely far


@dataclass(frozen=True)
class DepthEstimator:
    """A depth model: a folder, or owner/model on the Hugging Face Hub."""

    model: str

    def find(self) -> ModelFolder:
        """Return the model's folder; RecipeError says why it cannot be used."""
        folder = find_model(
            self.model, purpose="depth", kinds=_KINDS, heads=("ForDepthEstimation",)
        )
        read_preprocessing(folder.path)
        gives_metres(folder)
        return folder

    @contextmanager
    def open(self, device: str = "cpu") -> Iterator["DepthTool"]:
        """Load the weights; leaving the block frees them."""
        folder = self.find()
        require_torch()
        from simlift.models.vision import _networks

        network = _networks.load(folder, "depth", device)
        yield DepthTool(folder, network, read_preprocessing(folder.path))


@dataclass(frozen=True, eq=False)
class DepthTool:
    """An opened depth model."""

    folder: ModelFolder
    network: Any
    preprocessing: ImagePreprocessing

    @property
    def metric(self) -> bool:
        """Whether inverse depth is in 1/metres; else its scale and offset are unknown."""
        return gives_metres(self.folder)

    def inverse_depth(self, frames: Frames) -> Float[np.ndarray, "t h w"]:
        """Return inverse depth of every frame, larger is nearer."""
        return np.stack([self._frame(frame) for frame in frames])

    def _frame(self, frame: UInt8[np.ndarray, "h w 3"]) -> Float[np.ndarray, "h w"]:
        from simlift.models.vision import _networks

        height, width = frame.shape[:2]
        output = _networks.run(self.network, self.preprocessing(frame))
        value = _networks.array(output.predicted_depth).squeeze()
        if not np.isfinite(value).all():
            raise RecipeError(self.folder.path, "the model gave values that are not finite")
        if self.folder.kind == "depth_pro":
            value = _with_field_of_view(value, output.field_of_view)
        elif self.metric:
            value = 1 / np.maximum(value, 1e-3)
        # Inverse depth is linear across planes, so it is what may be interpolated.
        value = cv2.resize(value, (width, height), interpolation=cv2.INTER_CUBIC)
        lowest = np.float32(1 / _FARTHEST if self.metric else 0)
        return np.maximum(np.asarray(value), lowest)


def _with_field_of_view(
    inverse: Float[np.ndarray, "a b"], degrees: Any
) -> Float[np.ndarray, "a b"]:
    """Return 1/metres from canonical inverse depth C: 1/D = C w / f = 2 C tan(fov / 2).

    Source: Bochkovskii et al., "Depth Pro", ICLR 2025.
    """
    from simlift.models.vision import _networks

    if degrees is None:
        return inverse
    return inverse * np.float32(2 * np.tan(np.radians(_networks.array(degrees).item()) / 2))


def gives_metres(folder: ModelFolder) -> bool:
    """Whether a depth model gives metres; RecipeError where its files do not tell."""
    config = folder.config
    if folder.kind == "depth_anything":
        return bool(config.get("depth_estimation_type", "relative") == "metric")
    if folder.kind == "dpt" and (config.get("backbone_config") or {}).get("model_type") == "dinov2":
        raise RecipeError(
            folder.path / "config.json",
            "a DPT on DINOv2, whose files do not tell what its numbers mean",
            allowed="dpt of MiDaS, depth_anything, zoedepth, glpn, depth_pro",
        )
    return folder.kind in _METRES


def require_torch() -> None:
    """Raise MissingLibrary where torch or transformers is absent."""
    for library in ("torch", "transformers"):
        if find_spec(library) is None:
            raise MissingLibrary(library, "estimating layers", "estimate")
