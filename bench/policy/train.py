"""Clone the expert: every arm takes as many gradient steps on the same demonstrations.

The arms differ in their pictures alone. Each augmented arm sees plain and augmented pictures 1:1 in
every batch, as users mix them.
"""

import time
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import UInt8

from bench.policy.augment import jitter, key_background
from bench.policy.dataset import Steps
from bench.policy.network import Policy, scale_actions, scale_proprioception


@dataclass(frozen=True)
class Arm:
    """What the augmented half of a batch is made of; a plain arm has none."""

    lifted: bool = False
    jittered: bool = False
    keyed: bool = False

    @property
    def plain(self) -> bool:
        return not (self.lifted or self.jittered or self.keyed)


ARMS = {
    "plain": Arm(),
    "jitter": Arm(jittered=True),
    "chroma": Arm(keyed=True),
    "lifted": Arm(lifted=True),
    "lifted+jitter": Arm(lifted=True, jittered=True),
    "lifted+chroma": Arm(lifted=True, keyed=True),
    "chroma+jitter": Arm(keyed=True, jittered=True),
}


@dataclass(frozen=True)
class Training:
    """How long a policy is trained; the rate rises for a tenth of it, then falls to 0.

    `bfloat16` runs the convolutions in it, which halves the time where the CPU has AMX.
    """

    steps: int = 800
    batch: int = 48
    rate: float = 3e-3
    bfloat16: bool = False


@dataclass(frozen=True, eq=False)
class Pictures:
    """What training draws from, as bytes: plain pictures, lifted ones [k n h w 3], textures."""

    steps: Steps
    lifted: UInt8[np.ndarray, "k n h w 3"] | None
    textures: UInt8[np.ndarray, "m h w 3"]


def train(
    arm: Arm, pictures: Pictures, seed: int, training: Training
) -> tuple[Policy, dict[str, float]]:
    """Train a policy of a seed; return it with its loss at the end and the seconds it took."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    steps = pictures.steps
    plain = _channels_first(steps.pictures)
    background = torch.from_numpy(steps.background)[:, None]
    textures = _channels_first(pictures.textures)
    lifted = None if pictures.lifted is None else _channels_first(pictures.lifted)
    if arm.lifted and lifted is None:
        raise ValueError("an arm of lifted pictures was asked for, and there are none")
    felt = torch.from_numpy(scale_proprioception(steps.proprioception))
    chunks = torch.from_numpy(scale_actions(steps.chunks))
    policy = Policy().to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(policy.parameters(), lr=training.rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, training.rate, total_steps=training.steps, pct_start=0.1
    )
    begun, recent = time.monotonic(), 0.0
    for _ in range(training.steps):
        chosen = torch.randint(len(plain), (training.batch,), generator=generator)
        batch = plain[chosen].float() / 255
        if not arm.plain:
            half = chosen[: training.batch // 2]
            changed = batch[: len(half)]
            if arm.lifted and lifted is not None:
                looks = torch.randint(len(lifted), (len(half),), generator=generator)
                changed = lifted[looks, half].float() / 255
            if arm.keyed:
                share = background[half].float() / 255
                changed = key_background(changed, share, textures, generator)
            if arm.jittered:
                changed = jitter(changed, generator)
            batch = torch.cat([changed, batch[len(half) :]])
        batch = batch.contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16, enabled=training.bfloat16):
            answered = policy(batch, felt[chosen])
        loss = (answered - chunks[chosen]).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(policy.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        recent += 0.02 * (float(loss.detach()) - recent)
    policy.eval()
    return policy, {"loss": recent, "seconds": time.monotonic() - begun}


def _channels_first(pictures: UInt8[np.ndarray, "... h w 3"]) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(pictures, -1, -3)))
