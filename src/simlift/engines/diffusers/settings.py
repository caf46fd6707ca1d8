"""Settings that the baselines with local weights share -> the same settings, or what is wrong."""

from typing import Literal, TypeAlias

from simlift.core.errors import RecipeError

Dtype: TypeAlias = Literal["bfloat16", "float16", "float32"]
Offload: TypeAlias = Literal["none", "model", "sequential"]

# Editors were trained on instructions, generators on descriptions of what is seen.
INSTRUCTION = (
    "Turn this simulator render into real camera footage: photorealistic materials, skin, light "
    "and shadows. Keep every object, its shape, its place and its motion."
)
DESCRIPTION = (
    "Real camera footage of this scene, photorealistic, with natural light, true materials and "
    "fine surface detail, soft shadows and reflections, shot on a professional camera."
)
NEGATIVE_PROMPT = (
    "computer graphics, video game, 3d render, cartoon, plastic, flat shading, aliasing, "
    "oversaturated, blurred, deformed, flickering, text, watermark"
)


def check_settings(
    where: str,
    *,
    prompt: str,
    steps: int,
    guidance: float,
    resolution: tuple[int, int] | None,
) -> None:
    """Raise RecipeError for settings that no pipeline runs with."""
    if not prompt.strip():
        raise RecipeError(f"{where}.prompt", "is empty", allowed="what the footage shall look like")
    if steps < 1:
        raise RecipeError(f"{where}.steps", f"found {steps}", allowed="at least 1")
    if guidance < 0:
        raise RecipeError(f"{where}.guidance", f"found {guidance}", allowed="0 or more")
    if resolution is not None and min(resolution) < 16:
        raise RecipeError(
            f"{where}.resolution",
            f"found {resolution[0]} x {resolution[1]}",
            allowed="height and width of at least 16 pixels, or nothing: the clip's own size",
        )


def check_window(where: str, frames: int, overlap: int, stride: int) -> None:
    """Raise RecipeError unless a window is `stride` * k + 1 frames and longer than its overlap."""
    if frames < stride + 1 or frames % stride != 1:
        raise RecipeError(
            f"{where}.frames",
            f"found {frames}",
            allowed=f"{stride}k+1: " + ", ".join(str(stride * k + 1) for k in (1, 2, 6, 10)) + "..",
        )
    if not 0 <= overlap < frames:
        raise RecipeError(
            f"{where}.overlap", f"found {overlap}", allowed=f"0 to {frames - 1}, of {frames} frames"
        )
