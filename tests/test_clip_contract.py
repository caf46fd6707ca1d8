"""The layer contract: whatever the source, every layer holds the known scene, in its unit, frame by
frame, in any split into windows.
"""

import pickle
import random
from fractions import Fraction

import numpy as np
import pytest
from tiny import clips as builders
from tiny import engine_folders as engines
from tiny import rigs
from tiny.clips import FRAMES, HEIGHT, WIDTH

import simlift
from simlift.core.clip import Label
from simlift.core.layers import Layer, Unit
from simlift.core.read_options import ReadOptions
from simlift.media.images import write_image

DTYPES = {
    Layer.RGB: (np.uint8, (3,)),
    Layer.ALBEDO: (np.uint8, (3,)),
    Layer.DEPTH: (np.float32, ()),
    Layer.NORMALS: (np.float32, (3,)),
    Layer.SEGMENTATION: (np.int32, ()),
    Layer.FLOW: (np.float32, (2,)),
    Layer.MATERIAL: (np.uint8, (3,)),
    Layer.TWIN: (np.uint8, (3,)),
}


def scene_stack(layer):
    return np.stack([builders.scene(i)[layer] for i in range(FRAMES)])


def exact_scene(layers):
    """What is expected, the largest error, and the unit, for layers stored without loss."""
    units = {
        Layer.RGB: Unit.SRGB,
        Layer.ALBEDO: Unit.SRGB,
        Layer.DEPTH: Unit.METRES,
        Layer.NORMALS: Unit.CAMERA_VECTOR,
        Layer.SEGMENTATION: Unit.IDS,
        Layer.FLOW: Unit.PIXELS,
        Layer.MATERIAL: Unit.SHARES,
        Layer.TWIN: Unit.SRGB,
    }
    return {layer: (scene_stack(layer), 1e-6, units[layer]) for layer in layers}


def native_video(folder):
    builders.native(folder)
    # Lossy colour of a picture made of edges: its structure is checked, the rest is exact.
    expected = exact_scene(Layer)
    expected[Layer.RGB] = (scene_stack(Layer.RGB), 90, Unit.SRGB)
    expected[Layer.TWIN] = (scene_stack(Layer.TWIN), 90, Unit.SRGB)
    expected[Layer.ALBEDO] = (scene_stack(Layer.ALBEDO), 2, Unit.SRGB)
    return folder, expected


def native_images(folder):
    return builders.native_images(folder), exact_scene(Layer)


def native_png_depth(folder):
    """Depth in whole millimetres as 16-bit PNG, with the sky as 65535; normals as 16-bit PNG."""
    builders.native_images(folder)
    for i in range(FRAMES):
        frame = builders.scene(i)
        depth, normals = frame[Layer.DEPTH], frame[Layer.NORMALS]
        sky = ~np.isfinite(depth)
        units = np.where(sky, 65535, np.rint(np.where(sky, 0, depth) * 1000)).astype(np.uint16)
        write_image(folder / "depth_mm" / f"{i:06d}.png", units)
        codes = np.rint((normals + 1) / 2 * 65535).astype(np.uint16)
        write_image(folder / "normals_16" / f"{i:06d}.png", codes)
    entries = {k.value: {"file": f"{k.value}/%06d.png"} for k in (Layer.RGB, Layer.SEGMENTATION)}
    entries["depth"] = {"file": "depth_mm/%06d.png", "metres_per_unit": 0.001, "sky": 65535}
    entries["normals"] = {"file": "normals_16/%06d.png"}
    builders.edit_manifest(folder, layers=entries)
    expected = exact_scene([Layer.RGB, Layer.SEGMENTATION, Layer.DEPTH, Layer.NORMALS])
    expected[Layer.NORMALS] = (scene_stack(Layer.NORMALS), 5e-5, Unit.CAMERA_VECTOR)
    return folder, expected


def native_relative_depth(folder):
    """Depth without a unit: 16-bit video, farther is larger, in [0, 1]."""
    builders.native(folder, [Layer.RGB])
    codes = np.stack([np.full((HEIGHT, WIDTH), 6000 * i, np.uint16) for i in range(FRAMES)])
    builders.video(folder / "far.mkv", codes, codec="ffv1", pixel_format="gray16le")
    builders.edit_manifest(
        folder,
        layers={"rgb": {"file": "rgb.mp4"}, "depth": {"file": "far.mkv", "unit": "relative"}},
    )
    return folder, {Layer.DEPTH: (codes / np.float32(65535), 1e-6, Unit.RELATIVE)}


