"""Training on tiny models: draws, caches, exact resuming, learning, refusals, two processes."""

import dataclasses
import hashlib
import json
import math
import os
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import models as tiny_models

from simlift.core.errors import ClipError, RecipeError, RunError
from simlift.core.pair import NEAR_LOSSLESS, Pair, PairSet, file_digest
from simlift.core.strict_json import dumps
from simlift.media.video.writer import write_video
from simlift.models.wan._incontext import InContextTransformer
from simlift.models.wan.adapter import find_adapter, read_card
from simlift.models.wan.base_model import find_wan
from simlift.models.wan.flow_matching import Experts
from simlift.models.wan.incontext import InContext
from simlift.passes.train import train_adapter
from simlift.scale.progress import Silent
from simlift.training._encode import Cache
from simlift.training._expert_trainer import ExpertTrainer, Sample, VelocityLoss
from simlift.training._process_group import ProcessGroup
from simlift.training.draws import Draws, evaluation_levels, logit_normal
from simlift.training.items import split, training_items
from simlift.training.recipe import TrainRecipe

HEIGHT, WIDTH, FRAMES = 32, 48, 9


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny_models.wan(tmp_path_factory.mktemp("models") / "wan")


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    return tiny_models.wan(tmp_path_factory.mktemp("models") / "single", experts=1)


def write_pairs(folder: Path, count=2, frames=FRAMES, height=HEIGHT, width=WIDTH) -> PairSet:
    """Write pairs whose target is the reference's negative."""
    pairs, rows = PairSet(folder), []
    y, x = np.mgrid[0:height, 0:width]
    for k in range(count):
        name = f"clip{k}"
        render = np.stack(
            [np.stack([x * 4 + 9 * t, y * 5 + 40 * k, (x + y) * 2], axis=-1) for t in range(frames)]
        ).astype(np.uint8)
        files = {pairs.reference_of(name): render, pairs.video_of(name): 255 - render}
        for path, video in files.items():
            with write_video(
                folder / path, height=height, width=width, fps=Fraction(16), encoding=NEAR_LOSSLESS
            ) as writer:
                writer.append(video)
        rows.append(
            Pair(
                id=name,
                caption=f"scene {k}",
                video=pairs.video_of(name),
                reference_video=pairs.reference_of(name),
                num_frames=frames,
                height=height,
                width=width,
                fps=Fraction(16),
                source=name,
                start=0,
                origin="twin",
                video_digest=file_digest(folder / pairs.video_of(name)),
                reference_digest=file_digest(folder / pairs.reference_of(name)),
                seeds={},
                models={},
                gates={},
            )
        )
    pairs.write(rows, [])
    return pairs


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    return write_pairs(tmp_path_factory.mktemp("pairs"))


def recipe(base, **changes):
    settings = {
        "steps": 4,
        "switch_every": 1,
        "rank": 2,
        "alpha": 2.0,
        "warmup": 1,
        "frames": FRAMES,
        "prefix_frames": 5,
        "evaluate_every": 2,
        "evaluation_levels": 4,
        "save_every": 2,
        "dtype": "float32",
        **changes,
    }
    return TrainRecipe(base=str(base), **settings)


def contents(folder: Path) -> dict[str, str]:
    """Hash every file that may not differ between two equal trainings."""
    varying = {"events.jsonl", ".lock"}
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in varying and "tensorboard" not in path.parts
    }


def rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


# --- draws


def test_draws_depend_on_the_step_alone_and_visit_every_item(base):
    draws = Draws(recipe(base, accumulate=3), Experts(0.875), num_items=6, size=3)
    assert draws.step(5, "high") == draws.step(5, "high")
    assert draws.step(5, "high") != draws.step(6, "high")
    epoch = [d.item for step in range(2) for d in draws.step(step, "low")]
    assert sorted(epoch) == list(range(6))


