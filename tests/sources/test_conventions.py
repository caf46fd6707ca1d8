"""Every convention that clip.json can state: written by hand, read back as the same scene."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tiny import clips as builders
from tiny.clips import FRAMES, HEIGHT, WIDTH

from simlift.core.camera import Camera
from simlift.core.camera_conventions import (
    clip_planes_of_projection,
    convert_camera,
    intrinsics_of_fov,
    intrinsics_of_lens,
    intrinsics_of_projection,
    rotation_of_quaternion,
    rotation_of_rotator,
)
from simlift.core.errors import ClipError, SimliftError
from simlift.core.layers import Layer
from simlift.media.geometry_decodings import ray_lengths
from simlift.media.images import write_image
from simlift.sources import open_clip

NEAR, FAR = 0.3, 40.0


def truth(layer: Layer) -> np.ndarray:
    return np.stack([builders.scene(i)[layer] for i in range(FRAMES)])


def folder_with(tmp_path: Path, **layers: dict[str, object]) -> Path:
    """Write rgb and a manifest that names other layers too; the camera is the scene's."""
    folder = tmp_path / "clip"
    for i in range(FRAMES):
        write_image(folder / "rgb" / f"{i:06d}.png", builders.scene(i)[Layer.RGB])
    camera = builders.camera(FRAMES)
    np.savez(
        folder / "camera.npz",
        intrinsics=camera.intrinsics,
        world_to_camera=camera.world_to_camera,
        up=camera.up,
    )
    entries = {"rgb": {"file": "rgb/%06d.png"}, **layers}
    builders.write_manifest(folder, builders.manifest(entries, camera="camera.npz"))
    return folder


def read(folder: Path, layer: Layer) -> np.ndarray:
    clip = open_clip(folder)
    with clip.open([layer]) as reader:
        return reader.window(range(clip.num_frames))[layer]


def save(folder: Path, name: str, frames: np.ndarray) -> None:
    (folder / name).mkdir(parents=True, exist_ok=True)
    for i, frame in enumerate(frames):
        np.save(folder / name / f"{i:04d}.npy", frame)


def along_ray(depth: np.ndarray) -> np.ndarray:
    return depth * ray_lengths(builders.camera(FRAMES).intrinsics, HEIGHT, WIDTH)


def z_buffer(depth: np.ndarray) -> np.ndarray:
    inverse = np.where(np.isinf(depth), 1 / FAR, 1 / depth)
    return (1 / NEAR - inverse) / (1 / NEAR - 1 / FAR)


DEPTHS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], dict[str, object], float]] = {
    "metres": (lambda d: d, {}, 0),
    "from below": (lambda d: d[:, ::-1], {"rows": "bottom-up"}, 0),
    "ray": (along_ray, {"measure": "ray"}, 1e-6),
    "millimetres": (lambda d: d * 1000, {"metres_per_unit": 0.001}, 1e-6),
    "65504": (lambda d: np.where(np.isinf(d), 65504, d), {"sky": 65504}, 0),
    "zero and -1": (
        lambda d: np.where(np.isinf(d), -1 * (np.arange(WIDTH) % 2), d),
        {"sky": [0, -1]},
        0,
    ),
    "half floats": (
        lambda d: np.where(np.isinf(d), 65504, d).astype(np.float16),
        {"sky": 65504},
        1e-3,
    ),
    "z-buffer": (z_buffer, {"measure": "z-buffer", "near": NEAR, "far": FAR}, 1e-5),
    "reversed z-buffer, infinite far": (
        lambda d: NEAR / d,
        {"measure": "reversed z-buffer", "near": NEAR},
        1e-6,
    ),
    "inverse": (lambda d: 0.5 / d, {"measure": "inverse", "metres_per_unit": 0.5}, 1e-6),
    "inverse between": (
        lambda d: np.where(np.isinf(d), 0, (1 / d - 1 / FAR) / (1 / NEAR - 1 / FAR)),
        {"measure": "inverse", "near": NEAR, "far": FAR, "sky": 0},
        1e-6,
    ),
    "linear between": (
        lambda d: np.where(np.isinf(d), 1, (d - NEAR) / (FAR - NEAR)),
        {"measure": "linear", "near": NEAR, "far": FAR, "sky": 1},
        1e-5,
    ),
}


