"""Where things go once the robot lets go of them: the render, looks, and drops that are wrong.

python bench/release.py [--episode FOLDER] [--looks 4]

The first row is the simulator's own frames: what the search itself is off. Then come looks of the
default engine, drawn by seed, and wrong drops composited of one look's pixels (wrong_drops.py),
beside a robot that stands 3 pixels off, is 2 frames late, and other faults of generated videos.
The exit code counts the rows that were not judged as they should be.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from wrong_drops import WRONG_DROPS, drop_wrongly, robot_aside

from simlift import Gate, Layer, Photographic, open_clip
from simlift.core.clip_sample import sample_clip
from simlift.core.score import merge_all
from simlift.core.window import Frames, Window
from simlift.engines.photographic.looks.named import sample_look
from simlift.evaluation.gate import judge
from simlift.evaluation.metrics import FirstFrameDrift, standard
from simlift.evaluation.objects import References, follow, read_references
from simlift.passes.demo import episode_path

SHOWN = {
    "release_error": "release error, px",
    "release_error_worst": "worst, px",
    "rest_error": "rest error, px",
    "release_time_error": "time error, frames",
    "release_persistence": "found",
    "robot_offset": "robot offset, px",
}


def spoiled(look: Frames, window: Window, references: References) -> Iterator[tuple[str, Frames]]:
    """Yield takes that must be rejected, made of a good one."""
    for moving in references.objects:
        if moving.release is not None:
            for name, drop in WRONG_DROPS.items():
                yield f"{moving.name} {name}", drop_wrongly(look, window, moving, drop)
    yield "robot 3 px aside", robot_aside(look, window, 3.0)
    yield "2 frames late", np.concatenate([look[:1].repeat(2, 0), look[:-2]])
    ramp = np.linspace(0, 1, len(look))[:, None, None, None] * np.array([25, 8, -12])
    yield "colours drift", np.rint(look + ramp).clip(0, 255).astype(np.uint8)
    change = np.abs(np.diff(window.rgb.astype(np.int16), axis=0)).mean((1, 2, 3))
    at = int(np.argmax(change[:-2]))  # where standing still is a fault
    black, repeated = look.copy(), look.copy()
    black[at] = 0
    repeated[at + 1 : at + 3] = look[at]
    yield "one black frame", black
    yield "two repeated frames", repeated


def main() -> None:
    """Print the table; exit with the number of rows judged otherwise than they should be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--episode", type=Path, default=episode_path("tabletop"))
    parser.add_argument("--looks", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    clip = open_clip(arguments.episode)
    with clip.open(Layer) as reader:
        sample, references = sample_clip(reader), read_references(reader)
        window = reader.window(range(clip.num_frames))
    if references is None:
        sys.exit(f"{clip.path}: nothing moves that could be followed")
    print(f"| take | {' | '.join(SHOWN.values())} | verdict | by |")
    print("|---" * (len(SHOWN) + 3) + "|")
    wrong = not print_row("simulator render", window.rgb, window, references)
    look = window.rgb
    for k in range(arguments.looks):
        with Photographic(sample_look(arguments.seed, k)).open("cpu") as engine:
            look = engine.lift(window, sample=sample, previous=None, seed=k)
        wrong += not print_row(f"photographic, look {k}", look, window, references)
    for name, frames in spoiled(look, window, references):
        wrong += print_row(name, frames, window, references)
    sys.exit(int(wrong))


def print_row(name: str, frames: Frames, window: Window, references: References) -> bool:
    """Print what is said of a take; return whether it is accepted."""
    followed = follow(references, lambda rows: frames[list(rows)])
    first = FirstFrameDrift(window.rgb[0], frames[0])
    layers = frozenset({Layer.RGB, Layer.SEGMENTATION})
    metrics = standard(layers=layers, followed=followed, first=first)
    found = merge_all(score for metric in metrics for score in metric.measure(window, frames))
    values = {key: score.value() for key, score in found.items()}
    accepted, reasons = judge(Gate(), values)
    cells = [f"{values[key]:.2f}".replace("nan", "-") for key in SHOWN]
    verdict = "accepted" if accepted else "rejected"
    by = ", ".join(reason.split()[0] for reason in reasons)
    print(f"| {name} | {' | '.join(cells)} | {verdict} | {by} |", flush=True)
    return accepted


if __name__ == "__main__":
    main()
