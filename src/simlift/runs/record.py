"""A scene's name -> a native clip on disk, recorded in MuJoCo with every layer."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np

from simlift.core.camera import Camera, Objects
from simlift.core.errors import MissingLibrary, RecipeError
from simlift.core.layers import Layer
from simlift.media.native import write_clip
from simlift.runs.progress import Progress
from simlift.simulators.drive import Drive
from simlift.simulators.model_scene import ModelScene
from simlift.simulators.recording import Actions, Recording
from simlift.simulators.tabletop import Tabletop

# 16 bits of depth reach 13 m indoors and 327 m outdoors.
_FINE, _COARSE = 0.0002, 0.005


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
) -> Path:
    """Record a scene into the folder `out` and return it; `size` is width and height."""
    scene = _scene(name, model, camera)
    if frames is not None:
        scene = replace(scene, num_frames=frames)
    if size is not None:
        scene = replace(scene, width=size[0], height=size[1])
    write_recording(scene.simulate(seed), out, progress)
    return out


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


def write_recording(recording: Recording, out: Path, progress: Progress) -> None:
    """Render a recording frame by frame into a native clip."""
    intrinsics, poses, objects = [], [], []
    reach = _FINE if recording.robot is not None else _COARSE
    with (
        progress.task("record", recording.num_frames) as advance,
        write_clip(
            out,
            name=recording.name,
            fps=Fraction(recording.fps),
            height=recording.height,
            width=recording.width,
            metres_per_unit=reach,
            labels=recording.labels,
            caption=recording.caption,
        ) as writer,
    ):
        for frame in recording.render():
            writer.append(
                {
                    Layer.RGB: frame.rgb,
                    Layer.ALBEDO: frame.albedo,
                    Layer.DEPTH: frame.depth,
                    Layer.SEGMENTATION: frame.segmentation,
                }
            )
            intrinsics.append(frame.intrinsics)
            poses.append(frame.world_to_camera)
            objects.append(frame.object_poses)
            advance(1)
        writer.camera(Camera(np.stack(intrinsics), np.stack(poses), recording.up))
        writer.objects(Objects(np.asarray(recording.object_ids), np.stack(objects)))
        if recording.robot is not None:
            writer.robot(recording.robot)
        if recording.actions is not None:
            _write_actions(recording.actions, out / "actions.parquet")


def _write_actions(actions: Actions, path: Path) -> None:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise MissingLibrary("pyarrow", "writing actions.parquet", "record") from None
    table = pyarrow.table(
        {
            "timestamp": actions.timestamps,
            "state": [row.tolist() for row in actions.state],
            "action": [row.tolist() for row in actions.action],
        },
        metadata={
            "state_names": ",".join(actions.state_names),
            "action_names": ",".join(actions.action_names),
        },
    )
    parquet.write_table(table, path)
