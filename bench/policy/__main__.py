"""Does it help a policy? Behaviour cloning on plain, augmented and lifted episodes, under shifts.

    python -m bench.policy --quick               a smoke run of every part, in a minute or two
    python -m bench.policy --out FOLDER          the whole table; killed, it goes on where it was
    python -m bench.policy --out FOLDER --table  what is there already

A small image policy picks up a cube in simulation. It is trained on plain episodes; on plain and
jittered; on plain and chroma-keyed; on plain and lifted ones, and tested in the loop under light,
colour, background and texture that no arm has seen, and in open loop on path-traced pictures.
"""

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import torch

from bench.policy.run import QUICK, TESTS, Settings, fill
from bench.policy.table import table
from bench.policy.task import TASKS
from bench.policy.train import ARMS

DEFAULT_ARMS = ("plain", "jitter", "chroma", "lifted")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, help="folder to fill; without it, one that is removed")
    parser.add_argument("--task", choices=TASKS, default=TASKS[0], help="the scene and its robot")
    parser.add_argument("--arms", default=",".join(DEFAULT_ARMS), help=f"of {', '.join(ARMS)}")
    parser.add_argument("--seeds", type=int, default=5, help="policies of each arm")
    parser.add_argument("--tests", default=",".join(TESTS), help=f"of {', '.join(TESTS)}")
    parser.add_argument("--photos", type=Path, help="folder of pictures for chroma keying")
    parser.add_argument("--bfloat16", action="store_true", help="faster where the CPU has AMX")
    parser.add_argument("--quick", action="store_true", help="a smoke run; its numbers say nothing")
    parser.add_argument("--table", action="store_true", help="print what --out holds, run nothing")
    arguments = parser.parse_args()
    arms, tests = arguments.arms.split(","), arguments.tests.split(",")
    for given, known in ((arms, tuple(ARMS)), (tests, TESTS)):
        if unknown := [name for name in given if name not in known]:
            parser.error(f"{', '.join(unknown)} is not one of {', '.join(known)}")
    if arguments.table and arguments.out is None:
        parser.error("--table needs --out")
    settings = QUICK if arguments.quick else Settings()
    training = replace(settings.training, bfloat16=arguments.bfloat16)
    photos = None if arguments.photos is None else str(arguments.photos)
    settings = replace(settings, task=arguments.task, training=training, photos=photos)
    seeds = range(1 if arguments.quick else arguments.seeds)
    torch.set_num_threads(1)  # equal numbers on any machine of a type, and one core a run
    with tempfile.TemporaryDirectory() as scratch:
        out = arguments.out or Path(scratch)
        if not arguments.table:
            fill(out, settings, arms, seeds, tests, lambda line: print(line, flush=True))
        print(table(out, arms, seeds, tests))


if __name__ == "__main__":
    main()
