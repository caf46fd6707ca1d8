"""Define the training recipe: the frozen settings that decide an adapter."""

import math
from dataclasses import dataclass, field
from typing import Literal

from simlift.core.errors import RecipeError
from simlift.models.wan.flow_matching import Expert
from simlift.models.wan.incontext import InContext


@dataclass(frozen=True)
class TrainRecipe:
    """Train an in-context LoRA on pairs (RealMaster, stage 2).

    RealMaster states rank 32 on Wan2.2 T2V-A14B with clean reference tokens; it states no rate,
    steps, clip length or resolution. Those are chosen here after published in-context trainers.

    base: a Wan model: folder, or a name on the Hugging Face Hub. An image-to-video model is told
        the first frames of a target beside its noise; others have them clean at its start.
    reference: what enters in context: "render", or the name of a control that the pairs hold
        ("skeleton"), which says how things move; then first frames say what they look like.
    steps: optimiser steps over all experts, which take turns of `switch_every` steps.
    experts: which of the base's experts are trained; empty for all of them.
    targets: preset of layers that bear the LoRA.
    shift: of the noise levels that are drawn. timestep_sampling: "uniform" before the shift, or
        "logit-normal" (Esser et al., 2024) with a tenth drawn uniformly.
    lr_high, lr_low: learning rates of the high-noise and the low-noise (or single) expert.
    warmup: steps over which a rate rises from 0. schedule: "constant" after it, or "cosine": falls
        to 0 at the last step (Loshchilov and Hutter, 2017, without restarts).
    batch: pairs of one forward; accumulate: forwards of one step, on each process.
    text_dropout: share of samples without their prompt, so that guidance goes on to work.
    prefix_share, prefix_frames: share of samples whose target begins with clean frames, and up to
        how many (4k+1), as windows of a long clip do. first_frame_share: with just one frame.
    frames, resolution: length (4k+1) and box (height, width) of what is trained on.
    holdout: pairs kept out of training, for evaluation; 0 evaluates on pairs that are trained on.
    evaluate_every, sample_every, save_every: in steps; 0 for never (the end always saves).
    checkpointing: recompute activations instead of keeping them. fp8: keep the base in 8 bits.
    offload: keep the idle expert on the CPU. compile: compile the blocks, for about a sixth less
        time; not with fp8.
    init: an adapter to go on from. licence: of the adapter, for its card: an identifier, or words.
    """

    base: str
    reference: str = "render"
    steps: int = 3000
    experts: tuple[Expert, ...] = ()
    switch_every: int = 10
    rank: int = 32
    alpha: float = 32.0
    targets: Literal["attention", "attention+ffn", "self-attention"] = "attention+ffn"
    incontext: InContext = field(default_factory=InContext)
    shift: float = 5.0
    timestep_sampling: Literal["uniform", "logit-normal"] = "uniform"
    lr_high: float = 5e-5
    lr_low: float = 1e-4
    warmup: int = 20
    schedule: Literal["constant", "cosine"] = "constant"
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    batch: int = 1
    accumulate: int = 1
    text_dropout: float = 0.1
    prefix_share: float = 0.2
    prefix_frames: int = 17
    first_frame_share: float = 0.1
    frames: int = 81
    resolution: tuple[int, int] | None = None
    prompt_template: str = "photorealistic video. {caption}"
    holdout: int = 0
    evaluate_every: int = 100
    evaluation_levels: int = 8
    sample_every: int = 0
    sample_steps: int = 20
    sample_guidance: float = 1.0
    save_every: int = 100
    dtype: Literal["bfloat16", "float16", "float32"] = "bfloat16"
    fp8: bool = False
    checkpointing: bool = True
    offload: bool = True
    compile: bool = False
    init: str | None = None
    licence: str = "other"
    seed: int = 0

    def __post_init__(self) -> None:
        for name, good, allowed in (
            ("steps", self.steps >= 1, "at least 1"),
            ("switch_every", self.switch_every >= 1, "at least 1"),
            ("rank", 1 <= self.rank <= 1024, "1 to 1024"),
            ("alpha", self.alpha > 0, "above 0"),
            ("shift", self.shift > 0, "above 0"),
            ("lr_high", self.lr_high > 0, "above 0"),
            ("lr_low", self.lr_low > 0, "above 0"),
            ("clip_norm", self.clip_norm > 0, "above 0"),
            ("batch", self.batch >= 1, "at least 1"),
            ("accumulate", self.accumulate >= 1, "at least 1"),
            ("text_dropout", 0 <= self.text_dropout < 1, "0 to below 1"),
            ("frames", self.frames >= 5 and self.frames % 4 == 1, "4k+1, such as 81"),
            (
                "prefix_frames",
                self.prefix_frames % 4 == 1 and self.prefix_frames < self.frames,
                "4k+1 below frames",
            ),
            ("prefix_share", 0 <= self.prefix_share <= 1, "0 to 1"),
            ("first_frame_share", 0 <= self.first_frame_share <= 1 - self.prefix_share, "a share"),
            ("evaluation_levels", self.evaluation_levels >= 1, "at least 1"),
        ):
            if not good:
                raise RecipeError(f"train.{name}", f"found {getattr(self, name)}", allowed=allowed)
        if self.compile and self.fp8:
            raise RecipeError(
                "train.compile",
                "found True with fp8",
                allowed="one of the two: fp8 changes weights",
            )
        if "{caption}" not in self.prompt_template:
            raise RecipeError(
                "train.prompt_template",
                f"found {self.prompt_template!r}",
                allowed="a text with {caption}, so that words go on to mean something",
            )

    def learning_rate(self, expert: Expert, step: int) -> float:
        """Return the learning rate of an expert in a step, counted from 0."""
        peak = self.lr_high if expert == "high" else self.lr_low
        if step < self.warmup:
            return peak * (step + 1) / self.warmup
        if self.schedule == "constant":
            return peak
        done = (step - self.warmup) / max(self.steps - self.warmup, 1)
        return peak * 0.5 * (1 + math.cos(math.pi * done))

    def expert_of(self, step: int, experts: tuple[Expert, ...]) -> Expert:
        """Return which expert a step trains: the same on every process."""
        return experts[step // self.switch_every % len(experts)]
