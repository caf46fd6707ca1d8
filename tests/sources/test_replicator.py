"""Replicator's BasicWriter: cameras, names that change their colours, products, unread files."""

import json

import numpy as np
import pytest
from tiny import clips as builders
from tiny import engine_folders as engines
from tiny.clips import HEIGHT, WIDTH

import simlift
from simlift.core.clip import Label
from simlift.core.layers import Layer
from simlift.core.read_options import ReadOptions
from simlift.media.images import read_image, write_image
from simlift.sources import layout_of, replicator


def edit_cameras(folder, **changes):
    for path in folder.glob("camera_params_*.json"):
        row = json.loads(path.read_text()) | changes
        path.write_text(json.dumps({k: v for k, v in row.items() if v is not None}))


@pytest.mark.parametrize("projection", [True, False], ids=["projection", "aperture"])
def test_the_camera_is_the_scenes(tmp_path, projection):
    folder = engines.replicator(tmp_path / "out", 3)
    if not projection:
        edit_cameras(folder, cameraProjection=None)
    clip, truth = simlift.open_clip(folder), builders.camera(3)
    np.testing.assert_allclose(clip.camera.world_to_camera, truth.world_to_camera, atol=1e-9)
    np.testing.assert_allclose(clip.camera.intrinsics, truth.intrinsics, atol=1e-6)
    np.testing.assert_array_equal(clip.camera.up, [0, 0, 1])
    assert any("up axis" in note for note in clip.notes)


def test_the_offset_of_an_aperture_is_that_of_the_projection(tmp_path):
    """An aperture that is moved right by a tenth shows the axis a tenth left of the middle."""
    folder = engines.replicator(tmp_path / "out", 1)
    edit_cameras(folder, cameraProjection=None, cameraApertureOffset=[2.0955, 0.0])
    centre = simlift.open_clip(folder).camera.intrinsics[0, :2, 2]
    np.testing.assert_allclose(centre, [WIDTH * 0.4, HEIGHT / 2])


def test_a_stage_in_centimetres_that_is_seen_upright_along_y_has_y_up(tmp_path):
    folder = engines.replicator(tmp_path / "out", 1)
    view = np.eye(4)
    edit_cameras(folder, cameraViewTransform=view.ravel().tolist())
    np.testing.assert_array_equal(simlift.open_clip(folder).camera.up, [0, 1, 0])
    edit_cameras(folder, metersPerSceneUnit=1.0)
    np.testing.assert_array_equal(simlift.open_clip(folder).camera.up, [0, 0, 1])


def test_ids_are_classes_whatever_their_colour_in_a_frame(tmp_path):
    folder = engines.replicator(tmp_path / "out", 3)
    clip = simlift.open_clip(folder)
    assert clip.labels == {1: Label("robot", "robot"), 2: Label("table", "table")}
    assert layout_of(folder).read is replicator.read


def test_instances_are_named_by_their_prims(tmp_path):
    clip = simlift.open_clip(engines.replicator(tmp_path / "out", 2, instances=True))
    assert clip.labels[1] == Label("/World/robot_01", "robot")
    assert clip.ids_of(["table"]) == {2}


def test_numbers_in_place_of_colours(tmp_path):
    """Without colorize, images hold ids that may differ from frame to frame."""
    folder = engines.replicator(tmp_path / "out", 2)
    for i, order in enumerate(([0, 2, 3, 0], [0, 3, 2, 0])):
        ids = np.array(order, np.uint16)[builders.scene(i)[Layer.SEGMENTATION]]
        write_image(folder / f"semantic_segmentation_{i:04d}.png", ids)
        names = {"0": "BACKGROUND", str(order[1]): "table", str(order[2]): "robot"}
        path = folder / f"semantic_segmentation_labels_{i:04d}.json"
        path.write_text(json.dumps({key: {"class": name} for key, name in names.items()}))
    clip = simlift.open_clip(folder)
    truth = np.stack([builders.scene(i)[Layer.SEGMENTATION] for i in (0, 1)])
    found = builders.read(clip, Layer.SEGMENTATION, [0, 1])
    np.testing.assert_array_equal(found, np.array([0, 2, 1, 0])[truth])


