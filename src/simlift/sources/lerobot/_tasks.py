"""Read the tasks of a LeRobot dataset: meta/tasks.parquet of v3.0, meta/tasks.jsonl of v2.1."""

import json
from pathlib import Path

from simlift.core.errors import ClipError
from simlift.media._parquet import read_table

_INDEX = "__index_level_0__"  # what pandas calls an index without a name


def task_names(root: Path) -> dict[int, str]:
    """Return the words of every task by its number; {} where the dataset lists none."""
    table_file, lines = root / "meta" / "tasks.parquet", root / "meta" / "tasks.jsonl"
    if table_file.is_file():
        table = read_table(table_file)
        named = next((n for n in ("task", _INDEX) if n in table.column_names), None)
        if named is None or "task_index" not in table.column_names:
            raise ClipError(
                table_file,
                f"has the columns {', '.join(table.column_names)}",
                allowed="task_index, and task as a column or as the index",
            )
        return dict(zip(table["task_index"].to_pylist(), map(str, table[named].to_pylist())))
    if not lines.is_file():
        return {}
    found = {}
    for number, line in enumerate(lines.read_text(encoding="utf-8").splitlines(), 1):
        try:
            row = json.loads(line)
            found[int(row["task_index"])] = str(row["task"])
        except (ValueError, KeyError, TypeError) as error:
            raise ClipError(
                f"{lines}:{number}", f"is no task ({error})", allowed="task_index and task"
            ) from error
    return found