def test_levels_stay_inside_their_expert_and_cover_it(base):
    draws = Draws(recipe(base), Experts(0.875), num_items=1, size=64)
    for kind in ("uniform", "logit-normal"):
        draws = dataclasses.replace(draws, recipe=recipe(base, timestep_sampling=kind))
        for expert, low, high in (("high", 0.875, 1.0), ("low", 0.0, 0.875)):
            timestep_sampling = [d.level for d in draws.step(0, expert)]
            assert low <= min(timestep_sampling) < max(timestep_sampling) <= high
    uniform = Draws(recipe(base, shift=1.0), Experts(), num_items=1, size=16).step(3, "single")
    assert sorted(int(d.level * 16) for d in uniform) == list(range(16))


def test_logit_normal_quantiles():
    np.testing.assert_allclose(logit_normal(np.array([0.5]), 0.0, 1.0), [0.5], atol=1e-9)
    inside = logit_normal(np.linspace(0.01, 0.99, 9), 0.25, 0.75)
    assert (np.diff(inside) > 0).all()
    assert 0.25 < inside[0] < inside[-1] < 0.75


def test_shares_of_conditions(base):
    made = Draws(recipe(base), Experts(), num_items=4, size=2000).step(0, "single")
    prefixes = np.array([d.prefix for d in made])
    assert set(prefixes) == {0, 1, 2}
    assert abs((prefixes == 2).mean() - 0.1) < 0.03  # half of prefix_share
    assert abs((prefixes == 1).mean() - 0.2) < 0.03  # the other half, and first_frame_share
    assert abs(np.mean([d.dropped for d in made]) - 0.1) < 0.03


def test_the_rate_rises_and_falls_as_a_cosine(base):
    """Half of the peak in the middle between warm-up and end, 0 behind the last step."""
    made = recipe(base, steps=102, warmup=2, lr_high=2.0, lr_low=1.0, schedule="cosine")
    assert [made.learning_rate("high", step) for step in (0, 1, 2)] == [1.0, 2.0, 2.0]
    assert made.learning_rate("low", 52) == pytest.approx(0.5)
    assert made.learning_rate("low", 27) == pytest.approx(0.5 + math.sqrt(0.125))
    assert made.learning_rate("low", 102) == pytest.approx(0.0)
    assert recipe(base, steps=102, warmup=2, lr_low=1.0).learning_rate("low", 101) == 1.0


def test_fixed_levels_are_shared_out_among_the_experts():
    high = evaluation_levels(8, Experts(0.875), "high", 5.0)
    low = evaluation_levels(8, Experts(0.875), "low", 5.0)
    assert len(high) + len(low) == 8
    assert min(high) >= 0.875 > max(low)


# --- loss


def sample(prefix=0):
    def latents(seed):
        return torch.randn(1, 16, 3, 4, 6, generator=torch.manual_seed(seed))

    text = torch.randn(1, 7, tiny_models.TEXT_DIM, generator=torch.manual_seed(4))
    return Sample(
        latents(1),
        latents(2),
        latents(3),
        torch.tensor([0.7]),
        text,
        torch.zeros_like(text),
        prefix,
    )


def test_the_loss_is_the_velocitys_error_where_frames_were_noisy():
    class Still(InContextTransformer):
        def __init__(self):
            torch.nn.Module.__init__(self)
            self.settings = InContext()

        def forward(self, noisy, timestep, text, **conditions):
            self.seen = noisy, timestep, conditions["prefix"]
            return torch.zeros_like(noisy)

    network = Still()
    one = sample(prefix=1)
    found = VelocityLoss(network, torch.float32)(one)
    expected = (one.noise - one.target)[:, :, 1:].square().mean()
    torch.testing.assert_close(found, expected[None])
    noisy, timestep, prefix = network.seen
    torch.testing.assert_close(noisy[:, :, :1], one.target[:, :, :1])
    torch.testing.assert_close(noisy[:, :, 1:], (0.3 * one.target + 0.7 * one.noise)[:, :, 1:])
    assert float(timestep) == pytest.approx(700.0)
    assert prefix == 1


