"""Lift a shipped episode into two looks, from Python, and score what stayed true."""

import sys
from pathlib import Path

from simlift import Look, Photographic, Plugin, Recipe, Run, Variant, lift_clips, open_clip
from simlift.engines.photographic.looks.look import Exposure, Light
from simlift.passes.demo import episode_path
from simlift.passes.score import score_run
from simlift.scale.progress import Silent

out = Path(sys.argv[1] if len(sys.argv) > 1 else "out/two-looks")

looks = {
    "noon": Look(light=Light(environment="clear-sky", elevation=55, turn=40)),
    "overcast": Look(light=Light(environment="overcast"), exposure=Exposure(key=0.14)),
}
recipe = Recipe(
    variants=tuple(Variant(name, Plugin.of(Photographic(look))) for name, look in looks.items()),
    seed=1,
)
lift_clips([open_clip(episode_path("drive"))], recipe, out, progress=Silent())
score_run(Run(out), progress=Silent())

for take in Run(out).takes():
    sheet = Run(out).sheet(take.key)
    assert sheet is not None
    verdict = "accepted" if sheet.accepted else f"rejected: {'; '.join(sheet.reasons)}"
    recall = sheet.values()["engine_edge_recall"]
    print(f"{take.key}: {verdict}; {recall:.0%} of the geometry's edges are in the take")
