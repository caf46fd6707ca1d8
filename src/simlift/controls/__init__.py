"""Draw control videos (condition videos) of a window: edges, depth, ids, blur, skeletons."""

from collections.abc import Mapping
from types import MappingProxyType

from simlift.controls.blur import Blur
from simlift.controls.depth import DepthControl
from simlift.controls.edges import Edges, EngineEdges
from simlift.controls.segmentation import Segmentation
from simlift.controls.skeleton import Overlay, Skeleton, TrajectoryMaps
from simlift.controls.skeleton_style import ArmColours, SkeletonStyle
from simlift.controls.trajectory_map import TrajectoryMap
from simlift.core.errors import RecipeError
from simlift.core.protocols import Control

CONTROLS: Mapping[str, type[Control]] = MappingProxyType(
    {
        "edges": Edges,
        "engine-edges": EngineEdges,
        "depth": DepthControl,
        "segmentation": Segmentation,
        "blur": Blur,
        "skeleton": Skeleton,
        "trajectory-map": TrajectoryMaps,
        "overlay": Overlay,
    }
)


def open_control(name: str) -> Control:
    """Open the control of a name with its default settings; RecipeError lists the names."""
    if name not in CONTROLS:
        raise RecipeError("control", f"found {name!r}", allowed=", ".join(CONTROLS))
    return CONTROLS[name]()


__all__ = [
    "CONTROLS",
    "ArmColours",
    "Blur",
    "DepthControl",
    "Edges",
    "EngineEdges",
    "Overlay",
    "Segmentation",
    "Skeleton",
    "SkeletonStyle",
    "TrajectoryMap",
    "TrajectoryMaps",
    "open_control",
]
