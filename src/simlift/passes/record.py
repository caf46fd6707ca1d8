"""Record a scene in MuJoCo -> a native clip on disk with every layer."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

from simlift.core.errors import RecipeError
from simlift.scale.progress import Progress
from simlift.simulators.drive.scene import Drive
from simlift.simulators.mjcf.scene import ModelScene
from simlift.simulators.record import record
from simlift.simulators.tabletop.scene import Tabletop


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
