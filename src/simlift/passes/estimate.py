"""Estimate depth and segmentation of a plain video with local models -> a native clip.

out/clip.json          the clip; it comes last
out/rgb.mp4            the source's own file, hard-linked or copied: frames, times and sound
out/depth.mkv  segmentation.mkv  camera.npz
out/estimates.json     which model made which layer, from which source
out/parts/             what the models said, part by part: a killed estimate resumes here, and
                       other --near and --far need no model again; it may be deleted
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from simlift.core.camera import Camera
from simlift.core.clip import Clip
from simlift.core.errors import ClipError, RecipeError, RunError
from simlift.core.layers import Array, Layer
from simlift.core.run import Run, write_text
from simlift.core.strict_json import digest, dumps, load
from simlift.media.manifest import NativeLayer
from simlift.media.native import write_clip
from simlift.models.hub.folder import ModelFolder
from simlift.models.vision.depth import DepthEstimator, gives_metres, require_torch
from simlift.models.vision.depth_scale import (
    Scale,
    inverse_depth_range,
    metric_scale,
    near_far_scale,
    relative,
)
from simlift.models.vision.estimate_chunks import FRAMES, EstimateChunks, decode, encode
from simlift.models.vision.provenance import Estimate, Origin, Provenance
from simlift.models.vision.segmentation import Segmenter, labels
from simlift.models.vision.temporal_alignment import align_over_time
from simlift.passes.provenance import installed, source_digest
from simlift.pixels.geometry.projection import pinhole
from simlift.scale.progress import Progress

_METHOD = 1  # raise it when the same model and source give other numbers: parts are made anew
_SAMPLED_PARTS, _SAMPLE_STEP = 64, 8  # near and far are read from every eighth pixel of these


@dataclass(frozen=True, eq=False)
class _Plan:
    """What was found before the first frame: models, provenance, where the parts lie."""

    clip: Clip
    out: Path
    provenance: Provenance
    folders: dict[Layer, ModelFolder]

    def parts(self, layer: Layer) -> EstimateChunks | None:
        if layer not in self.folders:
            return None
        origin = self.provenance.layers[layer.value]
        key = digest([_METHOD, self.provenance.source_digest, origin.digest])
        return EstimateChunks(self.out / "parts" / f"{layer.value}-{key}", self.clip.num_frames)

    @property
    def sky(self) -> list[int]:
        """The ids of the sky."""
        folder = self.folders.get(Layer.SEGMENTATION)
        return [i for i, name in labels(folder).items() if name.category == "sky"] if folder else []


def estimate_clip(
    clip: Clip, out: Path, settings: Estimate, progress: Progress, *, device: str = "cpu"
) -> Provenance:
    """Fill the folder `out` with a native clip; run again, it resumes or finds its work done.

    InputError before the first frame where the clip, a model or the folder does not do.
    """
    folders = _find_models(settings)
    require_torch()
    _check(clip, out)
    with Run(out).lock():
        plan = _Plan(clip, out, _provenance(clip, settings, folders), folders)
        if (out / "clip.json").is_file() and _made(out) == plan.provenance:
            return plan.provenance
        Run(out).sweep()
        (out / "clip.json").unlink(missing_ok=True)
        write_text(out / "estimates.json", dumps(plan.provenance))
        _segment(plan, progress, device)
        _find_depth(plan, progress, device)
        _assemble(plan, progress)
    return plan.provenance


def _find_models(settings: Estimate) -> dict[Layer, ModelFolder]:
    out = {}
    if settings.depth is not None:
        out[Layer.DEPTH] = DepthEstimator(settings.depth).find()
        if gives_metres(out[Layer.DEPTH]) and settings.near is not None:
            raise RecipeError(
                "--near, --far",
                f"found with {settings.depth}, which gives metres itself",
                allowed="with models of relative depth",
                way_out="leave them out",
            )
    if settings.segmentation is not None:
        out[Layer.SEGMENTATION] = Segmenter(settings.segmentation).find()
    return out


def _check(clip: Clip, out: Path) -> None:
    if found := [s.layer.value for s in clip.layers if s.layer is not Layer.RGB]:
        raise ClipError(
            clip.path,
            f"has {', '.join(found)} beside its colour",
            allowed="a plain video or plain images",
            way_out="lift it as it is",
        )
    others = {p.name for p in out.iterdir()} - {".lock"} if out.is_dir() else set()
    if others and "estimates.json" not in others:
        raise RunError(out, "is not empty and holds no estimate", way_out="choose another --out")


def _provenance(clip: Clip, settings: Estimate, folders: dict[Layer, ModelFolder]) -> Provenance:
    origins = {}
    for layer, folder in folders.items():
        unit = "ids"
        if layer is Layer.DEPTH:
            metres = gives_metres(folder) or settings.near is not None
            unit = "metres" if metres else "relative"
        origins[layer.value] = Origin(folder.name, folder.kind, folder.digest(), unit)
    versions = {name: installed(name) or "" for name in ("simlift", "torch", "transformers")}
    return Provenance(clip.path.name, source_digest(clip), settings, origins, versions)


def _made(out: Path) -> Provenance | None:
    try:
        return load(out / "estimates.json", Provenance)
    except RecipeError:  # another version of simlift wrote it: the clip is put together anew
        return None


def _segment(plan: _Plan, progress: Progress, device: str) -> None:
    parts = plan.parts(Layer.SEGMENTATION)
    if parts is None or not (missing := _missing(parts)):
        return
    spec = Segmenter(plan.folders[Layer.SEGMENTATION].name)
    with spec.open(device) as tool, progress.task("segments", _frames(plan, missing)) as advance:
        for start, rgb in _read(plan.clip, missing):
            parts.write(start, {"ids": tool.segment(rgb).astype(np.uint16)})
            advance(len(rgb))


def _find_depth(plan: _Plan, progress: Progress, device: str) -> None:
    parts = plan.parts(Layer.DEPTH)
    if parts is None or not (missing := _missing(parts)):
        return
    # Every part follows from the one before, so what comes after a gap is made anew.
    missing = tuple(start for start in parts.starts() if start >= missing[0])
    spec = DepthEstimator(plan.folders[Layer.DEPTH].name)
    with spec.open(device) as tool, progress.task("depth", _frames(plan, missing)) as advance:
        before = None
        if missing[0]:
            last = missing[0] - FRAMES
            before = parts.depth(last)[-1], next(_read(plan.clip, [last]))[1][-1]
        for start, rgb in _read(plan.clip, missing):
            found = []
            for frame, value in zip(rgb, tool.inverse_depth(rgb), strict=True):
                if before is not None:
                    depth, colour = before
                    value = align_over_time(value, depth, frame, colour, offset=not tool.metric)
                before = value, frame
                found.append(value)
            stored = encode(np.stack(found))
            parts.write(start, stored)
            before = decode(**stored)[-1], rgb[-1]  # as a resumed estimate finds it
            advance(len(rgb))


def _missing(parts: EstimateChunks) -> tuple[int, ...]:
    parts.drop_others()
    return parts.missing()


def _frames(plan: _Plan, starts: Sequence[int]) -> int:
    return sum(min(FRAMES, plan.clip.num_frames - start) for start in starts)


def _read(clip: Clip, starts: Sequence[int]) -> Iterator[tuple[int, Array]]:
    with clip.open([Layer.RGB]) as reader:
        for start in starts:
            indices = range(start, min(start + FRAMES, clip.num_frames))
            yield start, reader.window(indices).rgb


def _assemble(plan: _Plan, progress: Progress) -> None:
    """Write the clip from the parts; clip.json comes last."""
    clip, out, layers = plan.clip, plan.out, plan.provenance.layers
    for name in ("camera.npz", "depth.mkv", "segmentation.mkv"):
        (out / name).unlink(missing_ok=True)
    scale = _scale(plan)
    segmented = plan.folders.get(Layer.SEGMENTATION)
    with (
        progress.task("write", clip.num_frames) as advance,
        write_clip(
            out,
            name=out.resolve().name,
            fps=clip.fps,
            height=clip.height,
            width=clip.width,
            metres_per_unit=scale.unit if scale else 1.0,
            labels=labels(segmented) if segmented else None,
        ) as writer,
    ):
        for start in EstimateChunks(out, clip.num_frames).starts():
            for frame in _frames_of(plan, start, scale):
                writer.append(frame)
                advance(1)
        writer.entries["rgb"] = NativeLayer(file=_link(clip, out))
        if scale and scale.far is None:
            writer.entries["depth"] = NativeLayer(file="depth.mkv", unit="relative")
        for layer, origin in layers.items():
            writer.entries[layer] = replace(writer.entries[layer], note=str(origin))
        if plan.provenance.settings.fov is not None:
            writer.camera(_camera(clip, plan.provenance.settings.fov))


def _frames_of(plan: _Plan, start: int, scale: Scale | None) -> Iterator[dict[Layer, Array]]:
    """Yield the estimated layers of every frame of a part, as the clip stores them."""
    ids, depth = plan.parts(Layer.SEGMENTATION), plan.parts(Layer.DEPTH)
    arrays: dict[Layer, Array] = {}
    if ids is not None:
        arrays[Layer.SEGMENTATION] = ids.ids(start)
    if depth is not None and scale is not None:
        arrays[Layer.DEPTH] = np.stack([scale(inverse) for inverse in depth.depth(start)])
        if ids is not None:
            arrays[Layer.DEPTH][np.isin(arrays[Layer.SEGMENTATION], plan.sky)] = scale.sky
    for frame in zip(*arrays.values(), strict=True):
        yield dict(zip(arrays, frame, strict=True))


def _scale(plan: _Plan) -> Scale | None:
    """Return the one map from the model's inverse depth to what the clip stores."""
    if plan.parts(Layer.DEPTH) is None:
        return None
    low, high = inverse_depth_range(_samples(plan))
    settings = plan.provenance.settings
    if settings.near is not None and settings.far is not None:
        return near_far_scale(low, high, settings.near, settings.far)
    metres = plan.provenance.layers["depth"].unit == "metres"
    return metric_scale(low) if metres else relative(low, high)


