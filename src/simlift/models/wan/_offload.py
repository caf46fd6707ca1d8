"""Move modules to the device while they work, or stream their weights to it block by block."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import torch
from torch import nn

Tensor: TypeAlias = torch.Tensor


@contextmanager
def on_device(module: nn.Module, device: torch.device, *, stay: bool) -> Iterator[None]:
    """Have a module on a device while the block runs; then it goes back, unless it may stay."""
    module.to(device)
    try:
        yield
    finally:
        if not stay:
            module.to("cpu")
            if device.type == "cuda":
                torch.cuda.empty_cache()


class BlockStream:
    """Brings each block's weights to the device just before it runs, and the next one's meanwhile.

    Weights stay in page-locked memory on the CPU; the device holds two blocks at a time. Attach it
    to the list of blocks of a module whose other weights are on the device already.
    """

    def __init__(self, blocks: nn.ModuleList, device: torch.device) -> None:
        self._device = device
        self._blocks = list(blocks)
        self._stream: Any = torch.cuda.Stream(device) if device.type == "cuda" else None
        self._home = [self._park(block) for block in self._blocks]
        self._coming: dict[int, Any] = {}
        self._hooks = []
        for number, block in enumerate(self._blocks):
            self._hooks += [
                block.register_forward_pre_hook(lambda *_, k=number: self._enter(k)),
                block.register_forward_hook(lambda *_, k=number: self._leave(k)),
            ]

    def detach(self) -> None:
        """Leave the blocks as they are, on the CPU."""
        for hook in self._hooks:
            hook.remove()

    def _park(self, block: nn.Module) -> list[tuple[Any, Tensor]]:
        home = []
        for tensor in (*block.parameters(), *block.buffers()):
            data = tensor.data.cpu()
            tensor.data = data.pin_memory() if self._stream is not None else data
            home.append((tensor, tensor.data))
        return home

    def _fetch(self, number: int) -> None:
        if number >= len(self._blocks) or number in self._coming:
            return
        if self._stream is None:
            self._coming[number] = [data.to(self._device) for _, data in self._home[number]]
            return
        with torch.cuda.stream(self._stream):
            copies = [data.to(self._device, non_blocking=True) for _, data in self._home[number]]
            self._coming[number] = copies

    def _enter(self, number: int) -> None:
        self._fetch(number)
        if self._stream is not None:
            torch.cuda.current_stream(self._device).wait_stream(self._stream)
        for (tensor, _), copy in zip(self._home[number], self._coming.pop(number)):
            if self._stream is not None:
                copy.record_stream(torch.cuda.current_stream(self._device))
            tensor.data = copy
        self._fetch(number + 1)

    def _leave(self, number: int) -> None:
        for tensor, data in self._home[number]:
            tensor.data = data
