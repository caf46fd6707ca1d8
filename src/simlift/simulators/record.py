"""Record a scene with a seed to a native clip folder."""

import math
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np

from simlift.core.camera import Camera, Objects
from simlift.core.errors import MissingLibrary, SimliftError
from simlift.core.layers import Layer
from simlift.media.native import SKY, write_clip
from simlift.simulators.recording import Actions, Recording, Scene


def record(scene: Scene, out: Path, seed: int, progress: Callable[[int], None]) -> str:
    """Simulate and render an episode into `out`; `progress` counts the frames.

    Returns why the clip does not carry its scene, or "" where it does.
    """
    return write_recording(scene.simulate(seed), out, out.resolve().name, progress)


def write_recording(
    episode: Recording, out: Path, name: str, progress: Callable[[int], None]
) -> str:
    """Render a recording into the clip folder `out`; `progress` counts the frames.

    Returns why the clip does not carry its scene, or "" where it does.
    """
    # The finest depth that reaches as far as anything is drawn; beyond 0.2 mm, bits cost megabytes
    # and normals gain nothing.
    metres_per_unit = max(math.ceil(episode.farthest / (SKY - 1) * 1e5) / 1e5, 2e-4)
    intrinsics, world_to_camera, poses = [], [], []
    with write_clip(
        out,
        name=name,
        fps=Fraction(episode.fps),
        height=episode.height,
        width=episode.width,
        metres_per_unit=metres_per_unit,
        labels=episode.labels,
        caption=episode.caption,
    ) as writer:
        for frame in episode.render():
            writer.append(
                {
                    Layer.RGB: frame.rgb,
                    Layer.ALBEDO: frame.albedo,
                    Layer.MATERIAL: frame.material,
                    Layer.DEPTH: frame.depth,
                    Layer.SEGMENTATION: frame.segmentation,
                }
            )
            intrinsics.append(frame.intrinsics)
            world_to_camera.append(frame.world_to_camera)
            poses.append(frame.object_poses)
            progress(1)
        writer.camera(Camera(np.array(intrinsics), np.array(world_to_camera), episode.up))
        writer.objects(Objects(episode.object_ids, np.array(poses)))
        if episode.robot is not None:
            writer.robot(episode.robot)
        if episode.actions is not None:
            write_actions(out / "actions.parquet", episode.actions)
        try:
            writer.scene(episode.geometry())
        except SimliftError as error:
            return str(error)
    return ""


def write_actions(path: Path, actions: Actions) -> None:
    """Write one row for each frame; the names of the columns' parts are in the metadata."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingLibrary("pyarrow", "writing actions", "record") from error

    table = pa.table(
        {
            "state": actions.state.tolist(),
            "action": actions.action.tolist(),
            "timestamp": actions.timestamps.tolist(),
        },
        metadata={
            "state_names": ",".join(actions.state_names),
            "action_names": ",".join(actions.action_names),
        },
    )
    pq.write_table(table, path)
