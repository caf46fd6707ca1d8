"""Seconds and memory of in-context lifting and training at the true shape of Wan2.2 T2V-A14B.

    python bench/gpu_incontext.py                  one expert with random weights, 480x832, on a GPU
    python bench/gpu_incontext.py --tiny           the same code at a toy size on the CPU
    python bench/gpu_incontext.py --only memory    one part: lifting, kernels, memory, training, vae

Prints tables in Markdown: each way to run a step, its seconds, its peak memory, and the floor that
its operations set at the rate of matrix products measured in the same run.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from diffusers import AutoencoderKLWan, WanTransformer3DModel
from diffusers.models.transformers.transformer_wan import WanRotaryPosEmbed

from simlift.models.wan import _adapter
from simlift.models.wan._incontext import InContextTransformer, ReferenceCache
from simlift.models.wan._offload import BlockStream
from simlift.models.wan._parts import decode_latents, encode_frames
from simlift.models.wan.adapter import TARGETS
from simlift.models.wan.cost import Shape, forward_cost
from simlift.models.wan.incontext import InContext
from simlift.training._expert_trainer import Sample, VelocityLoss

A14B = {"num_attention_heads": 40, "attention_head_dim": 128, "ffn_dim": 13824, "num_layers": 40}
TOY = {"num_attention_heads": 4, "attention_head_dim": 32, "ffn_dim": 256, "num_layers": 2}
TEXT = 512
PARTS = ("lifting", "kernels", "memory", "training", "vae")
HEAD = (
    "| frames | {} | seconds | peak GB | floor seconds (share) |\n| --- | --- | --- | --- | --- |"
)


@dataclass(frozen=True)
class Bench:
    """Where and how large."""

    device: torch.device
    dtype: torch.dtype
    shape: dict
    height: int
    width: int

    def network(self) -> WanTransformer3DModel:
        """Return an expert with random weights, made where it runs."""
        settings = {"text_dim": 4096, "freq_dim": 256, "rope_max_seq_len": 1024, **self.shape}
        with torch.device("meta"):
            model = WanTransformer3DModel(**settings)
        model = model.to_empty(device=self.device)
        model.rope = WanRotaryPosEmbed(model.config.attention_head_dim, (1, 2, 2), 1024)
        generator = torch.Generator(self.device).manual_seed(0)
        exact = ("time_embedder", "scale_shift_table", "norm1", "norm2", "norm3")
        for name, parameter in model.named_parameters():
            kind = torch.float32 if any(part in name for part in exact) else self.dtype
            parameter.data = parameter.data.to(kind)
            if "norm" in name and name.endswith("weight"):
                parameter.data.fill_(1.0)
            else:
                parameter.data.normal_(0.0, 0.02, generator=generator)
        model.rope.to(self.device)
        return model.eval().requires_grad_(False)

    def latents(self, frames: int, step: int = 1) -> torch.Tensor:
        """Return random latents [1 16 F H W] of a video."""
        shape = (1, 16, (frames - 1) // 4 + 1, self.height // 8 // step, self.width // 8 // step)
        return torch.randn(shape, device=self.device, dtype=self.dtype)

    def text(self) -> torch.Tensor:
        """Return random text embeddings [1 512 4096]."""
        return torch.randn(1, TEXT, 4096, device=self.device, dtype=self.dtype)

    def measure(
        self, work: Callable[[], object], repeats: int, *, first: bool = True
    ) -> tuple[float, float]:
        """Return the median seconds of some repeats after a `first` run, and peak memory in GB."""
        if first:
            work()
        self.wait()
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        seconds = []
        for _ in range(repeats):
            begun = time.perf_counter()
            work()
            self.wait()
            seconds.append(time.perf_counter() - begun)
        peak = torch.cuda.max_memory_allocated() / 1e9 if self.device.type == "cuda" else 0.0
        return sorted(seconds)[len(seconds) // 2], peak

    def wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def matmul_rate(self) -> float:
        """Return operations a second of a large matrix product."""
        size = 8192 if self.device.type == "cuda" else 1024
        a, b = (torch.randn(size, size, device=self.device, dtype=self.dtype) for _ in range(2))
        seconds, _ = self.measure(lambda: a @ b, 10)
        return 2 * size**3 / seconds


@dataclass(frozen=True)
class Table:
    """Rows of one length of video: seconds, memory, and the floor of their operations."""

    bench: Bench
    frames: int
    rate: float

    def row(
        self,
        name: str,
        work: Callable[[], object],
        operations: float,
        repeats: int = 2,
        *,
        first: bool = True,
    ) -> None:
        """Measure and print."""
        try:
            seconds, peak = self.bench.measure(work, repeats, first=first)
        except torch.OutOfMemoryError:
            print(f"| {self.frames} | {name} | out of memory | | |", flush=True)
            torch.cuda.empty_cache()
            return
        floor = operations / self.rate
        print(
            f"| {self.frames} | {name} | {seconds:.2f} | {peak:.1f} "
            f"| {floor:.2f} ({floor / seconds:.0%}) |",
            flush=True,
        )


@torch.inference_mode()
def lifting(bench: Bench, model: WanTransformer3DModel, frames: int, rate: float) -> None:
    """Print a row for each way to take one step, one guidance branch."""
    shape, text = Shape.of(dict(model.config)), bench.text()
    step = torch.tensor([700.0], device=bench.device)
    x = bench.latents(frames)
    tokens = x[0, 0].numel() // 4
    row = Table(bench, frames, rate).row
    alone = InContextTransformer(model, InContext())
    row(
        "text to video, no reference",
        lambda: alone(x, step, text),
        shape.dense(tokens) + shape.attention(tokens, tokens),
    )
    reference = bench.latents(frames)
    both = torch.cat([x, reference], dim=2)
    steps = torch.cat([step.expand(tokens), step.new_zeros(tokens)])[None]
    full = forward_cost(shape, tokens, tokens, InContext(), cached=False)
    row(
        "stock, frames joined, timestep for each token",
        lambda: model(both, steps, text),
        full.operations,
    )
    row("full", lambda: alone(x, step, text, reference=reference), full.operations)
    for downscale in (1, 2):
        settings = InContext(attention="self", downscale=downscale)
        ours = InContextTransformer(model, settings)
        small = bench.latents(frames, downscale)
        cost = forward_cost(shape, tokens, tokens // downscale**2, settings, cached=True)
        begun = time.perf_counter()
        kept = ours.cache_reference(small, text)
        bench.wait()
        built = time.perf_counter() - begun
        name = "self, kept" + (", reference at half size" if downscale == 2 else "")
        row(
            f"{name} ({kept.num_bytes / 1e9:.1f} GB, {built:.2f} s once)",
            lambda ours=ours, kept=kept: ours(x, step, text, reference=kept),
            cost.operations,
        )
        del kept


@dataclass(frozen=True, eq=False)
class Kept:
    """One step of a network with a kept reference: the fastest exact way."""

    network: InContextTransformer
    x: torch.Tensor
    text: torch.Tensor
    reference: ReferenceCache
    operations: float

    def __call__(self) -> torch.Tensor:
        step = torch.tensor([700.0], device=self.x.device)
        return self.network(self.x, step, self.text, reference=self.reference)


def kept_step(bench: Bench, model: WanTransformer3DModel, frames: int) -> Kept:
    """Return a step with a kept reference of full size."""
    settings = InContext(attention="self")
    network, x, text = InContextTransformer(model, settings), bench.latents(frames), bench.text()
    tokens = x[0, 0].numel() // 4
    cost = forward_cost(Shape.of(dict(model.config)), tokens, tokens, settings, cached=True)
    reference = network.cache_reference(bench.latents(frames), text)
    return Kept(network, x, text, reference, cost.operations)


@torch.inference_mode()
def kernels(bench: Bench, model: WanTransformer3DModel, frames: int, rate: float) -> None:
    """Print a row for other attention kernels and for compiled blocks; weights stay the same."""
    table = Table(bench, frames, rate)
    backends = ["native"] if bench.device.type == "cpu" else ["native", "_native_cudnn"]
    for backend in backends:
        model.set_attention_backend(backend)
        step = kept_step(bench, model, frames)
        table.row(f"self, kept, attention {backend}", step, step.operations)
    step = kept_step(bench, model, frames)
    begun = time.perf_counter()
    step.network.compile_blocks()
    step()
    bench.wait()
    name = f"self, kept, blocks compiled (first step {time.perf_counter() - begun:.0f} s)"
    table.row(name, step, step.operations)
    model.set_attention_backend("native")


@torch.inference_mode()
def memory(bench: Bench, model: WanTransformer3DModel, frames: int, rate: float) -> None:
    """Print a row for each way to need less memory; what it leaves is a model in 8 bits."""
    table = Table(bench, frames, rate)
    step = kept_step(bench, model, frames)
    table.row("self, kept", step, step.operations)
    blocks = step.network.blocks
    stream = BlockStream(blocks, bench.device)
    if bench.device.type == "cuda":
        torch.cuda.empty_cache()
    table.row("self, kept, blocks streamed", step, step.operations)
    stream.detach()
    blocks.to(bench.device)
    _adapter.store_in_8_bits(model, bench.dtype)
    if bench.device.type == "cuda":
        torch.cuda.empty_cache()
    table.row("self, kept, 8-bit weights", step, step.operations)


def training(
    bench: Bench, model: WanTransformer3DModel, frames: int, rate: float, *, compiled: bool = False
) -> None:
    """Print a row for each way to take one training step: forward, recomputed, backward, update."""
    shape = Shape.of(dict(model.config))
    trained = [p for n, p in model.named_parameters() if "lora_" in n]
    optimiser = torch.optim.AdamW(trained, lr=1e-5)
    for attention in ("full", "self"):
        settings = InContext(attention=attention)
        ours = InContextTransformer(model, settings)
        ours.checkpointing = True
        if compiled:
            ours.compile_blocks()
        loss = VelocityLoss(ours, bench.dtype)
        x, reference, noise = (bench.latents(frames).float() for _ in range(3))
        level = torch.tensor([0.7], device=bench.device)
        sample = Sample(x, reference, noise, level, bench.text(), bench.text(), 0)

        def step(loss: VelocityLoss = loss, sample: Sample = sample) -> None:
            loss(sample).mean().backward()
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)

        tokens = x[0, 0].numel() // 4
        # Twice forward (the second time recomputed), and the gradients of activations: as much as
        # a forward for dense layers, whose weights are frozen, twice as much for attention.
        cost = forward_cost(shape, tokens, tokens, settings, cached=False).operations
        pairs = 2 * tokens * 2 * tokens if attention == "full" else 3 * tokens * tokens
        attended = 4.0 * shape.layers * shape.width * pairs
        floor = (3 * cost + attended) / rate
        Table(bench, frames, rate).row(f"train, {attention}, rank 32", step, floor * rate, 1)


@torch.inference_mode()
def vae(bench: Bench, frames: int) -> None:
    """Print seconds and memory of the video autoencoder at its true size, frames streamed out."""
    settings = {"base_dim": 8} if bench.device.type == "cpu" else {}
    model = AutoencoderKLWan(**settings).to(bench.device, bench.dtype).eval()
    video = np.zeros((frames, bench.height, bench.width, 3), np.uint8)
    latents = encode_frames(model, video)
    for name, work in (
        ("encoded", lambda: encode_frames(model, video)),
        ("decoded", lambda: [None for _ in decode_latents(model, latents)]),
    ):
        seconds, peak = bench.measure(work, 1)
        print(f"| {frames} | {name} | {seconds:.2f} | {peak:.1f} |", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--frames", type=int, nargs="+", default=[49, 81])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--fp8", action="store_true", help="train on a base in 8 bits")
    parser.add_argument("--compile", action="store_true", help="train with compiled blocks")
    arguments = parser.parse_args()
    if arguments.tiny:
        bench = Bench(torch.device("cpu"), torch.float32, TOY, 64, 96)
    else:
        bench = Bench(torch.device("cuda"), torch.bfloat16, A14B, 480, 832)
        print(torch.cuda.get_device_name(0), f"torch {torch.__version__}")
    rate = bench.matmul_rate()
    print(f"matrix products: {rate / 1e12:.1f} TFLOP/s")
    for part in arguments.only:
        print(f"\n{part}\n" + HEAD.format("one step"), flush=True)
        if part == "vae":
            for frames in arguments.frames:
                vae(bench, frames)
            continue
        model = bench.network()
        if part == "training":
            if arguments.fp8:
                _adapter.store_in_8_bits(model, bench.dtype)
            targets = TARGETS["attention+ffn"]
            _adapter.add_adapter(model, rank=32, alpha=32, targets=targets, seed=0)
        if part == "memory":  # which changes the model, and so measures the longest video alone
            memory(bench, model, arguments.frames[-1], rate)
            continue
        train = partial(training, compiled=arguments.compile)
        work = {"lifting": lifting, "kernels": kernels, "training": train}[part]
        for frames in arguments.frames:
            work(bench, model, frames, rate)


if __name__ == "__main__":
    main()
