"""RealMaster in Python on a tiny random model: pairs from a twin, an adapter, a take, its scores.

Real models go the same way: name a Wan base, and train for thousands of steps; see
docs/realmaster.md. Here the take is noise to the eye, because the model is.
"""

import sys
from pathlib import Path

from simlift import Plugin, Recipe, Run, Variant, lift_clips, open_clip
from simlift.engines.wan import Wan
from simlift.passes.pairs.make import PairRecipe, pair_clips
from simlift.passes.score import score_run
from simlift.passes.train import train_adapter
from simlift.scale.progress import Silent
from simlift.training.recipe import TrainRecipe

# The tiny model and the short clip are the tests' own.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from tiny import clips, models

out = Path(sys.argv[1] if len(sys.argv) > 1 else "out/pairs-train-lift")
base = str(models.wan(out / "wan"))
size, silent = (32, 48), Silent()

# The first frames of a shipped episode, with its path-traced twin.
clip = open_clip(clips.excerpt(out / "clip", 17))

# The render is the reference of a pair, its twin the target.
made = pair_clips([clip], PairRecipe(twins=True, frames=17), out / "pairs", progress=silent)
print(f"pairs: {made.accepted} accepted, {made.rejected} rejected")

recipe = TrainRecipe(
    base=base,
    steps=8,
    rank=8,
    lr_high=0.005,
    lr_low=0.005,
    warmup=0,
    switch_every=4,
    frames=17,
    prefix_frames=5,
    resolution=size,
    evaluate_every=4,
    dtype="float32",
)
adapter = train_adapter(made.pairs, recipe, out / "adapter", progress=silent)
print(f"adapter: {', '.join(path.name for path in sorted(adapter.glob('*.safetensors')))}")

engine = Wan(
    base,
    adapter=str(adapter),
    steps=4,
    shift=5.0,
    guidance=(1.0, 1.0),
    resolution=size,
    dtype="float32",
)
variant = Variant("tiny", Plugin.of(engine))
lift_clips([clip], Recipe(variants=(variant,), seed=1), out / "run", progress=silent)

run = Run(out / "run")
score_run(run, progress=silent)
for take in run.takes():
    sheet = run.sheet(take.key)
    assert sheet is not None
    print(f"{take.key}: {'accepted' if sheet.accepted else 'rejected'}")
    for name in ("edge_f1", "flicker_ratio", "twin_psnr", "twin_psnr_render"):
        value = sheet.values()[name]
        print(f"  {name:24} {value:.3f}")
