"""Write scene geometry as binary glTF 2.0 (.glb).

Source: Khronos, "glTF 2.0 specification". Each part is a node named by its segmentation id, which
is also in the node's `extras`; nodes stand at the identity, and the clip's poses move them. What
parts have in common is stored once; textures are JPEG images, as fine as the clip's own albedo.
"""

import json
import struct
from hashlib import sha256
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from simlift.core.scene_geometry import SceneGeometry
from simlift.media.gltf.materials import EMISSIVE_STRENGTH
from simlift.media.gltf.reader import ID, UPWARDS

_MAGIC, _JSON, _BINARY = 0x46546C67, 0x4E4F534A, 0x004E4942
_FLOAT, _UINT, _USHORT = 5126, 5125, 5123
_KINDS = {_FLOAT: np.float32, _UINT: np.uint32, _USHORT: np.uint16}
_JPEG = (cv2.IMWRITE_JPEG_QUALITY, 92, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x111111)  # 4:4:4
_MOST = 2**16 - 1  # vertices of a part with short indices; the last number may not be used


def write_gltf(path: Path, geometry: SceneGeometry) -> None:
    """Write a .glb that any viewer opens, atomically: it appears by rename when it is whole."""
    chunks = _Chunks()
    materials: list[dict[str, Any]] = []
    textures: list[dict[str, Any]] = []
    images: list[dict[str, Any]] = []
    for material in geometry.materials:
        surface: dict[str, Any] = {
            "baseColorFactor": [*material.colour, material.opacity],
            "roughnessFactor": material.roughness,
            "metallicFactor": material.metallic,
        }
        if material.texture is not None:
            jpeg = cv2.imencode(".jpg", material.texture[..., ::-1], _JPEG)[1].tobytes()
            surface["baseColorTexture"] = {"index": len(textures)}
            textures.append({"source": len(images)})
            images.append({"bufferView": chunks.add(jpeg), "mimeType": "image/jpeg"})
        entry: dict[str, Any] = {"name": material.name, "pbrMetallicRoughness": surface}
        if material.opacity < 1:
            entry["alphaMode"] = "BLEND"
        if material.emission > 0:
            entry["emissiveFactor"] = [1.0, 1.0, 1.0]
            entry["extensions"] = {EMISSIVE_STRENGTH: {"emissiveStrength": material.emission}}
        materials.append(entry)
    meshes: list[dict[str, Any]] = []
    nodes: list[dict[str, Any]] = []
    for part in geometry.parts:
        attributes = {
            "POSITION": chunks.accessor(part.vertices, bounds=True),
            "NORMAL": chunks.accessor(part.normals),
            "TEXCOORD_0": chunks.accessor(part.uv),
        }
        primitive = {
            "attributes": attributes,
            "indices": chunks.accessor(
                part.faces.astype(np.uint16 if len(part.vertices) < _MOST else np.uint32).reshape(
                    -1
                )
            ),
            "material": part.material,
        }
        nodes.append({"name": str(part.id), "mesh": len(meshes), "extras": {ID: part.id}})
        meshes.append({"primitives": [primitive]})
    # glTF's up is +y, the clip's world is +z up: one root turns the whole scene for viewers.
    root = {"name": "world", "children": list(range(len(nodes)))}
    root["rotation"] = list(UPWARDS)
    document = {
        "asset": {"version": "2.0", "generator": "simlift"},
        "scene": 0,
        "scenes": [{"nodes": [len(nodes)]}],
        "nodes": [*nodes, root],
        "meshes": meshes,
        "materials": materials,
        "accessors": chunks.accessors,
        "bufferViews": chunks.views,
        "buffers": [{"byteLength": len(chunks.data)}],
        "extensionsUsed": [EMISSIVE_STRENGTH],
    }
    if images:
        document |= {"textures": textures, "images": images}
    text = json.dumps(document, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    size = 12 + 8 + len(text) + 8 + len(chunks.data)
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("wb") as file:
        file.write(struct.pack("<III", _MAGIC, 2, size))
        file.write(struct.pack("<II", len(text), _JSON) + text)
        file.write(struct.pack("<II", len(chunks.data), _BINARY) + chunks.data)
    partial.replace(path)


class _Chunks:
    """The binary buffer under construction, and the tables that describe it."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []
        self._views: dict[bytes, int] = {}
        self._accessors: dict[str, int] = {}

    def add(self, raw: bytes) -> int:
        """Return the view of some bytes; the same bytes have the same view."""
        key = sha256(raw).digest()
        if key not in self._views:
            self._views[key] = len(self.views)
            place = {"buffer": 0, "byteOffset": len(self.data), "byteLength": len(raw)}
            self.views.append(place)
            self.data += raw + bytes(-len(raw) % 4)
        return self._views[key]

    def accessor(self, array: np.ndarray, *, bounds: bool = False) -> int:
        entry: dict[str, Any] = {
            "bufferView": self.add(np.ascontiguousarray(array).tobytes()),
            "componentType": next(k for k, dtype in _KINDS.items() if dtype == array.dtype),
            "count": len(array),
            "type": "SCALAR" if array.ndim == 1 else f"VEC{array.shape[1]}",
        }
        if bounds:
            entry |= {"min": array.min(0).tolist(), "max": array.max(0).tolist()}
        key = json.dumps(entry)
        if key not in self._accessors:
            self._accessors[key] = len(self.accessors)
            self.accessors.append(entry)
        return self._accessors[key]
