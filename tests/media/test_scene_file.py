"""A scene's meshes: closed forms of primitives, the glTF file's round trip, textures in place."""

import itertools
import json
import struct

import cv2
import numpy as np
import pytest

from simlift.core.errors import ClipError, SimliftError
from simlift.core.scene_geometry import Material, Part, SceneGeometry
from simlift.media.gltf.reader import read_gltf
from simlift.media.gltf.writer import write_gltf
from simlift.pixels.geometry.primitives import primitive
from simlift.pixels.geometry.projection import rays
from simlift.simulators import ModelScene

RANDOM = np.random.default_rng(0)
QUAD = np.int32([[0, 1, 2], [0, 2, 3]])


def part(number=3, material=0, count=4, faces=QUAD):
    random = np.random.default_rng(number)
    return Part(
        id=number,
        material=material,
        vertices=random.normal(size=(count, 3)).astype(np.float32),
        normals=np.tile(np.float32([0, 0, 1]), (count, 1)),
        uv=random.normal(size=(count, 2)).astype(np.float32),
        faces=faces,
    )


def geometry():
    """Two textures of odd sizes, glass, a lamp, and parts that share ids and materials."""
    pictures = [RANDOM.integers(0, 256, (h, w, 3)).astype(np.uint8) for h, w in ((5, 7), (1, 3))]
    materials = (
        Material("wood", (0.1, 0.25, 0.3), 0.4, texture=pictures[0]),
        Material("glass", (1.0, 1.0, 1.0), 0.05, opacity=0.25),
        Material("lamp", (1.0, 0.9, 0.8), 0.9, emission=0.75, texture=pictures[1]),
        Material("", (0.0, 0.5, 1.0), 0.7, metallic=1.0),
    )
    parts = (part(3), part(3, 2), part(65535, 1, 5, np.int32([[4, 0, 2]])), part(1, 3))
    return SceneGeometry(materials, parts)


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "scene.glb"
    write_gltf(path, geometry())
    return path


# --- the file ---------------------------------------------------------------------------------


def test_a_scene_comes_back_exactly(written):
    before, after = geometry(), read_gltf(written)
    assert len(after.materials) == len(before.materials)
    assert len(after.parts) == len(before.parts)
    for one, other in zip(before.parts, after.parts):
        assert (one.id, one.material) == (other.id, other.material)
        for name in ("vertices", "normals", "uv", "faces"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
            assert getattr(one, name).dtype == getattr(other, name).dtype
    for one, other in zip(before.materials, after.materials):
        for name in ("name", "colour", "roughness", "metallic", "emission", "opacity"):
            assert getattr(one, name) == getattr(other, name)
        assert (one.texture is None) == (other.texture is None)


def test_textures_come_back_as_a_jpeg_keeps_them(tmp_path):
    """In their size, and to a few codes where they are as smooth as what a lens sees."""
    random, textures = np.random.default_rng(3), []
    for height, width in ((1, 1), (5, 7), (64, 32), (128, 128)):
        coarse = random.integers(30, 226, (3, 3, 3)).astype(np.uint8)
        textures.append(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC))
    textured = SceneGeometry(
        tuple(Material(str(t.shape), (1.0, 1.0, 1.0), 0.5, texture=t) for t in textures), (part(),)
    )
    write_gltf(tmp_path / "scene.glb", textured)
    for one, other in zip(textured.materials, read_gltf(tmp_path / "scene.glb").materials):
        assert one.texture.shape == other.texture.shape
        apart = np.abs(one.texture.astype(int) - other.texture)
        assert apart.mean() < 4
        assert np.abs(one.texture.mean((0, 1)) - other.texture.mean((0, 1))).max() < 2


