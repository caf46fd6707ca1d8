"""Read scene geometry from binary glTF 2.0 (.glb); what cannot be shown as it is meant is refused.

Source: Khronos, "glTF 2.0 specification". A body is a node whose `extras` hold a segmentation id;
meshes of the nodes below it belong to it. A body stands at the identity, because the clip's poses
move it: only a root that turns +z up to glTF's +y up stands above it. Nodes below may stand
anywhere. Both sides of a face are drawn, whatever `doubleSided` says, as simulators do. Tangents,
occlusion textures and punctual lights are left out: light comes from the look.
"""

import json
import struct
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from simlift.core.errors import ClipError
from simlift.core.scene_geometry import Part, SceneGeometry
from simlift.media.gltf.buffers import Buffers, Unsupported, item
from simlift.media.gltf.materials import EMISSIVE_STRENGTH, Surface, read_surfaces

ID = "segmentation_id"
UPWARDS = (-(0.5**0.5), 0.0, 0.0, 0.5**0.5)  # the root's rotation, which turns z up to y up

_MAGIC, _JSON, _BINARY = 0x46546C67, 0x4E4F534A, 0x004E4942
_MOST_ID = 2**31 - 1
_TRIANGLES = 4
# What changes neither where a surface is nor how it looks.
_HARMLESS = {
    EMISSIVE_STRENGTH,
    "KHR_lights_punctual",
    "KHR_materials_variants",
    "KHR_xmp_json_ld",
}


@dataclass(frozen=True, eq=False)
class _Placed:
    """A mesh below a body: whose it is, and where it stands in the body's axes."""

    node: str
    id: int
    mesh: dict[str, Any]
    pose: Float[np.ndarray, "4 4"]


def read_gltf(path: Path) -> SceneGeometry:
    """Read a .glb whose bodies carry segmentation ids; ClipError when it is damaged or foreign."""
    try:
        document, data = _split(path.read_bytes())
        return _geometry(document, Buffers(document, data))
    except OSError as error:
        raise ClipError(path, f"cannot be read ({error.strerror})") from error
    except Unsupported as error:
        raise ClipError(
            path,
            str(error),
            allowed="meshes of triangles, and materials of numbers and a texture of base colour",
            way_out="export the scene without it (bake it), or leave scene out of clip.json",
        ) from error
    except (
        LookupError, ValueError, TypeError, AttributeError, OverflowError, RecursionError,
        struct.error,
    ) as error:  # fmt: skip
        raise ClipError(
            path,
            f"is not a scene that simlift wrote ({error})",
            allowed="a whole binary glTF 2.0 file whose nodes carry a segmentation_id",
            way_out="record the clip again",
        ) from error


def _split(raw: bytes) -> tuple[dict[str, Any], bytes]:
    magic, version, size = struct.unpack_from("<III", raw)
    if magic != _MAGIC or version != 2:
        raise ValueError("no glTF 2.0 header")
    if size != len(raw):
        raise ValueError(f"{len(raw)} of {size} bytes are there")
    length, kind = struct.unpack_from("<II", raw, 12)
    if kind != _JSON:
        raise ValueError("the first chunk is not JSON")
    document = json.loads(raw[20 : 20 + length])
    data_length, data_kind = struct.unpack_from("<II", raw, 20 + length)
    data = raw[28 + length : 28 + length + data_length]
    if data_kind != _BINARY or len(data) != data_length:
        raise ValueError("the second chunk is not the binary buffer")
    return document, data


def _geometry(document: dict[str, Any], buffers: Buffers) -> SceneGeometry:
    _check_extensions(document)
    if document.get("animations"):
        raise Unsupported("holds animations; poses of bodies come from objects.npz")
    surfaces = read_surfaces(document, buffers)
    parts = [
        part
        for placed in _meshes(document)
        for number in range(len(placed.mesh["primitives"]))
        for part in _parts(placed, number, surfaces, buffers)
    ]
    for part in parts:
        _check(part)
    return SceneGeometry(tuple(surface.material for surface in surfaces), tuple(parts))


