"""Record a scene in MuJoCo -> a native clip on disk with every layer."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Literal

from simlift.core.errors import RecipeError
from simlift.core.strict_json import encode
from simlift.passes.recorded_dataset import PlannedEpisode, record_dataset
from simlift.scale.progress import Progress
from simlift.simulators.drive.scene import Drive
from simlift.simulators.mjcf.scene import ModelScene
from simlift.simulators.record import record
from simlift.simulators.tabletop.scene import CAMERAS, TASK, Tabletop


def record_scene(
    name: Literal["tabletop", "drive", "model"],
    out: Path,
    progress: Progress,
    *,
    seed: int = 0,
    frames: int | None = None,
    size: tuple[int, int] | None = None,
    model: Path | None = None,
    camera: str | None = None,
) -> str:
    """Record a scene into the folder `out`; `size` is width and height.

    Returns why the clip does not carry its scene, or "" where it does.
    """
    scene = _scene(name, model, camera)
    if frames is not None:
        scene = replace(scene, num_frames=frames)
    if size is not None:
        scene = replace(scene, width=size[0], height=size[1])
    from simlift.simulators.mujoco._renderer import check_drawing

    check_drawing()  # before an episode is simulated that nobody can see
    with progress.task("record", scene.num_frames) as advance:
        return record(scene, out, seed, advance)


def record_episodes(
    out: Path,
    progress: Progress,
    *,
    count: int,
    cameras: Sequence[str],
    seed: int = 0,
    frames: int | None = None,
    size: tuple[int, int] | None = None,
) -> str:
    """Record the tabletop `count` times, with the seeds from `seed` on, as a dataset.

    A recording that was killed goes on. Returns why clips do not carry their scene, or "".
    SimliftError where an episode did not do its task.
    """
    if count < 1:
        raise RecipeError("--episodes", f"found {count}", allowed="a number of 1 or more")
    seen = tuple(dict.fromkeys(cameras))
    if unknown := sorted(set(seen) - set(CAMERAS)):
        raise RecipeError(
            "--cameras", f"the tabletop has no {unknown[0]!r}", allowed=", ".join(CAMERAS)
        )
    scene = Tabletop()
    if frames is not None:
        scene = replace(scene, num_frames=frames)
    if size is not None:
        scene = replace(scene, width=size[0], height=size[1])
    from simlift.simulators.mujoco._renderer import check_drawing

    check_drawing()
    planned = [
        PlannedEpisode(
            index=k,
            name=f"episode_{k:06d}",
            num_frames=scene.num_frames,
            record=partial(scene.views, seed + k, seen),
            tasks=(TASK,),
            success=True,  # an episode in which the task failed is an error
        )
        for k in range(count)
    ]
    return record_dataset(
        out,
        planned,
        seen,
        fps=Fraction(scene.fps),
        settings={"scene": encode(scene), "seed": seed, "episodes": count, "cameras": list(seen)},
        progress=progress,
        robot_type="panda",
    )


def _scene(name: str, model: Path | None, camera: str | None) -> Tabletop | Drive | ModelScene:
    if (name == "model") != (model is not None):
        raise RecipeError(
            "record", f"scene {name!r} with --model {model}", allowed="record model --model FILE"
        )
    if model is not None:
        return ModelScene(model=model, camera=camera)
    if camera is not None:
        raise RecipeError("--camera", f"found {camera!r}", allowed="with --model alone")
    return Tabletop() if name == "tabletop" else Drive()
