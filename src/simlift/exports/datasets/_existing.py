"""Bring what an export holds into the folder of one that goes on from it."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from simlift.core.errors import RunError
from simlift.core.strict_json import read_json
from simlift.exports.datasets._columns import NUMBERED
from simlift.exports.datasets._statistics import Statistics


def link_files(source: Path, target: Path) -> None:
    """Bring all files below a folder, by links where the disk has them: none is changed in place.

    Links end with the folder that they came from, which the new one replaces.
    """
    for folder, _, names in os.walk(source):
        place = target / Path(folder).relative_to(source)
        place.mkdir(parents=True, exist_ok=True)
        for name in names:
            try:
                (place / name).hardlink_to(Path(folder) / name)
            except OSError:
                shutil.copyfile(Path(folder) / name, place / name)


def features_there(
    root: Path, version: str, fps: int
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Return info.json of an export, its columns, and its cameras; RunError for another rate."""
    info = read_json(root / "meta" / "info.json")
    if (info["codebase_version"], info["fps"]) != (version, fps):
        raise RunError(
            root,
            f"is LeRobot {info['codebase_version']} at {info['fps']} frames a second",
            allowed=f"{version} at {fps}, to append these episodes",
            way_out="choose another --out",
        )
    columns = {
        name: each
        for name, each in info["features"].items()
        if each["dtype"] != "video" and name not in NUMBERED
    }
    cameras = {name: each for name, each in info["features"].items() if each["dtype"] == "video"}
    return info, columns, cameras


def as_statistics(data: Mapping[str, Mapping[str, Any]]) -> dict[str, Statistics]:
    """Return statistics that were written as lists."""
    return {
        feature: {name: np.asarray(value) for name, value in each.items()}
        for feature, each in data.items()
    }
