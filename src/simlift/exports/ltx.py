"""Export pairs for the LTX trainer: dataset.jsonl beside the videos.

Format: Lightricks/LTX-2, packages/ltx-trainer/docs/dataset-preparation.md, "Dataset Format" and
"IC-LoRA Reference Video Preprocessing": a line holds `caption`, `video` and `reference_video`,
paths relative to the file. "Resolution Buckets": a bucket is WIDTHxHEIGHTxFRAMES with sides that
are multiples of 32 and 8k+1 frames; a video is scaled to cover its bucket, cut at the centre, and
its first frames are taken. Videos are read by PyAV (src/ltx_trainer/video_utils.py). Trainers
before the columns were found by their names, LTX-Video-Trainer among them, are told them:
`--video-column video --reference-column reference_video`; that one reads videos by decord.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from simlift.core.pair import Pair
from simlift.exports.trainer import check_usable, rates_of, shape_notes
from simlift.pixels.image.letterbox import truncated_length

_STRIDE, _MULTIPLE = 8, 32  # of the default video autoencoder, in time and in space


@dataclass(frozen=True)
class LtxTrainer:
    """The LTX trainer's in-context data set."""

    def check(self, pairs: Sequence[Pair]) -> None:
        """InputError for pairs of fewer than 9 frames or smaller than 32 pixels."""
        check_usable(pairs, frames=_STRIDE + 1, side=_MULTIPLE)

    def texts(self, pairs: Sequence[Pair], out: Path) -> Mapping[str, str]:
        """Return dataset.jsonl; its paths are relative, so that the folder may be moved."""
        del out
        rows = (
            {
                "caption": pair.caption,
                "video": str(pair.video),
                "reference_video": str(pair.reference_video),
            }
            for pair in pairs
        )
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        return {"dataset.jsonl": lines}

    def notes(self, pairs: Sequence[Pair]) -> tuple[str, ...]:
        """Say what the buckets leave out."""
        notes = shape_notes(pairs, _STRIDE, _MULTIPLE)
        if len(buckets_of(pairs)) > 1:
            notes.append(
                "several buckets: set optimization.batch_size to 1; a video goes to the bucket "
                "nearest in aspect ratio, of those the longest that it fills, then the largest: "
                "smaller videos of one ratio are enlarged, or export them alone"
            )
        if len(rates_of(pairs)) > 1:
            rates = ", ".join(f"{rate:g}" for rate in rates_of(pairs))
            notes.append(f"several frame rates ({rates}): the trainer reads each from its file")
        return tuple(notes)

    def command(self, pairs: Sequence[Pair], out: Path) -> str:
        """Return the preprocessing command."""
        return (
            f"uv run python scripts/process_dataset.py {out / 'dataset.jsonl'} "
            f'--resolution-buckets "{";".join(buckets_of(pairs))}" '
            "--model-path LTX.safetensors --text-encoder-path GEMMA --skip-audio"
        )


def buckets_of(pairs: Sequence[Pair]) -> list[str]:
    """Return the largest bucket inside each shape that the pairs have, as WIDTHxHEIGHTxFRAMES."""
    shapes = {
        (
            pair.width // _MULTIPLE * _MULTIPLE,
            pair.height // _MULTIPLE * _MULTIPLE,
            truncated_length(pair.num_frames, _STRIDE),
        )
        for pair in pairs
    }
    return ["x".join(map(str, shape)) for shape in sorted(shapes)]
