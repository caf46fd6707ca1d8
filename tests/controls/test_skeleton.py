"""Skeletons: pixels derived by hand, a plain second drawing of the convention, mujoco's camera."""

from dataclasses import replace
from itertools import pairwise

import cv2
import numpy as np
import pytest
from tiny import arms
from tiny.arms import pose

from simlift.controls import (
    ArmColours,
    Overlay,
    Skeleton,
    SkeletonStyle,
    TrajectoryMap,
    TrajectoryMaps,
)
from simlift.controls.posed_arms import posed_arms, project
from simlift.controls.skeleton_style import distinct
from simlift.controls.trajectory_map import _GREENS, _REDS, scheme_colour
from simlift.core.errors import ClipError, RecipeError
from simlift.core.recipe import Plugin

YELLOW, BLUE, GREEN, RED, BLACK = (255, 255, 0), (0, 0, 255), (0, 255, 0), (255, 0, 0), (0, 0, 0)

# An end effector whose z points to the right of the picture, y down and x away from the camera.
ASIDE = np.array([[0, 0, 1.0], [0, 1, 0], [1, 0, 0]]) * [[1], [1], [1]]
ASIDE[:, 0] *= np.linalg.det(ASIDE)


def drawn(robot, control=Skeleton(), **options):
    return control.draw(arms.window(robot, **options))


def one_arm(*links, gripper=None):
    """One frame of one arm."""
    given = None if gripper is None else {"arm": [gripper]}
    return arms.robot({"arm": [list(links)]}, given)


def columns(frame, row, colour):
    return np.flatnonzero((frame[row] == colour).all(-1)).tolist()


# Pixels by hand: the focal length is 100 pixels and the centre (64, 48), so that at 1 m a
# centimetre is a pixel. OpenCV draws a horizontal line of thickness 3 on five rows, of 5 on seven.


def test_a_bone_has_five_rows_and_ends_under_its_dots():
    robot = one_arm(pose((0, 0.2, 1), ASIDE), pose((-0.3, -0.1, 1)), pose((-0.6, -0.1, 1)))
    (frame,) = drawn(robot)
    # From (34, 38) to (4, 38); dots of radius 4 cover four columns on either side of their joint.
    for row in range(36, 41):
        found = columns(frame, row, YELLOW)
        assert [c for c in found if 10 < c < 28] == list(range(11, 28))
    for row in (35, 41):
        assert [c for c in columns(frame, row, YELLOW) if 10 < c < 28] == []
    assert columns(frame, 38, BLUE) == [*range(0, 9), *range(30, 39)]


def test_a_dot_is_a_filled_circle_of_radius_four():
    (frame,) = drawn(one_arm(pose((0.5, 0.3, 1), ASIDE), pose((-0.435, -0.275, 1))))
    blue = (frame == BLUE).all(-1)[14:27, :20]  # the half that no bone or arrow reaches
    # OpenCV's circle: 1, 5, 7, 7, 9, 7, 7, 5, 1 pixels, centred on column 20.
    halves = [0, 0, 0, 2, 3, 3, 4, 3, 3, 2, 0, 0, 0]
    assert blue.sum(axis=1).tolist() == halves
    assert blue[:, -4:].sum() == sum(halves)


def test_arrows_are_twenty_centimetres_and_later_ones_cover_earlier_ones():
    robot = one_arm(pose((0, 0, 1), ASIDE), pose((-0.5, 0, 1)), gripper=0.0)
    (frame,) = drawn(robot)
    # y points down to row 68, z to the right to column 84, both of thickness 5.
    assert tuple(frame[64, 64]) == GREEN and tuple(frame[75, 64]) == BLACK
    assert columns(frame, 60, GREEN) == list(range(61, 68))
    # The gripper is closed: both of its arrows cover z, red on red, and the dot and all else.
    assert tuple(frame[48, 64]) == RED and tuple(frame[48, 84]) == RED
    assert tuple(frame[48, 90]) == BLACK
    # x points into the picture: a point under the rest.
    green_over_blue = (frame == BLUE).all(-1)[46:51, 62:67]
    assert not green_over_blue.all()


