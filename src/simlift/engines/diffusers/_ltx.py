"""Name LTX-2's layers as its authors do, and build what the pipeline is conditioned on."""

import re
from typing import Any

from diffusers.pipelines.ltx2.pipeline_ltx2_condition import LTX2VideoCondition
from diffusers.pipelines.ltx2.pipeline_ltx2_ic_lora import LTX2ReferenceCondition
from PIL.Image import Image

_PARTS = (
    (r"^(audio_)?proj_in$", r"\1patchify_proj"),
    (r"^(audio_)?time_embed\.", r"\1adaln_single."),
    (r"^(audio_)?prompt_adaln\.", r"\1prompt_adaln_single."),
    (r"^av_cross_attn_(video|audio)_scale_shift\.", r"av_ca_\1_scale_shift_adaln_single."),
    (r"^av_cross_attn_video_a2v_gate\.", "av_ca_a2v_gate_adaln_single."),
    (r"^av_cross_attn_audio_v2a_gate\.", "av_ca_v2a_gate_adaln_single."),
    (r"\.norm_(q|k)$", r".\1_norm"),
)


def ltx_name(name: str) -> str:
    """Return the authors' name of a layer."""
    for pattern, replacement in _PARTS:
        name = re.sub(pattern, replacement, name)
    return name


def reference(images: list[Image], strength: float) -> Any:
    """Return the condition that the in-context adapter reads."""
    return LTX2ReferenceCondition(images, strength)


def first_frames(images: list[Image]) -> Any:
    """Return the condition that begins a window with these frames."""
    return LTX2VideoCondition(images, index=0, strength=1.0)
