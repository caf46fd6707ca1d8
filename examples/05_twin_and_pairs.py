"""Lift a few frames under the light of the episode's path-traced twin; say how near they come.

Each frame is written as a picture: render, take, twin. The same three are pairs to train on.
"""

import sys
from pathlib import Path

import numpy as np

from simlift import Layer, Photographic, open_clip
from simlift.core.clip_sample import sample_clip
from simlift.evaluation.metrics import TwinDistance, gaps_closed
from simlift.media.images import write_image
from simlift.passes.demo import episode_path
from simlift.passes.twin import SEED, twin_settings

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "out/pairs")
clip = open_clip(Path(sys.argv[2]) if len(sys.argv) > 2 else episode_path("tabletop"))

if Layer.TWIN not in clip or not (clip.path / "twin.json").is_file():
    print(f"{clip.name} has no twin; record a clip with one: simlift record tabletop --twin")
    sys.exit()

# The twin's exposure is locked, so its look holds everything that it was made with.
engine = Photographic(twin_settings(clip).look)
with clip.open(engine.needs() | engine.uses() | {Layer.TWIN}) as reader, engine.open("cpu") as tool:
    sample = sample_clip(reader)
    window = reader.window(range(min(clip.num_frames, 3)))
    take = tool.lift(window, sample=sample, previous=None, seed=SEED)

for index, *pictures in zip(window.indices, window.rgb, take, window[Layer.TWIN], strict=True):
    write_image(folder / f"{clip.name}-{index:04d}.png", np.hstack(pictures))

values = {score.name: score.value() for score in TwinDistance().measure(window, take)}
print(f"{clip.name}: PSNR to the twin, over {len(take)} frames")
print(f"  render {values['twin_psnr_render']:.1f} dB, take {values['twin_psnr']:.1f} dB")
print(f"  share of the distance closed: {gaps_closed(values)['twin_psnr']:.0%}")