def test_the_gripper_opens_by_fifteen_degrees_to_either_side_in_the_yz_plane():
    style = SkeletonStyle(arrow_length=1e-6)
    for opening in (0.0, 0.5, 1.0):
        robot = one_arm(pose((0, 0, 1), ASIDE), pose((-0.5, 0, 1)), gripper=opening)
        arm = posed_arms(arms.window(robot), "skeleton")[0]
        tips = style._tips(arm)[0, 3:]
        angle = np.deg2rad(15) * opening
        expected = [[0.2 * np.cos(angle), s * 0.2 * np.sin(angle), 1] for s in (1, -1)]
        np.testing.assert_allclose(tips, expected, atol=1e-12)
    (frame,) = drawn(robot, Skeleton(style), height=480, width=640, focal=400)
    # Wide open: tips at 400 * 0.2 * (cos 15, sin 15) = (77.3, 20.7) pixels from (320, 240).
    assert tuple(frame[240 + 20, 320 + 77]) == RED and tuple(frame[240 - 21, 320 + 77]) == RED
    assert tuple(frame[240, 320 + 77]) == BLACK


def test_a_gripper_of_which_nothing_is_known_has_no_arrows():
    known = one_arm(pose((0, 0, 1)), pose((-0.5, 0, 1)), gripper=1.0)
    unknown = one_arm(pose((0, 0, 1)), pose((-0.5, 0, 1)))
    colours = ArmColours(YELLOW, BLUE, (BLUE, GREEN, RED), (9, 8, 7))
    style = Skeleton(SkeletonStyle(arms=(colours,)))
    assert (drawn(known, style) == (9, 8, 7)).all(-1).any()
    assert not (drawn(unknown, style) == (9, 8, 7)).all(-1).any()


def test_points_nearer_than_a_tenth_of_a_millimetre_are_one():
    at = np.array([[0, 0, 0], [0.00005, 0, 0], [0.00011, 0, 0], [0.00011, 0, 0], [1, 0, 0]], float)
    assert distinct(at[None], 1e-4).tolist() == [[True, False, True, False, True]]


def test_what_is_behind_the_camera_is_a_millimetre_before_it():
    points = np.array([[[1.0, -2.0, -5.0], [0, 0, 0], [0.5, 0.5, 1e-3], [0.01, 0.02, 2.0]]])
    lens = np.array([[[100.0, 0, 64], [0, 200, 48], [0, 0, 1]]])
    # 1 / 0.001 * 100 + 64 is 100,064, beyond the largest pixel.
    expected = [[100_000, -100_000], [64, 48], [50_064, 100_000], [64, 50]]
    assert project(points, lens)[0].tolist() == expected


def test_the_pixel_of_a_point_is_the_one_that_holds_it():
    lens = np.array([[[100.0, 0, 64], [0, 100, 48], [0, 0, 1]]])
    points = np.array([[[0.009, -0.001, 1.0]]])
    assert project(points, lens)[0].tolist() == [[64, 47]]
    assert project(points, lens, rounding="nearest")[0].tolist() == [[65, 48]]


def test_a_bone_across_the_picture_is_cut_and_one_beside_it_is_not_drawn():
    across = one_arm(pose((-9, -0.2, 1)), pose((9, -0.2, 1)))
    (frame,) = drawn(across)
    for row in range(26, 31):
        assert columns(frame, row, YELLOW) == list(range(128))
    beside = one_arm(pose((-9, -3, 1)), pose((9, -3, 1)))
    assert not drawn(beside).any()


