"""Export pairs to folders that other trainers read."""

from collections.abc import Mapping

from simlift.core.errors import InputError
from simlift.exports.diffsynth import DiffSynth
from simlift.exports.ltx import LtxTrainer
from simlift.exports.musubi import Musubi
from simlift.exports.trainer import TrainerFolder

TRAINERS: Mapping[str, TrainerFolder] = {
    "diffsynth": DiffSynth(),
    "ltx": LtxTrainer(),
    "musubi": Musubi(),
}


def trainer_named(name: str) -> TrainerFolder:
    """Return how a trainer's folder is written; InputError lists the trainers there are."""
    if name not in TRAINERS:
        raise InputError("--format", f"found {name!r}", allowed=", ".join(TRAINERS))
    return TRAINERS[name]


__all__ = ["TRAINERS", "DiffSynth", "LtxTrainer", "Musubi", "TrainerFolder", "trainer_named"]
