"""Measure the distance of a take from the twin, a photoreal reference of the same scene.

Every measure is taken of the render as well (`<score>_render`), so that the share of the distance
that a take closed can be told.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from simlift.core.errors import InputError, MissingLibrary
from simlift.core.layers import Layer
from simlift.core.score import Direction, Reduction, Score, frame_scores
from simlift.core.window import Frames, Window
from simlift.evaluation.metrics.flicker import compare, denoise_and_shrink
from simlift.evaluation.metrics.motion import motions
from simlift.pixels.image.patches import (
    SIDE,
    SortedProjections,
    texture_distance,
    texture_projections,
)
from simlift.pixels.image.similarity import ssim

_FULL = 255.0**2  # the square of the largest error
_TEXTURED = 4  # every fourth frame of a clip is looked at for its texture
_LPIPS_LEAST = 31  # rows or columns that AlexNet's strides leave a pixel of


def gap_closed(take: float, render: float) -> float:
    """Return the share of the render's distance to the twin that a take closed.

    1 - d(take, twin) / d(render, twin): 1 is the twin, 0 no better than the render, less is worse.
    NaN where the render has no distance to close.
    """
    return 1 - take / render if render else float("nan")


def gaps_closed(values: Mapping[str, float]) -> dict[str, float]:
    """Return the share closed by each twin measure of a sheet's values, by the measure's name.

    Likenesses are made distances first: PSNR the root mean square error, SSIM 1 - SSIM.
    """
    return {
        name: gap_closed(distance(values[name]), distance(values[f"{name}_render"]))
        for name, distance in _DISTANCES.items()
        if name in values and f"{name}_render" in values
    }


_DISTANCES: Mapping[str, Callable[[float], float]] = {
    "twin_psnr": lambda decibels: 10 ** (-decibels / 20),
    "twin_ssim": lambda likeness: 1 - likeness,
    "twin_patches": float,
    "lpips": float,
}


@dataclass(frozen=True)
class TwinDistance:
    """How far take and render lie from the twin, pixel by pixel, in structure, texture and time.

    `twin_psnr`: 10 log10(255^2 / MSE), of the mean squared error over all values of all frames,
    which is less than the mean of the frames' PSNR; equal frames are given 100 dB.
    `twin_ssim`: SSIM (Wang et al. 2004) of the gray frames (luma of BT.601), mean of the frames.
    `twin_patches`: sliced Wasserstein distance of patches (Karras et al. 2018, section 5), mean of
    the distances of every fourth frame. Patches have lost their places and each channel its
    exposure and contrast: only the kind of texture counts.
    `twin_closed`: the share of that distance that the take closed.
    `twin_flicker`: `flicker_ratio` with the twin in place of the render.
    """

    def needs(self) -> frozenset[Layer]:
        return frozenset({Layer.RGB, Layer.TWIN})

    def measure(self, window: Window, frames: Frames) -> Iterable[Score]:
        """Return the scores of the take and of the render; those of pairs belong to the later."""
        take, render = _stills(window, frames), window.derive(_stills_of_render)
        every = window.indices.tolist()
        for name, one in (("", take), ("_render", render)):
            judged = not name
            yield _psnr(f"twin_psnr{name}", judged, every, one.errors)
            better = Direction.HIGHER if judged else Direction.NEUTRAL
            yield frame_scores(f"twin_ssim{name}", better, every, one.likeness)
            better = Direction.LOWER if judged else Direction.NEUTRAL
            found = [float(textured) for textured in _textured(window)]
            yield frame_scores(f"twin_patches{name}", better, every, one.textures, found)
        nearer = [theirs - mine for mine, theirs in zip(take.textures, render.textures)]
        yield frame_scores("twin_closed", Direction.HIGHER, every, nearer, render.textures)
        yield _flicker("twin_flicker", Direction.LOWER, window, denoise_and_shrink(frames))
        yield window.derive(_flicker_of_render)


@dataclass(frozen=True)
class _Stills:
    """What each frame alone says: squared error in [0, 1], SSIM, distance of textures."""

    errors: tuple[float, ...]
    likeness: tuple[float, ...]
    textures: tuple[float, ...]


def _textured(window: Window) -> list[bool]:
    """Return the frames whose texture is measured: what it costs, neighbours hardly tell anew."""
    wide = min(window.size) >= SIDE
    return [wide and index % _TEXTURED == 0 for index in window.indices.tolist()]


def _stills(window: Window, frames: Frames) -> _Stills:
    twin = window[Layer.TWIN]
    pairs = list(zip(frames, twin, strict=True))
    grays = window.derive(_grays_of_twin)
    textures = window.derive(_textures_of_twin)
    return _Stills(
        tuple(cv2.norm(a, b, cv2.NORM_L2SQR) / (a.size * _FULL) for a, b in pairs),
        tuple(ssim(_gray(a), b) for a, b in zip(frames, grays, strict=True)),
        tuple(
            texture_distance(texture_projections(a), b) if b else 0.0
            for a, b in zip(frames, textures, strict=True)
        ),
    )


def _stills_of_render(window: Window) -> _Stills:
    return _stills(window, window.rgb)


def _gray(frame: UInt8[np.ndarray, "h w 3"]) -> Float[np.ndarray, "h w"]:
    return cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float32)


def _grays_of_twin(window: Window) -> tuple[Float[np.ndarray, "h w"], ...]:
    return tuple(_gray(frame) for frame in window[Layer.TWIN])


def _textures_of_twin(window: Window) -> tuple[tuple[SortedProjections, ...], ...]:
    pairs = zip(window[Layer.TWIN], _textured(window), strict=True)
    return tuple(texture_projections(frame) if chosen else () for frame, chosen in pairs)


def _psnr(name: str, judged: bool, frames: list[int], errors: tuple[float, ...]) -> Score:
    return Score(
        name,
        Direction.HIGHER if judged else Direction.NEUTRAL,
        tuple(frames),
        tuple((error,) for error in errors),
        (1.0,) * len(frames),
        Reduction.DECIBELS,
        "dB",
    )


def _flicker(
    name: str, better: Direction, window: Window, frames: list[Float[np.ndarray, "a b 3"]]
) -> Score:
    twin = window.derive(_denoised_twin)
    pairs = [
        compare((frames[i], frames[i + 1]), (twin[i], twin[i + 1]), motion)
        for i, motion in enumerate(window.derive(motions))
    ]
    return frame_scores(
        name,
        better,
        window.indices[1:].tolist(),
        [p.relative_take if p.seen else 0.0 for p in pairs],
        [p.relative_reference if p.seen else 0.0 for p in pairs],
    )


def _flicker_of_render(window: Window) -> Score:
    return _flicker(
        "twin_flicker_render", Direction.NEUTRAL, window, denoise_and_shrink(window.rgb)
    )


def _denoised_twin(window: Window) -> list[Float[np.ndarray, "a b 3"]]:
    return denoise_and_shrink(window[Layer.TWIN])


@dataclass(frozen=True)
class Lpips:
    """`lpips`: LPIPS v0.1 (Zhang et al. 2018) of take and twin, and `lpips_render` of the render.

    `weights` is a folder with two files: torchvision's AlexNet (`alexnet*.pth`) and the linear
    weights of the authors' repository (`alex.pth`).
    """

    weights: Path

    def needs(self) -> frozenset[Layer]:
        return frozenset({Layer.RGB, Layer.TWIN})

    def check(self) -> None:
        """Raise MissingLibrary without torch, InputError when the weights cannot be read."""
        _distance_to_twin(self.weights)

    def measure(self, window: Window, frames: Frames) -> Iterable[Score]:
        """Return both scores; frames that the network cannot see give no evidence."""
        every = window.indices.tolist()
        if min(window.size) < _LPIPS_LEAST:
            nothing = [0.0] * len(window)
            yield frame_scores("lpips", Direction.LOWER, every, nothing, nothing)
            return
        distances = _distance_to_twin(self.weights)
        yield frame_scores("lpips", Direction.LOWER, every, distances(window, frames))
        render = window.derive(_render_to_twin(self.weights))
        yield frame_scores("lpips_render", Direction.NEUTRAL, every, render)


@lru_cache(maxsize=1)
def _distance_to_twin(weights: Path) -> Callable[[Window, Frames], list[float]]:
    try:
        from simlift.evaluation.metrics import _lpips
    except ImportError as error:
        raise MissingLibrary("torch", "lpips", "lpips") from error
    network = _lpips.load(*_files(weights))

    def of_twin(window: Window) -> list[_lpips.Features]:
        return [network.features(frame) for frame in window[Layer.TWIN]]

    def distances(window: Window, frames: Frames) -> list[float]:
        twin = window.derive(of_twin)
        return [network.distance(network.features(a), b) for a, b in zip(frames, twin)]

    return distances


@lru_cache(maxsize=1)
def _render_to_twin(weights: Path) -> Callable[[Window], list[float]]:
    distances = _distance_to_twin(weights)
    return lambda window: distances(window, window.rgb)


def _files(folder: Path) -> tuple[Path, Path]:
    network = sorted(folder.glob("alexnet*.pth"))
    linear = folder / "alex.pth"
    if len(network) != 1 or not linear.is_file():
        found = sorted(path.name for path in folder.glob("*.pth"))
        raise InputError(
            folder,
            f"found {', '.join(found) or 'no weights'}",
            allowed="alexnet-owt-7be5be79.pth of torchvision, and alex.pth of LPIPS v0.1",
            way_out="copy both there, or unset SIMLIFT_LPIPS",
        )
    return network[0], linear
