"""Measure in a moment how many operations a second a device's matrix products reach."""

import time

import torch

from simlift.models.hub._device import open_device
from simlift.models.wan._parts import DTYPES

_SIZES = {"cuda": 8192, "cpu": 1024}
_REPEATS = 3


def matmul_rate(device: str, dtype: str) -> float:
    """Return operations a second of a large matrix product; a multiply-add counts as two."""
    place = open_device(device)
    size = _SIZES.get(place.type, 2048)
    one, other = (torch.randn(size, size, device=place, dtype=DTYPES[dtype]) for _ in range(2))
    torch.mm(one, other)
    best = float("inf")
    for _ in range(_REPEATS):
        _wait(place)
        begun = time.perf_counter()
        torch.mm(one, other)
        _wait(place)
        best = min(best, time.perf_counter() - begun)
    return 2 * size**3 / best


def _wait(place: torch.device) -> None:
    if place.type == "cuda":
        torch.cuda.synchronize(place)
