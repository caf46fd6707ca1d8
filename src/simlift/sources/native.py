"""Read the native clip folder -> Clip; check every key of clip.json before reading a frame."""

from pathlib import Path

from simlift.core.clip import Clip
from simlift.core.errors import ClipError
from simlift.core.layers import Layer
from simlift.core.read_options import ReadOptions
from simlift.core.strict_json import load
from simlift.media.coded_depth import depth_notes
from simlift.media.images import ImageStore
from simlift.media.manifest import NativeManifest
from simlift.media.video import VideoStore
from simlift.sources.camera_files import read_camera
from simlift.sources.native_layers import read_layer
from simlift.sources.native_tracks import existing, read_objects, read_robot
from simlift.sources.video import video_notes


def recognises(folder: Path) -> bool:
    """Whether clip.json lies in the folder."""
    return (folder / "clip.json").is_file()


def read(folder: Path, options: ReadOptions = ReadOptions()) -> Clip:
    """Read a native clip; ClipError or RecipeError names the file, the key and what is allowed."""
    return build(folder, load(folder / "clip.json", NativeManifest), options)


def build(folder: Path, manifest: NativeManifest, options: ReadOptions = ReadOptions()) -> Clip:
    """Build the clip that a manifest describes in a folder."""
    name = manifest.name
    if not name or name != Path(name).name or name.startswith("."):
        raise ClipError(folder / "clip.json", f"name is {name!r}", allowed="a file name")
    camera = read_camera(folder, manifest)
    layers = tuple(read_layer(folder, manifest, Layer(layer)) for layer in sorted(manifest.layers))
    rgb = next((s.store for s in layers if s.layer is Layer.RGB), None)
    video, matrix = (rgb.info, rgb.matrix) if isinstance(rgb, VideoStore) else (None, None)
    notes = rgb.notes if isinstance(rgb, ImageStore) else ()
    return Clip(
        name=manifest.name,
        path=folder,
        fps=manifest.fps,
        num_frames=manifest.num_frames,
        height=manifest.height,
        width=manifest.width,
        layers=layers,
        camera=camera,
        objects=read_objects(folder, manifest.objects),
        robot=read_robot(folder, manifest.robot),
        labels={int(i): label for i, label in manifest.labels.items()},
        caption=manifest.caption,
        actions=existing(folder, manifest.actions),
        scene=existing(folder, manifest.scene),
        timestamps=video.timestamps if video else None,
        audio=video.path if video and video.audio_codec else None,
        notes=(*(video_notes(video, matrix) if video else notes), *depth_notes(layers)),
        read_options=options,
    )
