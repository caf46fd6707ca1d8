"""The policy: a small convolutional network with a spatial softmax that answers action chunks."""

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from bench.policy.camera import SEEN
from bench.policy.dataset import CHUNK
from bench.policy.task import ACTIONS, HIGH, LOW, PROPRIOCEPTION, Observation

CHANNELS = (16, 32, 32, 32)
HIDDEN = 192
CENTRE, SPREAD = (LOW + HIGH) / 2, 0.1  # metres; scale the places that are answered


class SpatialSoftmax(nn.Module):
    """Answer the expected image position of each channel (Levine et al. 2016), in [-1, 1]."""

    def __init__(self, size: int) -> None:
        super().__init__()
        axis = torch.linspace(-1, 1, size)
        self.register_buffer("places", torch.cartesian_prod(axis, axis))
        self.sharpness = nn.Parameter(torch.tensor(10.0))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """[n c h w] -> [n 2c], in float32 whatever the convolutions ran in."""
        with torch.autocast("cpu", enabled=False):
            weights = torch.softmax(self.sharpness * features.float().flatten(2), dim=2)
            return (weights @ self.places).flatten(1)


class Policy(nn.Module):
    """A picture [n 3 h w] in [0, 1] and scaled proprioception [n 4] -> action chunks [n c 4]."""

    def __init__(self) -> None:
        super().__init__()
        a, b, c, d = CHANNELS
        self.vision = nn.Sequential(
            nn.Conv2d(3, a, 5, stride=2, padding=2),
            nn.ReLU(),
            nn.Conv2d(a, b, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(b, c, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(c, d, 3, padding=1),
            SpatialSoftmax(SEEN // 4),
        )
        self.head = nn.Sequential(
            nn.Linear(2 * d + PROPRIOCEPTION, HIDDEN),
            nn.ReLU(),
            nn.Linear(HIDDEN, HIDDEN),
            nn.ReLU(),
            nn.Linear(HIDDEN, CHUNK * ACTIONS),
        )

    def forward(self, pictures: torch.Tensor, proprioception: torch.Tensor) -> torch.Tensor:
        """Answer chunks in units of `scale_actions`."""
        seen = self.vision((pictures - 0.5) / 0.25)
        with torch.autocast("cpu", enabled=False):
            chunks: torch.Tensor = self.head(torch.cat([seen, proprioception], dim=1))
        return chunks.view(-1, CHUNK, ACTIONS)

    @torch.no_grad()
    def act(self, observation: Observation) -> Float[np.ndarray, "c 4"]:
        """Answer a chunk of actions: places in metres, and openings."""
        picture = torch.from_numpy(observation.picture.astype(np.float32) / 255)
        felt = torch.from_numpy(scale_proprioception(observation.proprioception[None]))
        chunk = self(picture.permute(2, 0, 1)[None].contiguous(), felt)[0].numpy()
        places = chunk[:, :3].astype(np.float64) * SPREAD + CENTRE
        return np.concatenate([places, (chunk[:, 3:] > 0).astype(np.float64)], axis=1)


def scale_proprioception(values: Float[np.ndarray, "n 4"]) -> Float[np.ndarray, "n 4"]:
    """Scale places to [-1, 1] over the workspace, the opening from [0, 1] to [-1, 1]."""
    low, high = np.append(LOW, 0.0), np.append(HIGH, 1.0)
    return (2 * (values - low) / (high - low) - 1).astype(np.float32)


def scale_actions(chunks: Float[np.ndarray, "n c 4"]) -> Float[np.ndarray, "n c 4"]:
    """Scale places by `CENTRE` and `SPREAD`, and the opening to -1 or 1."""
    places, opening = (chunks[..., :3] - CENTRE) / SPREAD, 2 * chunks[..., 3:] - 1
    return np.concatenate([places, opening], axis=-1).astype(np.float32)
