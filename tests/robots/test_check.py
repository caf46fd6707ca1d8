"""Kinematics held against recorded poses: what is wrong with a recording is named."""

from dataclasses import replace

import numpy as np
import pytest
from tiny import robots

from simlift.core.camera_conventions import rotation_of_quaternion
from simlift.core.errors import InputError
from simlift.robots.check import (
    Kinematics,
    Recorded,
    angles_between,
    check_kinematics,
    deviation,
    rigid_fit,
    rotations_of,
)
from simlift.robots.urdf import read_urdf, rotation_from_rpy

T = 40
TOOL = np.array([0, 0.03, 0.12])


@pytest.fixture
def arm(tmp_path):
    tree = read_urdf(robots.seven(tmp_path / "seven.urdf")).tree
    t = np.linspace(0, 1, T)
    positions = {f"j{i}": np.sin(i * t * 2 + i) * 0.9 for i in range(1, 8)}
    positions["finger"] = np.full(T, 0.01)
    return Kinematics(tree, positions, tuple(f"j{i}" for i in range(1, 8)), np.eye(4))


def recording(arm, link="link7"):
    pose = arm.poses()[link]
    return Recorded("link7", pose[:, :3, 3], pose[:, :3, :3], 2.0, 1.0, np.zeros(3))


def test_a_recording_of_itself_fits_to_nothing(arm):
    found = check_kinematics("robot.json", arm, recording(arm))
    assert found.worst_mm < 1e-9
    assert found.median_degrees < 1e-6


def test_deviations_are_millimetres_and_degrees(arm):
    true = recording(arm)
    off = replace(true, positions=true.positions + np.array([0.003, 0, 0.004]))
    assert deviation(arm.poses()["link7"], off).median_mm == pytest.approx(5.0)
    turned = replace(true, rotations=true.rotations @ rotation_from_rpy((0, 0, np.radians(3))))
    assert deviation(arm.poses()["link7"], turned).median_degrees == pytest.approx(3.0)


def other_joints(arm, order):
    names = arm.stated
    moved = {name: arm.positions[old] for name, old in zip(names, order)}
    return replace(arm, positions={**arm.positions, **moved})


def shifted(arm, frames):
    true = recording(arm)
    return replace(
        true,
        positions=np.roll(true.positions, frames, 0),
        rotations=np.roll(true.rotations, frames, 0),
    )


BASE = np.eye(4)
BASE[:3, :3], BASE[:3, 3] = rotation_from_rpy((0, 0, 0.5)), (0.4, -0.2, 0.9)


def wrong(arm, name):
    """Return kinematics and a recording that do not fit for a reason that `name` names."""
    true = recording(arm)
    degrees = {n: np.degrees(v) if n in arm.stated else v for n, v in arm.positions.items()}
    pose = arm.poses()["link7"]
    return {
        "degrees": (replace(arm, positions=degrees), true),
        "reversed": (other_joints(arm, arm.stated[::-1]), true),
        "turned": (other_joints(arm, (*arm.stated[2:], *arm.stated[:2])), true),
        "millimetres": (arm, replace(true, positions=true.positions * 1e3)),
        "quaternion": (arm, replace(true, rotations=wrong_order(true.rotations))),
        "link": (arm, recording(arm, "link6")),
        "late": (arm, shifted(arm, 1)),
        "tool": (arm, replace(true, positions=pose[:, :3, :3] @ TOOL + pose[:, :3, 3])),
        "base": (
            arm,
            replace(
                true,
                positions=true.positions @ BASE[:3, :3].T + BASE[:3, 3],
                rotations=BASE[:3, :3] @ true.rotations,
            ),
        ),
    }[name]


def wrong_order(turns):
    """Read quaternions that were written w x y z as if they were x y z w."""
    w = np.sqrt(np.maximum(1 + np.trace(turns, axis1=1, axis2=2), 1e-12)) / 2
    x = (turns[:, 2, 1] - turns[:, 1, 2]) / (4 * w)
    y = (turns[:, 0, 2] - turns[:, 2, 0]) / (4 * w)
    z = (turns[:, 1, 0] - turns[:, 0, 1]) / (4 * w)
    return rotation_of_quaternion(np.stack([w, x, y, z], 1), "xyzw")


CAUSES = {
    "degrees": "unit of the joints: degrees",
    "reversed": "order of the joints: reversed",
    "turned": "order of the joints: turned by",
    "millimetres": "millimetres where metres are stated",
    "quaternion": "order of the recorded quaternion",
    "link": "another link: what was recorded is link6",
    "late": "1 frame late",
    "tool": r"a tool: the recorded point lies at \[-?0.0000 0.0300 0.1200\]",
    "base": r"the base: it stands \[0.4000 -0.2000 0.9000\] m and 28.6 degrees",
}


@pytest.mark.parametrize("name", CAUSES)
def test_the_likely_cause_is_named(arm, name):
    kinematics, recorded = wrong(arm, name)
    with pytest.raises(InputError, match=CAUSES[name]) as refused:
        check_kinematics("robot.json", kinematics, recorded)
    assert "allowed: 2 mm and 1 degrees" in str(refused.value)


def test_an_offset_states_a_tool(arm):
    _, recorded = wrong(arm, "tool")
    found = check_kinematics("robot.json", arm, replace(recorded, offset=TOOL))
    assert found.worst_mm < 1e-9


def test_a_recording_that_nothing_explains_has_no_cause(arm):
    true = recording(arm)
    noise = np.random.default_rng(0).normal(0, 0.2, (T, 3))
    with pytest.raises(InputError) as refused:
        check_kinematics("robot.json", arm, replace(true, positions=true.positions + noise))
    assert "likely" not in str(refused.value)


def test_rotations_of_every_form_are_one():
    angles = np.array([[0.3, -0.4, 1.1], [-1.0, 0.2, 2.5]])
    expected = np.stack([rotation_from_rpy(tuple(a)) for a in angles])
    np.testing.assert_allclose(rotations_of(angles, "euler xyz"), expected, atol=1e-12)
    np.testing.assert_allclose(rotations_of(angles[:, ::-1], "euler zyx"), expected, atol=1e-12)
    quarter = np.sqrt(0.5)
    about_z = [[0, -1, 0], [1, 0, 0], [0, 0, 1]]
    for values, form in (
        ([quarter, 0.0, 0.0, quarter], "quaternion wxyz"),
        ([0.0, 0.0, quarter, quarter], "quaternion xyzw"),
        ([0.0, 0.0, np.pi / 2], "rotation vector"),
    ):
        np.testing.assert_allclose(rotations_of(np.array([values]), form)[0], about_z, atol=1e-12)


def test_kabsch_recovers_a_motion():
    points = np.random.default_rng(1).normal(size=(20, 3))
    moved = points @ BASE[:3, :3].T + BASE[:3, 3]
    np.testing.assert_allclose(rigid_fit(points, moved), BASE, atol=1e-9)
    assert angles_between(np.eye(3)[None], np.diag([1.0, -1, -1])[None])[0] == pytest.approx(180)
