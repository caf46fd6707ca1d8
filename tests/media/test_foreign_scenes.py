"""Scenes that other exporters wrote: what glTF states is shown as it is meant, or refused."""

import json
import struct

import cv2
import numpy as np
import pytest

from simlift.core.errors import ClipError
from simlift.media.gltf.reader import read_gltf

TRIANGLE = np.float32([[0, 0, 0], [1, 0, 0], [0, 2, 0]])
UP = np.float32([[0, 0, 1]] * 3)
UV = np.float32([[0, 0], [1, 0], [0, 1]])
FLOAT, BYTE, SHORT, UINT = 5126, 5121, 5123, 5125
KINDS = {np.dtype(k): v for k, v in (("f4", FLOAT), ("u1", BYTE), ("u2", SHORT), ("u4", UINT))}


class Builder:
    """A .glb under construction: one triangle of the id 3, and what a test changes of it."""

    def __init__(self):
        self.data = bytearray()
        self.document = {
            "asset": {"version": "2.0"},
            "bufferViews": [],
            "accessors": [],
            "materials": [
                {"name": "m", "pbrMetallicRoughness": {"baseColorFactor": [1, 0.5, 0, 1]}}
            ],
        }
        attributes = {"POSITION": self.array(TRIANGLE), "NORMAL": self.array(UP)}
        attributes["TEXCOORD_0"] = self.array(UV)
        indices = self.array(np.uint16([0, 1, 2]))
        self.primitive = {"attributes": attributes, "indices": indices, "material": 0}
        self.document["meshes"] = [{"primitives": [self.primitive]}]
        self.node = {"name": "body", "mesh": 0, "extras": {"segmentation_id": 3}}
        self.document["nodes"] = [self.node]
        self.document["scenes"] = [{"nodes": [0]}]

    @property
    def material(self):
        return self.document["materials"][0]

    def view(self, raw, **more):
        self.data += bytes(-len(self.data) % 4)
        place = {"buffer": 0, "byteOffset": len(self.data), "byteLength": len(raw), **more}
        self.data += raw
        self.document["bufferViews"].append(place)
        return len(self.document["bufferViews"]) - 1

    def array(self, values, **more):
        width = 1 if values.ndim == 1 else values.shape[1]
        entry = {
            "bufferView": self.view(values.tobytes()),
            "componentType": KINDS[values.dtype],
            "count": len(values),
            "type": "SCALAR" if width == 1 else f"VEC{width}",
            **more,
        }
        self.document["accessors"].append(entry)
        return len(self.document["accessors"]) - 1

    def texture(self, image, extension=".png", **info):
        coded = cv2.imencode(extension, image)[1].tobytes()
        self.document["images"] = [{"bufferView": self.view(coded), "mimeType": "image/png"}]
        self.document["textures"] = [{"source": 0}]
        self.material["pbrMetallicRoughness"]["baseColorTexture"] = {"index": 0, **info}

    def read(self, folder):
        data = bytes(self.data) + bytes(-len(self.data) % 4)
        self.document["buffers"] = [{"byteLength": len(data)}]
        text = json.dumps(self.document).encode()
        text += b" " * (-len(text) % 4)
        path = folder / "scene.glb"
        head = struct.pack("<4sIII4s", b"glTF", 2, 28 + len(text) + len(data), len(text), b"JSON")
        path.write_bytes(head + text + struct.pack("<I4s", len(data), b"BIN\0") + data)
        return read_gltf(path)


@pytest.fixture
def glb():
    return Builder()


def turned(axis, degrees):
    axis, half = np.array(axis, float), np.radians(degrees) / 2
    return [*(axis / np.linalg.norm(axis) * np.sin(half)).tolist(), float(np.cos(half))]


def test_a_plain_scene_is_read(glb, tmp_path):
    scene = glb.read(tmp_path)
    (part,) = scene.parts
    np.testing.assert_array_equal(part.vertices, TRIANGLE)
    np.testing.assert_array_equal(part.normals, UP)
    np.testing.assert_array_equal(part.uv, UV)
    assert (part.id, part.material, part.faces.tolist()) == (3, 0, [[0, 1, 2]])
    (material,) = scene.materials
    assert (material.colour, material.roughness, material.metallic) == ((1, 0.5, 0), 1, 1)
    assert (material.opacity, material.emission, material.texture) == (1, 0, None)


