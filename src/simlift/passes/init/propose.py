"""Propose the manifest of a folder: layers, frames, numbers and a camera, before they are tried."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from simlift.core.clip import Label
from simlift.core.errors import ClipError, RecipeError
from simlift.core.layers import Array, Layer
from simlift.core.read_options import ReadOptions
from simlift.media.gray_pictures import is_coloured
from simlift.media.manifest import NativeCamera, NativeLayer, NativeManifest
from simlift.media.video import probe_video
from simlift.passes.init import cameras
from simlift.passes.init.guesses import guess_depth, guess_ids
from simlift.passes.init.layers import Found, layer_of_words, recognise
from simlift.passes.init.scan import Scan, describe, scan

ASSUMED_FPS = Fraction(24)


@dataclass(frozen=True, eq=False)
class Proposal:
    """A manifest, and what it rests on: lines of what was found, assumed, and must be told.

    `rivals` are other cameras that the same file could mean.
    """

    folder: Path
    manifest: NativeManifest
    found: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()
    untold: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    rivals: tuple[NativeCamera, ...] = ()
    firsts: dict[Layer, Array] = field(default_factory=dict)

    def with_layer(self, layer: Layer, **changes: object) -> "Proposal":
        """Return the proposal with another entry of a layer."""
        entry = replace(self.manifest.layers[layer.value], **changes)  # type: ignore[arg-type]
        layers = self.manifest.layers | {layer.value: entry}
        return replace(self, manifest=replace(self.manifest, layers=layers))

    def with_camera(self, camera: NativeCamera | None) -> "Proposal":
        """Return the proposal with another camera."""
        return replace(self, manifest=replace(self.manifest, camera=camera))

    def saying(self, **lines: Sequence[str]) -> "Proposal":
        """Return the proposal with more lines of found, assumed, untold or unread."""
        return replace(
            self, **{name: getattr(self, name) + tuple(more) for name, more in lines.items()}
        )


def propose(folder: Path, options: ReadOptions = ReadOptions()) -> Proposal:
    """Propose a manifest from names and numbers; ClipError where no colour frames are found."""
    seen = scan(folder)
    chosen, left = _one_camera(seen, options.camera)
    sides = cameras.side_files(seen)
    frames, count, offsets, lines = _frames(folder, chosen)
    rgb = chosen[Layer.RGB]
    height, width = rgb.first.shape[:2]
    rate = options.fps or _rate(rgb, sides)
    layers, assumed, untold = {}, list(lines), []
    labels: dict[str, Label] = {k: Label(v, v) for k, v in cameras.find_names(sides).items()}
    firsts = {}
    for layer, found in chosen.items():
        if found.first.shape[:2] != (height, width):
            text = f"{layer.value} is {found.first.shape[1]}x{found.first.shape[0]}"
            left.append(f"{found.group.pattern}: {text}, rgb {width}x{height}")
            continue
        if layer is Layer.DEPTH and (reason := _no_number(found)):
            left.append(f"{found.group.pattern}: {reason}")
            continue
        entry = NativeLayer(
            file=found.group.pattern, channel=found.channel, number_offset=offsets.get(layer, 0)
        )
        if layer is Layer.DEPTH:
            planes = _stated_planes(options) or cameras.find_clip_planes(sides)
            entry, said, asked = guess_depth(found, entry, planes, stated=options.near is not None)
            assumed += said
            untold += asked
        elif layer is Layer.SEGMENTATION:
            entry, labels, said = guess_ids(found, entry, labels, cameras.find_colours(sides))
            assumed += said
        elif found.first.dtype.kind == "f" and layer in (Layer.RGB, Layer.ALBEDO):
            entry = replace(entry, transfer="linear")
            assumed.append(f"{layer.value} holds linear light, 1 being white")
        layers[layer.value] = entry
        firsts[layer] = found.first
    camera, rivals = _camera(sides, options)
    if camera is None:
        untold.append("no camera was found: --fov DEGREES states the lens of one that stands still")
    if options.fps is None and _rate(rgb, sides) == ASSUMED_FPS and not rgb.group.is_video:
        assumed.append(f"{ASSUMED_FPS} frames a second: --fps states another rate")
    manifest = NativeManifest(
        format="simlift-clip/1",
        name=folder.resolve().name,
        fps=rate,
        num_frames=count,
        height=height,
        width=width,
        layers=layers,
        frames=frames,
        labels=labels if Layer.SEGMENTATION.value in layers else {},
        camera=camera,
    )
    found_lines = [f"{layer}: {entry.file}{_channel(entry)}" for layer, entry in layers.items()]
    if camera is not None:
        found_lines.append(f"camera: {camera.file or f'{camera.fov:g} degrees across, fixed'}")
    used = {side.file for side in sides if camera is not None and side.file == camera.file}
    unread = [*left, *_unread(seen, used)]
    return Proposal(
        folder,
        manifest,
        tuple(found_lines),
        tuple(assumed),
        tuple(untold),
        tuple(unread),
        rivals,
        firsts,
    )


def _no_number(found: Found) -> str:
    """Return why a picture holds no depth; nothing where it does."""
    first = found.first
    if first.ndim < 3 or first.shape[2] < 3 or first.dtype != np.uint8:
        return ""
    if is_coloured(first):
        return "depth in colours is no number: write it in gray"
    return "" if found.group.is_video else "depth in three channels: store one"


def _channel(entry: NativeLayer) -> str:
    return f" ({entry.channel})" if entry.channel else ""


def _one_camera(seen: Scan, wanted: str | None) -> tuple[dict[Layer, Found], list[str]]:
    """Return one sequence for each layer, all of one camera; what is left is named."""
    candidates = [found for group in seen.groups for found in recognise(group)]
    pictures = [c for c in candidates if c.layer is Layer.RGB]
    if not pictures:
        names = describe([group.paths[0] for group in seen.groups], seen.folder)
        raise ClipError(
            seen.folder,
            f"no colour frames were recognised ({names or 'no sequence of files'})",
            allowed="names that say rgb, color, image, frame or render; or plain colour pictures",
            way_out="rename the folder or the files, or write clip.json by hand (docs/clips.md)",
        )
    tags = {c.group.pattern: _tag(c) for c in candidates}
    cameras_found = sorted({tags[c.group.pattern] for c in pictures})
    if len(cameras_found) > 1:
        fitting = [tag for tag in cameras_found if wanted is not None and tag == wanted.lower()]
        if not fitting:
            shown = [tag or "(the one without a name)" for tag in cameras_found]
            raise ClipError(
                seen.folder,
                f"holds {len(cameras_found)} sequences of colour frames: {', '.join(shown)}",
                allowed="one camera in a clip",
                way_out=f"name one: --camera {next(t for t in cameras_found if t)}",
            )
        tag = fitting[0]
    else:
        tag = cameras_found[0]
        if wanted is not None and wanted.lower() != tag:
            raise RecipeError("--camera", f"found {wanted!r}", allowed=tag or "none: there is one")
    chosen: dict[Layer, Found] = {}
    left = []
    for found in candidates:
        if tags[found.group.pattern] != tag:
            left.append(f"{found.group.pattern}: of another camera")
        elif found.layer in chosen:
            left.append(
                f"{found.group.pattern}: {found.layer.value} is {chosen[found.layer].group.pattern}"
            )
        else:
            chosen[found.layer] = found
    return chosen, left


def _tag(found: Found) -> str:
    """Return what a name says beside its layer: the camera, or the number of an episode."""
    tokens = [t for t in re.split(r"[^a-z0-9]+", found.group.words) if t]
    rest = [t for t in tokens if layer_of_words(t) is None and t not in _NO_TAGS]
    text = "_".join(rest)
    for word in ("distance_to_image_plane", "distance_to_camera", "motion_vectors", "base_color"):
        text = text.replace(word, "")
    return text.strip("_")


_NO_TAGS = frozenset(
    {"png", "data", "raw", "main", "left8bit", "exr", "npy", "pass", "layer", "map"}
)


def _frames(
    folder: Path, chosen: dict[Layer, Found]
) -> tuple[tuple[int, ...] | None, int, dict[Layer, int], list[str]]:
    """Return the numbers that all layers share, how many frames, and offsets of layers' numbers."""
    lines: list[str] = []
    numbered = {layer: f.group.numbers for layer, f in chosen.items() if f.group.numbers}
    videos = {
        layer: probe_video(f.group.paths[0]).num_frames
        for layer, f in chosen.items()
        if f.group.is_video
    }
    offsets: dict[Layer, int] = {}
    if Layer.RGB not in numbered:
        count = videos[Layer.RGB]
        for layer, numbers in list(numbered.items()):
            offsets[layer] = numbers[0]
        return None, count, offsets, lines
    rgb = numbered[Layer.RGB]
    shared = set(rgb)
    for layer, numbers in numbered.items():
        if layer is Layer.FLOW and set(rgb) - set(numbers) == {rgb[-1]}:
            continue
        if not shared & set(numbers) or (
            len(numbers) == len(rgb) and numbers[0] != rgb[0] and set(numbers) != set(rgb)
        ):
            offsets[layer] = numbers[0] - rgb[0]
            lines.append(
                f"files of {layer.value} are numbered from {numbers[0]}, those of rgb from "
                f"{rgb[0]}: the first belong together"
            )
        shared &= {n - offsets.get(layer, 0) for n in numbers}
    frames = tuple(n for n in rgb if n in shared)
    if not frames:
        raise ClipError(folder, "no frame has every layer", allowed="the same numbers in all names")
    if len(frames) < len(rgb):
        lines.append(f"{len(rgb) - len(frames)} frames that lack a layer are left out")
    steps = np.diff(frames)
    if len(steps) and steps.max() > steps.min():
        lines.append(
            f"the numbers have gaps: the {len(frames)} frames that exist follow each other"
        )
    even = len(frames) == len(rgb) and (not len(steps) or steps.max() == steps.min())
    same = all(
        tuple(n - offsets.get(layer, 0) for n in numbers) == rgb
        for layer, numbers in numbered.items()
    )
    return (None if even and same else frames), len(frames), offsets, lines


def _stated_planes(options: ReadOptions) -> tuple[float, float] | None:
    if options.near is None or options.far is None:
        return None
    return options.near, options.far


def _rate(rgb: Found, sides: list[cameras.Side]) -> Fraction:
    if rgb.group.is_video:
        return probe_video(rgb.group.paths[0]).fps
    stated = cameras.find_rate(sides)
    return Fraction(stated).limit_denominator(1001) if stated else ASSUMED_FPS


def _camera(
    sides: list[cameras.Side], options: ReadOptions
) -> tuple[NativeCamera | None, tuple[NativeCamera, ...]]:
    if options.fov is not None:
        return NativeCamera(fov=options.fov, up="-y"), ()
    found = cameras.find_camera(sides)
    return (found.camera, found.rivals) if found else (None, ())


def _unread(seen: Scan, used: set[str]) -> list[str]:
    recognised = {g.pattern for g in seen.groups if recognise(g)}
    names = [g.pattern for g in seen.groups if g.pattern not in recognised | used]
    others = [p for p in seen.others if p.relative_to(seen.folder).as_posix() not in used]
    return [*names, *([describe(others, seen.folder)] if others else [])]