@pytest.mark.parametrize("name", DEPTHS)
def test_depth_of_every_convention_is_the_same_depth(tmp_path, name):
    write, entry, tolerance = DEPTHS[name]
    folder = folder_with(tmp_path, depth={"file": "depth/%04d.npy", **entry})
    with np.errstate(divide="ignore"):
        save(folder, "depth", np.float32(write(truth(Layer.DEPTH))))
    np.testing.assert_allclose(read(folder, Layer.DEPTH), truth(Layer.DEPTH), rtol=tolerance + 1e-6)


@pytest.mark.parametrize("axes", ["opencv", "opengl", "unity", "world"])
@pytest.mark.parametrize("span", ["-1..1", "0..1"])
def test_normals_of_every_convention_are_the_same_normals(tmp_path, axes, span):
    turn = {"opengl": np.diag([1, -1, -1]), "unity": np.diag([1, -1, 1])}
    vectors = truth(Layer.NORMALS)
    if axes == "world":
        rotation = builders.camera(FRAMES).world_to_camera[:, :3, :3]
        vectors = np.einsum("tij,thwi->thwj", rotation, vectors)
    else:
        vectors = vectors @ turn.get(axes, np.eye(3))
    vectors = vectors / 2 + 0.5 if span == "0..1" else vectors
    entry = {"file": "normals/%04d.npy", "axes": axes, "range": span}
    folder = folder_with(tmp_path, normals=entry)
    save(folder, "normals", np.float32(vectors))
    np.testing.assert_allclose(read(folder, Layer.NORMALS), truth(Layer.NORMALS), atol=1e-5)


def test_ids_as_colours_and_in_channels(tmp_path):
    ids = truth(Layer.SEGMENTATION)
    colours = np.array([[0, 0, 0], [140, 25, 255], [140, 255, 25], [25, 255, 82]], np.uint8)
    named = {"#8c19ff": 1, "#8cff19": 2, "#19ff52": 3}
    entry: dict[str, object] = {"file": "ids/%04d.png", "encoding": "colours", "colours": named}
    folder = folder_with(tmp_path, segmentation=entry)
    for i in range(FRAMES):
        write_image(folder / "ids" / f"{i:04d}.png", colours[ids[i]])
    np.testing.assert_array_equal(read(folder, Layer.SEGMENTATION), ids)
    stray = colours[ids[0]].copy()
    stray[5, 5] = (200, 0, 0)
    write_image(folder / "ids" / "0000.png", stray)
    with pytest.raises(ClipError, match=r"\(200, 0, 0\).*named"):
        read(folder, Layer.SEGMENTATION)
    number = ids + 300
    planes = np.stack([np.zeros_like(ids), number & 255, number >> 8], axis=-1).astype(np.uint8)
    for i in range(FRAMES):
        write_image(folder / "ids" / f"{i:04d}.png", planes[i])
    rgb = {"rgb": {"file": "rgb/%06d.png"}}
    entry = {"file": "ids/%04d.png", "channel": "gb"}
    builders.edit_manifest(folder, layers=rgb | {"segmentation": entry})
    np.testing.assert_array_equal(read(folder, Layer.SEGMENTATION), number)