# --- places -----------------------------------------------------------------------------------


def test_nodes_below_a_body_stand_where_their_transforms_say(glb, tmp_path):
    """T R S of a child, and the matrix of its own child, as a viewer composes them."""
    del glb.node["mesh"]
    glb.node["children"] = [1]
    glb.document["nodes"] += [
        {
            "translation": [1, 2, 3],
            "rotation": turned([0, 0, 1], 90),
            "scale": [2, 1, 1],
            "mesh": 0,
            "children": [2],
        },
        {"matrix": [1, 0, 0, 0, 0, 0, 1, 0, 0, -1, 0, 0, 0, 0, 5, 1], "mesh": 0},
    ]
    one, two = glb.read(tmp_path).parts
    assert (one.id, two.id) == (3, 3)
    expected = np.stack([1 - TRIANGLE[:, 1], 2 + 2 * TRIANGLE[:, 0], 3 + TRIANGLE[:, 2]], 1)
    np.testing.assert_allclose(one.vertices, expected, atol=1e-6)
    # The matrix turns y to z (columns first), then moves by 5 along z.
    inner = np.stack([TRIANGLE[:, 0], -TRIANGLE[:, 2], TRIANGLE[:, 1] + 5], 1)
    expected = np.stack([1 - inner[:, 1], 2 + 2 * inner[:, 0], 3 + inner[:, 2]], 1)
    np.testing.assert_allclose(two.vertices, expected, atol=1e-6)
    np.testing.assert_allclose(two.normals, [[1, 0, 0]] * 3, atol=1e-6)


def test_a_mirrored_node_keeps_its_outside(glb, tmp_path):
    del glb.node["mesh"]
    glb.node["children"] = [1]
    glb.document["nodes"].append({"scale": [-1, 1, 1], "mesh": 0})
    (part,) = glb.read(tmp_path).parts
    a, b, c = part.vertices[part.faces[0]]
    assert np.cross(b - a, c - a) @ part.normals[0] > 0
    np.testing.assert_allclose(part.normals, UP)


def test_normals_stay_square_to_what_a_scale_tilts(glb, tmp_path):
    del glb.node["mesh"]
    glb.node["children"] = [1]
    slope = np.float32([[0, 0, 0], [1, 0, -1], [0, 1, 0]])
    glb.primitive["attributes"]["POSITION"] = glb.array(slope)
    glb.primitive["attributes"]["NORMAL"] = glb.array(np.float32([[1, 0, 1]] * 3) / 2**0.5)
    glb.document["nodes"].append({"scale": [3, 1, 1], "mesh": 0})
    (part,) = glb.read(tmp_path).parts
    a, b, c = part.vertices[part.faces[0]].astype(float)
    flat = np.cross(b - a, c - a)
    np.testing.assert_allclose(part.normals[0], flat / np.linalg.norm(flat), atol=1e-6)


def test_a_root_that_turns_upwards_stands_above_bodies(glb, tmp_path):
    glb.document["nodes"].append({"rotation": turned([-1, 0, 0], 90), "children": [0]})
    glb.document["scenes"] = [{"nodes": [1]}]
    np.testing.assert_array_equal(glb.read(tmp_path).parts[0].vertices, TRIANGLE)


@pytest.mark.parametrize(
    "transform",
    [
        {"translation": [0, 0, 1]},
        {"scale": [2, 2, 2]},
        {"rotation": turned([0, 0, 1], 30)},
        {"matrix": [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0.5, 0, 0, 1]},
    ],
)
def test_a_body_that_its_file_moves_is_refused(glb, tmp_path, transform):
    glb.node |= transform
    with pytest.raises(ClipError, match=r"node body of the id 3 is moved by its own transform"):
        glb.read(tmp_path)
    for key in transform:
        del glb.node[key]
    glb.document["nodes"].append({"name": "room", "children": [0], **transform})
    glb.document["scenes"] = [{"nodes": [1]}]
    with pytest.raises(ClipError, match="node room moves the bodies below it"):
        glb.read(tmp_path)


# --- meshes -----------------------------------------------------------------------------------


