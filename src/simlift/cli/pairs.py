"""Define the verbs that make training pairs and adapters, and hand them on."""

from pathlib import Path
from typing import Annotated, Literal

import tyro

from simlift.cli import options
from simlift.cli.options import Clips, Controls, MaybeChoosing, MaybeText, Settings

TRAINER_FORMATS = ("diffsynth", "ltx", "musubi")
ExportFormat = Literal[
    "lerobot-v3",
    "lerobot-v2.1",
    "isaac-lab",
    "robomimic",
    "folders",
    "rerun",
    "diffsynth",
    "ltx",
    "musubi",
]


def pair(
    clips: Clips,
    /,
    out: Path,
    editor: MaybeText = None,
    propagator: MaybeText = None,
    twins: bool = False,
    caption: MaybeText = None,
    caption_url: MaybeText = None,
    caption_model: MaybeText = None,
    caption_key: MaybeText = None,
    frames: int = 81,
    seed: int = 0,
    controls: Controls = (),
    settings: Settings = (),
    device: str = "auto",
    dry_run: bool = False,
    reading: MaybeChoosing = options.Choosing(),
) -> int:
    """Make training pairs of clips, or of a run's accepted takes.

    Run it again to resume.

    Args:
        clips: Folders, videos or images; or one folder of a run that was scored.
        out: Folder of the training set.
        editor: Qwen-Image-Edit: makes anchors of first and last frames.
        propagator: VACE: makes the frames between under the render's edges.
        twins: Take the path-traced twins of clips that have one.
        caption: A template with {caption}, {name} and {classes}, or a file of captions.
        caption_url: Ask a vision model instead, behind an OpenAI-compatible address ending in /v1.
        caption_model: That model's name there.
        caption_key: The environment variable that holds its key, if it wants one.
        frames: Of a pair: 4k+1.
        seed: Decides every random choice.
        controls: A control video of each render to keep beside the pair, such as skeleton, for
            simlift train --reference; may be given several times.
        settings: A setting, such as engine.control=depth or retries=1.
        device: "cpu", "cuda", or "auto": cuda where torch finds it.
        dry_run: Say what it would do and cost, and make nothing.
    """
    from simlift.core.run import Run
    from simlift.passes.pairs.make import pair_clips, pair_recipe, pair_takes
    from simlift.passes.pairs.plan import plan_pairs, plan_takes
    from simlift.passes.tables import print_plans

    recipe = pair_recipe(
        editor=editor,
        propagator=propagator,
        twins=twins,
        caption=caption,
        caption_url=caption_url,
        caption_model=caption_model,
        caption_key=caption_key,
        frames=frames,
        seed=seed,
        settings=settings,
        controls=controls,
    )
    of_run = len(clips) == 1 and (clips[0] / "takes").is_dir()
    opened = [] if of_run else options.open_clips(clips, reading)
    options.print_doubts(opened)
    if dry_run:
        plans = plan_takes(Run(clips[0])) if of_run else plan_pairs(opened, recipe)
        print_plans(plans, options.out)
        return 0
    if of_run:
        result = pair_takes(Run(clips[0]), recipe, out, progress=options.progress())
    else:
        result = pair_clips(
            opened,
            recipe,
            out,
            progress=options.progress(),
            device="cpu" if recipe.engine is None else options.torch_device(device),
        )
    options.out.print(
        f"{result.accepted} pairs accepted, {result.rejected} rejected, {result.kept} of them were "
        f"there: {result.pairs.manifest}; reasons in {result.pairs.decisions_file}",
        markup=False,
    )
    return options.close(result.failures)


def train(
    pairs: tyro.conf.Positional[Path],
    /,
    base: str,
    out: Path,
    reference: str = "render",
    steps: int = 3000,
    seed: int = 0,
    settings: Settings = (),
    device: str = "auto",
    shard: Literal["ddp", "fsdp"] = "ddp",
    dry_run: bool = False,
) -> int:
    """Train an in-context adapter on pairs; run it again to resume.

    Several processes train together where torchrun or accelerate starts them.

    Args:
        pairs: Folder of a training set.
        base: A Wan model, of text or image to video: a folder, or a name on the Hugging Face Hub.
        out: Folder of the adapter.
        reference: What enters in context: "render", or a control that the pairs were made with,
            such as "skeleton"; then a first frame says what the scene looks like.
        steps: Optimiser steps over all experts.
        seed: Decides every random choice.
        settings: A setting, such as rank=16 or incontext.attention=self; may be given several
            times.
        device: "cpu", "cuda", or "auto": cuda where torch finds it.
        shard: With several processes: "ddp" has the weights in each, "fsdp" shares them out.
        dry_run: Say what it would do and cost, and make nothing.
    """
    from simlift.core.pair import PairSet
    from simlift.passes.train import describe_training, plan_training, train_adapter, train_recipe

    recipe = train_recipe(base, reference=reference, steps=steps, seed=seed, settings=settings)
    for line in describe_training(plan_training(PairSet(pairs), recipe), recipe):
        options.out.print(line, markup=False)
    if dry_run:
        return 0
    made = train_adapter(
        PairSet(pairs),
        recipe,
        out,
        progress=options.progress(),
        device=options.torch_device(device),
        sharding=shard,
    )
    options.out.print(
        f"adapter {made}; use it with: simlift lift CLIP --engine wan --base {base} "
        f"--adapter {made} --out RUN",
        markup=False,
    )
    return 0


