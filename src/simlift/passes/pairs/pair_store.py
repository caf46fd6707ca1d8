"""Store the state of each pair on disk, so that an interrupted pass resumes.

    pairs/.work/rows/<id>.json     how far a pair is, and in the end what became of it
    pairs/.work/anchors/<id>/      its edited anchors, where they lie over the render
    pairs/.work/clips/<clip>.json  cuts and segments

A row appears by rename after the files that it speaks of.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from simlift.core.errors import RunError
from simlift.core.pair import Decision, Pair, PairSet
from simlift.core.run import write_text
from simlift.core.strict_json import digest, dumps, load
from simlift.media.images import read_image, write_image
from simlift.passes.pairs.recipe import PairRecipe

_VIDEOS = ("videos/*", "references/*", "controls/*/*")


@dataclass(frozen=True)
class PairRow:
    """How far one pair is; `key` names everything that it was made from.

    attempts: seeds that were tried. anchors: positions of the anchors that lie over the render and
    wait for propagation. gates, reasons: of the last attempt. done: accepted (`pair`) or given up.
    """

    id: str
    clip: str
    key: str
    attempts: int = 0
    anchors: tuple[int, ...] | None = None
    gates: dict[str, float] | None = None
    reasons: tuple[str, ...] = ()
    done: bool = False
    pair: Pair | None = None

    def decision(self) -> Decision:
        """Return what became of the pair."""
        accepted = self.pair is not None
        return Decision(self.id, accepted, self.reasons, self.attempts, self.gates or {})


@dataclass(frozen=True)
class PairStore:
    """The rows of a training set."""

    pairs: PairSet

    @property
    def work(self) -> Path:
        return self.pairs.path / ".work"

    def begin(self, recipe: PairRecipe) -> None:
        """Write the recipe, or check that the folder was filled by the same one; sweep leftovers.

        Call it with the folder held.
        """
        folder, file = self.pairs.path, self.pairs.path / "recipe.json"
        if file.exists():
            found = load(file, PairRecipe)
            if found != recipe:
                raise RunError(
                    folder,
                    f"holds pairs of recipe {digest(found)}, this is {digest(recipe)}",
                    allowed="the same models, gate, seed and settings to resume or to add clips",
                    way_out="choose another --out",
                )
        elif any(path.name != ".lock" for path in folder.iterdir()):
            raise RunError(
                folder, "is not empty and holds no pairs", way_out="choose another --out"
            )
        else:
            write_text(file, dumps(recipe))
        for partial in folder.rglob(".*.partial*"):
            partial.unlink(missing_ok=True)

    def of(self, row_id: str, clip: str, key: str) -> PairRow:
        """Return the row of a pair; a new one where there is none or it was made from others."""
        file = self._file(row_id)
        row = load(file, PairRow) if file.exists() else None
        fresh = row is None or row.key != key or (row.pair is not None and not self._whole(row))
        return PairRow(row_id, clip, key) if row is None or fresh else row

    def save(self, row: PairRow) -> PairRow:
        """Write a row and return it."""
        write_text(self._file(row.id), dumps(row))
        if row.done:
            shutil.rmtree(self._anchors(row.id), ignore_errors=True)
        return row

    def save_anchors(self, row_id: str, pictures: UInt8[np.ndarray, "n h w 3"]) -> None:
        """Keep edited anchors without loss."""
        for number, picture in enumerate(pictures):
            write_image(self._anchors(row_id) / f"{number}.png", picture)

    def anchors(self, row: PairRow) -> UInt8[np.ndarray, "n h w 3"]:
        """Return the kept anchors of a row that has some."""
        number = len(row.anchors or ())
        files = [self._anchors(row.id) / f"{k}.png" for k in range(number)]
        return np.stack([read_image(file) for file in files])

    def finish(self, wanted: frozenset[str], clips: frozenset[str]) -> tuple[PairRow, ...]:
        """Write the training set from its rows; drop those of `clips` that are not `wanted`."""
        rows = []
        for row in self._all():
            if row.clip in clips and row.id not in wanted:
                self._file(row.id).unlink()
            elif row.done:
                rows.append(row)
        accepted = [row.pair for row in rows if row.pair is not None]
        self.pairs.write(accepted, [row.decision() for row in rows])
        known = {path for pair in accepted for path in pair.files}
        for path in (p for kind in _VIDEOS for p in self.pairs.path.glob(kind)):
            if path.relative_to(self.pairs.path) not in known:
                path.unlink()
        return tuple(rows)

    def _all(self) -> list[PairRow]:
        return [load(path, PairRow) for path in sorted((self.work / "rows").glob("[!.]*.json"))]

    def _whole(self, row: PairRow) -> bool:
        pair = row.pair
        return pair is not None and all((self.pairs.path / path).is_file() for path in pair.files)

    def _file(self, row_id: str) -> Path:
        return self.work / "rows" / f"{row_id}.json"

    def _anchors(self, row_id: str) -> Path:
        return self.work / "anchors" / row_id