def test_every_primitive_of_a_mesh_is_a_part(glb, tmp_path):
    glb.document["materials"].append({"name": "other"})
    second = {**glb.primitive, "material": 1}
    third = {k: v for k, v in glb.primitive.items() if k != "material"}
    glb.document["meshes"][0]["primitives"] += [second, third]
    scene = glb.read(tmp_path)
    assert [(p.id, scene.materials[p.material].name) for p in scene.parts] == [
        (3, "m"), (3, "other"), (3, "default"),
    ]  # fmt: skip


def test_what_a_primitive_leaves_away_has_gltfs_meaning(glb, tmp_path):
    """Without indices every three vertices are a face, without normals faces are flat."""
    del glb.primitive["indices"], glb.primitive["attributes"]["NORMAL"]
    del glb.primitive["attributes"]["TEXCOORD_0"]
    (part,) = glb.read(tmp_path).parts
    np.testing.assert_array_equal(part.vertices[part.faces[0]], TRIANGLE)
    np.testing.assert_allclose(part.normals, UP)
    assert part.uv.tolist() == [[0, 0]] * 3


def test_strides_offsets_and_short_numbers_are_followed(glb, tmp_path):
    both = np.concatenate([TRIANGLE, UP], axis=1).tobytes()
    view = glb.view(b"\0" * 8 + both, byteStride=24)
    attributes = glb.primitive["attributes"]
    for name, start in (("POSITION", 8), ("NORMAL", 20)):
        entry = {"bufferView": view, "byteOffset": start, "componentType": FLOAT, "count": 3}
        glb.document["accessors"].append({**entry, "type": "VEC3"})
        attributes[name] = len(glb.document["accessors"]) - 1
    attributes["TEXCOORD_0"] = glb.array(np.uint8([[0, 0], [255, 51], [0, 255]]), normalized=True)
    glb.primitive["indices"] = glb.array(np.uint8([2, 1, 0]))
    (part,) = glb.read(tmp_path).parts
    np.testing.assert_array_equal(part.vertices, TRIANGLE)
    np.testing.assert_array_equal(part.normals, UP)
    np.testing.assert_allclose(part.uv, [[0, 0], [1, 0.2], [0, 1]], atol=1e-6)
    assert part.faces.tolist() == [[2, 1, 0]]


# --- materials --------------------------------------------------------------------------------


def test_a_texture_is_laid_by_the_coordinates_that_it_names(glb, tmp_path):
    image = np.full((2, 3, 3), (10, 20, 30), np.uint8)
    glb.texture(image, texCoord=1)
    glb.primitive["attributes"]["TEXCOORD_1"] = glb.array(1 - UV)
    scene = glb.read(tmp_path)
    np.testing.assert_array_equal(scene.materials[0].texture, image[..., ::-1])
    np.testing.assert_array_equal(scene.parts[0].uv, 1 - UV)


@pytest.mark.parametrize(
    ("mode", "alpha", "opacity"),
    [({}, 0.25, 1), ({"alphaMode": "BLEND"}, 0.25, 0.25), ({"alphaMode": "MASK"}, 0.25, 0),
     ({"alphaMode": "MASK", "alphaCutoff": 0.2}, 0.25, 1)],
)  # fmt: skip
def test_alpha_has_the_meaning_of_its_mode(glb, tmp_path, mode, alpha, opacity):
    glb.material.update(mode)
    glb.material["pbrMetallicRoughness"]["baseColorFactor"][3] = alpha
    assert glb.read(tmp_path).materials[0].opacity == opacity


def strength(value):
    return {"KHR_materials_emissive_strength": {"emissiveStrength": value}}


@pytest.mark.parametrize(
    ("changes", "emission"),
    [
        ({"emissiveFactor": [0.5, 0.5, 0.5]}, 0.5),
        ({"emissiveFactor": [1, 1, 1], "extensions": strength(3)}, 3),
        ({"emissiveFactor": [0.4, 0.2, 0], "extensions": strength(2)}, 0.8),  # of its own colour
        ({"extensions": strength(3)}, 0),
    ],
)
def test_what_shines_shines_as_it_says(glb, tmp_path, changes, emission):
    glb.material.update(changes)
    assert glb.read(tmp_path).materials[0].emission == pytest.approx(emission)


# --- what is refused --------------------------------------------------------------------------


def holed(glb):
    glb.texture(np.full((2, 2, 4), 128, np.uint8))
    glb.material["alphaMode"] = "MASK"


