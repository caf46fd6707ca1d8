"""Write the training log, the evaluation curve, step times, and TensorBoard events."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tensorboardX import SummaryWriter

from simlift.training.state import TrainingFolder

_BUCKETS = 4  # of noise levels


class Logs:
    """Writes the rows of a training, on the first process, to its files and to TensorBoard."""

    def __init__(self, log: Any, evaluation: Any, samples: Any, events: Any, board: Any) -> None:
        self._log, self._evaluation, self._samples = log, evaluation, samples
        self._events, self._board = events, board

    def step(self, row: dict[str, Any], times: dict[str, float]) -> None:
        self._log(row)
        self._events({"step": row["step"], **{k: round(v, 4) for k, v in times.items()}})
        if self._board is not None:
            bucket = min(int(row["levels"][0] * _BUCKETS), _BUCKETS - 1)
            low, high = bucket / _BUCKETS, (bucket + 1) / _BUCKETS
            self._board.add_scalar(f"loss/level {low:.2f}-{high:.2f}", row["loss"], row["step"])
            self._board.add_scalar(f"gradient/{row['expert']}", row["gradient"], row["step"])
            self._board.add_scalar("seconds/step", times["seconds"], row["step"])
            self._board.add_scalar("seconds/waited for data", times["waited"], row["step"])

    def evaluation(self, row: dict[str, Any]) -> None:
        self._evaluation(row)
        self._plot("evaluation", row)

    def sample(self, row: dict[str, Any]) -> None:
        self._samples(row)
        self._plot("sample", row)

    def _plot(self, group: str, row: dict[str, Any]) -> None:
        if self._board is None:
            return
        for name, value in row.items():
            if name != "step" and isinstance(value, float):
                self._board.add_scalar(f"{group}/{name}", value, row["step"])


@contextmanager
def open_logs(folder: TrainingFolder, *, first: bool) -> Iterator[Logs]:
    """Open the logs of a training; on all processes but the first they take no row."""
    if not first:
        yield Logs(_drop, _drop, _drop, _drop, None)
        return
    with (
        folder.append(folder.log) as log,
        folder.append(folder.evaluation) as evaluation,
        folder.append(folder.samples) as samples,
        folder.append(folder.path / "events.jsonl") as events,
        SummaryWriter(str(folder.path / "tensorboard")) as board,
    ):
        yield Logs(log, evaluation, samples, events, board)


def _drop(row: dict[str, Any]) -> None:
    """Take a row, and write it nowhere."""