def test_gradients_reach_the_adapter_alone_and_a_fresh_one_changes_nothing(base):
    processes = ProcessGroup(0, 1, torch.device("cpu"), "ddp")
    made = recipe(base, incontext=InContext(attention="self"))
    trainer = ExpertTrainer(find_wan(str(base)), "high", made, processes)
    plain = tiny_models.transformer(1)
    stock = VelocityLoss(InContextTransformer(plain, made.incontext), torch.float32)
    with torch.no_grad():
        torch.testing.assert_close(trainer.loss(sample()), stock(sample()), atol=1e-6, rtol=1e-6)
    trainer.loss(sample()).mean().backward()
    touched = {n for n, p in trainer.network.named_parameters() if p.grad is not None}
    assert touched
    assert all("lora_" in name for name in touched)
    before = {k: v.clone() for k, v in trainer.network.state_dict().items() if "lora_" not in k}
    trainer.update(1e-2)
    after = trainer.network.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_eight_bit_bases_keep_their_adapter_in_float(base):
    processes = ProcessGroup(0, 1, torch.device("cpu"), "ddp")
    trainer = ExpertTrainer(
        find_wan(str(base)), "low", recipe(base, dtype="bfloat16", fp8=True), processes
    )
    trainer.loss(sample().to(torch.device("cpu"), torch.bfloat16)).mean().backward()
    assert trainer.update(1e-2) > 0
    kinds = {p.dtype for n, p in trainer.network.named_parameters() if "lora_" in n}
    assert kinds == {torch.float32}
    stored = {p.dtype for n, p in trainer.network.named_parameters() if "base_layer.weight" in n}
    assert stored == {torch.float8_e4m3fn}


# --- the pass


def test_a_training_leaves_an_adapter_that_lifts(base, pairs, tmp_path):
    out = train_adapter(
        pairs,
        recipe(base, sample_every=4, sample_steps=2),
        tmp_path / "adapter",
        progress=Silent(),
    )
    adapter = find_adapter(str(out), find_wan(str(base)))
    assert [card.expert for card in adapter.cards] == ["high", "low"]
    card = read_card(out / "low.safetensors")
    assert (card.height, card.width, card.num_frames, card.steps) == (HEIGHT, WIDTH, FRAMES, 4)
    log = rows(out / "log.jsonl")
    assert [(r["step"], r["expert"]) for r in log] == [
        (1, "high"),
        (2, "low"),
        (3, "high"),
        (4, "low"),
    ]
    assert [r["step"] for r in rows(out / "evaluation.jsonl")] == [0, 2, 4]
    assert len(list((out / "samples").glob("*.mp4"))) == 1
    (row,) = [json.loads(line) for line in (out / "samples.jsonl").read_text().splitlines()]
    assert row["step"] == 4
    assert row["to_target"] > 0 and row["to_reference"] > 0
    assert list((out / "tensorboard").iterdir())


def test_a_base_with_a_denser_autoencoder_is_trained_through_the_same_code(pairs, tmp_path):
    dense = tiny_models.wan_dense(tmp_path / "dense")
    out = tmp_path / "adapter"
    made = recipe(dense, resolution=(32, 64), lr_low=0.01)
    train_adapter(pairs, made, out, progress=Silent())
    assert (out / "single.safetensors").exists()
    curve = [json.loads(row)["loss"] for row in (out / "evaluation.jsonl").read_text().splitlines()]
    assert curve[-1] < curve[0]


