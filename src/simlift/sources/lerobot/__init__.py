"""Read LeRobot datasets, v3.0, v2.1 and v2.0, in place: every camera of an episode is a clip.

Layout: https://huggingface.co/docs/lerobot/lerobot-dataset-v3. The tables are read by pyarrow, the
videos by the same reader as any other; nothing of lerobot itself is needed.
"""

from pathlib import Path

from simlift.core.dataset import Dataset
from simlift.core.errors import ClipError
from simlift.core.read_options import ReadOptions
from simlift.sources.lerobot.info import Info, read_info
from simlift.sources.lerobot.v3 import read_v3
from simlift.sources.lerobot.v21 import read_v21


def recognises(path: Path) -> bool:
    """Whether meta/info.json lies in the folder."""
    return (path / "meta" / "info.json").is_file()


def read(path: Path, options: ReadOptions = ReadOptions()) -> Dataset:
    """Open a dataset; ClipError for a version that is not known and tables that do not fit."""
    info = read_info(path)
    if info.version == "v3.0":
        return read_v3(path, info, options)
    if info.version in ("v2.0", "v2.1"):
        return read_v21(path, info, options)
    raise ClipError(
        path / "meta" / "info.json",
        f"codebase_version is {info.version!r}",
        allowed="v3.0, v2.1 or v2.0",
        way_out="bring it to v3.0 with lerobot's own converter",
    )


__all__ = ["Info", "read", "read_info", "recognises"]