def export(
    source: tyro.conf.Positional[Path],
    /,
    format: ExportFormat,
    out: Path,
    copy: bool = False,
    other_cameras: Annotated[
        Literal["copy", "drop"] | None, tyro.conf.arg(metavar="{copy,drop}", help_behavior_hint="")
    ] = None,
    originals: float = 1.0,
    unscored: bool = False,
    codec: Literal["keep", "h264", "av1"] = "keep",
    state: MaybeText = None,
    task: MaybeText = None,
    shard: MaybeText = None,
    append: bool = False,
) -> int:
    """Hand a run's takes back as a dataset, or a training set to another trainer.

    Args:
        source: Folder of a run that was scored, for datasets; of a training set, for trainers.
        format: Of a run: lerobot-v3, lerobot-v2.1 (with GR00T's modality.json), isaac-lab,
            robomimic, folders, rerun. Of a training set: diffsynth, ltx, musubi.
        out: Folder of the export.
        copy: Of a training set: copy the videos instead of linking them.
        other_cameras: What becomes of cameras that were not lifted.
        originals: Episodes as they were recorded, for each lifted one; each enters once at most.
        unscored: Export takes that have no verdict, too.
        codec: How videos are coded: "keep" joins takes as they are; h264 and av1 code them anew.
        state: Columns that make observation.state, such as joint_pos,gripper_pos, of a dataset
            whose rows are not LeRobot's; without it, those of the robot.
        task: What is done, in words, where the dataset does not say it.
        shard: Part i of n parts, as i/n: each is a dataset of its own.
        append: Add to the export that is there what it does not hold yet; numbers go on.
    """
    if format in TRAINER_FORMATS:
        return _export_pairs(source, format, out, copy)
    from simlift.core.run import Run
    from simlift.exports.rerun import export_rerun
    from simlift.passes.export_dataset import DatasetOptions, export_dataset

    if format == "rerun":
        files = export_rerun(Run(source), out, options.progress())
        options.out.print(
            f"{len(files)} recordings in {out}; see one with: rerun {files[0]}", markup=False
        )
        return 0

    chosen = DatasetOptions(
        other_cameras=other_cameras,
        originals=originals,
        unscored=unscored,
        codec=codec,
        state=tuple(filter(None, (state or "").split(","))),
        task=task,
        shard=options.part_of(shard),
        append=append,
    )
    made = export_dataset(Run(source), format, out, chosen, progress=options.progress())
    options.out.print(
        f"{made.episodes} episodes of {made.frames} frames, {made.lifted} of them lifted: "
        f"{made.path}",
        markup=False,
    )
    if made.left:
        options.out.print(
            f"{made.left} lifted episodes were left out: {made.path / 'redo.json'} says why",
            markup=False,
        )
    for note in made.notes:
        options.out.print(note, markup=False)
    return 0


def _export_pairs(source: Path, format: str, out: Path, copy: bool) -> int:
    from simlift.passes.export import export_pairs

    made = export_pairs(source, format, out, copy=copy, progress=options.progress())
    options.out.print(
        f"{made.linked} videos linked, {made.copied} copied: {made.path}", markup=False
    )
    for note in made.export.notes:
        options.out.print(note, markup=False)
    options.out.print(f"then: {made.export.command}", markup=False)
    return 0


def publish(adapter: tyro.conf.Positional[Path], /, to: str, public: bool = False) -> int:
    """Put an adapter on the Hugging Face Hub, with its card.

    It is private unless told otherwise.

    Args:
        adapter: Folder of the adapter.
        to: Name on the Hub: owner/name.
        public: Let everybody see it.
    """
    from simlift.passes.publish import push_adapter

    address = push_adapter(adapter, to, private=not public)
    options.out.print(f"published: {address}", markup=False)
    return 0
