"""Compute LPIPS, the learned perceptual distance of two frames; loads torch.

Source: Zhang et al., "The unreasonable effectiveness of deep features as a perceptual metric",
CVPR 2018, in version 0.1 with AlexNet: the constants are those of the authors' code.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np
import torch
from jaxtyping import UInt8
from torch.nn import functional

from simlift.core.errors import InputError

Features: TypeAlias = tuple[torch.Tensor, ...]  # [1 c h w] of each stage, unit vectors along c

# AlexNet's convolutions: their place in torchvision's network, stride and padding.
_STAGES = ((0, 4, 2), (3, 1, 2), (6, 1, 1), (8, 1, 1), (10, 1, 1))
_POOLED = (3, 6)  # what is halved before it is convolved
_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # of values in [-1, 1]
_LEAST = 1e-10


@dataclass(frozen=True, eq=False)
class Network:
    """AlexNet's five convolutions (kernel, bias), and how much people care for their channels."""

    convolutions: tuple[tuple[torch.Tensor, torch.Tensor], ...]
    care: tuple[torch.Tensor, ...]  # [1 c 1 1]

    def features(self, frame: UInt8[np.ndarray, "h w 3"]) -> Features:
        """Return what each stage sees in a frame, every pixel's vector made one of length 1."""
        shift, scale = (torch.tensor(v).view(1, 3, 1, 1) for v in (_SHIFT, _SCALE))
        with torch.inference_mode():
            pixels = torch.from_numpy(np.ascontiguousarray(frame.transpose(2, 0, 1)))[None]
            here = (pixels.float() / 127.5 - 1 - shift) / scale
            found = []
            for (place, stride, padding), (kernel, bias) in zip(_STAGES, self.convolutions):
                if place in _POOLED:
                    here = functional.max_pool2d(here, 3, 2)
                here = functional.relu(functional.conv2d(here, kernel, bias, stride, padding))
                length = here.square().sum(1, keepdim=True).sqrt()
                found.append(here / (length + _LEAST))
        return tuple(found)

    def distance(self, one: Features, other: Features) -> float:
        """Return the sum over the stages of the mean over pixels of sum_c w_c (a_c - b_c)^2."""
        with torch.inference_mode():
            parts = [
                (care * (a - b).square()).sum(1).mean()
                for care, a, b in zip(self.care, one, other, strict=True)
            ]
            return float(sum(parts))


def load(network: Path, linear: Path) -> Network:
    """Read torchvision's AlexNet and LPIPS's linear weights; InputError names what they lack."""
    # Scoring works beside other workers, each with its share of the machine.
    torch.set_num_threads(max(cv2.getNumThreads(), 1))
    alexnet, lpips = _tensors(network), _tensors(linear)
    convolutions = tuple(
        (
            _tensor(network, alexnet, f"features.{place}.weight"),
            _tensor(network, alexnet, f"features.{place}.bias"),
        )
        for place, _, _ in _STAGES
    )
    care = tuple(_tensor(linear, lpips, f"lin{k}.model.1.weight") for k in range(len(_STAGES)))
    for k, ((kernel, _), weights) in enumerate(zip(convolutions, care)):
        if tuple(weights.shape) != (1, len(kernel), 1, 1):
            raise InputError(
                linear,
                f"lin{k}.model.1.weight is {list(weights.shape)}",
                allowed=f"[1, {len(kernel)}, 1, 1], as the network",
            )
    return Network(convolutions, care)


def _tensors(path: Path) -> dict[str, Any]:
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises half a dozen kinds for a file that it cannot read
        raise InputError(
            path,
            f"cannot be read as weights ({type(error).__name__})",
            allowed="a state dict that torch.load reads with weights_only=True",
            way_out="download it again",
        ) from error
    return found if isinstance(found, dict) else {}


def _tensor(path: Path, tensors: dict[str, Any], name: str) -> torch.Tensor:
    tensor = tensors.get(name)
    if not isinstance(tensor, torch.Tensor):
        raise InputError(path, f"holds no {name}", way_out="use the original file")
    return tensor.float().clone()  # so that the layers that are not used can be forgotten