def carla_flat(folder):
    return carla(builders.carla(folder))


def carla_folders(folder):
    return carla(builders.carla(folder, flat=False))


def carla_raw(folder):
    return carla(builders.carla(folder, raw=True))


def carla(folder):
    # Table, robot and sky of the scene are drawn in the colours of road, car and sky.
    ids = np.array([0, 7, 10, 13])[scene_stack(Layer.SEGMENTATION)]
    expected = exact_scene([Layer.RGB])
    expected[Layer.DEPTH] = (scene_stack(Layer.DEPTH), 1e-4, Unit.METRES)
    expected[Layer.SEGMENTATION] = (ids, 0, Unit.IDS)
    return folder, expected


def cosmos(folder):
    builders.cosmos(folder)
    inverse = np.stack([builders.inverse_gray(i) for i in range(FRAMES)])
    return folder, {
        Layer.RGB: (builders.flat_frames(FRAMES), 4, Unit.SRGB),
        Layer.DEPTH: (1 - inverse / np.float32(255), 0.03, Unit.RELATIVE),
    }


def image_sequence(folder):
    return builders.sequence(folder, scene_stack(Layer.RGB)), exact_scene([Layer.RGB])


def lossless_video(folder):
    folder.mkdir()
    frames = scene_stack(Layer.RGB)
    path = builders.video(folder / "clip.mkv", frames, codec="ffv1", pixel_format="bgr0")
    return path, exact_scene([Layer.RGB])


def folder_with_a_video(folder):
    path, expected = lossless_video(folder)
    return path.parent, expected


def rig(build, ids=None, near=1e-4, **stated):
    """A layout of driving or RGB-D data, and what is stated where its files say less."""

    def source(folder):
        recording = rigs.small()
        expected = {Layer.RGB: (scene_stack(Layer.RGB), 90, Unit.SRGB)}  # some are JPEG
        if near is not None:
            expected[Layer.DEPTH] = (recording.depth, near, Unit.METRES)
        if ids is not None:
            expected[Layer.SEGMENTATION] = (np.array(ids)[recording.ids], 0, Unit.IDS)
        return build(folder, recording), expected, ReadOptions(**stated)

    source.__name__ = build.__name__
    return source


def named_scene(layers, ids, **errors):
    """The scene as engines store it: ids by the order of names, layers to the error of a code."""
    expected = exact_scene(layers)
    sky = ~np.isfinite(scene_stack(Layer.DEPTH))
    towards = np.where(sky[..., None], [0, 0, -1], scene_stack(Layer.NORMALS))
    if Layer.NORMALS in layers:
        expected[Layer.NORMALS] = (towards, 1e-5, Unit.CAMERA_VECTOR)
    if Layer.SEGMENTATION in layers:
        found = np.array(ids)[scene_stack(Layer.SEGMENTATION)]
        expected[Layer.SEGMENTATION] = (found, 0, Unit.IDS)
    for name, error in errors.items():
        truth, _, unit = expected[Layer(name)]
        expected[Layer(name)] = (truth, error, unit)
    return expected


GEOMETRY = [Layer.RGB, Layer.DEPTH, Layer.NORMALS, Layer.SEGMENTATION]
EVERY_PASS = [*GEOMETRY, Layer.FLOW, Layer.ALBEDO]


def replicator(folder, **kinds):
    # robot and table, in the order of their names; the sky is the background.
    expected = named_scene(GEOMETRY, [0, 2, 1, 0], depth=1e-5, normals=0.02)
    expected[Layer.NORMALS] = (scene_stack(Layer.NORMALS), 0.02, Unit.CAMERA_VECTOR)
    return engines.replicator(folder, **kinds), expected


def replicator_semantic(folder):
    return replicator(folder)


def replicator_instances_by_annotator(folder):
    place = folder / "RenderProduct_Camera"
    return folder, replicator(place, instances=True, ray=True, folders=True)[1]


def solo(folder):
    layers = [Layer.RGB, Layer.DEPTH, Layer.SEGMENTATION]
    return engines.solo(folder), named_scene(layers, [0, 2, 1, 0], depth=1e-5)


