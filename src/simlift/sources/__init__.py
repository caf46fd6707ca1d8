"""Read clips from disk layouts in place, without converting them: one module for each layout."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from simlift.core.clip import Clip
from simlift.core.errors import ClipError, RecipeError
from simlift.core.read_options import ReadOptions
from simlift.media.folders import visible_files, visible_folders
from simlift.media.video import VIDEO_SUFFIXES
from simlift.sources import (
    airsim,
    blender,
    carla,
    cosmos_writer,
    images,
    kitti,
    kubric,
    native,
    replicator,
    sailvos,
    solo,
    tum,
    unreal,
    video,
    vkitti2,
)
from simlift.sources.datasets import DATASETS, format_of, open_dataset, open_episodes, open_one
from simlift.sources.native_dataset import MAIN
from simlift.sources.robot_track import with_robot


@dataclass(frozen=True)
class Layout:
    """A layout on disk: its name, who recognises and reads it, and which options it heeds."""

    name: str
    recognises: Callable[[Path], bool]
    read: Callable[[Path, ReadOptions], Clip]
    options: frozenset[str] = frozenset()


# The first layout that recognises a folder reads it; the most specific come first.
LAYOUTS: tuple[Layout, ...] = (
    Layout("native folder (clip.json)", native.recognises, native.read),
    Layout(
        "CosmosWriter folder (*rgb.mp4 beside *depth.mp4)",
        cosmos_writer.recognises,
        cosmos_writer.read,
        frozenset({"fov", "near", "far"}),
    ),
    Layout(
        "Virtual KITTI 2 scene (frames/rgb/Camera_0)",
        vkitti2.recognises,
        vkitti2.read,
        frozenset({"camera", "fps"}),
    ),
    Layout(
        "KITTI drive, sequence or scene (image_02/data, or image_2 with calib)",
        kitti.recognises,
        kitti.read,
        frozenset({"camera", "fps"}),
    ),
    Layout(
        "AirSim recording (airsim_rec.txt)",
        airsim.recognises,
        airsim.read,
        frozenset({"camera", "fps", "fov"}),
    ),
    Layout(
        "SAIL-VOS 3D video (images/*.bmp, rage_matrices/*.npz)",
        sailvos.recognises,
        sailvos.read,
        frozenset({"fps"}),
    ),
    Layout(
        "TUM RGB-D sequence (rgb.txt, depth.txt; or times as names in rgb/ and depth/)",
        tum.recognises,
        tum.read,
        frozenset({"fps", "fov"}),
    ),
    Layout(
        "Replicator BasicWriter folder (rgb_0000.png beside distance_to_image_plane_0000.npy, ...)",
        replicator.recognises,
        replicator.read,
        frozenset({"camera", "fps", "fov"}),
    ),
    Layout(
        "Unity Perception sequence (SOLO: step0.frame_data.json)",
        solo.recognises,
        solo.read,
        frozenset({"camera", "fps"}),
    ),
    Layout(
        "Kubric scene (rgba_00000.png, depth_00000.tiff, metadata.json)",
        kubric.recognises,
        kubric.read,
        frozenset({"fps"}),
    ),
    Layout(
        "Blender renders (multi-layer EXR, or Image0001.exr beside Depth0001.exr)",
        blender.recognises,
        blender.read,
        frozenset({"fps", "fov"}),
    ),
    Layout(
        "Unreal Movie Render Queue passes (multi-layer EXR, or shot.FinalImage.0000.exr ...)",
        unreal.recognises,
        unreal.read,
        frozenset({"fps", "fov"}),
    ),
    Layout(
        "CARLA sensor dump (rgb*, depth*, sem*)",
        carla.recognises,
        carla.read,
        frozenset({"camera", "fps", "fov", "tags"}),
    ),
    Layout(
        "image sequence (000000.png ...)", images.recognises, images.read, frozenset({"fps", "fov"})
    ),
    Layout("folder with one video", video.recognises, video.read_only_video, frozenset({"fov"})),
)
_IMAGE = Layout("image", Path.is_file, images.read_single, frozenset({"fps", "fov"}))
_VIDEO = Layout("video", Path.is_file, video.read, frozenset({"fov"}))


def open_clip(path: str | Path, options: ReadOptions = ReadOptions()) -> Clip:
    """Open the clip at a path: a folder of a known layout, a video file, or an image.

    `options` state what its files do not say. ClipError says what was found, what is allowed and
    the way out; no frame is kept in memory.
    """
    path = Path(path)
    if format_of(path) is not None:
        return open_one(path, options)
    layout = layout_of(path)
    if stray := sorted(options.stated - layout.options - {"robot"}):
        allowed = ", ".join(f"--{name}" for name in sorted(layout.options)) or "none"
        raise RecipeError(
            f"--{stray[0]}",
            f"is stated for {path}, which is a {layout.name}",
            allowed=f"options that it heeds: {allowed}",
            way_out="leave it out"
            + (", and state it in clip.json" if layout.read is native.read else ""),
        )
    clip = layout.read(path.parent if path.name == "clip.json" else path, options)
    return clip if options.robot is None else _described(clip, options.robot)


def _described(clip: Clip, robot: Path) -> Clip:
    """Return a clip with the robot that the user described, moved by the clip's own rows."""
    if clip.actions is None:
        raise RecipeError(
            "--robot",
            f"is stated for {clip.path}, which has no rows of joints",
            allowed="a dataset, or a native clip with actions.parquet",
        )
    from simlift.media._parquet import read_table

    return with_robot(clip, read_table(clip.actions), robot, MAIN, (clip.actions,))


