"""Ways to give a video transformer a reference, side by side on the CPU: seconds and peak memory.

    python bench/incontext.py            8 layers of width 512, 3744 target tokens, two threads

Each way runs in a process of its own, so that its peak memory is its own; it is counted above what
libraries and weights take. Ways take turns, and a way's best forward counts. Seconds of 4 and 40
steps under guidance are two forwards a step, and what is paid once. The size is one whose half the
network can take, so that all ways have the same target.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable

WAYS = {
    "no": "text to video, no reference",
    "stock": "stock: frames joined, timestep for each token",
    "full": "full",
    "self": "self, reference in every forward",
    "kept": "self, reference kept",
    "half": "self, reference kept, at half size",
}
FRAMES, ROWS, COLUMNS = 9, 32, 52  # latents: 3744 tokens
ROUNDS, REPEATS = 3, 2


def measure(way: str) -> dict[str, float]:
    """Run one way; return seconds of a forward, seconds paid once, and peak memory in GB."""
    import torch
    from diffusers import WanTransformer3DModel

    from simlift.models.wan._incontext import InContextTransformer
    from simlift.models.wan.incontext import InContext

    torch.set_num_threads(2)
    torch.manual_seed(0)
    model = WanTransformer3DModel(
        num_attention_heads=8,
        attention_head_dim=64,
        text_dim=256,
        ffn_dim=1536,
        num_layers=8,
        rope_max_seq_len=128,
    ).eval()
    half = 2 if way == "half" else 1
    settings = InContext(attention="full" if way == "full" else "self", downscale=half)
    ours = InContextTransformer(model, settings)
    x = torch.randn(1, 16, FRAMES, ROWS, COLUMNS)
    reference = torch.randn(1, 16, FRAMES, ROWS // half, COLUMNS // half)
    text, step = torch.randn(1, 64, 256), torch.tensor([500.0])
    tokens = FRAMES * (ROWS // 2) * (COLUMNS // 2)
    steps = torch.cat([step.expand(tokens), step.new_zeros(tokens)])[None]
    loaded = peak_memory()
    once = 0.0
    with torch.inference_mode():
        kept = None
        if way in ("kept", "half"):
            ours.cache_reference(reference, text)
            begun = time.perf_counter()
            kept = ours.cache_reference(reference, text)
            once = time.perf_counter() - begun
        forwards: dict[str, Callable[[], object]] = {
            "no": lambda: ours(x, step, text),
            "stock": lambda: model(torch.cat([x, reference], dim=2), steps, text),
            "full": lambda: ours(x, step, text, reference=reference),
            "self": lambda: ours(x, step, text, reference=reference),
            "kept": lambda: ours(x, step, text, reference=kept),
            "half": lambda: ours(x, step, text, reference=kept),
        }
        forwards[way]()
        seconds = []
        for _ in range(REPEATS):
            begun = time.perf_counter()
            forwards[way]()
            seconds.append(time.perf_counter() - begun)
    peak = peak_memory() - loaded
    return {"forward": min(seconds), "once": once, "peak": peak}


def peak_memory() -> float:
    """Return the most memory that this process has had, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def main() -> None:
    """Measure every way in turn and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--way", choices=WAYS)
    arguments = parser.parse_args()
    if arguments.way:
        print(json.dumps(measure(arguments.way)))
        return
    print("| reference | forward s | 4 steps s | 40 steps s | faster than stock | peak GB |")
    print("| --- | --- | --- | --- | --- | --- |")
    found: dict[str, dict[str, float]] = {}
    for _ in range(ROUNDS):
        for way in WAYS:
            command = [sys.executable, __file__, "--way", way]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            made = json.loads(done.stdout)
            found[way] = {k: min(v, found.get(way, made)[k]) for k, v in made.items()}

    def total(way: str, steps: int) -> float:
        return found[way]["once"] + 2 * steps * found[way]["forward"]

    for way, name in WAYS.items():
        print(
            f"| {name} | {found[way]['forward']:.2f} | {total(way, 4):.1f} | {total(way, 40):.1f} "
            f"| {total('stock', 40) / total(way, 40):.2f} | {found[way]['peak']:.2f} |"
        )


if __name__ == "__main__":
    main()
