"""LPIPS against a plain reference on small random weights, and weights that cannot be used."""

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from tiny import clips as builders

import simlift
from simlift.core.errors import SimliftError
from simlift.core.layers import Layer
from simlift.core.recipe import Recipe
from simlift.core.run import Run
from simlift.core.score import merge_all
from simlift.core.window import Window
from simlift.evaluation.metrics import DEFINITIONS, Lpips
from simlift.passes.lift import lift_clips
from simlift.passes.score import LPIPS_VARIABLE, score_run
from simlift.passes.variants import variants_of
from simlift.scale.progress import Silent

torch = pytest.importorskip("torch")

# Of AlexNet: place in the network, side of the kernel, stride, padding, halved before.
STAGES = ((0, 11, 4, 2, False), (3, 5, 1, 2, True), (6, 3, 1, 1, True))
STAGES += ((8, 3, 1, 1, False), (10, 3, 1, 1, False))
CHANNELS = (3, 4, 6, 5, 4, 3)


@pytest.fixture(scope="module")
def arrays():
    random = np.random.default_rng(0)
    network, linear = {}, {}
    for k, (place, side, *_) in enumerate(STAGES):
        kernel = random.normal(0, 0.3, (CHANNELS[k + 1], CHANNELS[k], side, side))
        network[f"features.{place}.weight"] = kernel.astype(np.float32)
        network[f"features.{place}.bias"] = random.normal(0, 0.1, len(kernel)).astype(np.float32)
        care = random.uniform(0, 1, (1, len(kernel), 1, 1))
        linear[f"lin{k}.model.1.weight"] = care.astype(np.float32)
    network["classifier.6.bias"] = np.zeros(7, np.float32)  # is there, and not used
    return network, linear


def save(path, arrays):
    torch.save({name: torch.from_numpy(a) for name, a in arrays.items()}, path)


