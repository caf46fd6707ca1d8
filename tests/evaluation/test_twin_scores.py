"""The twin: how it joins a clip, and what is measured against it, from closed forms and laws."""

import io
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from rich.console import Console
from tiny import clips as builders
from tiny.clips import FRAMES, HEIGHT, WIDTH

import simlift
from simlift.core.errors import SimliftError
from simlift.core.layers import Layer
from simlift.core.protocols import EngineSpec
from simlift.core.recipe import Recipe
from simlift.core.run import Run
from simlift.core.score import merge_all
from simlift.core.window import Window
from simlift.engines.echo import Echo
from simlift.engines.photographic import Photographic
from simlift.evaluation.metrics import DEFINITIONS, TwinDistance, gap_closed, gaps_closed, standard
from simlift.media.native import add_layer
from simlift.media.video import VideoStore, probe_video
from simlift.media.video.writer import LOSSLESS_RGB, write_video
from simlift.passes.lift import lift_clips
from simlift.passes.report import report_run
from simlift.passes.score import score_run
from simlift.passes.tables import print_summary
from simlift.passes.variants import variants_of
from simlift.pixels.image.patches import (
    laplacian_pyramid,
    patch_descriptors,
    sliced_wasserstein,
    sorted_projections,
    texture_distance,
    texture_projections,
)
from simlift.scale.progress import Silent

LINES, COLUMNS, COUNT = 64, 96, 6


def drawing(seed: int, count: int = COUNT, lines: int = LINES, columns: int = COLUMNS):
    """Frames [t h w 3] of soft blobs that drift to the right by a pixel a frame."""
    noise = np.random.default_rng(seed).normal(0, 1, (lines, columns + count, 3))
    soft = cv2.GaussianBlur(noise.astype(np.float32), (0, 0), 2)
    codes = (128 + 60 * soft / soft.std()).clip(40, 215).astype(np.uint8)
    return np.stack([codes[:, i : i + columns] for i in range(count)])


def window_of(render: np.ndarray, twin: np.ndarray) -> Window:
    flow = np.zeros((*render.shape[:3], 2), np.float32)
    return Window(
        indices=np.arange(len(render)),
        arrays={Layer.RGB: render, Layer.TWIN: twin, Layer.FLOW: flow},
        num_frames=len(render),
        fps=24.0,
        metric_depth=False,
    )


def measure(window: Window, frames: np.ndarray, cuts: tuple[int, ...] = ()):
    stops = [*cuts, len(window) - 1]
    parts = [slice(a, b + 1) for a, b in zip([0, *cuts], stops)]
    return merge_all(
        score for p in parts for score in TwinDistance().measure(window.part(p), frames[p])
    )


def values(window: Window, frames: np.ndarray) -> dict[str, float]:
    return {name: score.value() for name, score in measure(window, frames).items()}


@pytest.fixture(scope="module")
def pair() -> Window:
    """A render that is a smoother, darker drawing than its twin."""
    twin = drawing(1)
    render = np.stack([cv2.GaussianBlur(f, (0, 0), 3) for f in twin]) // 2 + 30
    return window_of(render, twin)


# --- patches ----------------------------------------------------------------------------------


def test_a_shifted_crowd_lies_as_far_as_its_shift_on_every_line():
    random = np.random.default_rng(0)
    points = random.standard_normal((400, 6)).astype(np.float32)
    lines = np.linalg.qr(random.standard_normal((6, 6)))[0].astype(np.float32)
    shift = np.array([2, 0, -1, 0.5, 0, 3], np.float32)
    moved = random.permutation(points + shift)  # a crowd has no order
    expected = np.abs(lines @ shift).mean()
    assert sliced_wasserstein(
        sorted_projections(points, lines), sorted_projections(moved, lines)
    ) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("shift", "spread"), [(0.0, 1.0), (1.5, 1.0), (0.0, 2.0), (0.0, 0.3)])
def test_two_gaussians_lie_as_far_as_their_quantiles(shift, spread):
    """W1 of N(0, 1) and N(m, 1) is m; of N(0, 1) and N(0, s) it is |s - 1| sqrt(2 / pi)."""
    random = np.random.default_rng(1)
    one, other = random.standard_normal((2, 40_000, 1)).astype(np.float32)
    line = np.ones((1, 1), np.float32)
    found = sliced_wasserstein(
        sorted_projections(one, line), sorted_projections(other * np.float32(spread) + shift, line)
    )
    assert found == pytest.approx(shift + abs(spread - 1) * np.sqrt(2 / np.pi), abs=0.03)