def test_several_products_are_cameras(tmp_path):
    for name in ("Camera_A", "Camera_B"):
        engines.replicator(tmp_path / "out" / name, 2, folders=name == "Camera_B")
    with pytest.raises(simlift.SimliftError, match=r"2 cameras \(Camera_A, Camera_B\).*--camera"):
        simlift.open_clip(tmp_path / "out")
    clip = simlift.open_clip(tmp_path / "out", ReadOptions(camera="Camera_B"))
    assert clip.name == "out-Camera_B"
    assert clip.num_frames == 2
    with pytest.raises(simlift.SimliftError, match="allowed: Camera_A, Camera_B"):
        simlift.open_clip(tmp_path / "out", ReadOptions(camera="C"))


def test_empty_camera_params_are_no_camera(tmp_path):
    """Distance along the ray and normals in world axes need one; the rest is read."""
    folder = engines.replicator(tmp_path / "out", 2, ray=True)
    for path in folder.glob("camera_params_*.json"):
        path.write_text("{}")
    clip = simlift.open_clip(folder)
    assert clip.camera is None
    assert {s.layer for s in clip.layers} == {Layer.RGB, Layer.SEGMENTATION}
    for words in ("camera_params are empty", "distance_to_camera is not", "normals are not"):
        assert any(words in note for note in clip.notes), clip.notes
    # A stated field of view makes depth of distance; the world's axes stay unknown.
    clip = simlift.open_clip(folder, ReadOptions(fov=60.0))
    assert Layer.DEPTH in clip
    assert Layer.NORMALS not in clip
    depth = builders.read(clip, Layer.DEPTH, [1])[0]
    np.testing.assert_allclose(depth, builders.scene(1)[Layer.DEPTH], atol=1e-5)


def test_files_that_are_not_read_are_named(tmp_path):
    folder = engines.replicator(tmp_path / "out", 3)
    np.save(folder / "motion_vectors_0000.npy", np.zeros(3))
    notes = simlift.open_clip(folder).notes
    words = "not read: bounding_box_2d_tight_*.npy (3 files), motion_vectors_0000.npy"
    assert any(words in note for note in notes), notes


def spoil_colour(folder):
    path = folder / "semantic_segmentation_0001.png"
    image = read_image(path)
    image[4, 5] = (9, 9, 9, 255)
    write_image(path, image)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (
            spoil_colour,
            r"semantic_segmentation_0001.png: 0\.1% .* no name, such as \(9, 9, 9, 255\)",
        ),
        (
            lambda folder: (folder / "distance_to_image_plane_0001.npy").unlink(),
            "distance_to_image_plane lacks 1 frames",
        ),
        (
            lambda folder: (folder / "semantic_segmentation_labels_0002.json").write_text("[]"),
            "semantic_segmentation_labels_0002.json: names no codes",
        ),
        (
            lambda folder: edit_cameras(folder, cameraModel="fisheyePolynomial"),
            "cameraModel is 'fisheyePolynomial'",
        ),
        (
            lambda folder: edit_cameras(folder, cameraProjection=np.eye(4).ravel().tolist()),
            "orthographic",
        ),
        (lambda folder: edit_cameras(folder, renderProductResolution=[9, 9]), "48x32"),
        (
            lambda folder: edit_cameras(folder, cameraViewTransform=[1, 2]),
            "cameraViewTransform is not 16 numbers",
        ),
        (
            lambda folder: np.save(
                folder / "distance_to_image_plane_0000.npy", np.ones((HEIGHT, WIDTH), np.uint8)
            ),
            r"holds uint8 \[32, 48\]",
        ),
        (
            lambda folder: [p.unlink() for p in folder.glob("rgb_0001.png")],
            "frames are missing|left out",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_contradicts_is_refused(tmp_path, spoil, words):
    folder = engines.replicator(tmp_path / "out", 4)
    spoil(folder)
    with pytest.raises(simlift.SimliftError, match=words) as caught:
        builders.read_all(simlift.open_clip(folder))
    assert "allowed:" in str(caught.value) or "way out:" in str(caught.value)


def test_a_field_of_view_beside_a_camera_is_refused(tmp_path):
    folder = engines.replicator(tmp_path / "out", 1)
    with pytest.raises(simlift.SimliftError, match="--fov.*the files hold the camera"):
        simlift.open_clip(folder, ReadOptions(fov=60.0))


def test_numbered_pictures_alone_are_an_image_sequence(tmp_path):
    folder = engines.replicator(tmp_path / "out", 2)
    for path in list(folder.iterdir()):
        if not path.name.startswith("rgb"):
            path.unlink()
    assert not replicator.recognises(folder)
    assert simlift.open_clip(folder).num_frames == 2
