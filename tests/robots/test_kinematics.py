"""Link poses against closed forms, yourdfpy and MuJoCo; models that are no trees are refused."""

import numpy as np
import pytest
from tiny import robots

from simlift.core.errors import InputError
from simlift.robots.mjcf import read_mjcf
from simlift.robots.tree import motion
from simlift.robots.urdf import read_urdf, rotation_from_rpy

T = 5


def draws(names, seed=0):
    generator = np.random.default_rng(seed)
    return {name: generator.uniform(-1, 1, T) for name in names}


def test_a_planar_arm_is_where_trigonometry_says(tmp_path):
    tree = read_urdf(robots.planar(tmp_path / "arm.urdf")).tree
    q = draws(tree.moving)
    tip = tree.poses(q)[:, tree.links.index("tip")]
    one, both = q["shoulder"], q["shoulder"] + q["elbow"]
    np.testing.assert_allclose(tip[:, 0, 3], 0.5 * np.cos(one) + 0.3 * np.cos(both), atol=1e-12)
    np.testing.assert_allclose(tip[:, 1, 3], 0.5 * np.sin(one) + 0.3 * np.sin(both), atol=1e-12)
    np.testing.assert_allclose(tip[:, 0, 0], np.cos(both), atol=1e-12)
    assert tree.chain("tip") == ("tip", "lower", "upper", "base")
    assert tree.root == "base"


def test_a_base_moves_everything(tmp_path):
    tree = read_urdf(robots.planar(tmp_path / "arm.urdf")).tree
    q = draws(tree.moving)
    base = np.eye(4)
    base[:3, :3], base[:3, 3] = rotation_from_rpy((0.1, 0.2, 0.3)), (1, 2, 3)
    np.testing.assert_allclose(tree.poses(q, base), base @ tree.poses(q), atol=1e-12)


def test_it_agrees_with_yourdfpy(tmp_path):
    """Oracle: yourdfpy, which OSCAR's own renderer uses."""
    yourdfpy = pytest.importorskip("yourdfpy")
    file = robots.seven(tmp_path / "seven.urdf")
    tree = read_urdf(file).tree
    assert tree.moving == (*(f"j{i}" for i in range(1, 8)), "finger")
    q = draws(tree.moving)
    found = tree.poses(q)
    oracle = yourdfpy.URDF.load(str(file), build_scene_graph=True, load_meshes=False)
    for t in range(T):
        oracle.update_cfg({name: float(q[name][t]) for name in oracle.actuated_joint_names})
        for k, link in enumerate(tree.links):
            expected = oracle.get_transform(link, "link0")
            np.testing.assert_allclose(found[t, k], expected, atol=1e-9)
    gap = found[:, tree.links.index("right")] @ [0, 0, 0, 1.0]
    assert not np.allclose(gap, found[:, tree.links.index("left")] @ [0, 0, 0, 1.0])


def test_mjcf_agrees_with_mujoco(tmp_path):
    """Oracle: mj_kinematics, of joints off their bodies' centres, with a reference angle."""
    mujoco = pytest.importorskip("mujoco")
    file = tmp_path / "arm.xml"
    file.write_text(robots.MJCF)
    tree = read_mjcf(file).tree
    assert tree.moving == ("turn", "roll", "reach")
    assert tree.bodies == ("stand", "upper", "fore")
    q = draws(tree.moving)
    found = tree.poses(q)
    model = mujoco.MjModel.from_xml_path(str(file))
    data = mujoco.MjData(model)
    for t in range(T):
        for name in tree.moving:
            data.joint(name).qpos = q[name][t]
        mujoco.mj_kinematics(model, data)
        for body in tree.bodies:
            pose = found[t, tree.links.index(body)]
            np.testing.assert_allclose(pose[:3, 3], data.body(body).xpos, atol=1e-9)
            np.testing.assert_allclose(pose[:3, :3].ravel(), data.body(body).xmat, atol=1e-9)
    assert tree.joint("turn").upper == pytest.approx(np.pi / 2)
    assert tree.chain("fore") == ("fore", "upper", "stand")


