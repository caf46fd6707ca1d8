"""Set up the processes of a training: one, data parallel (DDP), or sharded (FSDP2).

Launchers (`torchrun`, `accelerate launch`) set RANK, WORLD_SIZE, LOCAL_RANK and the master's
address; without them there is one process.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import torch
from torch import distributed, nn
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.nn.parallel import DistributedDataParallel

from simlift.models.hub._device import open_device

Tensor: TypeAlias = torch.Tensor
Sharding: TypeAlias = Literal["ddp", "fsdp"]


@dataclass(frozen=True)
class ProcessGroup:
    """One process among `size`."""

    rank: int
    size: int
    device: torch.device
    sharding: Sharding

    @property
    def first(self) -> bool:
        """Whether this process writes files."""
        return self.rank == 0

    def wrap(self, module: nn.Module, blocks: nn.ModuleList) -> nn.Module:
        """Return the module as this world runs it; `blocks` are what FSDP2 shards one by one."""
        if self.size == 1:
            return module
        if self.sharding == "ddp":
            ids = [self.device.index] if self.device.type == "cuda" else None
            return DistributedDataParallel(module, device_ids=ids)
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        mesh = init_device_mesh(self.device.type, (self.size,))
        for block in blocks:
            fully_shard(block, mesh=mesh)
        fully_shard(module, mesh=mesh)
        return module

    def mean(self, value: float) -> float:
        """Return the mean of a number over all processes; NaN where it is NaN on any."""
        if self.size == 1:
            return value
        total = torch.tensor([value], dtype=torch.float64, device=self.device)
        distributed.all_reduce(total)
        return float(total.item() / self.size)

    def wait(self) -> None:
        """Wait until every process is here."""
        if self.size > 1:
            distributed.barrier()


@contextmanager
def join_process_group(device: str, sharding: Sharding) -> Iterator[ProcessGroup]:
    """Join the processes that a launcher started; alone where there is none."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield ProcessGroup(0, 1, open_device(device), sharding)
        return
    local = int(os.environ["LOCAL_RANK"])
    place = open_device(f"cuda:{local}" if device.startswith("cuda") else device)
    if place.type == "cuda":
        torch.cuda.set_device(place)
    distributed.init_process_group("nccl" if place.type == "cuda" else "gloo")
    try:
        yield ProcessGroup(distributed.get_rank(), size, place, sharding)
    finally:
        distributed.destroy_process_group()


def gather(tensor: Tensor) -> Tensor:
    """Return a tensor with all its shares, on the CPU."""
    found: Any = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
    plain: Tensor = found.detach().cpu().clone()
    return plain


def shard_like(value: Tensor, model: Tensor) -> Tensor:
    """Return a whole tensor placed and shared out as another one is."""
    moved = value.to(model.device, model.dtype)
    if isinstance(model, DTensor):
        return distribute_tensor(moved, model.device_mesh, model.placements)
    return moved
