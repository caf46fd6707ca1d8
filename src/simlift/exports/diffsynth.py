"""Export pairs for DiffSynth-Studio: metadata.csv and metadata.json beside the videos.

Format: modelscope/DiffSynth-Studio, docs/en/API_Reference/core/data.md, "Metadata": rows hold
`video` and `prompt`, and further columns that `--data_file_keys` and `--extra_inputs` name, paths
relative to `--dataset_base_path`; lists need JSON. Columns by model: `vace_video` for Wan VACE
(examples/wanvideo/model_training/lora/Wan2.2-VACE-Fun-A14B.sh), `control_video` for Wan Fun-Control
(Wan2.2-Fun-A14B-Control.sh), `in_context_videos` with `in_context_downsample_factor` and
`frame_rate` for the LTX-2 in-context adapter (examples/ltx2/model_training/train.py and
lora/LTX-2.3-T2AV-IC-LoRA-splited.sh). A column that is not asked for is not read. LoadVideo
(diffsynth/core/data/operators.py) reads by imageio the first `--num_frames`, or of a shorter video
as many as are 4k+1 (LTX-2: 8k+1), and cuts sides to multiples of 16 (LTX-2: 32). The CSV goes
through pandas, for which some words are no text.
"""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simlift.core.errors import InputError
from simlift.core.pair import Pair
from simlift.exports.trainer import check_usable, rates_of, shape_notes
from simlift.pixels.image.letterbox import truncated_length

_STRIDE, _MULTIPLE = 4, 16
# What pandas.read_csv takes for a missing value (io.parsers, "na_values").
_MISSING = frozenset(
    "#N/A|#N/A N/A|#NA|-1.#IND|-1.#QNAN|-NaN|-nan|1.#IND|1.#QNAN|<NA>|N/A|NA|NULL|NaN|None|n/a|"
    "nan|null".split("|")
)


@dataclass(frozen=True)
class DiffSynth:
    """DiffSynth-Studio's data set, for its Wan VACE, Wan Fun-Control and LTX-2 trainings."""

    def check(self, pairs: Sequence[Pair]) -> None:
        """InputError for pairs of fewer than 5 frames, or captions that pandas takes for none."""
        check_usable(pairs, frames=_STRIDE + 1, side=_MULTIPLE)
        for pair in pairs:
            if pair.caption.strip() in _MISSING or _is_number(pair.caption):
                raise InputError(
                    pair.id,
                    f"its caption is {pair.caption!r}, which pandas does not read as text",
                    allowed="a sentence",
                )

    def texts(self, pairs: Sequence[Pair], out: Path) -> Mapping[str, str]:
        """Return metadata.csv for Wan and metadata.json for LTX-2; their paths are relative."""
        del out
        table = io.StringIO()
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(("video", "prompt", "control_video", "vace_video"))
        for pair in pairs:
            writer.writerow((pair.video, pair.caption, pair.reference_video, pair.reference_video))
        rows = json.dumps(_in_context(pairs), indent=2, ensure_ascii=False)
        return {"metadata.csv": table.getvalue(), "metadata.json": rows + "\n"}

    def notes(self, pairs: Sequence[Pair]) -> tuple[str, ...]:
        """Say what the loader leaves out, of Wan's shapes."""
        notes = shape_notes(pairs, _STRIDE, _MULTIPLE)
        lengths = {truncated_length(pair.num_frames, _STRIDE) for pair in pairs}
        if len(lengths) > 1:
            notes.append(
                f"videos of {min(lengths)} to {max(lengths)} frames: --num_frames is the largest, "
                "shorter ones are used whole"
            )
        if len(rates_of(pairs)) > 1:
            rates = ", ".join(f"{rate:g}" for rate in rates_of(pairs))
            notes.append(
                f"several frame rates ({rates}): the Wan loader uses every frame, the LTX-2 "
                "loader retimes all to --frame_rate; metadata.json states none"
            )
        return tuple(notes)

    def command(self, pairs: Sequence[Pair], out: Path) -> str:
        """Return the part of a Wan VACE training that reads the folder."""
        frames = max(truncated_length(pair.num_frames, _STRIDE) for pair in pairs)
        sizes = {(pair.height, pair.width) for pair in pairs}
        if len(sizes) == 1:
            height, width = (side // _MULTIPLE * _MULTIPLE for side in sizes.pop())
            size = f"--height {height} --width {width}"
        else:  # the trainer's dynamic resolution: each video at its own size
            size = f"--max_pixels {max(height * width for height, width in sizes)}"
        return (
            "accelerate launch examples/wanvideo/model_training/train.py "
            f"--dataset_base_path {out} --dataset_metadata_path {out / 'metadata.csv'} "
            f'--data_file_keys "video,vace_video" --extra_inputs "vace_video" '
            f"{size} --num_frames {frames}"
        )


def _in_context(pairs: Sequence[Pair]) -> list[dict[str, Any]]:
    rates = rates_of(pairs)
    # A rate in the row is believed, and the loader retimes to one rate: they must be the same.
    rate = {"frame_rate": rates[0]} if len(rates) == 1 else {}
    return [
        {
            "video": str(pair.video),
            "prompt": pair.caption,
            "in_context_videos": [str(pair.reference_video)],
            "in_context_downsample_factor": 1,
            **rate,
        }
        for pair in pairs
    ]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
