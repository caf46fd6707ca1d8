"""Write what says what an export is: the dataset card, and a line of provenance for each episode.

The card is README.md with the metadata of the Hugging Face Hub (YAML between lines of dashes).
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from simlift.core.strict_json import encode
from simlift.exports.datasets.episodes import ExportEpisode, Selection

PROVENANCE = "meta/simlift.jsonl"


def provenance(index: int, episode: ExportEpisode, digests: Mapping[str, str]) -> dict[str, Any]:
    """Return where an exported episode came from, one entry for each camera that was lifted."""
    dataset = episode.dataset
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
        "generated": episode.generated,
        "source_dataset": dataset.path.name,
        "source_layout": dataset.layout,
        "source_episode": episode.source.key or episode.source.name,
        "source_files": {file.name: digests[str(file)] for file in dataset.files(episode.source)},
        "variant": episode.variant or None,
        "licence": dataset.licence or "unknown",
        "cameras": cameras,
    }


def _number(value: float) -> float | None:
    return round(value, 6) if value == value else None


def provenance_lines(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return provenance as JSON lines."""
    return "".join(json.dumps(row, sort_keys=True) + "\n" for row in rows)


def dataset_card(name: str, format: str, selection: Selection, notes: Sequence[str]) -> str:
    """Return README.md of an export."""
    episodes = selection.episodes
    licences = sorted({e.dataset.licence for e in episodes})
    stated = licences[0] if len(licences) == 1 and licences[0] else ""
    sources = Counter(
        (e.dataset.path.name, e.dataset.layout, e.dataset.licence or "unknown") for e in episodes
    )
    variants = Counter(e.variant or "original" for e in episodes)
    tags = ["robotics", "simlift", "synthetic"] + (["LeRobot"] if "lerobot" in format else [])
    lines = [
        "---",
        f"license: {json.dumps(stated) if stated else 'other'}",
        *([] if stated else ["license_name: unknown"]),
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
        "number. The column `source` of rows, or `generated` of episodes, tells them apart.",
        "",
        f"{len(episodes)} episodes, {sum(e.source.num_frames for e in episodes)} frames: "
        f"{selection.lifted} lifted by simlift, {len(episodes) - selection.lifted} as they were "
        "recorded.",
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
        f"Yield: {selection.lifted} of {selection.lifted + len(selection.left)} lifted episodes "
        "were accepted; `redo.json` names the others and why.",
        "",
        *_scores(episodes),
        *(["## Notes", "", *(f"- {note}" for note in notes), ""] if notes else []),
    ]
    return "\n".join(lines)


def _scores(episodes: Sequence[ExportEpisode]) -> list[str]:
    found: dict[str, list[float]] = {}
    for episode in episodes:
        for view in episode.views:
            for name, value in (view.sheet.values() if view.sheet else {}).items():
                if value == value:
                    found.setdefault(name, []).append(value)
    if not found:
        return []
    rows = [
        f"| {name} | {min(v):.3g} | {sorted(v)[len(v) // 2]:.3g} | {max(v):.3g} |"
        for name, v in sorted(found.items())
    ]
    head = ["## Scores of what was accepted", "", "| score | least | median | most |"]
    return [*head, "| --- | --- | --- | --- |", *rows, ""]