def _check_extensions(document: dict[str, Any]) -> None:
    found = set(document.get("extensionsRequired", ()))
    waiting: list[Any] = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            found |= set(value.get("extensions", ()))
            waiting += [inside for key, inside in value.items() if key != "extras"]
        elif isinstance(value, list):
            waiting += [inside for inside in value if isinstance(inside, dict | list)]
    if strange := sorted(found - _HARMLESS):
        raise Unsupported(f"uses the extensions {', '.join(strange)}")


def _meshes(document: dict[str, Any]) -> Iterator[_Placed]:
    """Walk the scene from its roots and yield its meshes."""
    nodes = document["nodes"]
    scenes = document.get("scenes")
    children = {child for node in nodes for child in node.get("children", ())}
    if scenes:
        roots = item(scenes, document.get("scene", 0))["nodes"]
    else:
        roots = [number for number in range(len(nodes)) if number not in children]
    seen: set[int] = set()
    # A node, the body that it is below, and its pose in that body's axes, or None above bodies.
    waiting: deque[tuple[int, int | None, np.ndarray | None]] = deque()
    waiting.extend((root, None, None) for root in roots)
    while waiting:
        number, body, above = waiting.popleft()
        node = item(nodes, number)
        if number in seen:
            raise ValueError(f"node {number} has two parents")
        seen.add(number)
        name = str(node.get("name", number))
        own = _transform(node)
        if "skin" in node:
            raise Unsupported(f"node {name} is bent by a skin")
        if ID in node.get("extras", {}):
            body = _id(name, node["extras"][ID])
            if not _still(own) or not (above is None or _still(above)):
                raise Unsupported(
                    f"node {name} of the id {body} is moved by its own transform: a body stands at "
                    "the identity, and poses in objects.npz move it; put the transform on a node "
                    "below, or into the vertices"
                )
            pose = np.eye(4)
        elif body is None:
            if not (_still(own) or _turns_up(own, number in children)):
                raise Unsupported(
                    f"node {name} moves the bodies below it: they stand at the identity, and poses "
                    "in objects.npz move them"
                )
            pose = None
        else:
            assert above is not None
            pose = above @ own
        if "mesh" in node:
            if body is None or pose is None:
                raise ValueError(f"node {name} has a mesh and no {ID}")
            yield _Placed(name, body, item(document["meshes"], node["mesh"]), pose)
        waiting.extend((child, body, pose) for child in node.get("children", ()))
    lost = [n for n, node in enumerate(nodes) if "mesh" in node and n not in seen]
    if lost:
        raise Unsupported(f"holds meshes outside its scene (nodes {lost[:8]})")


def _id(name: str, value: Any) -> int:
    whole = isinstance(value, int | float) and not isinstance(value, bool) and value == int(value)
    if not whole or not 0 <= int(value) <= _MOST_ID:
        raise ValueError(f"node {name} has the {ID} {value!r}")
    return int(value)