def test_arrays_of_all_frames_lists_gaps_and_offsets(tmp_path):
    """One array, one .npz a frame, a list of files, numbers with gaps, numbers from elsewhere."""
    depth = truth(Layer.DEPTH)
    folder = folder_with(tmp_path, depth={"file": "all.npy"})
    np.save(folder / "all.npy", depth)
    np.testing.assert_array_equal(read(folder, Layer.DEPTH), depth)
    np.savez(folder / "all.npz", other=[1], depth=depth)
    rgb = {"rgb": {"file": "rgb/%06d.png"}}
    builders.edit_manifest(folder, layers=rgb | {"depth": {"file": "all.npz", "channel": "depth"}})
    np.testing.assert_array_equal(read(folder, Layer.DEPTH), depth)
    names = [f"frame of {chr(97 + i)}.npy" for i in range(FRAMES)]
    for name, frame in zip(names, depth, strict=True):
        np.save(folder / name, frame)
    builders.edit_manifest(folder, layers=rgb | {"depth": {"file": names}})
    np.testing.assert_array_equal(read(folder, Layer.DEPTH), depth)
    for i in range(FRAMES):
        np.savez(folder / f"late_{i + 16}.npz", z=depth[i])
    late = {"file": "late_%d.npz", "channel": "z"}
    builders.edit_manifest(folder, layers=rgb | {"depth": late})
    with pytest.raises(ClipError, match="number_offset 16"):
        open_clip(folder)
    late["number_offset"] = 16
    builders.edit_manifest(folder, layers=rgb | {"depth": late})
    np.testing.assert_array_equal(read(folder, Layer.DEPTH), depth)
    kept = [0, 1, 4, 7]
    builders.edit_manifest(folder, frames=kept, num_frames=4, camera=None)
    np.testing.assert_array_equal(read(folder, Layer.DEPTH), depth[kept])
    builders.edit_manifest(folder, frames=[0, 1, 4, 99])
    with pytest.raises(ClipError, match="no file 115"):
        open_clip(folder)


def test_channels_of_a_multi_layer_exr(tmp_path):
    import OpenEXR

    folder = folder_with(
        tmp_path,
        depth={"file": "f_%04d.exr", "channel": "View.Depth"},
        normals={"file": "f_%04d.exr", "channel": "View.Normal", "axes": "world"},
        albedo={"file": "f_%04d.exr", "channel": "View.DiffCol", "transfer": "linear"},
        segmentation={"file": "f_%04d.exr", "channel": "View.IndexOB"},
    )
    rotation = builders.camera(FRAMES).world_to_camera[:, :3, :3]
    world = np.einsum("tij,thwi->thwj", rotation, truth(Layer.NORMALS))
    linear = ((120 / 255 + 0.055) / 1.055) ** 2.4
    for i in range(FRAMES):
        frame = builders.scene(i)
        channels = {"View.Depth.Z": frame[Layer.DEPTH], "View.IndexOB.X": frame[Layer.SEGMENTATION]}
        for k, letter in enumerate("XYZ"):
            channels[f"View.Normal.{letter}"] = world[i, ..., k]
        for letter in "RGB":
            channels[f"View.DiffCol.{letter}"] = np.full((HEIGHT, WIDTH), linear)
        arrays = {name: np.ascontiguousarray(x, np.float32) for name, x in channels.items()}
        header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
        OpenEXR.File(header, arrays).write(str(folder / f"f_{i:04d}.exr"))
    for layer in (Layer.DEPTH, Layer.ALBEDO, Layer.SEGMENTATION):
        np.testing.assert_array_equal(read(folder, layer), truth(layer))
    np.testing.assert_allclose(read(folder, Layer.NORMALS), truth(Layer.NORMALS), atol=1e-6)
    entry = {"file": "f_%04d.exr", "channel": "View.Mist"}
    builders.edit_manifest(folder, layers={"rgb": {"file": "rgb/%06d.png"}, "depth": entry})
    with pytest.raises(ClipError, match=r"View.Mist.*View.Depth.Z"):
        open_clip(folder)


def test_flow_in_other_units(tmp_path):
    flow = truth(Layer.FLOW)[:-1]
    known = np.isfinite(flow).all(-1)
    stored = np.where(known[..., None], flow * 64 + 2**15, 0)
    entry = {"file": "flow/%06d.png", "pixels_per_unit": [1 / 64, 1 / 64], "zero": 2**15}
    folder = folder_with(tmp_path, flow=entry)
    for i, frame in enumerate(stored):
        coded = np.concatenate([np.rint(frame), known[i, ..., None]], -1).astype(np.uint16)
        write_image(folder / "flow" / f"{i:06d}.png", coded)
    found = read(folder, Layer.FLOW)[:-1]
    np.testing.assert_allclose(found[known], flow[known], atol=1 / 64)
    assert np.isnan(found[~known]).all()