def blender_multilayer(folder):
    return engines.blender_multilayer(folder), named_scene(EVERY_PASS, range(4), rgb=0, albedo=0)


def blender_cryptomatte(folder):
    # robot, sky and table in the order of their names.
    engines.blender_multilayer(folder, matte=True)
    return folder, named_scene(EVERY_PASS, [0, 3, 1, 2])


def blender_file_output(folder):
    return engines.blender_file_output(folder), named_scene([*GEOMETRY, Layer.FLOW], range(4))


def kubric(folder):
    expected = named_scene([*GEOMETRY, Layer.FLOW], range(4), depth=1e-5, flow=1e-3)
    expected[Layer.NORMALS] = (scene_stack(Layer.NORMALS), 5e-5, Unit.CAMERA_VECTOR)
    return engines.kubric(folder), expected


def unreal_multilayer(folder):
    return engines.unreal(folder), named_scene([*GEOMETRY, Layer.ALBEDO], [0, 3, 1, 2], depth=1e-5)


def unreal_pass_files(folder):
    engines.unreal(folder, multilayer=False)
    layers = [Layer.RGB, Layer.DEPTH, Layer.NORMALS, Layer.ALBEDO]
    return folder, named_scene(layers, [], depth=1e-5)


SOURCES = [
    rig(rigs.bench2drive, (0, 7, 10, 13), fps=Fraction(24)),
    rig(rigs.tum, fov=60.0, near=2e-4),
    rig(rigs.vkitti2, (0, 1, 2, 3), near=6e-3, fps=Fraction(24)),
    rig(rigs.kitti_raw, near=None),
    rig(rigs.kitti_odometry, near=None),
    rig(rigs.airsim),
    rig(rigs.sailvos, near=1e-4),
    native_video,
    native_images,
    native_png_depth,
    native_relative_depth,
    carla_flat,
    carla_folders,
    carla_raw,
    cosmos,
    replicator_semantic,
    replicator_instances_by_annotator,
    solo,
    blender_multilayer,
    blender_cryptomatte,
    blender_file_output,
    kubric,
    unreal_multilayer,
    unreal_pass_files,
    image_sequence,
    lossless_video,
    folder_with_a_video,
]


@pytest.fixture(params=SOURCES, ids=lambda source: source.__name__)
def known(request, tmp_path):
    path, expected, *stated = request.param(tmp_path / "clip")
    return simlift.open_clip(path, *stated), expected


def test_every_layer_holds_the_scene(known):
    clip, expected = known
    assert (clip.num_frames, clip.height, clip.width) == (FRAMES, HEIGHT, WIDTH)
    assert clip.fps == 24
    found = builders.read_all(clip)
    for layer, array in found.items():
        dtype, channels = DTYPES[layer]
        assert array.dtype == dtype
        assert array.shape == (FRAMES, HEIGHT, WIDTH, *channels)
    for layer, (truth, error, unit) in expected.items():
        assert clip.stored(layer).unit is unit
        array = found[layer].astype(float)
        sky = ~np.isfinite(truth)
        np.testing.assert_array_equal(~np.isfinite(array), sky)
        assert np.abs(np.where(sky, 0, array) - np.where(sky, 0, truth)).max() <= error


def test_frames_are_the_same_at_random_and_in_any_split(known):
    clip, _ = known
    draw = random.Random(5)
    whole = builders.read_all(clip)
    with clip.open(Layer) as reader:
        for _ in range(6):
            some = sorted(draw.sample(range(FRAMES), draw.randint(1, 4)))
            window = reader.window(some)
            assert window.indices.tolist() == some
            for layer, array in window.arrays.items():
                np.testing.assert_array_equal(array, whole[layer][some])
        for size in (1, 2, 4):
            starts = range(0, FRAMES, size)
            parts = [reader.window(range(s, min(s + size, FRAMES))) for s in starts]
            for layer, array in whole.items():
                joined = np.concatenate([part.arrays[layer] for part in parts])
                np.testing.assert_array_equal(joined, array)


def test_reading_twice_gives_the_same(known):
    clip, _ = known
    first, second = builders.read_all(clip), builders.read_all(clip)
    assert first.keys() == second.keys()
    for layer, array in first.items():
        np.testing.assert_array_equal(array, second[layer])