def test_the_levels_of_a_pyramid_add_up_to_the_image():
    image = drawing(2, 1, 97, 131)[0]
    *fine, here = laplacian_pyramid(image)
    assert min(here.shape[:2]) >= 16 and len(fine) == 2
    for level in reversed(fine):
        here = level + cv2.pyrUp(here, dstsize=level.shape[1::-1])
    np.testing.assert_allclose(here, image, atol=1e-3)


def test_descriptors_are_normal_in_every_channel():
    level = laplacian_pyramid(drawing(3, 1)[0])[0] * np.array([1, 5, 20], np.float32) + 9
    corners = np.stack(np.mgrid[0:50, 0:80], -1).reshape(-1, 2)
    found = patch_descriptors(level, corners).reshape(len(corners), -1, 3)
    np.testing.assert_allclose(found.mean((0, 1)), 0, atol=1e-3)
    np.testing.assert_allclose(found.std((0, 1)), 1, atol=1e-3)


def test_textures_see_blur_and_no_exposure():
    image = drawing(4, 1)[0]
    here = texture_projections(image)
    assert texture_distance(here, here) == 0
    darker = texture_distance(texture_projections(image // 2 + 5), here)
    blurred = texture_distance(texture_projections(cv2.GaussianBlur(image, (0, 0), 2)), here)
    assert darker < 0.02 < 0.05 < blurred
    flat = texture_projections(np.full_like(image, 90))
    assert texture_distance(flat, here) > blurred
    assert texture_distance(flat, texture_projections(np.full_like(image, 30))) == 0


# --- scores -----------------------------------------------------------------------------------


def test_the_twin_itself_is_perfect(pair):
    found = values(pair, pair[Layer.TWIN])
    assert found["twin_psnr"] == 100 and found["twin_ssim"] == pytest.approx(1)
    assert found["twin_patches"] == 0 and found["twin_closed"] == 1
    assert found["twin_flicker"] == 1
    assert gaps_closed(found)["twin_ssim"] == pytest.approx(1)


def test_the_render_itself_closes_nothing(pair):
    found = values(pair, pair.rgb)
    for name in ("twin_psnr", "twin_ssim", "twin_patches", "twin_flicker"):
        assert found[name] == found[f"{name}_render"]
    assert found["twin_closed"] == 0
    assert gaps_closed(found) == dict.fromkeys(("twin_psnr", "twin_ssim", "twin_patches"), 0)


def test_a_take_between_render_and_twin_closes_a_part(pair):
    middle = ((pair.rgb.astype(int) + pair[Layer.TWIN]) // 2).astype(np.uint8)
    found = values(pair, middle)
    shares = gaps_closed(found)
    # Half of the way in every pixel is half of the root mean square error, up to rounding.
    assert shares["twin_psnr"] == pytest.approx(0.5, abs=0.01)
    assert all(0 < share < 1 for share in (*shares.values(), found["twin_closed"]))


@pytest.mark.parametrize("offset", [1, 10, 40])
def test_psnr_of_a_constant_offset(offset):
    twin = drawing(5)
    found = values(window_of(twin, twin), twin + np.uint8(offset))
    assert found["twin_psnr"] == pytest.approx(20 * np.log10(255 / offset))
    assert found["twin_psnr_render"] == 100
    assert np.isnan(found["twin_closed"])  # the render is the twin: nothing to close


def test_psnr_is_that_of_the_error_of_all_frames_together(pair):
    twin = pair[Layer.TWIN]
    offsets = np.arange(COUNT, dtype=np.uint8)[:, None, None, None]
    score = measure(pair, twin + offsets)["twin_psnr"]
    error = (np.arange(COUNT) ** 2).mean()
    assert score.value() == pytest.approx(10 * np.log10(255**2 / error))
    frames = score.per_frame()
    assert frames[0] == 100 and frames[3] == pytest.approx(20 * np.log10(255 / 3))


def test_flicker_is_relative_to_that_of_the_twin():
    still = np.repeat(drawing(6, 1), COUNT, 0)
    swing = np.where(np.arange(COUNT) % 2, 12, 0).astype(np.uint8)[:, None, None, None]
    found = values(window_of(still, still), still + swing)
    assert found["twin_flicker"] > 5 and found["twin_flicker_render"] == 1
    assert values(window_of(still, still + swing), still)["twin_flicker"] < 0.2


@pytest.mark.parametrize("cuts", [(3,), (1, 2, 3, 4), (2, 4)])
def test_scores_do_not_depend_on_the_windows(pair, cuts):
    take = np.random.default_rng(7).integers(0, 255, pair.rgb.shape, np.uint8)
    assert measure(pair, take, cuts) == measure(pair, take)


def test_frames_smaller_than_a_patch_have_no_texture():
    tiny = drawing(8, 3, 6, 9)
    found = values(window_of(tiny, tiny), tiny)
    assert np.isnan(found["twin_patches"]) and found["twin_psnr"] == 100


def test_shares_of_distances():
    assert (
        gap_closed(0.5, 2.0) == 0.75
        and gap_closed(3.0, 2.0) == -0.5
        and np.isnan(gap_closed(1.0, 0.0))
    )
    found = {"twin_psnr": 26.0, "twin_psnr_render": 20.0, "twin_ssim": 0.9, "lpips": 0.3}
    shares = gaps_closed(found | {"twin_ssim_render": 0.6})
    assert shares == pytest.approx({"twin_psnr": 1 - 10**-0.3, "twin_ssim": 0.75})


def test_what_is_measured_is_what_is_defined(pair):
    found = measure(pair, pair.rgb)
    assert set(found) == {name for name in DEFINITIONS if name.startswith("twin_")}
    assert {n: s.direction for n, s in found.items()} == {
        n: DEFINITIONS[n].direction for n in found
    }


def test_metrics_run_where_their_layers_are():
    rgb, both = frozenset({Layer.RGB}), frozenset({Layer.RGB, Layer.TWIN})
    assert not any(isinstance(m, TwinDistance) for m in standard(layers=rgb))
    assert len(standard(layers=both)) == len(standard(layers=rgb)) + 1
    assert len(standard(layers=both, lpips=Path("weights"))) == len(standard(layers=rgb)) + 2


# --- the layers of a clip ---------------------------------------------------------------------


@pytest.mark.parametrize("size", [(32, 48), (17, 23)])
def test_lossless_rgb_comes_back_exactly(tmp_path, size):
    frames = np.random.default_rng(9).integers(0, 256, (5, *size, 3), dtype=np.uint8)
    path = tmp_path / "material.mkv"
    with write_video(
        path, height=size[0], width=size[1], fps=Fraction(24), encoding=LOSSLESS_RGB
    ) as video:
        video.append(frames)
    with VideoStore(probe_video(path)).open() as reader:
        np.testing.assert_array_equal(reader.read(range(5)), frames)
        np.testing.assert_array_equal(reader.read([1, 3]), frames[[1, 3]])


@pytest.fixture
def folder(tmp_path) -> Path:
    return builders.native(tmp_path / "clip", [Layer.RGB, Layer.DEPTH])


def add(folder: Path, layer: Layer, frames) -> None:
    with add_layer(folder, layer) as writer:
        for frame in frames:
            writer.append({layer: frame})


def stack(layer: Layer) -> np.ndarray:
    return np.stack([builders.scene(i)[layer] for i in range(FRAMES)])


def test_layers_join_a_clip_that_was_recorded_before(folder):
    before = simlift.open_clip(folder)
    add(folder, Layer.TWIN, stack(Layer.TWIN))
    add(folder, Layer.MATERIAL, stack(Layer.MATERIAL))
    add(folder, Layer.SEGMENTATION, stack(Layer.SEGMENTATION))
    clip = simlift.open_clip(folder)
    found = builders.read_all(clip)
    for layer in (Layer.MATERIAL, Layer.SEGMENTATION):
        np.testing.assert_array_equal(found[layer], stack(layer))
    assert np.abs(found[Layer.TWIN].astype(int) - stack(Layer.TWIN)).mean() < 8
    assert set(clip.files) - set(before.files) == {
        folder / "material.mkv",
        folder / "segmentation.mkv",
    }
    assert (clip.caption, clip.labels) == (before.caption, before.labels)
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def refused_words(*words):
    return pytest.raises(SimliftError, match="(?s)" + ".*".join(words))


def test_a_layer_that_is_there_is_not_written_over(folder):
    add(folder, Layer.TWIN, stack(Layer.TWIN))
    written = (folder / "twin.mp4").read_bytes()
    with refused_words("twin.mp4", "has a layer twin already", "way out"):
        add(folder, Layer.TWIN, stack(Layer.TWIN))
    assert (folder / "twin.mp4").read_bytes() == written


@pytest.mark.parametrize("count", [0, 1, FRAMES - 1, FRAMES + 1])
def test_a_twin_of_another_length_is_never_added(folder, count):
    frames = np.resize(stack(Layer.TWIN), (count, HEIGHT, WIDTH, 3))
    with refused_words("twin.mp4", f"got {count} frames, the clip holds {FRAMES}"):
        add(folder, Layer.TWIN, frames)
    assert not (folder / "twin.mp4").exists()
    assert Layer.TWIN not in simlift.open_clip(folder)


def test_a_twin_of_another_size_is_never_added(folder):
    frames = [*stack(Layer.TWIN)[:3], np.zeros((HEIGHT, WIDTH + 2, 3), np.uint8)]
    with refused_words("twin.mp4", "frame 3 is 50x32", "48x32"):
        add(folder, Layer.TWIN, frames)
    assert not (folder / "twin.mp4").exists()


def test_one_layer_is_added_at_a_time(folder):
    with (
        refused_words("albedo, twin were appended", "twin alone"),
        add_layer(folder, Layer.TWIN) as writer,
    ):
        for i in range(FRAMES):
            frame = builders.scene(i)
            writer.append({k: frame[k] for k in (Layer.TWIN, Layer.ALBEDO)})
    assert Layer.ALBEDO not in simlift.open_clip(folder)


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((FRAMES - 2, HEIGHT, WIDTH), f"layer twin holds {FRAMES - 2} frames, the clip {FRAMES}"),
        ((FRAMES + 1, HEIGHT, WIDTH), f"layer twin holds {FRAMES + 1} frames"),
        ((FRAMES, HEIGHT, WIDTH + 4), "layer twin is 52x32, rgb 48x32"),
    ],
)
def test_a_twin_that_does_not_fit_is_named_when_the_clip_is_opened(folder, shape, words):
    add(folder, Layer.TWIN, stack(Layer.TWIN))
    builders.video(folder / "twin.mp4", np.zeros((*shape, 3), np.uint8))
    with refused_words("twin.mp4", words, "allowed"):
        simlift.open_clip(folder)


def test_materials_stored_as_colour_are_refused(folder):
    builders.edit_manifest(
        folder, layers={"rgb": {"file": "rgb.mp4"}, "material": {"file": "rgb.mp4"}}
    )
    with refused_words("rgb.mp4", "layer material is stored as yuv420p", "FFV1"):
        simlift.open_clip(folder)


def test_engines_never_read_the_twin():
    specs: list[EngineSpec] = [Echo(), Photographic()]
    assert not any(Layer.TWIN in spec.needs() | spec.uses() for spec in specs)


# --- a run ------------------------------------------------------------------------------------


def test_takes_are_scored_anew_when_a_twin_arrives(folder, tmp_path):
    run = Run(tmp_path / "run")
    recipe = Recipe(variants=variants_of("simlift.engines.echo:Echo"))
    assert not lift_clips([simlift.open_clip(folder)], recipe, run.path, progress=Silent()).failures
    assert not score_run(run, progress=Silent())
    (take,) = run.takes()
    before = run.sheet(take.key)
    add(folder, Layer.TWIN, stack(Layer.TWIN))
    assert not score_run(run, progress=Silent())
    after = run.sheet(take.key)
    assert before and after and after.take_digest == before.take_digest
    values = after.values()
    assert set(before.scores) <= set(after.scores)
    assert values["twin_psnr"] == pytest.approx(values["twin_psnr_render"], rel=0.05)
    stamp = run.score_file(take.key).stat().st_mtime_ns
    assert not score_run(run, progress=Silent())
    assert run.score_file(take.key).stat().st_mtime_ns == stamp
    out = io.StringIO()
    print_summary(run, Console(file=out, width=120))
    assert "against the twin" in out.getvalue() and "psnr dB" in out.getvalue()
    page = report_run(run, progress=Silent()).read_text(encoding="utf-8")
    assert '"twin":{"poster"' in page and DEFINITIONS["twin_psnr"].text in page