def plainly(window, style):
    """Draw one arm of OSCAR's convention frame by frame, straight from its table."""
    frames = []
    height, width = window.size
    for t in range(len(window)):
        canvas = np.zeros((height, width, 3), np.uint8)
        camera, robot = window.camera, window.robot
        hand, *_ = links = [
            robot.link_poses[t, robot.link_names.index(n)] for n in robot.arms[0].links
        ]

        def pixel(world, t=t, camera=camera):
            x, y, z, _ = camera.world_to_camera[t] @ world
            k = camera.intrinsics[t]
            z = 1e-3 if z < 1e-3 else z
            u, v = k[0, 0] * x / z + k[0, 2], k[1, 1] * y / z + k[1, 2]
            return tuple(int(np.floor(min(max(c, -100000), 100000))) for c in (u, v))

        def stroke(a, b, colour, width_, tip=None, canvas=canvas):
            inside, a, b = cv2.clipLine((0, 0, width, height), a, b)
            if inside and tip is None:
                cv2.line(canvas, a, b, colour, width_)
            elif inside:
                cv2.arrowedLine(canvas, a, b, colour, width_, tipLength=tip)

        origins = [links[0][:, 3]]
        for link in links[1:]:
            if np.linalg.norm(link[:, 3] - origins[-1]) >= 1e-4:
                origins.append(link[:, 3])
        dots = [pixel(origin) for origin in origins]
        for a, b in pairwise(dots):
            stroke(a, b, YELLOW, 3)
        for dot in dots:
            cv2.circle(canvas, dot, 4, BLUE, -1)
        half = np.pi / 12 * robot.arms[0].gripper[t]
        tips = [((0.2, 0, 0), BLUE), ((0, 0.2, 0), GREEN), ((0, 0, 0.2), RED)]
        fingers = [(0, sign * 0.2 * np.sin(half), 0.2 * np.cos(half)) for sign in (1, -1)]
        tips += [(finger, RED) for finger in fingers]
        for tip, colour in tips:
            stroke(pixel(hand[:, 3]), pixel(hand @ (*tip, 1)), colour, 5, 0.15)
        frames.append(canvas)
    return np.stack(frames)


def rotations(rng, count):
    q, r = np.linalg.qr(rng.normal(size=(count, 3, 3)))
    q *= np.sign(np.diagonal(r, axis1=1, axis2=2))[:, None]
    q[np.linalg.det(q) < 0, :, 0] *= -1
    return q


@pytest.mark.parametrize("far", [1.6, 0.2])
def test_random_arms_before_a_moving_camera_equal_a_plain_drawing(far):
    """At 0.2 m a good part of each arm is behind the camera or beside the picture."""
    rng = np.random.default_rng(7)
    frames, count = 12, 8
    links = np.tile(np.eye(4), (frames, count, 1, 1))
    links[..., :3, :3] = rotations(rng, frames * count).reshape(frames, count, 3, 3)
    links[..., :3, 3] = rng.uniform(
        (-0.6, -0.5, far - 0.5), (0.6, 0.5, far + 0.5), (frames, count, 3)
    )
    links[:, 4] = links[:, 3]  # two links with one origin, as a wrist has
    view = np.tile(np.eye(4), (frames, 1, 1))
    for t in range(frames):
        view[t, :3, :3] = cv2.Rodrigues(rng.normal(size=3) * 0.1)[0]
    view[:, :3, 3] = rng.normal(size=(frames, 3)) * 0.05
    robot = arms.robot({"arm": links}, {"arm": rng.uniform(0, 1, frames)})
    window = arms.window(robot, poses=view)
    expected = plainly(window, SkeletonStyle())
    assert expected.any()
    assert np.array_equal(Skeleton().draw(window), expected)
    assert np.array_equal(Skeleton().draw(window.frame(5))[0], expected[5])


def test_another_size_scales_the_camera_and_not_the_lines():
    robot = one_arm(pose((0, 0.2, 1), ASIDE), pose((-0.3, -0.1, 1)), pose((-0.6, -0.1, 1)))
    (frame,) = drawn(robot, Skeleton(size=(256, 96)))
    assert frame.shape == (96, 256, 3)
    # The bone ends at columns 68 and 8, still five rows thick around row 38.
    for row in range(36, 41):
        assert [c for c in columns(frame, row, YELLOW) if 14 < c < 60] == list(range(15, 60))
    assert columns(frame, 38, BLUE) == [*range(4, 13), *range(64, 73)]
    native = drawn(robot, Skeleton(size=(128, 96)))
    assert np.array_equal(native, drawn(robot))
    with pytest.raises(RecipeError, match="at least 1 pixel"):
        Skeleton(size=(0, 4))


