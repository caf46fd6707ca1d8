"""Write what says what an export is: the dataset card, and a line of provenance for each episode.

The card is README.md with the metadata of the Hugging Face Hub (YAML between lines of dashes).
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from simlift.core.dataset import Dataset, Episode
from simlift.core.errors import InputError
from simlift.core.strict_json import encode
from simlift.exports.datasets.episodes import ExportEpisode
from simlift.sources.native_dataset import NativeDataset

PROVENANCE = "meta/simlift.jsonl"
UNKNOWN = "unknown"  # a licence that the source does not state
_IN_ROWS = "The column `source` of rows"
_IN_GROUPS = "The attribute `simlift` of every group"
_WHERE = {"isaac-lab": _IN_GROUPS, "robomimic": _IN_GROUPS}


def provenance(index: int, episode: ExportEpisode, digests: Mapping[str, str]) -> dict[str, Any]:
    """Return where an exported episode came from, one entry for each camera that was lifted."""
    dataset = episode.dataset
    before = _handed_on(dataset, episode.source)
    cameras: dict[str, dict[str, Any]] = {}
    for view in episode.views:
        if view.take is None:
            cameras[view.camera] = {"recorded": True}
            continue
        take, sheet = view.take, view.sheet
        cameras[view.camera] = {
            "recorded": False,
            "engine": take.engine,
            "settings": encode(take.settings),
            "seed": take.seed,
            "attempt": take.attempt,
            "recipe": take.recipe_digest,
            "source_digest": take.source_digest,
            "versions": take.versions,
            "accepted": None if sheet is None else sheet.accepted,
            "scores": None if sheet is None else {k: _number(v) for k, v in sheet.values().items()},
        }
    return {
        "episode_index": index,
        "frames": episode.source.num_frames,
        "generated": episode.generated or bool(before and before["generated"]),
        "source_dataset": dataset.path.name,
        "source_name": episode.source.name,
        "source_layout": dataset.layout,
        "source_episode": episode.source.key or episode.source.name,
        "source_files": {file.name: digests[str(file)] for file in dataset.files(episode.source)},
        "variant": episode.variant or None,
        "licence": dataset.licence or UNKNOWN,
        "cameras": cameras,
        **({"handed_on": before} if before else {}),
        **_replayed_from(dataset, episode.source),
    }


def _replayed_from(dataset: Dataset, source: Episode) -> dict[str, Any]:
    found = dataset.replayed_from(source) if isinstance(dataset, NativeDataset) else None
    if found is None:
        return {}
    file = {"file": Path(found.path).name, "sha256": found.sha256, "episode": found.key}
    return {"replayed_from": file}


def _handed_on(dataset: Dataset, source: Episode) -> Mapping[str, Any] | None:
    """Return the provenance of a source episode that is itself one of an export, or None."""
    root = dataset.path if dataset.path.is_dir() else dataset.path.parent
    file = root / PROVENANCE
    if not file.is_file():
        return None
    return _by_number(root, file.stat().st_mtime_ns).get(source.index)


@lru_cache(maxsize=4)
def _by_number(root: Path, changed: int) -> Mapping[int, Mapping[str, Any]]:
    del changed
    return {row["episode_index"]: row for row in read_provenance(root)}


def read_provenance(root: Path) -> list[dict[str, Any]]:
    """Return the provenance of the episodes of an export; InputError where it is damaged."""
    file = root / PROVENANCE
    try:
        rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    except ValueError as error:
        raise InputError(file, f"is damaged ({error})", way_out="copy the dataset again") from error
    if not all(isinstance(row, dict) and "episode_index" in row for row in rows):
        raise InputError(file, "is no list of episodes", way_out="copy the dataset again")
    return rows


def identity(row: Mapping[str, Any]) -> str:
    """Return what makes two episodes of exports the same: source, and what was made of it."""
    made = {name: camera.get("recipe") for name, camera in row["cameras"].items()}
    keys = ("source_layout", "source_episode", "source_files", "variant")
    return json.dumps([*(row[key] for key in keys), made], sort_keys=True)


def _number(value: float) -> float | None:
    return round(value, 6) if value == value else None


def provenance_lines(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return provenance as JSON lines."""
    return "".join(json.dumps(row, sort_keys=True) + "\n" for row in rows)


def dataset_card(
    name: str,
    format: str,
    rows: Sequence[Mapping[str, Any]],
    left: int,
    notes: Sequence[str],
) -> str:
    """Return README.md of an export of the episodes `rows`; `left` lifted ones were left out."""
    licences = {row["licence"] for row in rows}
    stated = next(iter(licences)) if len(licences) == 1 else UNKNOWN
    sources = Counter((r["source_dataset"], r["source_layout"], r["licence"]) for r in rows)
    variants = Counter(row["variant"] or "original" for row in rows)
    lifted = sum(row["variant"] is not None for row in rows)
    unseen = sum(any(c.get("accepted", True) is None for c in r["cameras"].values()) for r in rows)
    tags = ["robotics", "simlift", "synthetic"] + (["LeRobot"] if "lerobot" in format else [])
    lines = [
        "---",
        f"license: {'other' if stated == UNKNOWN else json.dumps(stated)}",
        *(["license_name: unknown"] if stated == UNKNOWN else []),
        "task_categories:",
        "- robotics",
        "tags:",
        *(f"- {tag}" for tag in tags),
        *(
            ["configs:", "- config_name: default", "  data_files: data/*/*.parquet"]
            if "lerobot" in format
            else []
        ),
        "---",
        "",
        f"# {name}",
        "",
        "**The videos of generated episodes are generated, not recorded: no camera, real or "
        "simulated, has seen them.** Actions, states and times are those of the source, number by "
        f"number. {_WHERE.get(format, _IN_ROWS)}, and `generated` in `{PROVENANCE}`, tell them "
        "apart.",
        "",
        f"{len(rows)} episodes, {sum(row['frames'] for row in rows)} frames: {lifted} lifted by "
        f"simlift, {len(rows) - lifted} as they were in the source.",
        "",
        "## Sources",
        "",
        "| dataset | format | licence | episodes here |",
        "| --- | --- | --- | --- |",
        *(f"| {a} | {b} | {c} | {count} |" for (a, b, c), count in sorted(sources.items())),
        "",
        "A licence of a source binds what is made of it. Where it is unknown, ask before you "
        "publish.",
        "",
        "## Variants",
        "",
        "| variant | episodes |",
        "| --- | --- |",
        *(f"| {variant} | {count} |" for variant, count in sorted(variants.items())),
        "",
        f"Yield: {lifted} of {lifted + left} lifted episodes are here; `redo.json` names the "
        "others and why.",
        *([f"{unseen} of them have no verdict: they were exported unscored."] if unseen else []),
        "",
        *_scores(rows),
        *(["## Notes", "", *(f"- {note}" for note in notes), ""] if notes else []),
    ]
    return "\n".join(lines)


def _scores(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    found: dict[str, list[float]] = {}
    for row in rows:
        for camera in row["cameras"].values():
            for name, value in (camera.get("scores") or {}).items():
                if value is not None:
                    found.setdefault(name, []).append(value)
    if not found:
        return []
    lines = [
        f"| {name} | {min(v):.3g} | {sorted(v)[len(v) // 2]:.3g} | {max(v):.3g} |"
        for name, v in sorted(found.items())
    ]
    head = ["## Scores of what is here", "", "| score | least | median | most |"]
    return [*head, "| --- | --- | --- | --- |", *lines, ""]
