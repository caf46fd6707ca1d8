"""Carry what is stated beside an HDF5 file (NAME.cameras.json) over to what is made of it."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from simlift.core.errors import RunError
from simlift.core.strict_json import dumps
from simlift.sources.hdf5.dataset import Demonstrations
from simlift.sources.hdf5.statements import FORMAT, statements_of


def write_statements(
    source: Demonstrations, file: Path, existing: Path | None, names: Mapping[str, str]
) -> None:
    """State of a new file what is stated of its source, and which row of pictures is the first.

    `names` has the episode of the source for each episode. What is stated of `existing`, which the
    file goes on from, must be the same; RunError otherwise.
    """
    stated = dict(statements_of(source.path).data)
    if source.layout == "robomimic":
        rows = "bottom-up" if source.bottom_up else "top-down"
        stated = {"format": FORMAT, **stated, "rows": rows}
    if not stated:
        return
    demos = stated.pop("demos", {})
    demos = {key: demos[name] for key, name in names.items() if name in demos}
    if existing is not None:
        before = dict(statements_of(existing).data)
        demos = {**before.pop("demos", {}), **demos}
        if before != stated:
            raise RunError(
                existing,
                f"is said to have {_differing(before, stated)} other than these episodes",
                allowed=f"the same statements in {statements_of(source.path).file.name}",
                way_out="choose another --out",
            )
    data: dict[str, Any] = {**stated, **({"demos": demos} if demos else {})}
    statements_of(file).file.write_text(dumps(data), encoding="utf-8")


def _differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    keys: Collection[str] = {**one, **other}
    return ", ".join(key for key in keys if one.get(key) != other.get(key))
