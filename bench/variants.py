"""Measure what eight variants of an episode cost against eight single runs, in one process.

    python bench/variants.py [--clip FOLDER] [--variants 8]

Single runs lift the same looks one by one, so that nothing is shared among them; the looks are
sampled, and differ in what they cost. A first run, not counted, compiles the loops.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from simlift.core.recipe import Recipe, Variant
from simlift.passes.demo import episode_path
from simlift.passes.lift import lift_clips
from simlift.passes.variants import variants_of
from simlift.scale.progress import Silent
from simlift.sources import open_clip


def main() -> None:
    """Print seconds and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clip", type=Path, default=episode_path("tabletop"))
    parser.add_argument("--variants", type=int, default=8)
    asked = parser.parse_args()
    clip = open_clip(asked.clip)
    variants = variants_of("photographic", count=asked.variants, seed=3)

    def seconds(chosen: tuple[Variant, ...]) -> float:
        with tempfile.TemporaryDirectory() as folder:
            begun = time.perf_counter()
            lift_clips([clip], Recipe(chosen, seed=3), Path(folder) / "run", progress=Silent())
            return time.perf_counter() - begun

    seconds(variants[:1])
    together = seconds(variants)
    alone = [seconds((variant,)) for variant in variants]
    mean = statistics.mean(alone)
    print(f"{len(variants)} variants together: {together:.1f} s")
    print(f"a single run: {mean:.1f} s on average ({min(alone):.1f} to {max(alone):.1f})")
    print(f"together they cost {together / mean:.2f} single runs")


if __name__ == "__main__":
    main()
