"""Compute indirect light: static surfaces of a clip sample -> voxels and light probes."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from simlift.core.layers import Layer
from simlift.core.window import ClipSample, Window
from simlift.engines.photographic.scene.bounding_boxes import FindOccluders, observed_boxes
from simlift.engines.photographic.scene.observed_surfaces import (
    moving_ids,
    observed_surfaces,
    observed_voxels,
)
from simlift.engines.photographic.scene.stored_scene import (
    read_stored_scene,
    stored_boxes,
    stored_voxels,
)
from simlift.pixels.geometry.voxels import Voxels
from simlift.pixels.light.environment import Environment, prefilter
from simlift.pixels.light.probes import LightVolume, Probes, place_probes, solve_light_bounces

_PER_PROBE = 3  # voxels from a probe to the next, or as many more as keep them few
_MOST_PROBES = 24_000


@dataclass(frozen=True, eq=False)
class StaticScene:
    """What stands still in a clip; the same for every look.

    It is `known` where the clip carries its scene; else it is what the images show of it.
    """

    voxels: Voxels
    probes: Probes
    occluders: FindOccluders | None  # what hides light from a frame; None without bodies
    known: bool


def static_scene(window: Window) -> StaticScene | None:
    """Return the still surfaces of a clip sample; None without metric depth and a camera."""
    if Layer.DEPTH not in window or not window.metric_depth or window.camera is None:
        return None
    geometry = read_stored_scene(window)
    boxes = observed_boxes(window) if geometry is None else stored_boxes(geometry)
    seen = observed_surfaces(window, boxes.depth_of)
    if seen is None:
        return None
    if geometry is None:
        voxels = observed_voxels(window, seen)
    else:
        voxels = stored_voxels(window, geometry, seen.low, seen.high)
    spacing = _spacing(seen.low, seen.high, voxels.cell)
    probes = place_probes(voxels, seen.low, seen.high, spacing)
    occluders = FindOccluders(boxes, moving_ids(window), probes.openness) if boxes.known else None
    return StaticScene(voxels, probes, occluders, known=geometry is not None)


def _spacing(low: np.ndarray, high: np.ndarray, cell: float) -> float:
    fewest = float(np.prod((high - low) / cell + _PER_PROBE) / _MOST_PROBES) ** (1 / 3)
    return max(fewest, float(_PER_PROBE)) * cell


def indirect_light(
    sample: ClipSample,
    environment: Environment,
    axes: Float[np.ndarray, "3 3"],
    emission: float,
) -> LightVolume | None:
    """Let the environment's light bounce among the clip's still surfaces."""
    around = sample.window.derive(static_scene)
    if around is None:
        return None
    softened = prefilter(environment.soft, 60.0)
    return solve_light_bounces(around.voxels, around.probes, environment, axes, softened, emission)
