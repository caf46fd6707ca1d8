"""Read and write the training folder: recipe, checkpoint, log, samples, adapter.

adapter/recipe.json               what was asked; another recipe is refused
adapter/<expert>.safetensors      the adapter, rewritten whole at every save
adapter/log.jsonl                 one line a step: loss, level, gradient; no times
adapter/evaluation.jsonl          the readable curve: fixed pairs, noise and levels
adapter/samples/                  reference, sample and target side by side
adapter/samples.jsonl             how far each sample is from its target and its reference
adapter/tensorboard/  events.jsonl  .state/
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simlift.core.errors import RunError
from simlift.core.run import write_text
from simlift.core.strict_json import digest, dumps, load
from simlift.training.recipe import TrainRecipe


@dataclass(frozen=True)
class TrainingRecord:
    """What decides a training, as written to its folder."""

    recipe: TrainRecipe
    pairs: str  # digest of the items
    base: dict[str, str]  # digest of each expert
    samples: int  # of a step, over all processes


@dataclass(frozen=True)
class TrainingFolder:
    """The folder that a training fills."""

    path: Path

    @property
    def states(self) -> Path:
        return self.path / ".state"

    @property
    def log(self) -> Path:
        return self.path / "log.jsonl"

    @property
    def evaluation(self) -> Path:
        return self.path / "evaluation.jsonl"

    @property
    def samples(self) -> Path:
        return self.path / "samples.jsonl"

    def begin(self, record: TrainingRecord) -> None:
        """Write the record, or check that the folder holds the same one."""
        file = self.path / "recipe.json"
        if file.exists():
            found = load(file, TrainingRecord)
            if found != record:
                raise RunError(
                    self.path,
                    f"holds a training of recipe {digest(found)}, this is {digest(record)}",
                    allowed="the same pairs, base, settings and number of processes to resume",
                    way_out="choose another --out; --set init=DIR goes on from an adapter",
                )
            return
        if self.path.exists() and any(p.name != ".lock" for p in self.path.iterdir()):
            raise RunError(
                self.path, "is not empty and holds no training", way_out="choose another --out"
            )
        self.path.mkdir(parents=True, exist_ok=True)
        write_text(file, dumps(record))

    def state_file(self, step: int) -> Path:
        return self.states / f"{step:08d}.safetensors"

    def last_step(self) -> int:
        """Return the step that the newest state was taken after; 0 where there is none."""
        found = sorted(self.states.glob("[0-9]*.safetensors"))
        return int(found[-1].stem) if found else 0

    def keep_last(self, count: int = 2) -> None:
        """Remove all states but the newest."""
        for old in sorted(self.states.glob("[0-9]*.safetensors"))[:-count]:
            old.unlink()

    def rewind(self, step: int) -> None:
        """Forget what was logged after a step: a kill came after more than its state holds."""
        for partial in self.path.rglob(".*.partial*"):
            partial.unlink(missing_ok=True)
        for path in (self.log, self.evaluation, self.samples):
            if path.exists():
                rows = [line for line in path.read_text().splitlines() if _step(line) <= step]
                write_text(path, "".join(f"{row}\n" for row in rows))
        for sample in (self.path / "samples").glob("step-*"):
            if int(sample.name[5:13]) > step:
                sample.unlink()

    @contextmanager
    def append(self, path: Path) -> Iterator[Any]:
        """Open one of the logs for appending; gives the function that writes a row."""
        with path.open("a", encoding="utf-8") as file:

            def row(values: dict[str, Any]) -> None:
                file.write(json.dumps(values, sort_keys=True) + "\n")
                file.flush()

            yield row


def _step(line: str) -> int:
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError):  # the line that a kill cut short
        return 1 << 62
