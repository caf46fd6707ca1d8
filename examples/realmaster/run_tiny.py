"""RealMaster from end to end on tiny random models: pair, train, lift, score, report.

    python examples/realmaster/run_tiny.py [FOLDER] [--device cuda]

Every step is a command that works on the real models too; docs/realmaster.md has their names. The
adapter learns one thing here: to overfit the pair of the shipped tabletop episode and its twin,
which shows in the loss on fixed noise, and in samples that end nearer to the twin than to the
render. Its takes are noise to the eye, because the autoencoder is.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from simlift.passes.demo import demo_clips

# The tiny models are those of the tests.
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))
from tiny import models as tiny_models

SIZE = "resolution=[32,48]"
TRAINING = (
    SIZE,
    "dtype=float32",
    "rank=64",
    "alpha=64",
    "lr_high=0.005",
    "lr_low=0.005",
    "schedule=cosine",
    "switch_every=4",
    "text_dropout=0",
    "prefix_share=0.1",
    "first_frame_share=0",
    "checkpointing=false",
    "offload=false",
    "incontext.attention=self",
    "evaluate_every=100",
    "sample_every=400",
    "save_every=200",
)
LIFTING = (SIZE, "dtype=float32", "steps=8", "shift=5", "guidance=[1,1]")


def simlift(*arguments: str) -> None:
    """Run a command of simlift and show it."""
    print("$ simlift", *arguments, flush=True)
    subprocess.run([sys.executable, "-m", "simlift", *arguments], check=True)


def given(settings: tuple[str, ...]) -> list[str]:
    """Return settings as the command line takes them."""
    return [word for setting in settings for word in ("--set", setting)]


def main() -> None:
    """Build the models, run every pass, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("realmaster-tiny"))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--steps", default="1200")
    parser.add_argument(
        "--clips", nargs="*", help="clips with twins; the shipped tabletop without it"
    )
    parser.add_argument("--train", nargs="*", default=[], help="further settings of the training")
    arguments = parser.parse_args()
    out, device = arguments.folder, ["--device", arguments.device]
    base = str(out / "models" / "wan")
    if not Path(base).exists():
        tiny_models.wan(Path(base), layers=4, width=128, heads=4, guesses=True)
    clips = arguments.clips or [str(clip.path) for clip in demo_clips() if clip.name == "tabletop"]
    pairs, adapter, run = (str(out / name) for name in ("pairs", "adapter", "run"))
    training = (*TRAINING, *arguments.train)
    simlift("pair", *clips, "--twins", "--out", pairs)
    simlift(
        *("train", pairs, "--base", base, "--out", adapter, "--steps", arguments.steps),
        *given(training),
        *device,
    )
    simlift(
        *("lift", *clips, "--engine", "wan", "--base", base, "--adapter", adapter, "--out", run),
        *given(LIFTING),
        *device,
    )
    simlift("score", run)
    simlift("report", run)
    curve = [json.loads(row) for row in (out / "adapter" / "evaluation.jsonl").open()]
    print("step   loss on fixed pairs, noise and levels")
    for row in curve:
        print(f"{row['step']:>5}  {row['loss']:.4f}  {'#' * round(30 * row['loss'])}")
    first, last = curve[0]["loss"], curve[-1]["loss"]
    print(f"it fell from {first:.3f} to {last:.3f}: {first / last:.1f} times")
    for row in map(json.loads, (out / "adapter" / "samples.jsonl").open()):
        print(
            f"sample of {row['pair']} after step {row['step']}: {row['to_target']:.3f} from its "
            f"twin, {row['to_reference']:.3f} from its render"
        )


if __name__ == "__main__":
    main()
