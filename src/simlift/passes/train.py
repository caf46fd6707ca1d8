"""Train an adapter on a folder of pairs, resumable at every saved state."""

import json
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from simlift.core.errors import MissingLibrary, RecipeError
from simlift.core.pair import PairSet
from simlift.core.run import hold_folder, write_text
from simlift.core.strict_json import decode, digest, parse_settings
from simlift.models.wan.adapter import TARGETS, adapter_files, read_card
from simlift.models.wan.base_model import EXTRA, WanBase, find_wan
from simlift.models.wan.cost import Shape, adapter_parameters, forward_cost
from simlift.models.wan.flow_matching import Expert
from simlift.scale.progress import Progress, Silent
from simlift.training.card import AdapterFacts, ExpertFacts, SetFacts, adapter_card
from simlift.training.items import Item, control_plugin, split, training_items
from simlift.training.recipe import TrainRecipe
from simlift.training.state import TrainingFolder, TrainingRecord

_LIBRARIES = ("torch", "diffusers", "transformers", "peft", "tensorboardX")


@dataclass(frozen=True)
class PlannedTraining:
    """A training whose input was checked: nothing in it has loaded weights."""

    base: WanBase
    experts: tuple[Expert, ...]
    items: tuple[Item, ...]


def train_recipe(
    base: str,
    *,
    reference: str = "render",
    steps: int = 3000,
    seed: int = 0,
    settings: Sequence[str] = (),
) -> TrainRecipe:
    """Return the recipe that was asked for; `settings` are `key=value` and `group.key=value`.

    A control says nothing of looks: without other settings every sample then has a first frame.
    """
    data = {"steps": steps, "seed": seed, "base": base, "reference": reference}
    data |= parse_settings(settings)
    if data["reference"] != "render":
        share = data.setdefault("prefix_share", TrainRecipe.prefix_share)
        if isinstance(share, int | float):
            data.setdefault("first_frame_share", 1 - share)
    frames = data.get("frames", TrainRecipe.frames)
    if isinstance(frames, int):  # a clean start is shorter than what it begins
        data.setdefault("prefix_frames", min(TrainRecipe.prefix_frames, max(frames - 4, 1)))
    return decode(data, TrainRecipe, "train")


def describe_training(plan: PlannedTraining, recipe: TrainRecipe) -> tuple[str, ...]:
    """Say what a training will do and need, counted from shapes; nothing is loaded."""
    shape = Shape.of(plan.base.transformer)
    longest = max(plan.items, key=lambda item: plan.base.num_tokens(*item.shape))
    target = plan.base.num_tokens(*longest.shape)
    reference = target // recipe.incontext.downscale**2
    cost = forward_cost(shape, target, reference, recipe.incontext, cached=False)
    adapter = adapter_parameters(shape, recipe.rank, TARGETS[recipe.targets])
    width = 4 if recipe.dtype == "float32" else 2
    weights = shape.parameters * (1 if recipe.fp8 else width)
    kept = shape.layers * (target + reference) * shape.width * width
    on_device = weights * (1 if recipe.offload else len(plan.experts))
    frames, height, width_pixels = longest.shape
    return (
        f"{len(plan.items)} items, the longest of {frames} frames at {width_pixels}x{height}: "
        f"{target + reference} tokens",
        f"experts {', '.join(plan.experts)}; rank {recipe.rank}: {adapter / 1e6:.1f} million "
        "trained parameters in each",
        f"a step: about {4 * cost.operations * recipe.batch * recipe.accumulate / 1e15:.3g} PFLOP "
        "a process (forward, recomputed, backward)",
        f"memory: {on_device / 1e9:.1f} GB of weights, {16 * adapter / 1e9:.1f} GB of adapter and "
        f"moments, {kept * recipe.batch / 1e9:.1f} GB of checkpoints, and one block's activations",
    )


def plan_training(pairs: PairSet, recipe: TrainRecipe) -> PlannedTraining:
    """Check pairs, base and recipe against each other; raise what a training would refuse."""
    for library in _LIBRARIES:
        if find_spec(library) is None:
            raise MissingLibrary(library, "simlift train", EXTRA)
    base = find_wan(recipe.base)
    experts = recipe.experts or base.experts.names
    if unknown := [e for e in experts if e not in base.experts.names]:
        raise RecipeError(
            "train.experts",
            f"found {', '.join(unknown)}",
            allowed=f"the base's: {', '.join(base.experts.names)}",
        )
    if recipe.init is not None:
        adapter_files(Path(recipe.init), experts)
    items = training_items(pairs, recipe, base)
    control_plugin(pairs, recipe.reference)
    return PlannedTraining(base, experts, items)


def train_adapter(
    pairs: PairSet,
    recipe: TrainRecipe,
    out: Path,
    *,
    progress: Progress,
    device: str = "cpu",
    sharding: Literal["ddp", "fsdp"] = "ddp",
) -> Path:
    """Train an adapter and return its folder; under a launcher, every process calls this."""
    plan = plan_training(pairs, recipe)
    trained, evaluated = split(plan.items, recipe.holdout)
    from simlift.training._encode import FOLDER, Cache
    from simlift.training._job import Training
    from simlift.training._loop import train
    from simlift.training._process_group import join_process_group

    with join_process_group(device, sharding) as processes:
        shown: Progress = progress if processes.first else Silent()
        folder = TrainingFolder(out)
        size = recipe.batch * recipe.accumulate * processes.size
        record = TrainingRecord(
            recipe=recipe,
            pairs=digest([(item.name, item.digest, item.caption) for item in plan.items]),
            base={expert: plan.base.digest(expert) for expert in plan.experts},
            samples=size,
        )
        cache = Cache(pairs.path / FOLDER, plan.base, recipe)
        with hold_folder(out) if processes.first else nullcontext():
            if processes.first:
                folder.begin(record)
                total = sum(item.num_frames for item in plan.items)
                with shown.task("encode", total) as advance:
                    cache.fill(plan.items, processes.device, advance)
            processes.wait()
            job = Training(
                recipe=recipe,
                base=plan.base,
                folder=folder,
                cache=cache,
                trained=trained,
                evaluated=evaluated,
                processes=processes,
                experts=plan.experts,
                pairs=record.pairs,
                control=control_plugin(pairs, recipe.reference),
            )
            with shown.task("train", recipe.steps, "steps") as advance:
                train(job, advance)
            if processes.first:
                write_card(pairs, recipe, folder)
    return out


def write_card(pairs: PairSet, recipe: TrainRecipe, folder: TrainingFolder) -> None:
    """Write the adapter's README.md: what it is, what it was made from, how it is used."""
    found = [read_card(path) for path in sorted(folder.path.glob("*.safetensors"))]
    card = found[0]
    curve = [json.loads(line) for line in folder.evaluation.read_text().splitlines()]
    facts = AdapterFacts(
        name=folder.path.resolve().name,
        base=recipe.base,
        licence=recipe.licence,
        experts=tuple(ExpertFacts(c.expert, f"{c.expert}.safetensors") for c in found),
        rank=card.rank,
        positions=card.incontext.positions,
        reference_attention=card.incontext.attention,
        shift=card.shift,
        boundary=card.boundary,
        height=card.height,
        width=card.width,
        num_frames=card.num_frames,
        steps=card.steps,
        prompt_template=card.prompt_template,
        training_set=SetFacts.of(pairs.pairs()),
        reference=card.reference,
        pipeline=find_wan(recipe.base).folder.kind,
        evaluation=tuple((int(row["step"]), float(row["loss"])) for row in curve),
    )
    write_text(folder.path / "README.md", adapter_card(facts))
