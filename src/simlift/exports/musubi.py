"""Export pairs for musubi-tuner: dataset.toml and a JSONL for each shape beside the videos.

Format: kohya-ss/musubi-tuner, docs/dataset_config.md, "Sample for Video Dataset with Metadata JSONL
File" and "Sample for Video Dataset with Control Images": a line holds `video_path`, `control_path`
and `caption`; a `[[datasets]]` table names one JSONL, its resolution (width, height), its
`target_frames` (4k+1) and a cache folder of its own. Its control videos are for the Wan Fun-Control
tasks (docs/wan.md: t2v-14B-FC and others); it has no in-context training. Paths are absolute, as in
its documentation: versions before 2026 look for relative ones in the working directory. Videos are
read by PyAV (src/musubi_tuner/dataset/media_utils.py), scaled to cover the resolution and cut at
the centre. Every frame is used whatever the file's rate is, unless `source_fps` is set: then
`load_video` of that file adds 16 / source_fps in double precision, frame after frame, and keeps a
frame where the whole part of the sum is another one than before.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from simlift.core.pair import Pair
from simlift.exports.trainer import check_usable, rates_of, shape_notes
from simlift.pixels.image.letterbox import truncated_length

_STRIDE, _MULTIPLE = 4, 16
_WAN_RATE = 16  # frames a second that Wan was trained at (VideoDataset.TARGET_FPS_WAN)


@dataclass(frozen=True, order=True)
class _Shape:
    """What all videos of one `[[datasets]]` table have in common."""

    width: int
    height: int
    frames: int
    fps: Fraction

    @property
    def name(self) -> str:
        return f"{self.width}x{self.height}x{self.frames}-{float(self.fps):g}fps"


@dataclass(frozen=True)
class Musubi:
    """musubi-tuner's data set with control videos."""

    def check(self, pairs: Sequence[Pair]) -> None:
        """InputError for pairs of fewer than 5 frames or smaller than 16 pixels."""
        check_usable(pairs, frames=_STRIDE + 1, side=_MULTIPLE)

    def texts(self, pairs: Sequence[Pair], out: Path) -> Mapping[str, str]:
        """Return dataset.toml and its JSONL files; their paths are those of `out`."""
        folder = out.absolute()
        texts = {"dataset.toml": _HEAD + "".join(_table(s, folder) for s in _shapes(pairs))}
        for shape in _shapes(pairs):
            rows = (
                {
                    "video_path": str(folder / pair.video),
                    "control_path": str(folder / pair.reference_video),
                    "caption": pair.caption,
                }
                for pair in pairs
                if _shape(pair) == shape
            )
            lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            texts[f"{shape.name}.jsonl"] = "".join(lines)
        return texts

    def notes(self, pairs: Sequence[Pair]) -> tuple[str, ...]:
        """Say what is left out, and how rates differ from Wan's."""
        notes = shape_notes(pairs, _STRIDE, _MULTIPLE)
        foreign = [rate for rate in rates_of(pairs) if rate != _WAN_RATE]
        if foreign:
            rates = ", ".join(f"{rate:g}" for rate in foreign)
            notes.append(
                f"videos of {rates} frames a second: every frame is used, and motion is as much "
                f"slower to Wan as that is above {_WAN_RATE}; dataset.toml says how to drop frames"
            )
        notes.append("paths are absolute: where the folder moves, export again")
        return tuple(notes)

    def command(self, pairs: Sequence[Pair], out: Path) -> str:
        """Return the command that caches the latents of a Wan Fun-Control training."""
        del pairs
        return (
            "python src/musubi_tuner/wan_cache_latents.py "
            f"--dataset_config {out / 'dataset.toml'} --vae wan_2.1_vae.safetensors"
        )


_HEAD = """\
[general]
batch_size = 1
enable_bucket = false
"""


def _shape(pair: Pair) -> _Shape:
    return _Shape(pair.width, pair.height, pair.num_frames, pair.fps)


def _shapes(pairs: Sequence[Pair]) -> list[_Shape]:
    return sorted({_shape(pair) for pair in pairs})


def _table(shape: _Shape, folder: Path) -> str:
    width, height = (side // _MULTIPLE * _MULTIPLE for side in (shape.width, shape.height))
    return (
        f"\n[[datasets]]\n"
        f"video_jsonl_file = {_text(folder / f'{shape.name}.jsonl')}\n"
        f"cache_directory = {_text(folder / 'cache' / shape.name)}\n"
        f"resolution = [{width}, {height}]\n"
        f'frame_extraction = "head"\n'
        f"target_frames = [{truncated_length(shape.frames, _STRIDE)}]\n" + _retiming(shape)
    )


def _retiming(shape: _Shape) -> str:
    """Return the comment that says how frames are dropped down to Wan's rate."""
    if shape.fps <= _WAN_RATE:
        return ""
    rate = float(shape.fps)
    left = frames_kept(shape.frames, rate)
    if left <= _STRIDE:
        return (
            f"# source_fps = {rate!r} would leave {left} of the frames, too few to train on: "
            f"at least {_STRIDE + 1}\n"
        )
    return (
        f"# To drop frames down to {_WAN_RATE} a second: source_fps = {rate!r} and "
        f"target_frames = [{truncated_length(left, _STRIDE)}]\n"
    )


def frames_kept(frames: int, source_fps: float) -> int:
    """Return how many frames the trainer keeps when it drops a video down to Wan's rate.

    Its sum is not i * 16 / source_fps: rounding adds up, and at whole numbers decides.
    """
    step, place, before, kept = float(_WAN_RATE) / source_fps, 0.0, -1, 0
    for _ in range(frames):
        kept += int(place) != before
        before = int(place)
        place += step
    return kept


def _text(path: Path) -> str:
    """Return a TOML basic string; its escapes are those of JSON, and DEL is one of them."""
    return json.dumps(str(path), ensure_ascii=False).replace("\x7f", "\\u007f")