def test_resuming_gives_the_same_bytes(base, pairs, tmp_path):
    whole, parts = tmp_path / "whole" / "adapter", tmp_path / "parts" / "adapter"
    train_adapter(pairs, recipe(base), whole, progress=Silent())
    import simlift.training._loop as loop

    once = loop._step

    def dies(job, trainers, expert, step, samples):
        if step == 3 and not (parts / "died").exists():
            raise KeyboardInterrupt
        return once(job, trainers, expert, step, samples)

    loop._step = dies
    try:
        with pytest.raises(KeyboardInterrupt):
            train_adapter(pairs, recipe(base), parts, progress=Silent())
    finally:
        loop._step = once
    assert len(rows(parts / "log.jsonl")) == 3  # one more than the last state
    train_adapter(pairs, recipe(base), parts, progress=Silent())
    assert contents(parts) == contents(whole)


@pytest.mark.slow
def test_a_killed_training_resumes_to_the_same_bytes(base, pairs, tmp_path):
    whole, killed = tmp_path / "whole" / "adapter", tmp_path / "killed" / "adapter"
    made = recipe(base, steps=40, save_every=5, evaluate_every=20)
    train_adapter(pairs, made, whole, progress=Silent())
    process = start(pairs, made, killed)
    while not (killed / "log.jsonl").exists() or len(rows(killed / "log.jsonl")) < 12:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (killed / ".state" / "00000040.safetensors").exists()
    train_adapter(pairs, made, killed, progress=Silent())
    assert contents(killed) == contents(whole)


CODE = """
import sys
from pathlib import Path
from simlift.core.pair import PairSet
from simlift.core.strict_json import load
from simlift.scale.progress import Silent
from simlift.passes.train import train_adapter
from simlift.training.recipe import TrainRecipe
pairs, recipe, out, sharding = sys.argv[1:]
made = load(Path(recipe), TrainRecipe)
train_adapter(PairSet(Path(pairs)), made, Path(out), progress=Silent(), sharding=sharding)
"""


def start(pairs, made, out, sharding="ddp", **variables):
    file = out.with_suffix(".json")
    file.parent.mkdir(exist_ok=True)
    file.write_text(dumps(made))
    return subprocess.Popen(
        [sys.executable, "-c", CODE, str(pairs.path), str(file), str(out), sharding],
        env=os.environ | {"OMP_NUM_THREADS": "1"} | variables,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
@pytest.mark.parametrize("sharding", ["ddp", "fsdp"])
def test_two_processes_train_what_one_does(single, pairs, tmp_path, sharding):
    """Two processes of one sample a step, and one process of two: the same samples and adapter."""
    alone = recipe(single, steps=2, accumulate=2, checkpointing=sharding == "ddp")
    both = recipe(single, steps=2, accumulate=1, checkpointing=sharding == "ddp")
    one = train_adapter(pairs, alone, tmp_path / "one", progress=Silent())
    port = str(29500 + os.getpid() % 2000 + (sharding == "fsdp"))
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    out = tmp_path / "two"
    processes = [
        start(pairs, both, out, sharding, RANK=str(r), LOCAL_RANK=str(r), **shared)
        for r in range(2)
    ]
    try:
        # One that fails leaves the other waiting for it.
        while {process.poll() for process in processes} - {0, None} == set() and any(
            process.poll() is None for process in processes
        ):
            time.sleep(0.05)
    finally:
        for process in processes:
            process.kill()
    errors = [process.communicate()[1][-2000:] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], errors
    from simlift.models.wan._adapter import read_adapter

    expected = read_adapter(one / "single.safetensors")
    found = read_adapter(out / "single.safetensors")
    assert set(found) == set(expected)
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, atol=2e-5, rtol=2e-4)
    assert len(rows(out / "log.jsonl")) == 2