def test_a_clip_travels_between_processes(known):
    clip, _ = known
    text = pickle.dumps(clip)
    assert len(text) < 60_000  # never pixels
    again = pickle.loads(text)
    assert again.files == clip.files
    assert all(path.is_file() for path in again.files)
    found, expected = builders.read_all(again), builders.read_all(clip)
    for layer, array in expected.items():
        np.testing.assert_array_equal(found[layer], array)


def test_layers_that_were_not_asked_for_are_not_read(known):
    clip, _ = known
    with clip.open([Layer.RGB]) as reader:
        assert set(reader.window([0]).arrays) == {Layer.RGB}


def test_native_tracks_come_back(tmp_path):
    clip = simlift.open_clip(builders.native(tmp_path / "episode"))
    camera, robot = builders.camera(FRAMES), builders.robot(FRAMES)
    np.testing.assert_array_equal(clip.camera.intrinsics, camera.intrinsics)
    np.testing.assert_array_equal(clip.camera.world_to_camera, camera.world_to_camera)
    np.testing.assert_array_equal(clip.camera.up, [0, 0, 1])
    np.testing.assert_array_equal(clip.objects.poses, builders.objects(FRAMES).poses)
    assert clip.robot.joint_names == robot.joint_names
    np.testing.assert_array_equal(clip.robot.joint_positions, robot.joint_positions)
    assert clip.labels == builders.LABELS
    assert (clip.name, clip.caption, clip.fps) == ("episode", "a table", Fraction(24))
    assert clip.camera.moves
    with clip.open([Layer.RGB]) as reader:
        window = reader.window([2, 5])
    np.testing.assert_array_equal(window.camera.world_to_camera, camera.world_to_camera[[2, 5]])
    np.testing.assert_array_equal(window.objects.poses, clip.objects.poses[[2, 5]])
    assert window.categories == {1: "table", 2: "robot", 3: "sky"}
    assert window.part(slice(1, 2)).camera.world_to_camera.tolist() == (
        camera.world_to_camera[[5]].tolist()
    )


def test_the_last_frame_takes_the_flow_before_it(tmp_path):
    folder = builders.native_images(tmp_path / "clip")
    (folder / "flow" / f"{FRAMES - 1:06d}.npy").unlink()
    clip = simlift.open_clip(folder)
    flow = builders.read(clip, Layer.FLOW, range(FRAMES))
    truth = scene_stack(Layer.FLOW)
    truth[-1] = truth[-2]
    np.testing.assert_array_equal(flow, truth)
    np.testing.assert_array_equal(builders.read(clip, Layer.FLOW, [FRAMES - 1]), truth[-1:])


def test_cosmos_ids_are_the_regions(tmp_path):
    clip = simlift.open_clip(builders.cosmos(tmp_path / "clip"))
    found = builders.read(clip, Layer.SEGMENTATION, range(FRAMES))
    truth = np.stack([builders.cosmos_ids(i) for i in range(FRAMES)])
    # Lossy borders aside, each region has one id of its own.
    ids = [int(np.median(found[truth == region])) for region in range(4)]
    assert len(set(ids)) == 4
    assert min(ids) >= 1
    assert (np.array(ids)[truth] == found).mean() > 0.97


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (builders.cosmos, ["relative", "no names", "no camera"]),
        (builders.carla, ["90 degrees", "no poses", "24 fps is assumed"]),
        (
            lambda folder: builders.sequence(folder, builders.flat_frames(3)),
            ["24 fps is assumed"],
        ),
    ],
    ids=["cosmos", "carla", "images"],
)
def test_what_a_source_assumes_is_stated(tmp_path, build, words):
    clip = simlift.open_clip(build(tmp_path / "clip"))
    for word in words:
        assert any(word in note for note in clip.notes), clip.notes


def test_carla_names_its_classes(tmp_path):
    clip = simlift.open_clip(builders.carla(tmp_path / "clip"))
    assert clip.ids_of(["car", "road"]) == {7, 10}
    assert clip.labels[10] == Label("car", "car")
    focal = clip.camera.intrinsics[0, 0, 0]
    assert np.isclose(2 * np.arctan(WIDTH / 2 / focal), np.pi / 2)