def cameras() -> dict[str, tuple[dict[str, object], object]]:
    """Return the scene's camera as engines write it: the manifest's entry, and the file."""
    camera = builders.camera(FRAMES)
    to_world = np.linalg.inv(camera.world_to_camera)
    flip, k = np.diag([1.0, -1, -1, 1]), camera.intrinsics[0]
    gl = to_world @ flip
    lens: dict[str, object] = {"intrinsics": camera.intrinsics.tolist()}
    unreal_axes = np.array([[0.0, 1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0], [0, 0, 0, 1]])
    mirror = np.diag([1.0, -1, 1, 1])
    unreal = mirror @ to_world @ unreal_axes
    unreal[:, :3, 3] *= 100
    unity = np.diag([1.0, 1, -1, 1]) @ to_world @ np.diag([1.0, -1, 1, 1])
    projection = np.array(
        [
            [2 * k[0, 0] / WIDTH, 0, 0, 0],
            [0, 2 * k[1, 1] / HEIGHT, 0, 0],
            [0, 0, -(FAR + NEAR) / (FAR - NEAR), -2 * FAR * NEAR / (FAR - NEAR)],
            [0, 0, -1, 0],
        ]
    )
    view = np.linalg.inv(gl)
    return {
        "opencv": ({}, {"pose": camera.world_to_camera.tolist(), **lens}),
        "opengl frames": (
            {
                "convention": "opengl",
                "direction": "camera_to_world",
                "keys": {"pose": "matrix_world", "frames": "shots"},
                "focal_length": float(k[0, 0] / WIDTH * 36),
                "sensor_width": 36.0,
            },
            {"shots": [{"matrix_world": m.tolist()} for m in gl]},
        ),
        "usd": (
            {"convention": "usd", "keys": {"pose": "viewTransform"}},
            {"viewTransform": view.swapaxes(1, 2).reshape(-1, 16).tolist(), **lens},
        ),
        "column-major view and projection": (
            {"convention": "opengl", "matrices": "columns"},
            {
                "view": view.swapaxes(1, 2).reshape(-1, 16).tolist(),
                "projection": projection.T.ravel().tolist(),
            },
        ),
        "unreal": (
            {"convention": "unreal", "direction": "camera_to_world", "fov": 60.0},
            {"pose": unreal.tolist()},
        ),
        "unity": (
            {"convention": "unity", "direction": "camera_to_world", "up": "+z"},
            {"pose": unity.tolist(), **lens},
        ),
    }


@pytest.mark.parametrize("name", cameras())
def test_cameras_of_every_convention_are_the_same_camera(tmp_path, name):
    entry, data = cameras()[name]
    folder = folder_with(tmp_path)
    (folder / "side.json").write_text(json.dumps(data))
    builders.edit_manifest(folder, camera={"file": "side.json", **entry})
    expected, found = builders.camera(FRAMES), open_clip(folder).camera
    assert found is not None
    np.testing.assert_allclose(found.intrinsics, expected.intrinsics, atol=1e-9)
    if name in ("unreal", "unity"):  # their world is a mirrored one: relative poses are the same
        for one, other in ((found, expected),):
            np.testing.assert_allclose(relative(one), relative(other), atol=1e-9)
    else:
        np.testing.assert_allclose(found.world_to_camera, expected.world_to_camera, atol=1e-9)


def relative(camera: Camera) -> np.ndarray:
    return camera.world_to_camera @ np.linalg.inv(camera.world_to_camera[0])


def test_a_camera_of_positions_and_rotations(tmp_path):
    """A table of x, y, z and a quaternion of a camera that is turned by 90 degrees about x."""
    folder = folder_with(tmp_path)
    half = np.sqrt(0.5)
    rows = [
        "time,position.x,position.y,position.z,quaternion_0,quaternion_1,quaternion_2,quaternion_3"
    ]
    rows += [f"{i},{0.01 * i},0,1,{-half},0,0,{half}" for i in range(FRAMES)]
    (folder / "poses.csv").write_text("\n".join(rows))
    entry = {"file": "poses.csv", "direction": "camera_to_world", "quaternion": "xyzw", "fov": 60}
    builders.edit_manifest(folder, camera=entry)
    found = open_clip(folder).camera
    assert found is not None
    np.testing.assert_allclose(
        found.world_to_camera, builders.camera(FRAMES).world_to_camera, atol=1e-9
    )


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"projection": "orthographic", "fov": 60}, "orthographic"),
        ({"convention": "blender"}, "one of opencv"),
        ({"file": "side.json", "keys": {"pose": "nothing"}}, "has no nothing"),
        ({"file": "side.json"}, "no lens"),
        ({"file": "none.json", "fov": 60}, "does not exist"),
        ({"fov": 200}, "200"),
        ({"focal_length": 35}, "both or neither"),
    ],
)
def test_cameras_that_cannot_be_read(tmp_path, entry, words):
    folder = folder_with(tmp_path)
    data = {"pose": builders.camera(FRAMES).world_to_camera.tolist()}
    (folder / "side.json").write_text(json.dumps(data))
    builders.edit_manifest(folder, camera=entry)
    with pytest.raises(SimliftError, match=words):
        open_clip(folder)