def open_clips(
    path: str | Path,
    options: ReadOptions = ReadOptions(),
    episodes: str | None = None,
    cameras: Sequence[str] | None = None,
) -> list[Clip]:
    """Open all that lies at a path: the chosen cameras and episodes of a dataset, or one clip.

    `episodes` are words like "0:50,60", `cameras` names. RecipeError where they are stated for
    what is no dataset.
    """
    path = Path(path)
    if format_of(path) is not None and options.episode is None:
        if options.camera is not None:
            cameras = (*(cameras or ()), options.camera)
        return open_episodes(path, replace(options, camera=None), episodes, cameras)
    for flag, given in (("--episodes", episodes), ("--cameras", cameras)):
        if given is not None:
            raise RecipeError(
                flag,
                f"is stated for {path}, which is no dataset",
                allowed="; ".join(known.name for known in DATASETS),
                way_out="leave it out",
            )
    return [open_clip(path, options)]


def layout_of(path: Path) -> Layout:
    """Return the layout that reads what lies at a path; ClipError where none does."""
    if path.is_dir():
        for layout in LAYOUTS:
            if layout.recognises(path):
                return layout
        raise ClipError(
            path,
            f"is a folder of no known layout ({_inside(path)})",
            allowed="; ".join(layout.name for layout in LAYOUTS),
            way_out=_clips_below(path)
            or f"simlift init {path} looks what it holds and writes a clip.json; or name the "
            "clips inside one by one",
        )
    if not path.exists():
        raise ClipError(path, "does not exist", way_out="check the path")
    if path.name == "clip.json":
        return LAYOUTS[0]
    if path.suffix.lower() in images.SINGLE_SUFFIXES:
        return _IMAGE
    if path.suffix.lower() in VIDEO_SUFFIXES:
        return _VIDEO
    raise ClipError(
        path,
        f"has the suffix {path.suffix!r}",
        allowed=f"a folder, or {' '.join(sorted(VIDEO_SUFFIXES | images.SINGLE_SUFFIXES))}",
    )


def _clips_below(folder: Path) -> str:
    """Say what to do with a folder of native clips that no dataset.json joins; "" for others."""
    found = [p for f in visible_folders(folder) for p in (f, *visible_folders(f))]
    clips = [p for p in found if native.recognises(p)]
    if not clips:
        return ""
    return (
        "it holds native clips without a dataset.json, which would say what belongs together: name "
        f"them one by one, such as {clips[0]}; or write a dataset.json "
        "(simlift.media.dataset_manifest)"
    )


def _inside(folder: Path) -> str:
    """Say what a folder holds, in short."""
    names = [p.name for p in visible_files(folder)] + [
        p.name + "/" for p in visible_folders(folder)
    ]
    if not names:
        return "it is empty"
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return f"it holds {', '.join(names[:4])}{more}"


__all__ = [
    "DATASETS",
    "LAYOUTS",
    "Layout",
    "layout_of",
    "open_clip",
    "open_clips",
    "open_dataset",
]