def _samples(plan: _Plan) -> Iterator[Array]:
    """Yield some of the clip's inverse depth, without the sky."""
    ids, depth = plan.parts(Layer.SEGMENTATION), plan.parts(Layer.DEPTH)
    assert depth is not None
    some = (0, slice(None, None, _SAMPLE_STEP), slice(None, None, _SAMPLE_STEP))
    for start in depth.sampled(_SAMPLED_PARTS):
        values = depth.depth(start)[some]
        yield values[~np.isin(ids.ids(start)[some], plan.sky)] if ids else values.ravel()


def _link(clip: Clip, out: Path) -> str:
    """Put the source's own files into the clip, and return the name the manifest states."""
    files = [Path(file) for file in clip.stored(Layer.RGB).store.files]
    moving = len(files) == 1
    names = [f"rgb{files[0].suffix}"] if moving else []
    names = names or [f"rgb/{i:06d}{file.suffix}" for i, file in enumerate(files)]
    for file, name in zip(files, names, strict=True):
        place = out / name
        place.parent.mkdir(exist_ok=True)
        place.unlink(missing_ok=True)
        try:
            os.link(file.resolve(), place)
        except OSError:  # another disk, or one that knows no links
            shutil.copy2(file, place)
    return names[0] if moving else f"rgb/%06d{files[0].suffix}"


def _camera(clip: Clip, fov: float) -> Camera:
    """Return a level camera that stands still; what a video shows does not tell more."""
    one = pinhole(clip.height, clip.width, np.radians(fov))
    count = clip.num_frames
    return Camera(
        np.repeat(one[None], count, 0), np.repeat(np.eye(4)[None], count, 0), np.array([0, -1.0, 0])
    )
