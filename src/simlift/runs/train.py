"""The train pass: a folder of pairs and a recipe -> an adapter, resumable at every saved state."""

from contextlib import nullcontext
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from simlift.core.errors import MissingLibrary, RecipeError
from simlift.core.pair import PairSet
from simlift.core.run import hold_folder
from simlift.core.strict_json import digest
from simlift.models.adapter import adapter_files
from simlift.models.flow import Expert
from simlift.models.wan import EXTRA, WanBase, find_wan
from simlift.runs.progress import Progress, Silent
from simlift.training.items import Item, split, training_items
from simlift.training.recipe import TrainRecipe
from simlift.training.state import TrainingFolder, TrainingRecord

_LIBRARIES = ("torch", "diffusers", "transformers", "peft", "tensorboardX")


@dataclass(frozen=True)
class PlannedTraining:
    """A training whose input was checked: nothing in it has loaded weights."""

    base: WanBase
    experts: tuple[Expert, ...]
    items: tuple[Item, ...]


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
    return PlannedTraining(base, experts, training_items(pairs, recipe, base))


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
    from simlift.training._loop import Training, train
    from simlift.training._world import join_world

    with join_world(device, sharding) as world:
        shown: Progress = progress if world.first else Silent()
        folder = TrainingFolder(out)
        size = recipe.batch * recipe.accumulate * world.size
        record = TrainingRecord(
            recipe=recipe,
            pairs=digest([(item.name, item.digest, item.caption) for item in plan.items]),
            base={expert: plan.base.digest(expert) for expert in plan.experts},
            samples=size,
        )
        cache = Cache(pairs.path / FOLDER, plan.base, recipe)
        with hold_folder(out) if world.first else nullcontext():
            if world.first:
                folder.begin(record)
                total = sum(item.num_frames for item in plan.items)
                with shown.task("encode", total) as advance:
                    cache.fill(plan.items, world.device, advance)
            world.wait()
            job = Training(
                recipe=recipe,
                base=plan.base,
                folder=folder,
                cache=cache,
                trained=trained,
                evaluated=evaluated,
                world=world,
                experts=plan.experts,
                pairs=record.pairs,
            )
            with shown.task("train", recipe.steps) as advance:
                train(job, advance)
    return out
