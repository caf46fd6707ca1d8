"""Meshes of STL and OBJ, and how the files that a model names are found; what is refused."""

import struct

import numpy as np
import pytest

from simlift.core.errors import InputError
from simlift.robots.meshes import Mesh, read_mesh
from simlift.robots.shapes import MeshFiles, find_mesh
from simlift.robots.urdf import Visual, read_urdf

TRIANGLES = np.array(
    [[[0, 0, 0], [1, 0, 0], [0, 2, 0]], [[0, 0, 0], [0, 2, 0], [0, 0, 3.5]]], np.float32
)


def stl(path, triangles=TRIANGLES, header=b"made for a test"):
    data = header.ljust(80, b"\0") + struct.pack("<I", len(triangles))
    for corners in triangles:
        data += struct.pack("<12fH", 0, 0, 1, *corners.ravel(), 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def text_stl(path):
    lines = ["solid made for a test"]
    for corners in TRIANGLES:
        lines += ["facet normal 0 0 1", "  outer loop"]
        lines += [f"    vertex {x:e} {y:e} {z:e}" for x, y, z in corners]
        lines += ["  endloop", "endfacet"]
    path.write_text("\n".join([*lines, "endsolid made for a test", ""]))
    return path


def corners_of(mesh):
    return mesh.vertices[mesh.faces]


@pytest.mark.parametrize("header", [b"made for a test", b"solid, but binary"])
def test_a_binary_stl(tmp_path, header):
    mesh = read_mesh(stl(tmp_path / "part.STL", header=header))
    np.testing.assert_array_equal(corners_of(mesh), TRIANGLES)


def test_a_text_stl_says_the_same(tmp_path):
    mesh = read_mesh(text_stl(tmp_path / "part.stl"))
    np.testing.assert_array_equal(corners_of(mesh), TRIANGLES)


def test_an_obj_with_every_kind_of_index_and_a_polygon(tmp_path):
    (tmp_path / "part.obj").write_text(
        "# a comment\nmtllib none.mtl\nv 0 0 0\nv 1 0 0 # behind a line\nv 1 1 0 0.5 0.5 0.5\n"
        "vn 0 0 1\nvt 0 0\nv 0 1 0\no quad\nf 1/1/1 2//1 3/1 4\nf -4 -3 \\\n -2\n"
    )
    mesh = read_mesh(tmp_path / "part.obj")
    np.testing.assert_array_equal(mesh.vertices, [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
    np.testing.assert_array_equal(mesh.faces, [[0, 1, 2], [0, 2, 3], [0, 1, 2]])


def test_joined_places_are_one_vertex_each_and_lines_are_left_out():
    doubled = np.concatenate([TRIANGLES.reshape(-1, 3), [[-0.0, 0, 0]] * 3]).astype(np.float64)
    mesh = Mesh(doubled, np.arange(9, dtype=np.int32).reshape(-1, 3)).joined()
    assert len(mesh.vertices) == 4
    np.testing.assert_array_equal(corners_of(mesh), TRIANGLES)


def cut(path):
    path.write_bytes(path.read_bytes()[:-7])


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("part.stl", b"", "0 bytes long"),
        ("part.stl", b"nothing of the kind", "19 bytes long"),
        ("part.stl", b"solid x\nfacet\n vertex 0 0 0\n", "ends before endsolid"),
        ("part.stl", b"solid x\n vertex 0 0 0\nendsolid", "no triangle"),
        ("part.stl", b"solid x\n vertex 0 0 a\n vertex 0 0 0\n vertex 1 0 0\nendsolid", "none"),
        ("part.stl", b"solid x\nendsolid x\n", "holds no triangle"),
        ("part.obj", b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 4\n", "line 4 .*vertex 4 of 3"),
        ("part.obj", b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 0\n", "vertex 0"),
        ("part.obj", b"v 0 0 0\nv 1 0 0\nf 1 2\n", "fewer than three"),
        ("part.obj", b"v 0 0\n", "line 1"),
        ("part.obj", b"v 0 0 0\n", "holds no triangle"),
        ("part.obj", b"v 0 0 nan\nv 1 0 0\nv 0 1 0\nf 1 2 3\n", "not finite"),
        ("part.dae", b"<COLLADA/>", "allowed: .stl .obj; way out: convert"),
    ],
)
def test_what_is_no_mesh_is_refused(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=words):
        read_mesh(tmp_path / name)


def test_a_binary_stl_that_is_cut_short_is_refused(tmp_path):
    cut(stl(tmp_path / "part.stl"))
    with pytest.raises(InputError, match="177 bytes long .* 2 triangles; allowed: 184 bytes"):
        read_mesh(tmp_path / "part.stl")


def test_a_mesh_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_mesh(tmp_path / "part.stl")


@pytest.mark.parametrize(
    ("named", "lies"),
    [
        ("part.stl", "robots/arm/urdf/part.stl"),
        ("../meshes/part.stl", "robots/arm/meshes/part.stl"),
        ("arm/meshes/part.stl", "robots/arm/meshes/part.stl"),
        ("package://arm/meshes/part.stl", "robots/arm/meshes/part.stl"),
        ("package://renamed/meshes/part.stl", "robots/arm/meshes/part.stl"),
        ("model://arm/meshes/a%20part.stl", "robots/arm/meshes/a part.stl"),
    ],
)
def test_a_mesh_is_found_around_its_model(tmp_path, named, lies):
    file = stl(tmp_path / lies)
    (tmp_path / "robots/arm/urdf").mkdir(exist_ok=True)
    found = find_mesh(tmp_path / "robots/arm/urdf/arm.urdf", "hand", named)
    assert found.resolve() == file.resolve()


def test_a_mesh_is_found_by_its_whole_path(tmp_path):
    file = stl(tmp_path / "a part.stl")
    for named in (str(file), f"file://{file}", f"file://{str(file).replace(' ', '%20')}"):
        assert find_mesh(tmp_path / "arm" / "arm.urdf", "hand", named) == file


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ("package://arm/meshes/part.stl", "'hand' names the mesh .* which is not there"),
        ("/nowhere/part.stl", "such as /nowhere/part.stl"),
        ("https://example.org/part.stl", "a path on this machine"),
        ("meshes/part.dae", 'allowed: .stl .obj; way out: convert it.*"meshes": "collision"'),
        ("", "allowed: .stl .obj"),
    ],
)
def test_a_mesh_that_cannot_be_read_names_its_link_and_the_way_out(tmp_path, named, words):
    with pytest.raises(InputError, match=words):
        find_mesh(tmp_path / "arm.urdf", "hand", named)


URDF = """<robot name="arm"><link name="base">
  <visual><origin xyz="0 0 1" rpy="0 0 1.5707963267948966"/>
    <geometry><mesh filename="part.stl" scale="2 2 -2"/></geometry></visual>
  <visual><geometry><box size="2 4 6"/></geometry></visual>
  <visual><geometry><cylinder radius="0.5" length="4"/></geometry></visual>
  <visual><geometry><sphere radius="0.25"/></geometry></visual>
  <collision><geometry><box size="1 1 1"/></geometry></collision>
</link></robot>"""


def test_shapes_of_a_urdf_have_its_sizes_and_places(tmp_path):
    stl(tmp_path / "part.stl")
    (tmp_path / "arm.urdf").write_text(URDF)
    model = read_urdf(tmp_path / "arm.urdf")
    reader = MeshFiles(model.file)
    mesh, box, cylinder, sphere = (reader.mesh(visual) for visual in model.visuals)
    # A quarter turn about z takes x to y and y to -x.
    wanted = np.stack(
        [-2 * TRIANGLES[..., 1], 2 * TRIANGLES[..., 0], 1 - 2 * TRIANGLES[..., 2]], axis=-1
    )
    np.testing.assert_allclose(corners_of(mesh), wanted, atol=1e-12)
    for found, half in ((box, (1, 2, 3)), (cylinder, (0.5, 0.5, 2)), (sphere, (0.25,) * 3)):
        np.testing.assert_allclose(found.vertices.max(0), half, atol=1e-12)
        np.testing.assert_allclose(found.vertices.min(0), [-x for x in half], atol=1e-12)
    assert list(reader.read) == [tmp_path / "part.stl"]
    (collision,) = model.collisions
    assert collision.size == (1.0, 1.0, 1.0)


def test_a_mesh_that_is_given_is_placed_like_one_that_is_read(tmp_path):
    origin = np.eye(4)
    origin[:3, 3] = (1, 2, 3)
    given = Mesh(TRIANGLES.reshape(-1, 3).astype(np.float64), np.array([[0, 1, 2]], np.int32))
    visual = Visual("base", "mesh", (1.0, 1.0, 1.0), origin, mesh=given)
    found = MeshFiles(tmp_path / "arm.xml").mesh(visual)
    np.testing.assert_array_equal(found.vertices, given.vertices + origin[:3, 3])
