"""Run the transformers of a Wan model on their device, alone or sharded over processes.

One process, or several that share a window's tokens (context parallelism): the first one's
`Denoiser` then starts the others, hands them every window, and works along.
"""

import signal
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TypeAlias

import torch
from torch import distributed, multiprocessing, nn

from simlift.core.errors import RecipeError, RunError
from simlift.core.progress import report_step
from simlift.engines.wan._sampler import Conditions, Sampler
from simlift.engines.wan.settings import WanSettings, lora_file
from simlift.models.hub._device import open_device
from simlift.models.hub._lora import load_lora, put_lora, read_lora
from simlift.models.wan._adapter import ADAPTER, read_adapter, store_in_8_bits
from simlift.models.wan._incontext import InContextTransformer
from simlift.models.wan._offload import BlockStream, on_device
from simlift.models.wan._parts import DTYPES, load_transformer
from simlift.models.wan._token_shards import Place
from simlift.models.wan.adapter import Adapter
from simlift.models.wan.base_model import WanBase
from simlift.models.wan.flow_matching import Expert
from simlift.models.wan.layer_names import wan_name

Tensor: TypeAlias = torch.Tensor
_PATIENCE = timedelta(minutes=10)  # for one exchange, before a lost process is noticed


@dataclass(frozen=True)
class Model:
    """What every process loads."""

    spec: WanSettings
    base: WanBase
    adapter: Adapter | None


class Denoiser:
    """The transformers of one process."""

    def __init__(self, model: Model, device: torch.device, place: Place) -> None:
        self._model, self._device = model, device
        self._experts = {e: _load_expert(model, e, place) for e in model.base.experts.names}

    def __call__(self, noise: Tensor, levels: Sequence[float], conditions: Conditions) -> Tensor:
        """Return the latents [1 C F H W] that lie at the end of the levels, float32."""
        spec, experts = self._model.spec, self._model.base.experts
        sampler = Sampler(
            experts,
            self._use,
            {e: spec.guidance_of(e) for e in experts.names},
            None if spec.keep == "device" else "cpu",
            report_step,
        )
        return sampler(noise.to(self._device), levels, conditions.to(self._device))

    @contextmanager
    def _use(self, expert: Expert) -> Iterator[InContextTransformer]:
        network, spec = self._experts[expert], self._model.spec
        if spec.offload != "layer":
            with on_device(network, self._device, stay=spec.offload == "none"):
                yield network
            return
        blocks = network.blocks
        network.blocks = nn.ModuleList()  # what is not a block moves as a whole
        network.to(self._device)
        network.blocks = blocks
        stream = BlockStream(blocks, self._device)
        try:
            yield network
        finally:
            stream.detach()


class SharedDenoiser:
    """A denoiser whose windows other processes work on too."""

    def __init__(self, own: Denoiser, others: Sequence[Connection]) -> None:
        self._own, self._others = own, others

    def __call__(self, noise: Tensor, levels: Sequence[float], conditions: Conditions) -> Tensor:
        """Return the latents [1 C F H W] that lie at the end of the levels, float32."""
        job = noise.cpu(), levels, conditions.to(torch.device("cpu"))
        try:
            for other in self._others:
                other.send(job)
            latents = self._own(noise, levels, conditions)
        except (RuntimeError, OSError) as error:
            raise RunError(
                "wan.parallel", self._reason() or f"a process was lost: {error}"
            ) from error
        for other in self._others:
            if (reason := other.recv()) is not None:
                raise RunError("wan.parallel", reason)
        return latents

    def _reason(self) -> str | None:
        """Return what another process died of, where it could say so."""
        for other in self._others:
            try:
                if other.poll(1.0) and (found := other.recv()) is not None:
                    return str(found)
            except (EOFError, OSError):
                continue
        return None


@contextmanager
def open_denoiser(model: Model, device: str) -> Iterator[Denoiser | SharedDenoiser]:
    """Load the transformers, in as many processes as the spec says."""
    size = model.spec.parallel
    if size == 1:
        yield Denoiser(model, open_device(device), Place())
        return
    kind = torch.device(device).type
    if kind == "cuda" and torch.cuda.device_count() < size:
        raise RecipeError(
            "wan.parallel",
            f"found {size}",
            allowed=f"up to {torch.cuda.device_count()}, the GPUs that are here",
        )
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        others = [
            stack.enter_context(_worker(model, kind, Place(rank, size), folder))
            for rank in range(1, size)
        ]
        place = stack.enter_context(_joined(kind, Place(0, size), folder))
        yield SharedDenoiser(Denoiser(model, place, Place(0, size)), others)


@contextmanager
def _worker(model: Model, kind: str, place: Place, folder: Path) -> Iterator[Connection]:
    """Have another process at work, which ends with the block."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there, model, kind, place, folder), daemon=True)
    process.start()
    there.close()
    try:
        yield here
    finally:
        here.close()  # which it takes for its end
        process.join(5.0)
        process.kill()


def _serve(jobs: Connection, model: Model, kind: str, place: Place, folder: Path) -> None:
    """Denoise along with the first process until it hangs up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the first process's to answer
    try:
        with _joined(kind, place, folder) as device:
            denoiser = Denoiser(model, device, place)
            while True:
                noise, levels, conditions = jobs.recv()
                denoiser(noise, levels, conditions)
                jobs.send(None)
    except EOFError:
        return
    except Exception as error:  # sent to the first process, which raises it
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(last.filename).name}:{last.lineno}"
        jobs.send(f"process {place.rank}: {type(error).__name__}: {error} ({where})")


@contextmanager
def _joined(kind: str, place: Place, folder: Path) -> Iterator[torch.device]:
    """Join the processes that share tokens; the block runs with this one's device."""
    device = open_device(f"cuda:{place.rank}" if kind == "cuda" else kind)
    if kind == "cuda":
        torch.cuda.set_device(device)
    distributed.init_process_group(
        "nccl" if kind == "cuda" else "gloo",
        init_method=f"file://{folder / 'store'}",
        rank=place.rank,
        world_size=place.size,
        timeout=_PATIENCE,
    )
    try:
        yield device
    finally:
        distributed.destroy_process_group()


def _load_expert(model: Model, expert: Expert, place: Place) -> InContextTransformer:
    spec, dtype = model.spec, DTYPES[model.spec.dtype]
    made = load_transformer(model.base, expert, dtype)
    names = []
    if model.adapter is not None and (file := model.adapter.file_of(expert)) is not None:
        alpha = model.adapter.card.alpha
        load_lora(made, read_adapter(file), name=ADAPTER, path=file, alpha=alpha)
        names.append(ADAPTER)
    for number, lora in enumerate(spec.loras):
        file = lora_file(lora, expert)
        found = read_lora(file, made, wan_name)
        put_lora(made, found, name=f"lora{number}", path=file)
        if found.weights:
            names.append(f"lora{number}")
    if names:
        made.set_adapters(names, [1.0] * len(names))
    if spec.attention_backend is not None:
        try:
            made.set_attention_backend(spec.attention_backend)
        except (ValueError, RuntimeError, ImportError) as error:
            raise RecipeError("wan.attention_backend", str(error).partition("\n")[0]) from error
    if spec.fp8:
        store_in_8_bits(made, dtype)
    network = InContextTransformer(made, spec.incontext(model.adapter)).eval()
    network.place = place
    if spec.compile:
        network.compile_blocks()
    return network
