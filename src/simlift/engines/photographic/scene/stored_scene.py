"""Read the stored scene of a clip and voxelise its static parts, also the unseen ones."""

from collections.abc import Iterator, Mapping

import numpy as np
from jaxtyping import Float, Float32

from simlift.core.clip import Clip
from simlift.core.errors import ClipError
from simlift.core.scene_geometry import Material, SceneGeometry
from simlift.core.window import Window
from simlift.engines.photographic.scene.bounding_boxes import BoundingBoxes
from simlift.engines.photographic.scene.observed_surfaces import moving_ids
from simlift.media.gltf.reader import read_gltf
from simlift.pixels.colour import spaces
from simlift.pixels.geometry.voxels import Mesh, Voxels, voxelise_meshes

_RESOLUTION = 224  # voxels along the longest side of what is seen
_BEYOND = 0.25  # share of what is seen by which the scene counts on each side
_GLASS = 0.5  # opacity below which a material lets light through


def open_scene(clip: Clip) -> SceneGeometry | None:
    """Read the scene of a clip that knows where its bodies are; ClipError where they disagree."""
    if clip.scene is None or clip.objects is None:
        return None
    geometry = read_gltf(clip.scene)
    unknown = {part.id for part in geometry.parts} - set(clip.objects.ids.tolist())
    if unknown:
        raise ClipError(
            clip.scene,
            f"holds parts of the bodies {sorted(unknown)[:8]}",
            allowed="bodies whose poses are in objects.npz",
            way_out="record the clip again",
        )
    return geometry


def read_stored_scene(window: Window) -> SceneGeometry | None:
    """Read the stored scene of a window; None where its bodies have no poses."""
    if window.scene is None or window.objects is None:
        return None
    return read_gltf(window.scene)


def stored_voxels(
    window: Window,
    geometry: SceneGeometry,
    low: Float[np.ndarray, "3"],
    high: Float[np.ndarray, "3"],
) -> Voxels:
    """Fill voxels with what stands still of the scene of the sampled window.

    `low` and `high` bound what was seen of it.
    """
    assert window.objects is not None
    poses = dict(zip(window.objects.ids.tolist(), window.objects.poses[0], strict=True))
    for moving in moving_ids(window).tolist():
        del poses[moving]
    cell = float((high - low).max()) / _RESOLUTION
    # A cell more: what is seen may be one flat wall.
    margin = (high - low) * _BEYOND + cell
    return voxelise_meshes(_meshes(geometry, poses), low - margin, high + margin, cell)


def stored_boxes(geometry: SceneGeometry) -> BoundingBoxes:
    """Return how far the bodies of a scene reach."""
    ids = np.unique(np.array([part.id for part in geometry.parts], int))
    low = np.full((len(ids), 3), np.inf, np.float32)
    high = np.full((len(ids), 3), -np.inf, np.float32)
    for part in geometry.parts:
        row = int(np.searchsorted(ids, part.id))
        low[row] = np.minimum(low[row], part.vertices.min(0))
        high[row] = np.maximum(high[row], part.vertices.max(0))
    return BoundingBoxes(ids, low, high, np.zeros(len(ids), np.float32))


def _meshes(
    geometry: SceneGeometry, poses: Mapping[int, Float[np.ndarray, "4 4"]]
) -> Iterator[Mesh]:
    """Yield the parts of the bodies that have a pose, in world axes; glass hides nothing."""
    colours = [_colours(material) for material in geometry.materials]
    for part in geometry.parts:
        material = geometry.materials[part.material]
        if part.id not in poses or material.opacity < _GLASS:
            continue
        placed = part.posed(poses[part.id])
        yield Mesh(
            placed.vertices[part.faces],
            placed.normals[part.faces],
            part.uv[part.faces],
            colours[part.material],
            material.lamp,
        )


def _colours(material: Material) -> Float32[np.ndarray, "a b 3"]:
    flat = np.array(material.colour, np.float32)[None, None]
    return flat if material.texture is None else spaces.decode_srgb(material.texture) * flat
