"""Hand takes back as the dataset that they came from, or as another: one module for each format."""

from collections.abc import Mapping
from types import MappingProxyType

# What --format names, and what it is.
DATASET_FORMATS: Mapping[str, str] = MappingProxyType(
    {
        "lerobot-v3": "LeRobot v3.0",
        "lerobot-v2.1": "LeRobot v2.1 with meta/modality.json, as GR00T reads it",
        "isaac-lab": "Isaac Lab HDF5, of takes of Isaac Lab HDF5",
        "robomimic": "robomimic HDF5, of takes of robomimic or robosuite HDF5",
        "folders": "a folder for each episode: videos, rows.parquet, episode.json",
    }
)

__all__ = ["DATASET_FORMATS"]
