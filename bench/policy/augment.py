"""The baselines' augmentations, drawn anew for every sample of every batch.

Colour jitter has the ranges of robomimic's ColorRandomizer (0.3 each, hue included), and sensor
noise. Chroma keying is GreenAug's random variant (Teoh et al. 2024): what is neither robot nor task
object is replaced by a random texture. The simulator's segmentation stands for the green screen, so
the key is perfect.
"""

from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import UInt8

from bench.policy.camera import SEEN

JITTER = 0.3  # of brightness, contrast, saturation, and of the hue circle
NOISE = 0.05  # the largest deviation of noise, white being 1
TEXTURES = 512

_TO_YIQ = torch.tensor(
    [[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]]
)  # FCC NTSC


def jitter(pictures: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Change brightness, contrast, saturation and hue of pictures [n 3 h w] in [0, 1]; add noise.

    Saturation and hue are a scale and a turn of the chroma plane of YIQ.
    """
    n = len(pictures)

    def between(low: float, high: float) -> torch.Tensor:
        return low + (high - low) * torch.rand(n, 1, 1, 1, generator=generator)

    brighter = pictures * between(1 - JITTER, 1 + JITTER)
    mean = brighter.mean(dim=(1, 2, 3), keepdim=True)
    contrasted = mean + (brighter - mean) * between(1 - JITTER, 1 + JITTER)
    angle = 2 * torch.pi * between(-JITTER, JITTER).view(n)
    scale = between(1 - JITTER, 1 + JITTER).view(n)
    turn = torch.eye(3).repeat(n, 1, 1)
    turn[:, 1, 1] = turn[:, 2, 2] = scale * torch.cos(angle)
    turn[:, 1, 2], turn[:, 2, 1] = -scale * torch.sin(angle), scale * torch.sin(angle)
    mixed = torch.linalg.inv(_TO_YIQ) @ turn @ _TO_YIQ
    coloured = torch.einsum("nij,njhw->nihw", mixed, contrasted)
    noise = torch.randn(pictures.shape, generator=generator) * between(0, NOISE)
    return (coloured + noise).clamp(0, 1)


def key_background(
    pictures: torch.Tensor,
    background: torch.Tensor,
    textures: torch.Tensor,
    generator: torch.Generator,
) -> torch.Tensor:
    """Replace the background [n 1 h w] of pictures [n 3 h w] by random textures, bytes
    [k 3 h w]."""
    n = len(pictures)
    chosen = torch.randint(len(textures), (n,), generator=generator)
    behind = textures[chosen].float() / 255
    mirrored = torch.rand(n, 1, 1, 1, generator=generator) < 0.5
    behind = torch.where(mirrored, behind.flip(-1), behind)
    return pictures + background * (behind - pictures)


def make_textures(photos: Path | None, seed: int = 0) -> UInt8[np.ndarray, "k h w 3"]:
    """Draw the textures that chroma keying shows; half of them are the user's photos, if any.

    They are flat colours, gradients, noise of many scales, stripes, checks and mosaics: other
    generators than those of the tests.
    """
    rng = np.random.default_rng((seed, 2))
    made = [_texture(rng) for _ in range(TEXTURES)]
    if photos is not None:
        files = sorted(
            p for p in photos.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png")
        )
        if not files:
            raise FileNotFoundError(f"{photos}: no .jpg or .png is in it")
        for k in range(TEXTURES // 2):
            made[k] = _crop(files[int(rng.integers(len(files)))], rng)
    return np.stack(made)


def _texture(rng: np.random.Generator) -> UInt8[np.ndarray, "h w 3"]:
    first, second = rng.uniform(0, 1, 3), rng.uniform(0, 1, 3)
    rows, columns = np.mgrid[0:SEEN, 0:SEEN] / SEEN
    along = rows * np.sin(turn := rng.uniform(0, 2 * np.pi)) + columns * np.cos(turn)
    across = columns * np.sin(turn) - rows * np.cos(turn)
    cells = rng.uniform(2, 16)
    kind = int(rng.integers(6))
    if kind == 0:
        share = np.zeros((SEEN, SEEN))
    elif kind == 1:
        share = (along - along.min()) / np.ptp(along)
    elif kind == 2:
        share = (np.sin(2 * np.pi * cells * along) > rng.uniform(-0.7, 0.7)).astype(float)
    elif kind == 3:
        share = ((np.floor(cells * along) + np.floor(cells * across)) % 2).astype(float)
    else:
        size = int(rng.integers(2, 25))
        grid = rng.uniform(0, 1, (size, size, 3)).astype(np.float32)
        how = cv2.INTER_CUBIC if kind == 4 else cv2.INTER_NEAREST
        image = cv2.resize(grid, (SEEN, SEEN), interpolation=how).clip(0, 1)
        return (255 * image).round().astype(np.uint8)
    image = first + share[..., None] * (second - first)
    return (255 * image).round().astype(np.uint8)


def _crop(path: Path, rng: np.random.Generator) -> UInt8[np.ndarray, "h w 3"]:
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError(f"{path}: is not a picture that OpenCV reads")
    side = min(image.shape[:2])
    edge = int(rng.integers(max(side // 2, 1), side + 1))
    top = int(rng.integers(image.shape[0] - edge + 1))
    left = int(rng.integers(image.shape[1] - edge + 1))
    part = image[top : top + edge, left : left + edge, ::-1]
    return np.asarray(cv2.resize(part, (SEEN, SEEN), interpolation=cv2.INTER_AREA))
