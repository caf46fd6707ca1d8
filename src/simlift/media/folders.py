"""List what a folder holds; hidden files and the companions that macOS leaves are left out."""

from pathlib import Path


def visible_files(folder: Path) -> list[Path]:
    """Return what a folder holds that is no folder and not hidden, sorted by name.

    Names that begin with a dot are hidden: among them `._name.png`, the metadata that macOS writes
    beside each file on disks of other systems. Links are listed, even where they lead nowhere, so
    that a lost file is named when it is read.
    """
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.iterdir() if not p.name.startswith(".") and not p.is_dir())


def visible_folders(folder: Path) -> list[Path]:
    """Return the folders in a folder that are not hidden, sorted by name."""
    return sorted(p for p in folder.iterdir() if not p.name.startswith(".") and p.is_dir())
