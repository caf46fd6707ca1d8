"""List what a folder holds; hidden files and the companions that macOS leaves are left out."""

import os
from pathlib import Path


def visible_files(folder: Path) -> list[Path]:
    """Return what a folder holds that is no folder and not hidden, sorted by name.

    Names that begin with a dot are hidden: among them `._name.png`, the metadata that macOS writes
    beside each file on disks of other systems. Links are listed, even where they lead nowhere, so
    that a lost file is named when it is read.
    """
    return _visible(folder, folders=False) if folder.is_dir() else []


def visible_folders(folder: Path) -> list[Path]:
    """Return the folders in a folder that are not hidden, sorted by name."""
    return _visible(folder, folders=True)


def _visible(folder: Path, folders: bool) -> list[Path]:
    with os.scandir(folder) as entries:  # tells folders without a call for each file
        names = sorted(
            entry.name
            for entry in entries
            if not entry.name.startswith(".") and entry.is_dir() is folders
        )
    return [folder / name for name in names]