@pytest.fixture(scope="module")
def weights(arrays, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lpips")
    save(folder / "alexnet-owt-7be5be79.pth", arrays[0])
    save(folder / "alex.pth", arrays[1])
    return folder


def convolved(image, kernel, bias, stride, padding):
    padded = np.pad(image, ((0, 0), (padding, padding), (padding, padding)))
    side = kernel.shape[-1]
    windows = sliding_window_view(padded, (side, side), axis=(1, 2))[:, ::stride, ::stride]
    return np.einsum("cyxij,ocij->oyx", windows, kernel) + bias[:, None, None]


def stages(frame, network):
    """Return what each stage sees, by the paper: ReLU, then unit vectors along the channels."""
    shift, scale = np.array([-0.030, -0.088, -0.188]), np.array([0.458, 0.448, 0.450])
    here = ((frame / 255 * 2 - 1 - shift) / scale).transpose(2, 0, 1)
    for place, _, stride, padding, halved in STAGES:
        if halved:
            here = sliding_window_view(here, (3, 3), axis=(1, 2))[:, ::2, ::2].max((-1, -2))
        kernel, bias = (network[f"features.{place}.{name}"] for name in ("weight", "bias"))
        here = np.maximum(convolved(here, kernel.astype(float), bias, stride, padding), 0)
        yield here / (np.sqrt((here**2).sum(0)) + 1e-10)


def reference(one, other, network, linear):
    total = 0.0
    for k, (a, b) in enumerate(zip(stages(one, network), stages(other, network))):
        care = linear[f"lin{k}.model.1.weight"].reshape(-1, 1, 1)
        total += (care * (a - b) ** 2).sum(0).mean()
    return total


def window_of(render, twin):
    return Window(
        indices=np.arange(len(render)),
        arrays={Layer.RGB: render, Layer.TWIN: twin},
        num_frames=len(render),
        fps=24.0,
        metric_depth=False,
    )


def noise(count, height=67, width=81, seed=1):
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def test_it_is_what_the_paper_says(arrays, weights):
    twin, render, take = noise(3), noise(3, seed=2), noise(3, seed=3)
    found = merge_all(Lpips(weights).measure(window_of(render, twin), take))
    assert {n: s.direction for n, s in found.items()} == {
        n: DEFINITIONS[n].direction for n in ("lpips", "lpips_render")
    }
    for name, frames in (("lpips", take), ("lpips_render", render)):
        expected = [reference(a, b, *arrays) for a, b in zip(frames, twin)]
        assert found[name].per_frame() == pytest.approx(expected, rel=1e-4)
        assert found[name].value() == pytest.approx(np.mean(expected), rel=1e-4)


def test_equal_frames_have_no_distance(weights):
    twin = noise(2)
    assert merge_all(Lpips(weights).measure(window_of(twin, twin), twin))["lpips"].value() == 0


@pytest.mark.parametrize("size", [(31, 40), (30, 40), (8, 8)])
def test_frames_too_small_for_the_network_give_no_evidence(weights, size):
    twin = noise(2, *size)
    score = merge_all(Lpips(weights).measure(window_of(twin, twin), twin))["lpips"]
    assert np.isnan(score.value()) == (min(size) < 31)


def refused(*words):
    return pytest.raises(SimliftError, match="(?s)" + ".*".join(words))


def test_weights_that_are_not_there_are_named(tmp_path):
    with refused("found no weights", "alexnet-owt-7be5be79.pth", "alex.pth"):
        Lpips(tmp_path).check()
    (tmp_path / "alexnet.pth").write_bytes(b"")
    with refused("found alexnet.pth", "alex.pth of LPIPS"):
        Lpips(tmp_path).check()


@pytest.mark.parametrize("name", ["alexnet.pth", "alex.pth"])
def test_weights_that_are_no_weights_are_named(arrays, tmp_path, name):
    save(tmp_path / "alexnet.pth", arrays[0])
    save(tmp_path / "alex.pth", arrays[1])
    (tmp_path / name).write_bytes(b"<html>not found</html>")
    with refused(name, "cannot be read as weights", "download it again"):
        Lpips(tmp_path).check()


def test_weights_of_another_network_are_named(arrays, tmp_path):
    network, linear = arrays
    save(tmp_path / "alexnet.pth", {k: a for k, a in network.items() if "features.8" not in k})
    save(tmp_path / "alex.pth", linear)
    with refused("alexnet.pth", "holds no features.8.weight"):
        Lpips(tmp_path).check()
    save(tmp_path / "alexnet.pth", network)
    save(tmp_path / "alex.pth", linear | {"lin2.model.1.weight": np.ones((1, 9, 1, 1), np.float32)})
    with refused("alex.pth", r"lin2.model.1.weight is \[1, 9, 1, 1\]", r"\[1, 5, 1, 1\]"):
        Lpips(tmp_path).check()


def test_a_run_uses_the_weights_that_the_user_names(weights, tmp_path, monkeypatch):
    clip = builders.native(tmp_path / "clip", [Layer.RGB, Layer.TWIN], count=3)
    run = Run(tmp_path / "run")
    recipe = Recipe(variants=variants_of("simlift.engines.echo:Echo"))
    lift_clips([simlift.open_clip(clip)], recipe, run.path, progress=Silent())
    (take,) = run.takes()
    monkeypatch.delenv(LPIPS_VARIABLE, raising=False)
    assert not score_run(run, progress=Silent())
    before = run.sheet(take.key)
    assert before and "lpips" not in before.values()
    monkeypatch.setenv(LPIPS_VARIABLE, str(tmp_path))
    with refused(str(tmp_path), "found no weights", f"unset {LPIPS_VARIABLE}"):
        score_run(run, progress=Silent())
    monkeypatch.setenv(LPIPS_VARIABLE, str(weights))
    assert not score_run(run, progress=Silent())
    after = run.sheet(take.key)
    assert after and {"lpips", "lpips_render"} <= set(after.values())
