"""Write one episode as a recording of Rerun: cameras, robot, pictures, depth and curves."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import rerun as rr
from jaxtyping import Float

from simlift.core.clip import Clip
from simlift.core.errors import RunError
from simlift.core.layers import Array, Layer
from simlift.core.run import Run, Take
from simlift.sources.curves import curves_of

_JPEG = [cv2.IMWRITE_JPEG_QUALITY, 90]
_AXIS = 0.08  # metres, of the frame of a link
_DEPTH_STEPS = 65535
_BONE, _BONE_RADIUS = (255, 255, 0), 0.008  # sRGB; metres


@dataclass(frozen=True, eq=False)
class View:
    """One camera of the episode, and what was made of it."""

    clip: Clip
    takes: tuple[Take, ...]


def write_recording(
    run: Run, name: str, views: Sequence[View], path: Path, advance: Callable[[int], None]
) -> None:
    """Write a recording that appears at `path` by rename; RunError when it cannot be written."""
    partial = path.with_name(f".{path.stem}.{os.getpid()}.partial.rrd")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with rr.RecordingStream("simlift", recording_id=name, send_properties=False) as stream:
            # Times of writing would make equal runs differ.
            rr.set_log_time_enabled(False, recording=stream)
            stream.set_log_tick_enabled(False)
            stream.save(partial)
            stream.send_recording_name(name)
            # The cameras of an episode saw one robot, though a clip may not know it.
            shared = next((v.clip for v in views if v.clip.robot is not None), views[0].clip)
            _robot(stream, shared)
            _curves(stream, shared)
            for view in views:
                _camera(stream, run, view, advance)
            stream.flush()
            stream.disconnect()
        partial.replace(path)
    except OSError as error:
        raise RunError(
            path,
            f"cannot be written ({error.strerror or error})",
            way_out="free space on the disk, or choose another --out",
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def _at(stream: rr.RecordingStream, clip: Clip, frame: int) -> None:
    stream.set_time("frame", sequence=frame)
    stream.set_time("time", duration=_seconds(clip)[frame])


def _seconds(clip: Clip) -> list[float]:
    if clip.timestamps is not None:
        return [float(time) for time in clip.timestamps]
    return [float(k / clip.fps) for k in range(clip.num_frames)]


def _indexes(clip: Clip) -> list[rr.TimeColumn]:
    return [
        rr.TimeColumn("frame", sequence=range(clip.num_frames)),
        rr.TimeColumn("time", duration=_seconds(clip)),
    ]


def _poses(
    stream: rr.RecordingStream, clip: Clip, entity: str, poses: Float[np.ndarray, "t 4 4"]
) -> None:
    stream.send_columns(
        entity,
        indexes=_indexes(clip),
        columns=rr.Transform3D.columns(
            translation=poses[:, :3, 3], mat3x3=poses[:, :3, :3].reshape(-1, 9)
        ),
    )


def _robot(stream: rr.RecordingStream, clip: Clip) -> None:
    if clip.camera is not None and clip.camera.up[2] > 0.9:
        stream.log("world", rr.ViewCoordinates.RIGHT_HAND_Z_UP, static=True)
    if clip.robot is None:
        return
    for k, link in enumerate(clip.robot.link_names):
        entity = f"world/robot/{rr.escape_entity_path_part(link)}"
        stream.log(entity, rr.TransformAxes3D(_AXIS), static=True)
        _poses(stream, clip, entity, clip.robot.link_poses[:, k])
    for arm in clip.robot.arms:
        entity = f"world/skeleton/{rr.escape_entity_path_part(arm.name)}"
        for frame, points in enumerate(clip.robot.poses_of(arm.links)[..., :3, 3]):
            _at(stream, clip, frame)
            stream.log(entity, rr.LineStrips3D([points], colors=[_BONE], radii=[_BONE_RADIUS]))


def _curves(stream: rr.RecordingStream, clip: Clip) -> None:
    for curves in curves_of(clip):
        for name, line in zip(curves.names, curves.values.T, strict=True):
            parts = [rr.escape_entity_path_part(part) for part in (curves.title, name)]
            stream.send_columns(
                "/".join(("curves", *parts)),
                indexes=_indexes(clip),
                columns=rr.Scalars.columns(scalars=line),
            )


def _camera(
    stream: rr.RecordingStream, run: Run, view: View, advance: Callable[[int], None]
) -> None:
    clip = view.clip
    name = rr.escape_entity_path_part(clip.origin.camera if clip.origin else clip.name)
    place = f"{'' if clip.camera is None else 'world/'}cameras/{name}"
    if clip.camera is not None:
        _poses(stream, clip, place, np.linalg.inv(clip.camera.world_to_camera))
        lenses = clip.camera.intrinsics
        still = bool((lenses == lenses[0]).all())
        for frame, lens in enumerate(lenses[:1] if still else lenses):
            _at(stream, clip, frame)
            pinhole = rr.Pinhole(
                image_from_camera=lens,
                resolution=(clip.width, clip.height),
                camera_xyz=rr.ViewCoordinates.RDF,
            )
            stream.log(place, pinhole, static=still)
    layers = [layer for layer in (Layer.RGB, Layer.DEPTH) if layer in clip]
    with clip.open(layers) as reader:
        for frame in range(clip.num_frames):
            window = reader.window([frame])
            _at(stream, clip, frame)
            picture = _coded(".jpg", window.rgb[0][..., ::-1], _JPEG)
            stream.log(
                f"{place}/render", rr.EncodedImage(contents=picture, media_type="image/jpeg")
            )
            if Layer.DEPTH in window:
                stream.log(f"{place}/depth", _depth(clip, window[Layer.DEPTH][0]))
            advance(1)
    for take in view.takes:
        _take(stream, run, clip, take, f"{place}/takes/{rr.escape_entity_path_part(take.variant)}")


def _depth(clip: Clip, depth: Float[np.ndarray, "h w"]) -> rr.EncodedDepthImage:
    """Return depth in millimetres, or relative depth in 65,535ths; 0 is where nothing was hit."""
    finite = np.where(np.isfinite(depth), depth, 0)
    meter = 1000.0 if clip.metric_depth else _DEPTH_STEPS / max(float(finite.max()), 1e-9)
    codes = np.clip(np.rint(finite * meter), 0, _DEPTH_STEPS).astype(np.uint16)
    return rr.EncodedDepthImage(_coded(".png", codes, []), media_type="image/png", meter=meter)


def _coded(suffix: str, picture: Array, settings: Sequence[int]) -> bytes:
    _, data = cv2.imencode(suffix, np.ascontiguousarray(picture), settings)
    return bytes(data.tobytes())


def _take(stream: rr.RecordingStream, run: Run, clip: Clip, take: Take, entity: str) -> None:
    """Store a take's own file, and say at each frame which moment of it is shown."""
    video = rr.AssetVideo(path=run.take_video(take.key))
    stream.log(entity, video, static=True)
    stream.send_columns(
        entity,
        indexes=_indexes(clip),
        columns=rr.VideoFrameReference.columns_nanos(video.read_frame_timestamps_nanos()),
    )
