"""What is said of bad takes, and of clips in wrong conventions, made of the shipped episodes.

First, scores of good takes and of takes spoiled on purpose. What robots drop is
in release.py. Then, layers that were written in
another convention than they are read in: each must be refused or doubted, none lifted in silence.

python bench/known_bad.py [--frames 24] [--inputs]    (--inputs: the second table alone)
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

# Clips in wrong conventions are the tests' own.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from tiny.excerpts import excerpt
from tiny.wrong_conventions import WRONG

from simlift import Gate, Layer, Photographic, open_clip
from simlift.core.clip_sample import sample_clip
from simlift.core.score import merge_all
from simlift.evaluation.agreement import Verdict, check_layers
from simlift.evaluation.gate import judge
from simlift.evaluation.metrics import FirstFrameDrift, standard
from simlift.passes.demo import EPISODES, LOOKS, episode_path

SHOWN = (
    "edge_f1_near",
    "moving_edge_f1",
    "engine_edge_ratio",
    "edge_offset",
    "blur_ssim",
    "flicker_ratio",
    "frozen",
    "colour_drift",
    "robot_offset",
    "first_frame_drift",
)


def shuffled(frames: np.ndarray) -> np.ndarray:
    """Return the frames in another order."""
    return frames[np.random.default_rng(0).permutation(len(frames))]


def flickering(frames: np.ndarray) -> np.ndarray:
    """Return the frames with blotches of light that change from frame to frame."""
    generator = np.random.default_rng(0)
    blotches = generator.normal(0, 8, (len(frames), 12, 20)).astype(np.float32)
    size = frames.shape[2:0:-1]
    large = np.stack([cv2.resize(b, size, interpolation=cv2.INTER_CUBIC) for b in blotches])
    return np.clip(frames + large[..., None], 0, 255).astype(np.uint8)


def hue_turning(frames: np.ndarray) -> np.ndarray:
    """Return the frames with a hue that turns by 120 degrees over the clip."""
    out = []
    for k, frame in enumerate(frames):
        hsv = cv2.cvtColor(frame, cv2.COLOR_RGB2HSV).astype(int)
        hsv[..., 0] = (hsv[..., 0] + round(60 * k / len(frames))) % 180
        out.append(cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB))
    return np.stack(out)


SPOILED: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "the render itself": lambda f: f,
    "frozen": lambda f: np.broadcast_to(f[:1], f.shape).copy(),
    "shuffled": shuffled,
    "2 frames late": lambda f: np.concatenate([f[:1].repeat(2, 0), f[:-2]]),
    "4 frames late": lambda f: np.concatenate([f[:1].repeat(4, 0), f[:-4]]),
    "shifted by 2 px": lambda f: np.roll(f, 2, axis=2),
    "blurred": lambda f: np.stack([cv2.GaussianBlur(x, (0, 0), 3) for x in f]),
    "flickering": flickering,
    "hue turning": hue_turning,
    "one black frame": lambda f: np.stack([x * (k != 9) for k, x in enumerate(f)]),
    "one repeated frame": lambda f: f[[k - (k == 9) for k in range(len(f))]],
}


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--inputs", action="store_true")
    arguments = parser.parse_args()
    if not arguments.inputs:
        score_takes(arguments.frames)
    sys.exit(judge_inputs())


def judge_inputs() -> int:
    """Print what is said of every clip in a wrong convention; return how many passed in silence."""
    silent = 0
    print("| wrong convention | clip | verdict | likely cause |\n|---|---|---|---|")
    for name, (episode, change, *_) in WRONG.items():
        found = check_layers(change(excerpt(episode, 10, 6)).clip())
        said = [*found.contradictions, *(f for f in found.findings if f.verdict is Verdict.DOUBT)]
        silent += not said
        verdict = "refused" if found.contradictions else "doubted" if said else "LIFTED IN SILENCE"
        cause = said[0].cause or said[0].evidence if said else ""
        print(f"| {name} | {episode} | {verdict} | {cause} |", flush=True)
    for episode in EPISODES:
        found = check_layers(open_clip(episode_path(episode)))
        print(f"| none | {episode} | {'REFUSED' if found.contradictions else 'agrees'} | |")
        silent += bool(found.contradictions)
    return silent


def score_takes(frames: int) -> None:
    """Print one row for each take: scores, and what rejected it."""
    print("| clip | take | " + " | ".join(SHOWN) + " | verdict |")
    print("|---" * (len(SHOWN) + 3) + "|")
    for name in EPISODES:
        clip = open_clip(episode_path(name))
        with clip.open(Layer) as reader:
            sample = sample_clip(reader)
            window = reader.window(range(min(frames, clip.num_frames)))
        takes = {}
        for look, value in LOOKS.items():
            with Photographic(value).open("cpu") as engine:
                takes[f"look {look}"] = engine.lift(window, sample=sample, previous=None, seed=1)
        takes |= {title: spoil(window.rgb) for title, spoil in SPOILED.items()}
        for title, take in takes.items():
            metrics = standard(first=FirstFrameDrift(window.rgb[0], take[0]))
            scores = merge_all(s for m in metrics for s in m.measure(window, take))
            values = {k: s.value() for k, s in scores.items()}
            accepted, reasons = judge(Gate(), values)
            verdict = "accepted" if accepted else ", ".join(r.split()[0] for r in reasons)
            row = " | ".join(f"{values[s]:.2f}" for s in SHOWN)
            print(f"| {name} | {title} | {row} | {verdict} |", flush=True)


if __name__ == "__main__":
    main()