def test_latents_are_encoded_once_and_never_stale(base, pairs, tmp_path):
    model = find_wan(str(base))
    folder = tmp_path / "cache"
    made = recipe(base)
    items = training_items(pairs, made, model)
    cache = Cache(folder, model, made)
    counted = []
    cache.fill(items, torch.device("cpu"), counted.append)
    files = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    cache.fill(items, torch.device("cpu"), counted.append)
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == files
    assert cache.read(items[0]).target.shape == (1, 16, 3, 4, 6)
    half = dataclasses.replace(made, incontext=InContext(downscale=2))
    smaller = Cache(folder, model, half)
    smaller.fill(training_items(pairs, half, model), torch.device("cpu"), counted.append)
    assert smaller.read(training_items(pairs, half, model)[0]).reference.shape[-1] == 4
    changed = [dataclasses.replace(item, digest="0" * 32) for item in items]
    with pytest.raises(OSError):
        cache.read(changed[0])


def test_what_is_held_out_depends_on_content(base, pairs):
    items = training_items(pairs, recipe(base), find_wan(str(base)))
    trained, kept = split(items, 1)
    assert len(trained) == len(kept) == 1
    assert split(items[::-1], 1)[1][0].pair == kept[0].pair
    with pytest.raises(ClipError, match="fewer than there are pairs"):
        split(items, 2)


def test_long_pairs_give_several_items(base, tmp_path):
    pairs = write_pairs(tmp_path / "long", count=1, frames=20)
    items = training_items(pairs, recipe(base), find_wan(str(base)))
    assert [(item.start, item.num_frames) for item in items] == [(0, 9), (9, 9)]
    assert [item.name for item in items] == ["clip0", "clip0:9"]


# --- bad input


def test_pairs_of_other_lengths_and_sizes_are_refused(base, tmp_path):
    pairs = write_pairs(tmp_path / "pairs", count=1)
    path = pairs.path / pairs.video_of("clip0")
    with write_video(path, height=HEIGHT, width=WIDTH, fps=Fraction(16)) as writer:
        writer.append(np.zeros((8, HEIGHT, WIDTH, 3), np.uint8))
    with pytest.raises(ClipError, match="the same length and size"):
        training_items(pairs, recipe(base), find_wan(str(base)))


def test_a_loss_that_is_not_a_number_stops_and_names_the_pair(base, pairs, tmp_path, monkeypatch):
    once = VelocityLoss.forward

    def broken(self, given):
        loss = once(self, given)
        return loss * float("nan") if torch.is_grad_enabled() and broken.calls() > 2 else loss

    calls = []
    broken.calls = lambda: calls.append(1) or len(calls)
    monkeypatch.setattr(VelocityLoss, "forward", broken)
    with pytest.raises(RunError, match=r"the loss of clip\d at level .* is nan in step 3"):
        train_adapter(pairs, recipe(base), tmp_path / "out", progress=Silent())
    assert (tmp_path / "out" / ".state" / "00000002.safetensors").exists()


def test_another_recipe_is_refused(base, pairs, tmp_path):
    train_adapter(pairs, recipe(base, steps=1), tmp_path / "out", progress=Silent())
    with pytest.raises(RunError, match="holds a training of recipe"):
        train_adapter(pairs, recipe(base, steps=2), tmp_path / "out", progress=Silent())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"steps": 0}, "at least 1"),
        ({"frames": 10}, "4k"),
        ({"prefix_frames": 9}, "4k.1 below frames"),
        ({"prompt_template": "photo"}, "with {caption}"),
        ({"compile": True, "fp8": True}, "one of the two"),
        ({"experts": ("single",)}, "the base's: high, low"),
        ({"init": "nowhere"}, "lacks high.safetensors"),
        ({"batch": 2, "frames": 9}, None),
    ],
)
def test_recipes_are_checked(base, pairs, changes, words):
    from simlift.passes.train import plan_training

    if words is None:
        assert len(plan_training(pairs, recipe(base, **changes)).items) == 2
        return
    with pytest.raises(RecipeError, match=words):
        plan_training(pairs, recipe(base, **changes))


def test_an_empty_training_set_is_refused(base, tmp_path):
    PairSet(tmp_path).write([], [])
    with pytest.raises(ClipError, match="holds no pair"):
        training_items(PairSet(tmp_path), recipe(base), find_wan(str(base)))