def clamped(glb):
    glb.texture(np.zeros((2, 2, 3), np.uint8))
    glb.document["textures"][0]["sampler"] = 0
    glb.document["samplers"] = [{"wrapS": 33071}]
    glb.primitive["attributes"]["TEXCOORD_0"] = glb.array(2 * UV)


def laid_by_nothing(glb):
    glb.texture(np.zeros((2, 2, 3), np.uint8))
    del glb.primitive["attributes"]["TEXCOORD_0"]


def transformed_texture(glb):
    glb.texture(
        np.zeros((2, 2, 3), np.uint8), extensions={"KHR_texture_transform": {"scale": [2, 2]}}
    )


def sparse(glb):
    glb.document["accessors"][0]["sparse"] = {"count": 1}


def without_view(glb):
    del glb.document["accessors"][0]["bufferView"]


def quantised(glb):
    places = np.zeros((3, 3), np.uint16)
    glb.primitive["attributes"]["POSITION"] = glb.array(places)


def outside(glb):
    glb.document["nodes"].append({"mesh": 0, "extras": {"segmentation_id": 4}})


def image_outside(glb):
    glb.texture(np.zeros((2, 2, 3), np.uint8))
    glb.document["images"] = [{"uri": "wood.png"}]


def changed(where, **values):
    def change(glb):
        getattr(glb, where).update(values)

    return change


def top(**values):
    return lambda glb: glb.document.update(values)


EXTENSION = {"extensions": {"KHR_draco_mesh_compression": {"bufferView": 0}}}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (changed("node", skin=0), "node body is bent by a skin"),
        (changed("primitive", targets=[{"POSITION": 0}]), "node body has morph targets"),
        (changed("primitive", mode=5), "a primitive of mode 5"),
        (changed("primitive", mode=1), "a primitive of mode 1"),
        (changed("primitive", **EXTENSION), "the extensions KHR_draco_mesh_compression"),
        (lambda g: g.document["bufferViews"][0].update(
            extensions={"EXT_meshopt_compression": {}}), "EXT_meshopt_compression"),
        (top(extensionsRequired=["KHR_mesh_quantization"]), "KHR_mesh_quantization"),
        (changed("material", extensions={"KHR_materials_unlit": {}}), "KHR_materials_unlit"),
        (changed("material", extensions={"KHR_materials_transmission": {}}), "transmission"),
        (transformed_texture, "KHR_texture_transform"),
        (top(animations=[{"channels": [], "samplers": []}]), "holds animations"),
        (lambda g: g.primitive["attributes"].update(COLOR_0=0), "colours of its vertices"),
        (changed("material", normalTexture={"index": 0}), "material 'm' has a normalTexture"),
        (changed("material", emissiveFactor=[0, 0, 1]), "another colour than its own"),
        (lambda g: g.material["pbrMetallicRoughness"].update(
            metallicRoughnessTexture={"index": 0}), "has a metallicRoughnessTexture"),
        (holed, "a texture that is transparent in parts"),
        (clamped, "not repeated beyond its borders"),
        (laid_by_nothing, "no TEXCOORD_0 that says where it lies"),
        (sparse, "sparse"),
        (without_view, "sparse"),
        (quantised, "whole numbers"),
        (outside, "meshes outside its scene"),
        (image_outside, "keeps a texture outside the file"),
    ],
)  # fmt: skip
def test_what_cannot_be_shown_is_refused_in_words(glb, tmp_path, change, words):
    change(glb)
    with pytest.raises(ClipError, match=rf"{words}.*allowed: meshes of triangles.*way out"):
        glb.read(tmp_path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda g: g.document["accessors"][0].update(count=10**12), "entries do not fit"),
        (lambda g: g.document["bufferViews"][0].update(byteLength=10**12), "a view reaches"),
        (lambda g: g.node.update(extras={"segmentation_id": 2**31}), "segmentation_id 2147483648"),
        (lambda g: g.node.update(extras={"segmentation_id": 1.5}), "segmentation_id 1.5"),
        (lambda g: g.node.update(children=[0]), "two parents"),
        (lambda g: g.node.update(mesh=-1), "-1 is no number below 1"),
        (lambda g: g.primitive.update(indices=g.array(np.uint16([0, 1, 7]))), "not there"),
    ],
)
def test_numbers_that_no_file_holds_are_refused(glb, tmp_path, change, words):
    change(glb)
    with pytest.raises(ClipError, match=words):
        glb.read(tmp_path)