def two_arms(count=1, **grippers):
    def arm(side):
        return [[pose((0.2 * side, 0.1, 1)), pose((0.4 * side, 0.3, 1))]] * count

    return arms.robot({"left": arm(-1), "right": arm(1)}, grippers or None)


def test_a_second_arm_has_colours_of_its_own():
    (frame,) = drawn(two_arms())
    bones = {tuple(c) for c in frame[66:76].reshape(-1, 3).tolist()}
    assert {YELLOW, (0, 255, 255)} <= bones
    with pytest.raises(RecipeError, match="colours for 1 arms, the robot has 2"):
        drawn(two_arms(), Skeleton(SkeletonStyle(arms=SkeletonStyle().arms[:1])))


def test_clips_that_cannot_have_a_skeleton_say_what_to_do():
    window = arms.window(one_arm(pose((0, 0, 1)), pose((0, 0.3, 1))))
    for control in (Skeleton(), Overlay()):
        with pytest.raises(ClipError, match="has no robot.*--robot FILE"):
            control.draw(replace(window, robot=None))
        with pytest.raises(ClipError, match="has no camera.*--robot FILE"):
            control.draw(replace(window, camera=None))
        with pytest.raises(ClipError, match="which of the 2 links.*form an arm.*--robot FILE"):
            control.draw(replace(window, robot=replace(window.robot, arms=())))
    poses = window.robot.link_poses.copy()
    poses[0, 1, 0, 3] = np.nan
    broken = replace(window, robot=replace(window.robot, link_poses=poses), indices=np.array([7]))
    with pytest.raises(ClipError, match="arm arm is not finite in frame 7"):
        Skeleton().draw(broken)


def test_an_overlay_mixes_the_arms_into_the_frames():
    robot = one_arm(pose((0, 0.2, 1), ASIDE), pose((-0.3, -0.1, 1)), pose((-0.6, -0.1, 1)))
    window = arms.window(robot)
    (frame,) = Overlay(opacity=0.5).draw(window)
    assert frame[38, 20].tolist() == [172, 172, 45]  # 90 and yellow, half and half (to even)
    assert frame[10, 100].tolist() == [90, 90, 90]
    assert (window.rgb == 90).all()
    with pytest.raises(RecipeError, match="opacity 0"):
        Overlay(opacity=0)


# Trajectory maps


def test_the_schemes_are_colorbrewers_in_256_steps():
    # Ends and middle classes of ColorBrewer; the last step is the last class.
    assert scheme_colour(_GREENS, 0.0) == (247, 252, 245)
    assert scheme_colour(_GREENS, 1.0) == (0, 68, 27)
    assert scheme_colour(_REDS, 0.0) == (255, 245, 240)
    assert scheme_colour(_REDS, 7.0) == (103, 0, 13)
    # Step 128 lies 4 + 4/255 classes in: 0x74 + (0x41 - 0x74) * 4 / 255 = 115.2.
    assert scheme_colour(_GREENS, 0.5) == (115, 195, 117)


def test_a_trajectory_map_is_discs_then_axes_on_gray():
    style = TrajectoryMap(offset=0.0)
    robot = two_arms(left=[0.0], right=[1.0])
    (frame,) = drawn(robot, Skeleton(style), height=480, width=640, focal=400)
    assert frame[0, 0].tolist() == [50, 50, 50]
    left, right = (240, 280), (400, 280)  # column, row of the end effectors
    # At sqrt(0.04 + 0.01 + 1) m the rule gives less than one pixel, so a fixed radius shows colour.
    (frame,) = drawn(robot, Skeleton(replace(style, radius=30)), height=480, width=640, focal=400)
    for (u, v), colour in ((left, (247, 252, 245)), (right, (103, 0, 13))):
        assert tuple(frame[v - 25, u]) == colour
        assert frame[v - 31, u].tolist() == [50, 50, 50]
    # 0.1 m are 40 pixels: x to the right, y down, 8 pixels wide, over the discs.
    assert tuple(frame[280, 270]) == (0, 0, 255) and tuple(frame[310, 240]) == (255, 255, 0)
    assert tuple(frame[280, 430]) == (255, 0, 255) and tuple(frame[310, 400]) == RED
    assert tuple(frame[280, 240]) == (0, 255, 255)  # z points away from the camera


