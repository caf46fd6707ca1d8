"""Write native clip folders, and add layers to them.

clip.json            the manifest, see `simlift.media.manifest`
rgb.mp4              colour; albedo.mp4 the same without light
depth.mkv            FFV1 gray16le times `metres_per_unit`; the value `sky` is +inf
segmentation.mkv     FFV1 gray16le ids, named by `labels`
normals/ flow/       numbered .npy files, optional
material.mkv         FFV1 bgr0: roughness, metallic, emission, each 0..255 for 0..1
twin.mp4             the scene as a path tracer shows it; often added when the rest is long there
camera.npz           intrinsics [t 3 3], world_to_camera [t 4 4], up [3] (default +z)
objects.npz          ids [o], poses [t o 4 4] object_to_world
robot.npz            joint_names, joint_positions [t j], link_names, link_poses, gripper [t];
                     arm_names [a], arm_links [a l], arm_grippers [t a] where links form arms
scene.glb            the scene's meshes and materials, for engines that render it
actions.parquet      state, action, timestamp rows, carried untouched
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from simlift.core.camera import Camera, Objects, Robot
from simlift.core.clip import Label
from simlift.core.errors import ClipError
from simlift.core.layers import Array, Layer
from simlift.core.recipe import Encoding
from simlift.core.scene_geometry import SceneGeometry
from simlift.core.strict_json import load
from simlift.media.gltf.writer import write_gltf
from simlift.media.manifest import NativeLayer, NativeManifest, manifest_text
from simlift.media.video.writer import (
    LOSSLESS_GRAY16,
    LOSSLESS_RGB,
    VideoWriter,
    write_video,
)

SKY = 65535

# Colour that was rendered without light is flat: whole colour planes cost little and do not bleed.
_COLOUR = Encoding(crf=12, preset="slow", keyframe_interval=24)
_FLAT_COLOUR = Encoding(crf=10, preset="slow", chroma="yuv444p", keyframe_interval=24)

_VIDEOS: Mapping[Layer, tuple[str, Encoding]] = {
    Layer.RGB: ("rgb.mp4", _COLOUR),
    Layer.ALBEDO: ("albedo.mp4", _FLAT_COLOUR),
    Layer.TWIN: ("twin.mp4", _COLOUR),
    Layer.MATERIAL: ("material.mkv", LOSSLESS_RGB),
    Layer.DEPTH: ("depth.mkv", LOSSLESS_GRAY16),
    Layer.SEGMENTATION: ("segmentation.mkv", LOSSLESS_GRAY16),
}


@contextmanager
def write_clip(
    folder: Path,
    *,
    name: str,
    fps: Fraction,
    height: int,
    width: int,
    metres_per_unit: float = 0.001,
    labels: Mapping[int, Label] | None = None,
    caption: str = "",
) -> Iterator["ClipWriter"]:
    """Write a native clip; `clip.json` comes last, so that its existence means the clip is whole.

    ClipError when the folder already holds a clip.
    """
    if (folder / "clip.json").exists():
        raise ClipError(folder, "already holds a clip", way_out="choose another --out")
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        writer = ClipWriter(folder, fps, height, width, metres_per_unit, stack)
        yield writer
    manifest = NativeManifest(
        format="simlift-clip/1",
        name=name,
        fps=fps,
        num_frames=writer.num_frames,
        height=height,
        width=width,
        layers=writer.entries,
        caption=caption,
        labels={str(i): label for i, label in (labels or {}).items()},
        camera=writer.file("camera.npz"),
        objects=writer.file("objects.npz"),
        robot=writer.file("robot.npz"),
        actions=writer.file("actions.parquet"),
        scene=writer.file("scene.glb"),
    )
    _write_manifest(folder, manifest)


@contextmanager
def add_layer(
    folder: Path, layer: Layer, *, metres_per_unit: float = 0.001
) -> Iterator["ClipWriter"]:
    """Add a layer to a clip that was recorded before: append `{layer: frame}` for every frame.

    A video appears by rename when it is whole (numbered files as they are written), and then the
    manifest that names it, so that the clip is valid at any moment. ClipError when the clip has the
    layer already, or when the frames do not match its own.
    """
    manifest = load(folder / "clip.json", NativeManifest)
    if layer.value in manifest.layers:
        raise ClipError(
            folder / str(manifest.layers[layer.value].file),
            f"the clip has a layer {layer.value} already",
            way_out=f"remove {layer.value} from clip.json to record it again",
        )
    with ExitStack() as stack:
        writer = ClipWriter(
            folder, manifest.fps, manifest.height, manifest.width, metres_per_unit, stack
        )
        yield writer
        _check_added(folder, layer, writer, manifest.num_frames)
    found = load(folder / "clip.json", NativeManifest)  # another layer may have come meanwhile
    _write_manifest(folder, replace(found, layers=found.layers | writer.entries))


def _check_added(folder: Path, layer: Layer, writer: "ClipWriter", num_frames: int) -> None:
    if set(writer.entries) - {layer.value}:
        raise ClipError(
            folder,
            f"{', '.join(sorted(writer.entries))} were appended",
            allowed=f"{layer.value} alone",
        )
    if writer.num_frames != num_frames:
        raise ClipError(
            folder / _VIDEOS.get(layer, (layer.value,))[0],
            f"layer {layer.value} got {writer.num_frames} frames, the clip holds {num_frames}",
            allowed="one frame for each frame of rgb",
            way_out="render the whole clip",
        )


def _write_manifest(folder: Path, manifest: NativeManifest) -> None:
    partial = folder / ".clip.json.partial"
    partial.write_text(manifest_text(manifest), encoding="utf-8")
    partial.replace(folder / "clip.json")


class ClipWriter:
    """A native clip being written: `append` layers frame by frame, then tracks for all frames."""

    def __init__(
        self,
        folder: Path,
        fps: Fraction,
        height: int,
        width: int,
        metres_per_unit: float,
        stack: ExitStack,
    ) -> None:
        self._folder, self._fps, self._height, self._width = folder, fps, height, width
        self._metres_per_unit, self._stack = metres_per_unit, stack
        self._videos: dict[Layer, VideoWriter] = {}
        self.entries: dict[str, NativeLayer] = {}
        self.num_frames = 0

    def file(self, name: str) -> str | None:
        """Return `name` if that file was written."""
        return name if (self._folder / name).exists() else None

    def append(self, layers: Mapping[Layer, Array]) -> None:
        """Add one frame [h w ...] of each layer: colours and material uint8, metres, ids."""
        for layer, frame in layers.items():
            if frame.shape[:2] != (self._height, self._width):
                raise ClipError(
                    self._folder / _VIDEOS.get(layer, (layer.value,))[0],
                    f"frame {self.num_frames} is {frame.shape[1]}x{frame.shape[0]}",
                    allowed=f"{self._width}x{self._height}, as the clip",
                )
            if layer is Layer.DEPTH:
                self._video(layer).append(self._gray16(frame)[None])
            elif layer is Layer.SEGMENTATION:
                self._video(layer).append(self._ids16(frame)[None])
            elif layer in _VIDEOS:
                self._video(layer).append(frame[None])
            else:
                self._array(layer, frame)
        self.num_frames += 1

    def camera(self, camera: Camera) -> None:
        """Write camera.npz."""
        np.savez_compressed(
            self._folder / "camera.npz",
            intrinsics=camera.intrinsics,
            world_to_camera=camera.world_to_camera,
            up=camera.up,
        )

    def objects(self, objects: Objects) -> None:
        """Write objects.npz."""
        np.savez_compressed(self._folder / "objects.npz", ids=objects.ids, poses=objects.poses)

    def robot(self, robot: Robot) -> None:
        """Write robot.npz."""
        np.savez_compressed(
            str(self._folder / "robot.npz"),
            allow_pickle=False,
            joint_names=np.asarray(robot.joint_names),
            joint_positions=robot.joint_positions,
            link_names=np.asarray(robot.link_names),
            link_poses=robot.link_poses,
            gripper=robot.gripper,
            **_arms(robot),
        )

    def scene(self, geometry: SceneGeometry) -> None:
        """Write scene.glb."""
        write_gltf(self._folder / "scene.glb", geometry)

    def _ids16(self, ids: Array) -> Array:
        if ids.min() < 0 or ids.max() > 65535:
            raise ClipError(
                self._folder,
                f"segmentation ids reach from {ids.min()} to {ids.max()}",
                allowed="0 to 65535",
                way_out="number the instances anew",
            )
        return ids.astype(np.uint16)

    def _gray16(self, depth: Array) -> Array:
        if np.isnan(depth).any() or (depth < 0).any():
            raise ClipError(
                self._folder,
                f"depth of frame {self.num_frames} holds NaN or negative values",
                allowed="metres above 0, or +inf for the sky",
            )
        sky = ~np.isfinite(depth)
        units = np.rint(np.where(sky, 0, depth) / self._metres_per_unit)
        if units.max() >= SKY:
            raise ClipError(
                self._folder,
                f"depth {np.where(sky, 0, depth).max():.3g} m does not fit 16 bits of "
                f"{self._metres_per_unit} m",
                way_out="write with a larger metres_per_unit",
            )
        return np.where(sky, SKY, units).astype(np.uint16)

    def _video(self, layer: Layer) -> VideoWriter:
        if layer not in self._videos:
            name, encoding = _VIDEOS[layer]
            is_depth = layer is Layer.DEPTH
            self.entries[layer.value] = NativeLayer(
                file=name,
                metres_per_unit=self._metres_per_unit if is_depth else None,
                sky=SKY if is_depth else None,
            )
            self._videos[layer] = self._stack.enter_context(
                write_video(
                    self._folder / name,
                    height=self._height,
                    width=self._width,
                    fps=self._fps,
                    encoding=encoding,
                )
            )
        return self._videos[layer]

    def _array(self, layer: Layer, frame: Array) -> None:
        folder = self._folder / layer.value
        folder.mkdir(exist_ok=True)
        np.save(folder / f"{self.num_frames:06d}.npy", frame)
        self.entries[layer.value] = NativeLayer(file=f"{layer.value}/%06d.npy")


def _arms(robot: Robot) -> dict[str, Array]:
    """Return the arms as arrays: links [a l], padded with "", and openings of grippers [t a]."""
    if not robot.arms:
        return {}
    longest = max(len(arm.links) for arm in robot.arms)
    return {
        "arm_names": np.array([arm.name for arm in robot.arms]),
        "arm_links": np.array(
            [[*arm.links] + [""] * (longest - len(arm.links)) for arm in robot.arms]
        ),
        "arm_grippers": np.stack([arm.gripper for arm in robot.arms], axis=1),
    }