def test_what_parts_have_in_common_is_stored_once(tmp_path):
    """Two bodies of one mesh take a node more, not a mesh more; large meshes have long indices."""
    paint = (Material("", (0.5, 0.5, 0.5), 1.0),)
    one, two = part(), part()
    sizes = []
    for name, parts in (("one.glb", (one,)), ("two.glb", (one, two))):
        write_gltf(tmp_path / name, SceneGeometry(paint, parts))
        sizes.append(document_of(tmp_path / name)[0]["buffers"][0]["byteLength"])
        assert len(read_gltf(tmp_path / name).parts) == len(parts)
    assert sizes[0] == sizes[1]
    count = 70_000
    vertices = np.random.default_rng(4).normal(size=(count, 3)).astype(np.float32)
    faces = np.arange(count - 1, dtype=np.int32)[: (count - 1) // 3 * 3].reshape(-1, 3)
    large = Part(1, 0, vertices, vertices, vertices[:, :2].copy(), faces)
    write_gltf(tmp_path / "large.glb", SceneGeometry(paint, (large,)))
    np.testing.assert_array_equal(read_gltf(tmp_path / "large.glb").parts[0].faces, faces)


def test_the_same_scene_is_the_same_file(tmp_path):
    for name in ("a.glb", "b.glb"):
        write_gltf(tmp_path / name, SceneGeometry((Material("", (0.5, 0.5, 0.5), 1.0),), (part(),)))
    assert (tmp_path / "a.glb").read_bytes() == (tmp_path / "b.glb").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.glb", "b.glb"]


def document_of(path):
    """Take a .glb apart, by the rules of glTF 2.0, section 4.4 (binary glTF)."""
    raw = path.read_bytes()
    magic, version, size = struct.unpack_from("<4sII", raw)
    assert (magic, version, size) == (b"glTF", 2, len(raw))
    length, kind = struct.unpack_from("<I4s", raw, 12)
    assert kind == b"JSON"
    assert length % 4 == 0
    data_length, data_kind = struct.unpack_from("<I4s", raw, 20 + length)
    assert data_kind == b"BIN\0"
    assert data_length % 4 == 0
    assert 28 + length + data_length == len(raw)
    return json.loads(raw[20 : 20 + length]), raw[28 + length :]


def test_a_file_keeps_the_rules_of_gltf(written):
    document, data = document_of(written)
    assert document["asset"]["version"] == "2.0"
    assert document["buffers"][0]["byteLength"] <= len(data)
    for view in document["bufferViews"]:
        assert view["byteLength"] >= 1
        assert view["byteOffset"] + view["byteLength"] <= document["buffers"][0]["byteLength"]
    sizes = {"SCALAR": 1, "VEC2": 2, "VEC3": 3}
    for accessor in document["accessors"]:
        view = document["bufferViews"][accessor["bufferView"]]
        width = {5123: 2, 5125: 4, 5126: 4}[accessor["componentType"]]
        assert view["byteOffset"] % 4 == 0
        assert accessor["count"] * width * sizes[accessor["type"]] == view["byteLength"]
    for mesh in document["meshes"]:
        (primitive,) = mesh["primitives"]
        assert 0 <= primitive["material"] < len(document["materials"])
        place = document["accessors"][primitive["attributes"]["POSITION"]]
        view = document["bufferViews"][place["bufferView"]]
        points = np.frombuffer(data, np.float32, place["count"] * 3, view["byteOffset"])
        np.testing.assert_array_equal(points.reshape(-1, 3).min(0), np.float32(place["min"]))
        np.testing.assert_array_equal(points.reshape(-1, 3).max(0), np.float32(place["max"]))
        indices = document["accessors"][primitive["indices"]]
        assert indices["type"] == "SCALAR"
        assert indices["count"] % 3 == 0
    for material in document["materials"]:
        factors = material["pbrMetallicRoughness"]
        assert all(0 <= c <= 1 for c in factors["baseColorFactor"])
        assert (factors["baseColorFactor"][3] < 1) == (material.get("alphaMode") == "BLEND")
        assert set(material.get("extensions", {})) <= set(document["extensionsUsed"])
    for texture in document["textures"]:
        view = document["bufferViews"][document["images"][texture["source"]]["bufferView"]]
        assert data[view["byteOffset"] :].startswith(b"\xff\xd8\xff")
    # Every mesh hangs from the one root of the one scene, which turns z up to glTF's y up.
    (root,) = document["scenes"][document["scene"]]["nodes"]
    assert sorted(document["nodes"][root]["children"]) == list(range(len(document["meshes"])))
    x, _, _, w = document["nodes"][root]["rotation"]
    assert (2 * w * x, 1 - 2 * x * x) == pytest.approx((-1, 0))  # sine and cosine about x


def refused(path):
    with pytest.raises(ClipError, match=r"is not a scene that simlift wrote.*record the clip again") as caught:  # fmt: skip  # noqa: E501
        read_gltf(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("kept", [0, 3, 12, 19, 40, 0.3, 0.7, -1])
def test_a_truncated_file_is_refused_in_words(written, kept):
    raw = written.read_bytes()
    written.write_bytes(raw[: int(kept * len(raw)) if isinstance(kept, float) else kept])
    refused(written)


def test_another_kind_of_file_is_refused_in_words(written):
    raw = written.read_bytes()
    for changed in (b"PK\3\4" + raw[4:], raw[:4] + b"\1\0\0\0" + raw[8:], b"{}", raw + b"more"):
        written.write_bytes(changed)
        refused(written)
    with pytest.raises(ClipError, match="cannot be read"):
        read_gltf(written.with_name("absent.glb"))


def rewrite(path, document, data):
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    head = struct.pack("<4sIII4s", b"glTF", 2, 28 + len(text) + len(data), len(text), b"JSON")
    path.write_bytes(head + text + struct.pack("<I4s", len(data), b"BIN\0") + data)


def test_a_foreign_scene_is_refused_for_its_missing_ids(written):
    document, data = document_of(written)
    del document["nodes"][0]["extras"]
    rewrite(written, document, data)
    assert "segmentation_id" in refused(written)


def places(value, path=()):
    """Every place in a JSON document."""
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inside in items:
            yield (*path, key)
            yield from places(inside, (*path, key))


def test_no_damage_to_the_document_ends_in_anything_but_words(written):
    write_gltf(written, SceneGeometry(geometry().materials[:1], (part(3),)))
    document, data = document_of(written)
    text = json.dumps(document)
    for place, value in itertools.product(places(document), (None, -1, 10**9, "x", [], {})):
        damaged = json.loads(text)
        at = damaged
        for key in place[:-1]:
            at = at[key]
        at[place[-1]] = value
        rewrite(written, damaged, data)
        try:
            scene = read_gltf(written)
        except ClipError:
            continue
        assert all((p.faces < len(p.vertices)).all() for p in scene.parts)
        assert all(0 <= p.material < len(scene.materials) for p in scene.parts)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [("faces", 4, "faces of vertices"), ("faces", -1, "faces of vertices"),
     ("vertices", np.nan, "not finite"), ("normals", np.inf, "not finite")],
)  # fmt: skip
def test_numbers_that_no_mesh_has_are_refused(tmp_path, key, value, words):
    broken = part()
    getattr(broken, key).flat[1] = value
    path = tmp_path / "scene.glb"
    write_gltf(path, SceneGeometry((Material("", (0.5, 0.5, 0.5), 1.0),), (broken,)))
    QUAD[:] = [[0, 1, 2], [0, 2, 3]]
    assert words in refused(path)


def test_a_part_of_no_material_is_refused(tmp_path):
    path = tmp_path / "scene.glb"
    write_gltf(path, SceneGeometry((Material("", (0.5, 0.5, 0.5), 1.0),), (part(material=1),)))
    assert "material 1 of 1" in refused(path)


# --- primitives -------------------------------------------------------------------------------


def shape_of(kind, *size):
    return primitive(kind, np.array([*size, 0, 0, 0][:3], float))


def measured(shape):
    """Area and volume of a closed surface (volume: divergence theorem)."""
    a, b, c = (shape.vertices[shape.faces[:, k]] for k in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2
    return area, np.einsum("fk,fk->", a, np.cross(b, c)) / 6


def ellipsoid_area(a, b, c, n=1500):
    """Surface of an ellipsoid by integration over the sphere."""
    z = (np.arange(n) + 0.5) / n * 2 - 1
    turn = (np.arange(n) + 0.5) / n * 2 * np.pi
    z, turn = np.meshgrid(z, turn)
    x, y = np.sqrt(1 - z * z) * np.cos(turn), np.sqrt(1 - z * z) * np.sin(turn)
    segment = np.sqrt((x / a) ** 2 + (y / b) ** 2 + (z / c) ** 2)
    return 4 * np.pi * a * b * c * segment.mean()


PI = np.pi
SOLIDS = [
    ("sphere", (0.7,), 4 * PI * 0.49, 4 / 3 * PI * 0.343),
    ("box", (0.2, 0.3, 0.5), 8 * (0.06 + 0.1 + 0.15), 8 * 0.03),
    ("cylinder", (0.3, 0.8), 2 * PI * 0.3 * (0.3 + 1.6), PI * 0.09 * 1.6),
    ("capsule", (0.3, 0.8), 2 * PI * 0.3 * (0.6 + 1.6), PI * 0.09 * (1.6 + 0.4)),
    ("ellipsoid", (0.2, 0.5, 0.8), ellipsoid_area(0.2, 0.5, 0.8), 4 / 3 * PI * 0.08),
]
KINDS = [solid[0] for solid in SOLIDS]


@pytest.mark.parametrize(("kind", "size", "area", "volume"), SOLIDS, ids=KINDS)
def test_areas_and_volumes_are_those_of_the_solid(kind, size, area, volume):
    found_area, found_volume = measured(shape_of(kind, *size))
    tolerance = 1e-9 if kind == "box" else 0.02
    # Facets lie within a convex solid: a little less of both, and outwards.
    assert area * (1 - tolerance) <= found_area <= area * (1 + 1e-9)
    assert volume * (1 - tolerance) <= found_volume <= volume * (1 + 1e-9)


@pytest.mark.parametrize(("kind", "size", "area", "volume"), SOLIDS, ids=KINDS)
def test_surfaces_are_closed_and_face_outwards(kind, size, area, volume):
    shape = shape_of(kind, *size)
    _, same = np.unique(np.round(shape.vertices, 9) + 0.0, axis=0, return_inverse=True)
    faces = same.reshape(-1)[shape.faces]
    whole = (
        (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])
    )
    edges = {}
    for face in faces[whole].tolist():
        for a, b in ((0, 1), (1, 2), (2, 0)):
            edge = face[a], face[b]
            assert edge not in edges, "two faces run along an edge the same way"
            edges[edge] = True
    assert all((b, a) in edges for a, b in edges)
    # Euler: vertices - edges + faces of a sphere.
    assert len(np.unique(faces[whole])) - len(edges) // 2 + whole.sum() == 2
    np.testing.assert_allclose(np.linalg.norm(shape.normals, axis=1), 1, atol=1e-9)
    a, b, c = (shape.vertices[shape.faces[whole][:, k]] for k in range(3))
    flat = np.cross(b - a, c - a)
    flat /= np.linalg.norm(flat, axis=1, keepdims=True)
    for corner in range(3):
        leaning = (flat * shape.normals[shape.faces[whole][:, corner]]).sum(1)
        assert leaning.min() > 0.85


def test_vertices_lie_on_the_solid_with_its_normals():
    sphere, ball = shape_of("sphere", 0.7), shape_of("ellipsoid", 0.2, 0.5, 0.8)
    np.testing.assert_allclose(np.linalg.norm(sphere.vertices, axis=1), 0.7)
    np.testing.assert_allclose(sphere.normals, sphere.vertices / 0.7, atol=1e-9)
    size = np.array([0.2, 0.5, 0.8])
    np.testing.assert_allclose(((ball.vertices / size) ** 2).sum(1), 1)
    gradient = ball.vertices / size**2
    gradient /= np.linalg.norm(gradient, axis=1, keepdims=True)
    np.testing.assert_allclose(ball.normals, gradient, atol=1e-9)
    capsule = shape_of("capsule", 0.3, 0.8)
    nearest = np.clip(capsule.vertices[:, 2], -0.8, 0.8)[:, None] * [0, 0, 1]
    np.testing.assert_allclose(capsule.normals, (capsule.vertices - nearest) / 0.3, atol=1e-9)


def test_planes_have_their_size_or_reach_far():
    shape = shape_of("plane", 1.5, 0.5)
    assert measured(shape)[0] == pytest.approx(3.0)
    np.testing.assert_array_equal(shape.normals, np.tile([0, 0, 1], (4, 1)))
    assert measured(shape_of("plane"))[0] >= 100**2
    assert shape_of("mesh") is None


# --- textures in place ------------------------------------------------------------------------

TEXTURED = """
<mujoco>
  <visual><global offwidth="320" offheight="240"/><quality offsamples="0"/></visual>
  <asset>
    <texture name="cells" type="2d" builtin="checker" rgb1="0.9 0.1 0.1" rgb2="0.1 0.2 0.9"
      width="64" height="64"/>
    <mesh name="wedge" vertex="-.5 -.4 0  .6 -.5 0  .5 .7 .1  -.6 .5 .2  0 0 .5"/>
    <material name="own" texture="cells" texrepeat="{repeat}" texuniform="{uniform}"/>
  </asset>
  <worldbody>
    <geom name="shown" type="{kind}" {size} material="own" pos="0.1 -0.05 0" euler="0 0 20"/>
    <camera name="above" pos="0.3 -1.2 2.2" xyaxes="1 0.2 0 -0.17 0.86 0.48" fovy="{view}"/>
  </worldbody>
</mujoco>
"""


def cast(scene, ray, place, turn):
    """Return the colour [n 3] of what each ray meets first, NaN where nothing (Moller-Trumbore)."""
    nearest, colour = np.full(len(ray), np.inf), np.full((len(ray), 3), np.nan)
    ways = ray @ turn.T
    for piece in scene.parts:
        texture = scene.materials[piece.material].texture
        for face in piece.faces:
            a, b, c = piece.vertices[face].astype(float)
            across = np.cross(ways, c - a)
            volume = across @ (b - a)
            with np.errstate(divide="ignore", invalid="ignore"):
                u = across @ (place - a) / volume
                q = np.cross(place - a, b - a)
                v, t = ways @ q / volume, (c - a) @ q / volume
                hit = (u >= 0) & (v >= 0) & (u + v <= 1) & (t > 0) & (t < nearest)
            share = np.stack([1 - u - v, u, v], axis=1)[hit]
            at = (share @ piece.uv[face]) % 1
            rows = np.minimum(at[:, 1] * texture.shape[0], texture.shape[0] - 1).astype(int)
            columns = np.minimum(at[:, 0] * texture.shape[1], texture.shape[1] - 1).astype(int)
            nearest[hit] = t[hit]
            colour[hit] = texture[rows, columns]
    return colour


@pytest.mark.mujoco
@pytest.mark.parametrize("uniform", ["false", "true"])
@pytest.mark.parametrize(
    ("kind", "size"),
    [
        ("plane", 'size="0.7 0.9 1"'),
        ("plane", 'size="0 0 1"'),
        ("box", 'size="0.5 0.4 0.3"'),
        ("cylinder", 'size="0.5 0.3"'),
        ("ellipsoid", 'size="0.6 0.4 0.3"'),
        ("sphere", 'size="0.5"'),
        ("capsule", 'size="0.3 0.2"'),
        ("mesh", 'mesh="wedge"'),
    ],
    ids=["plane", "endless-plane", "box", "cylinder", "ellipsoid", "sphere", "capsule", "mesh"],
)
def test_textures_lie_where_mujoco_draws_them(tmp_path, kind, size, uniform):
    view = 45 if kind == "plane" else 28
    path = tmp_path / "textured.xml"
    path.write_text(TEXTURED.format(kind=kind, size=size, repeat="2 1", uniform=uniform, view=view))
    scene = ModelScene(path, height=60, width=80, num_frames=1)
    recording = scene.simulate(0)
    frame = next(recording.render())
    ray = rays(frame.intrinsics, 60, 80).reshape(-1, 3).astype(float)
    pose = np.linalg.inv(frame.world_to_camera)
    found = cast(recording.geometry(), ray, pose[:3, 3], pose[:3, :3]).reshape(60, 80, 3)
    drawn = frame.albedo.astype(float)
    hit = (frame.segmentation > 0) & np.isfinite(found[..., 0])
    assert (hit == (frame.segmentation > 0)).mean() > 0.97
    # Away from the borders of cells, which a pixel may hold a part of.
    wide = np.pad(drawn, ((1, 1), (1, 1), (0, 0)), mode="edge")
    shifts = [wide[i : i + 60, j : j + 80] for i in range(3) for j in range(3)]
    even = np.ptp(np.stack(shifts), axis=0).max(-1) < 30
    sure = hit & even
    assert sure.sum() > 150
    wrong = np.abs(drawn - found).max(-1)[sure] > 40
    assert wrong.mean() < 0.03


@pytest.mark.mujoco
def test_what_changes_its_shape_is_refused_in_words(tmp_path):
    path = tmp_path / "tendon.xml"
    path.write_text(
        """<mujoco><worldbody><body pos="0 0 1"><freejoint/><geom size=".1"/><site name="a"/></body>
        <site name="b" pos="0 0 2"/></worldbody>
        <tendon><spatial><site site="a"/><site site="b"/></spatial></tendon></mujoco>"""
    )
    recording = ModelScene(path, height=48, width=64, num_frames=1).simulate(0)
    with pytest.raises(SimliftError, match="flexes, skins or tendons"):
        recording.geometry()