def test_the_discs_radius_follows_the_distance():
    robot = arms.robot({"arm": [[pose((0, 0, 0.4)), pose((0, 0.3, 1))]]}, {"arm": [1.0]})
    (frame,) = drawn(robot, Skeleton(TrajectoryMap()), height=480, width=640, focal=400)
    # (1 - 0.4 - 0.07 / 0.73) * 100 = 50.4, to the left and up, where no axis is.
    assert columns(frame, 240, (0, 68, 27))[0] == 320 - 50
    assert columns(frame.swapaxes(0, 1), 320, (0, 68, 27))[0] == 240 - 50


def test_a_map_leaves_out_what_the_camera_does_not_see():
    behind = arms.robot({"arm": [[pose((0, 0, -1)), pose((0, 0.3, 1))]]}, {"arm": [1.0]})
    assert (drawn(behind, Skeleton(TrajectoryMap())) == 50).all()
    three = arms.robot({n: [[pose((0, 0, 1))]] for n in "abc"})
    with pytest.raises(RecipeError, match="3 arms.*1 or 2"):
        drawn(three, Skeleton(TrajectoryMap()))


# MuJoCo's camera

PLATE = """
<mujoco>
  <option gravity="0 0 0"/>
  <worldbody>
    <light pos="1 1 3"/>
    <body name="plate" pos="{place}" xyaxes="{axes}">
      <joint name="slide" type="slide"/>
      <geom type="box" size="0.25 0.25 0.00001" mass="1"/>
    </body>
    <camera name="eye" pos="0.3 -1.2 0.9" xyaxes="0.8 0.6 0 -0.36 0.48 0.8" fovy="47"/>
  </worldbody>
  <actuator><motor joint="slide"/></actuator>
</mujoco>
"""


@pytest.mark.mujoco
@pytest.mark.parametrize("place", [(0.55, 0.3), (-0.6, -0.35)])
def test_projection_is_mujocos(place, tmp_path):
    """A plate that faces the camera is seen around the pixel to which its centre projects.

    It is turned by 0.37 rad, so that its edges cross the pixels at all heights.
    """
    from simlift.simulators import ModelScene

    right, up = np.array([0.8, 0.6, 0.0]), np.array([-0.36, 0.48, 0.8])
    centre = (0.3, -1.2, 0.9) - 2 * np.cross(right, up) + place[0] * right + place[1] * up
    turn = np.cos(0.37) * right + np.sin(0.37) * up, np.cos(0.37) * up - np.sin(0.37) * right
    words = {"place": centre, "axes": np.concatenate(turn)}
    model = tmp_path / "plate.xml"
    model.write_text(PLATE.format(**{k: " ".join(map(str, v)) for k, v in words.items()}))
    recording = ModelScene(model, camera="eye", height=720, width=960, num_frames=1).simulate(0)
    (frame,) = recording.render()
    position = (frame.world_to_camera @ recording.robot.link_poses[0, 0])[:3, 3]
    position[2] -= 0.00001  # the face that is seen
    u, v, w = frame.intrinsics @ position
    rows, found = np.nonzero(frame.segmentation)
    assert abs(found.mean() + 0.5 - u / w) < 0.01 and abs(rows.mean() + 0.5 - v / w) < 0.01
    pixel = project(position[None, None], frame.intrinsics[None])[0, 0]
    assert pixel.tolist() == [int(u / w), int(v / w)]


@pytest.mark.parametrize("control", [Skeleton(), TrajectoryMaps()], ids=["skeleton", "map"])
def test_a_recipe_stores_a_control_with_its_style(control):
    assert Plugin.of(control).load_control() == control