@pytest.mark.parametrize(
    ("layer", "entry", "words"),
    [
        ("depth", {"measure": "z-buffer"}, "without near"),
        ("depth", {"near": 1, "far": 2}, "measure z"),
        ("depth", {"measure": "inverse", "near": 3, "far": 2}, "near < far"),
        ("depth", {"axes": "opengl"}, "on flow and normals alone"),
        ("rgb", {"sky": 3}, "on depth alone"),
        ("segmentation", {"encoding": "colours"}, "named colours"),
        ("segmentation", {"encoding": "colours", "colours": {"red": 1}}, "#8c19ff"),
    ],
)
def test_statements_that_do_not_fit(tmp_path, layer, entry, words):
    folder = folder_with(tmp_path, **{layer: {"file": "rgb/%06d.png", **entry}})
    with pytest.raises(SimliftError, match=words):
        open_clip(folder)


def test_lenses_and_rotations_in_closed_form():
    k = intrinsics_of_fov(480, 640, across=90)
    assert (k[0, 0], k[0, 2], k[1, 2]) == (pytest.approx(320), 320, 240)
    np.testing.assert_allclose(intrinsics_of_fov(480, 640, down=2 * np.degrees(np.arctan(0.75))), k)
    np.testing.assert_allclose(intrinsics_of_lens(480, 640, focal_length=18, sensor_width=36), k)
    projection = np.array(
        [[[1.0, 0, 0.25, 0], [0, 4 / 3, -0.5, 0], [0, 0, -1.2, -2.2], [0, 0, -1, 0]]]
    )
    found = intrinsics_of_projection(projection, 480, 640)[0]
    np.testing.assert_allclose(found, [[320, 0, 240], [0, 320, 120], [0, 0, 1]])
    assert clip_planes_of_projection(projection[0]) == (pytest.approx(1.0), pytest.approx(11.0))
    with pytest.raises(ValueError, match="orthographic"):
        intrinsics_of_projection(np.eye(4)[None], 480, 640)
    turned = rotation_of_quaternion(np.array([np.sqrt(0.5), 0, 0, np.sqrt(0.5)]), "wxyz")
    np.testing.assert_allclose(turned @ [1, 0, 0], [0, 1, 0], atol=1e-12)
    # Yaw turns x to y, pitch lifts x to z, roll leans z to the right (y): Unreal's rotators.
    for rotator, axis, expected in (
        ((0, 90, 0), (1, 0, 0), (0, 1, 0)),
        ((90, 0, 0), (1, 0, 0), (0, 0, 1)),
        ((0, 0, 90), (0, 1, 0), (0, 0, -1)),
    ):
        matrix = rotation_of_rotator(np.array(rotator, dtype=float))
        np.testing.assert_allclose(matrix @ axis, expected, atol=1e-12)


def test_scales_of_poses_are_divided_out_and_mirrors_refused():
    pose = np.diag([2.0, 2, 2, 1])[None]
    k = intrinsics_of_fov(4, 4, across=60)[None]
    found = convert_camera(pose, k, direction="camera_to_world")
    np.testing.assert_allclose(found.world_to_camera[0], np.eye(4))
    with pytest.raises(ValueError, match="mirrors"):
        convert_camera(np.diag([1.0, 1, -1, 1])[None], k)
    with pytest.raises(ValueError, match="singular"):
        convert_camera(np.zeros((1, 4, 4)), k)