def _transform(node: dict[str, Any]) -> Float[np.ndarray, "4 4"]:
    """Return a node's own transform, from its matrix or from what makes it up."""
    if "matrix" in node:
        pose = np.array(node["matrix"], np.float64).reshape(4, 4).T
    else:
        x, y, z, w = np.array(node.get("rotation", (0, 0, 0, 1)), np.float64)
        pose = np.eye(4)
        pose[:3, :3] = [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
        scale = np.array(node.get("scale", (1, 1, 1)), np.float64).reshape(3)
        pose[:3, :3] *= scale
        pose[:3, 3] = np.array(node.get("translation", (0, 0, 0)), np.float64).reshape(3)
    if not np.isfinite(pose).all() or not np.allclose(pose[3], (0, 0, 0, 1)):
        raise ValueError(f"a node has the transform {pose.tolist()}")
    return pose


def _still(pose: Float[np.ndarray, "4 4"]) -> bool:
    return np.allclose(pose, np.eye(4), atol=1e-6)


def _turns_up(pose: Float[np.ndarray, "4 4"], has_parent: bool) -> bool:
    return not has_parent and np.allclose(pose, _transform({"rotation": UPWARDS}), atol=1e-6)


def _parts(
    placed: _Placed, number: int, surfaces: list[Surface], buffers: Buffers
) -> Iterator[Part]:
    """Yield a primitive of a mesh; one without triangles is nothing to see."""
    primitive = item(placed.mesh["primitives"], number)
    refuse = partial(_refuse, f"node {placed.node}")
    if (mode := primitive.get("mode", _TRIANGLES)) != _TRIANGLES:
        refuse(f"has a primitive of mode {mode}, which are no single triangles")
    if primitive.get("targets"):
        refuse("has morph targets")
    attributes = primitive["attributes"]
    if colours := sorted(key for key in attributes if key.startswith("COLOR_")):
        refuse(f"has colours of its vertices ({colours[0]})")
    index = primitive.get("material", len(surfaces) - 1)  # the last one is glTF's own default
    if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < len(surfaces):
        raise ValueError(f"node {placed.node} is of material {index} of {len(surfaces)}")
    surface = surfaces[index]
    vertices = buffers.vectors(attributes["POSITION"], 3)
    if "indices" in primitive:
        faces = buffers.indices(primitive["indices"])
    else:
        faces = np.arange(len(vertices), dtype=np.int32)
    faces = faces.reshape(-1, 3)
    if len(faces) == 0:
        return
    if not 0 <= faces.min() <= faces.max() < len(vertices):
        raise ValueError(f"node {placed.node} has faces of vertices that are not there")
    uv_name = f"TEXCOORD_{surface.uv_set}"
    if uv_name in attributes:
        uv = buffers.vectors(attributes[uv_name], 2)
    elif surface.material.texture is not None:
        refuse(f"has a texture, and no {uv_name} that says where it lies")
    else:
        uv = np.zeros((len(vertices), 2), np.float32)
    if surface.clamps and len(uv) and not (uv.min() >= 0 and uv.max() <= 1):
        refuse("has a texture that is not repeated beyond its borders")
    if "NORMAL" in attributes:
        normals = buffers.vectors(attributes["NORMAL"], 3)
    else:  # glTF: flat normals, so that each face has vertices of its own
        vertices, uv = vertices[faces].reshape(-1, 3), uv[faces].reshape(-1, 2)
        faces = np.arange(len(vertices), dtype=np.int32).reshape(-1, 3)
        normals = _flat_normals(vertices)
    if not _still(placed.pose):
        vertices, normals, faces = _moved(placed.pose, vertices, normals, faces)
    yield Part(
        id=placed.id,
        material=index,
        vertices=vertices,
        normals=normals,
        uv=uv,
        faces=faces,
    )


def _refuse(where: str, what: str) -> None:
    raise Unsupported(f"{where} {what}")


def _flat_normals(vertices: np.ndarray) -> np.ndarray:
    a, b, c = (vertices[k::3].astype(np.float64) for k in range(3))
    across = np.cross(b - a, c - a)
    length = np.linalg.norm(across, axis=1, keepdims=True)
    flat = np.where(length > 0, across / np.maximum(length, 1e-300), (0.0, 0.0, 1.0))
    return np.repeat(flat, 3, axis=0).astype(np.float32)


def _moved(
    pose: np.ndarray, vertices: np.ndarray, normals: np.ndarray, faces: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a mesh in its body's axes; a mirrored one has its corners the other way round."""
    turn, volume = pose[:3, :3], float(np.linalg.det(pose[:3, :3]))
    if volume == 0:
        raise ValueError("a node flattens its mesh")
    moved = vertices @ turn.T + pose[:3, 3]
    facing = normals @ np.linalg.inv(turn)  # the inverse's transpose, for rows
    facing /= np.maximum(np.linalg.norm(facing, axis=1, keepdims=True), 1e-300)
    if volume < 0:
        faces = np.ascontiguousarray(faces[:, ::-1])
    return moved.astype(np.float32), facing.astype(np.float32), faces


def _check(part: Part) -> None:
    """Raise ValueError on what a renderer would read beyond its arrays for."""
    count = len(part.vertices)
    shapes = [part.vertices.shape, part.normals.shape, part.uv.shape]
    if shapes != [(count, 3), (count, 3), (count, 2)]:
        raise ValueError(f"node {part.id} has vertices, normals and uv of the shapes {shapes}")
    if not (np.isfinite(part.vertices).all() and np.isfinite(part.normals).all()):
        raise ValueError(f"node {part.id} has a vertex that is not finite")