def test_rodrigues_at_a_quarter_turn():
    turned = motion("revolute", np.array([0, 0, 1.0]), np.array([np.pi / 2]))[0]
    np.testing.assert_allclose(turned @ [1, 0, 0, 1], [0, 1, 0, 1], atol=1e-12)
    slid = motion("prismatic", np.array([0, 0.6, 0.8]), np.array([2.0]))[0]
    np.testing.assert_allclose(slid[:3, 3], [0, 1.2, 1.6])


LOOP = robots.hinge("a", "one", "two") + robots.hinge("b", "two", "one")
BAD = {
    "loop": ("one two", LOOP, "loop"),
    "two parents": (
        "base one two",
        robots.hinge("a", "base", "two")
        + robots.hinge("b", "base", "one")
        + robots.hinge("c", "one", "two"),
        "hangs from the joints 'a' and 'c'.*cut the loop",
    ),
    "two roots": ("base one two", robots.hinge("a", "base", "two"), "roots base, one"),
    "stranger": ("base one", robots.hinge("a", "base", "two"), "names the link 'two'"),
    "twice": (
        "base one two",
        robots.hinge("a", "base", "one") + robots.hinge("a", "one", "two"),
        "joint 'a' twice",
    ),
    "floating": (
        "base one",
        robots.hinge("a", "base", "one", kind="floating"),
        "type 'floating'.*fixed, revolute",
    ),
    "no axis": ("base one", robots.hinge("a", "base", "one", axis="0 0 0"), "no length"),
    "words": ("base one", robots.hinge("a", "base", "one", xyz="0 zero 0"), "3 numbers"),
    "mimics none": (
        "base one",
        robots.hinge("a", "base", "one", more='<mimic joint="b"/>'),
        "mimics 'b'",
    ),
    "mimics itself": (
        "base one",
        robots.hinge("a", "base", "one", more='<mimic joint="a"/>'),
        "mimics itself",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_models_that_are_no_trees_are_refused(tmp_path, name):
    links, joints, words = BAD[name]
    file = robots.urdf(tmp_path / "bad.urdf", links, joints)
    with pytest.raises(InputError, match=words) as refused:
        read_urdf(file)
    assert str(file) in str(refused.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<robot><link", "is not XML"),
        ("<mujoco/>", "begins with <mujoco>"),
        ("<robot name='a'/>", "has no link"),
        ('<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><robot/>', "declares entities"),
        ('<robot xmlns:xacro="x"><xacro:macro/></robot>', "is a xacro file"),
    ],
)
def test_files_that_are_no_urdf_are_refused(tmp_path, text, words):
    file = tmp_path / "bad.urdf"
    file.write_text(text)
    with pytest.raises(InputError, match=words):
        read_urdf(file)


def test_joints_without_values_and_values_without_joints(tmp_path):
    tree = read_urdf(robots.planar(tmp_path / "arm.urdf")).tree
    with pytest.raises(InputError, match="'elbow' has no value.*shoulder, elbow"):
        tree.poses({"shoulder": np.zeros(2)})
    with pytest.raises(InputError, match="no joint 'wrist'.*shoulder, elbow"):
        tree.poses({**draws(tree.moving), "wrist": np.zeros(T)})
    with pytest.raises(InputError, match="no link 'hand'"):
        tree.chain("hand")


def test_ball_joints_are_refused(tmp_path):
    pytest.importorskip("mujoco")
    file = tmp_path / "ball.xml"
    file.write_text(
        "<mujoco><worldbody><body name='a'><joint type='ball'/><geom size='1'/></body>"
        "</worldbody></mujoco>"
    )
    with pytest.raises(InputError, match="ball joint"):
        read_mjcf(file)
    with pytest.raises(InputError, match="does not exist"):
        read_mjcf(tmp_path / "none.xml")
