"""Define what verbs share: types of options, the two consoles, clips and recipes from arguments."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro
from rich.console import Console

from simlift.core.errors import RecipeError
from simlift.core.strict_json import decode

if TYPE_CHECKING:
    from simlift.core.clip import Clip
    from simlift.core.dataset import Dataset
    from simlift.core.read_options import ReadOptions
    from simlift.core.recipe import Recipe
    from simlift.scale.processes import Failure
    from simlift.scale.progress import Terminal

Clips = tyro.conf.Positional[
    Annotated[
        tuple[Path, ...],
        tyro.conf.arg(metavar="CLIP [CLIP ...]", help_behavior_hint="(required)"),
    ]
]
RunFolder = tyro.conf.Positional[Path]
Looks = Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME"), tyro.conf.UseAppendAction]
Settings = Annotated[
    tuple[str, ...], tyro.conf.arg(name="set", metavar="K=V"), tyro.conf.UseAppendAction
]
Controls = Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME"), tyro.conf.UseAppendAction]
Classes = Annotated[tuple[str, ...], tyro.conf.arg(metavar="CLASS"), tyro.conf.UseAppendAction]

# What may be left out, shown without the None that stands for it.
MaybeText = Annotated[str | None, tyro.conf.arg(metavar="STR", help_behavior_hint="")]
MaybePath = Annotated[Path | None, tyro.conf.arg(metavar="PATH", help_behavior_hint="")]
MaybeInt = Annotated[int | None, tyro.conf.arg(metavar="INT", help_behavior_hint="")]
MaybeFloat = Annotated[float | None, tyro.conf.arg(metavar="FLOAT", help_behavior_hint="")]
MaybeSize = Annotated[
    tuple[int, int] | None, tyro.conf.arg(metavar="INT INT", help_behavior_hint="")
]

Camera = Annotated[str | None, tyro.conf.arg(metavar="NAME", help_behavior_hint="")]
Fps = Annotated[str | None, tyro.conf.arg(metavar="RATE", help_behavior_hint="")]
Release = Annotated[str | None, tyro.conf.arg(metavar="RELEASE", help_behavior_hint="")]


@dataclass(frozen=True)
class Reading:
    """What the files of a clip leave open."""

    camera: Camera = None
    """Camera of a rig that holds several."""
    fps: Fps = None
    """Frames a second, such as 30 or 30000/1001, where files carry no rate."""
    fov: MaybeFloat = None
    """Field of view across the picture in degrees, where files carry no camera."""
    tags: Release = None
    """Release of CARLA whose numbers raw semantic images hold: pre0.9.14 or 0.9.14."""
    near: MaybeFloat = None
    """Metres that a picture of depth shows as nearest."""
    far: MaybeFloat = None
    """Metres that it shows as farthest."""
    trust: bool = False
    """Take a clip although its layers contradict each other; its takes say so."""

    def options(self) -> "ReadOptions":
        """Return them as a clip is opened with."""
        from simlift.core.read_options import ReadOptions

        rate = None if self.fps is None else decode(self.fps, Fraction, "--fps")
        return ReadOptions(
            camera=self.camera,
            fps=rate,
            fov=self.fov,
            tags=self.tags,
            trust=self.trust,
            near=self.near,
            far=self.far,
        )


@dataclass(frozen=True)
class Choosing(Reading):
    """What the files of a clip leave open, and which clips of a dataset are meant."""

    episodes: Annotated[str | None, tyro.conf.arg(metavar="0:50,60", help_behavior_hint="")] = None
    """Episodes of a dataset, by number, range or name; all without it."""
    cameras: Annotated[str | None, tyro.conf.arg(metavar="A,B", help_behavior_hint="")] = None
    """Cameras of a dataset, by whole name or its last part; all without it."""
    robot: MaybePath = None
    """File that describes the robot: its model, which columns are its joints, its cameras."""

    def options(self) -> "ReadOptions":
        """Return them as a clip is opened with."""
        # Takes keep it to open their clip again, wherever that is asked for.
        robot = None if self.robot is None else self.robot.resolve()
        return replace(super().options(), robot=robot)

    def seen(self, dataset: "Dataset") -> tuple[str, ...]:
        """Return the cameras of a dataset that are meant."""
        from simlift.core.dataset import select_cameras

        named = None if self.cameras is None else self.cameras.split(",")
        if self.camera is not None:
            named = [*(named or ()), self.camera]
        return select_cameras(dataset, named)


MaybeReading = tyro.conf.OmitArgPrefixes[Reading]
MaybeChoosing = tyro.conf.OmitArgPrefixes[Choosing]

out = Console(emoji=False)
err = Console(stderr=True, emoji=False)


def progress() -> "Terminal":
    """Return what shows passes as they go."""
    from simlift.scale.progress import Terminal

    return Terminal(out)


def engine_device(device: str, engine: str) -> str:
    """Return the device of an engine; torch is not asked where the engine does without it.

    Such an engine runs on the CPU alone; RecipeError where another device was asked of it.
    """
    from simlift.engines import EXTRAS, NAMES, ON_A_DEVICE

    if engine not in NAMES or engine in ON_A_DEVICE or EXTRAS.get(engine) == "realmaster":
        return torch_device(device)
    if device not in ("auto", "cpu"):
        raise RecipeError(
            "--device",
            f"found {device!r}",
            allowed=f"auto or cpu: {engine} does without torch",
            way_out="leave --device out",
        )
    return "cpu"


def torch_device(device: str) -> str:
    """Return the device that "auto" stands for: a CUDA device that torch finds, or the CPU.

    Never Apple's mps, on which some operations of the models do not exist: it is asked for by name.
    """
    if device != "auto":
        return device
    if find_spec("torch") is None:
        return "cpu"
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def open_clips(paths: Sequence[Path], reading: Choosing = Choosing()) -> "list[Clip]":
    """Return the clips at some paths; RecipeError where none was named."""
    from simlift.scale.progress import Terminal
    from simlift.sources import open_clips as open_all

    if not paths:
        raise RecipeError("CLIP", "none was named", allowed="folders, videos or images")
    terminal = Terminal(out)
    clips: list[Clip] = []
    cameras = None if reading.cameras is None else tuple(reading.cameras.split(","))
    for path in paths:
        with terminal.wait(f"opening {path.name or path}"):
            clips += open_all(path, reading.options(), reading.episodes, cameras)
    return clips


def print_doubts(clips: "Sequence[Clip]") -> None:
    """Print what is doubted of the layers of clips; what contradicts itself is refused later.

    Of a dataset one clip for each camera is looked at here.
    """
    from simlift.evaluation.agreement import Verdict
    from simlift.passes.agreement import examine, first_of_each

    for clip in first_of_each(clips):
        for finding in examine(clip).findings:
            if finding.verdict is Verdict.DOUBT:
                out.print(f"{clip.name}: doubt: {finding.text()}", markup=False, highlight=False)


def recipe_of(engine: str, count: int, seed: int, **asked: Any) -> "Recipe":
    """Return the recipe that arguments ask for."""
    from simlift.core.recipe import Recipe
    from simlift.passes.variants import variants_of

    variants = variants_of(engine, count=count, seed=seed, **asked)
    return Recipe(variants=variants, seed=seed)


def part_of(shard: str | None) -> tuple[int, int] | None:
    """Return which part of how many "i/n" names; RecipeError for what is none."""
    if shard is None:
        return None
    found = re.fullmatch(r"(\d+)/(\d+)", shard)
    if found is None or not 0 <= int(found[1]) < int(found[2]):
        raise RecipeError("--shard", f"found {shard!r}", allowed="i/n with 0 <= i < n: 0/4 to 3/4")
    return int(found[1]), int(found[2])


def close(failures: "Sequence[Failure]") -> int:
    """Print what failed and return the exit code."""
    for failure in failures:
        err.print(f"failed: {failure.name}: {failure.reason}", style="red", markup=False)
        if failure.trace:
            err.print(failure.trace, markup=False, highlight=False)
    return 1 if failures else 0
