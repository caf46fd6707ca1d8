"""Runway's Aleph as a frozen value: windows of the render go to its API and come back edited."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, TypeAlias

from simlift.core.clip import Clip
from simlift.core.errors import ClipError, InputError, RecipeError
from simlift.core.protocols import Engine, Stage, WindowSize
from simlift.engines.diffusers.settings import INSTRUCTION
from simlift.engines.diffusers.windowed_spec import WindowedSpec
from simlift.engines.remote.runway import SECONDS, Account, Model, check_url
from simlift.pixels.image.letterbox import Letterbox, letterbox

KEY = "RUNWAYML_API_SECRET"
Ratio: TypeAlias = Literal[
    "auto",
    "1280:720", "720:1280", "1104:832", "960:960", "832:1104", "1584:672", "848:480", "640:480",
]  # fmt: skip

_FASTEST = 30.0  # frames per second, of aleph2
_PROMPT = 1000  # UTF-16 code units
_SIZES = ("1280:720", "720:1280", "1104:832", "960:960", "832:1104", "1584:672", "848:480",
          "640:480")  # fmt: skip


@dataclass(frozen=True)
class Aleph(WindowedSpec):
    """Edit the render at Runway; the key is read from RUNWAYML_API_SECRET and stored nowhere.

    A task takes at most 5 s of video (`gen4_aleph`) or 30 s (`aleph2`), so long clips go in windows
    of `frames`. With `overlap` 1, the last frame that was made goes along: as the one reference
    image of gen4_aleph, or as aleph2's keyframe at 0 s; 0 sends nothing, and windows know nothing
    of each other. Frames are padded to one of the API's sizes (`ratio`, or the closest), never
    stretched. `tasks` is the folder in which started tasks are noted: a run that was killed
    goes on with them and pays nothing twice (default: simlift/runway in the user's cache folder).
    `poll`, `patience` and `retries` say how to wait; `inline_megabytes` is the size up to which a
    video travels inside the request instead of by an upload.
    Source: docs.dev.runwayml.com (api, assets/inputs, assets/uploads, errors), runwayml/sdk-python.
    """

    prompt: str = INSTRUCTION
    model: Model = "gen4_aleph"
    ratio: Ratio = "auto"
    frames: int = 120
    overlap: int = 1
    public_figures: Literal["auto", "low"] = "auto"
    base_url: str = "https://api.dev.runwayml.com"
    tasks: Path | None = None
    poll: float = 5.0
    patience: float = 1200.0
    retries: int = 5
    pause: float = 1.0
    inline_megabytes: float = 12.0

    name: ClassVar[str] = "aleph"

    def __post_init__(self) -> None:
        units = len(self.prompt.encode("utf-16-le")) // 2
        if not self.prompt.strip() or units > _PROMPT:
            raise RecipeError(
                "aleph.prompt", f"found {units} characters", allowed=f"1 to {_PROMPT}"
            )
        self.expect("overlap", self.overlap in (0, 1), "0 or 1")
        self.expect("frames", self.frames >= 2, "2 or more")
        for name in ("poll", "patience", "pause"):
            self.expect(name, getattr(self, name) >= 0, "0 seconds or more")
        self.expect("retries", self.retries >= 0, "0 or more")
        check_url(self.base_url)

    def check(self, clip: Clip) -> tuple[Stage, ...]:
        """Say how much will be sent; ClipError for what the API would refuse, before any call."""
        self.account()
        self._check_speed(clip)
        parts = windows(clip.num_frames, self.window_size())
        seconds = sum(max(float(part / clip.fps), SECONDS[self.model][0]) for part in parts)
        how = self.letterbox(clip.height, clip.width)
        share = clip.height * clip.width / (clip.height * clip.width + _padding(how, clip))
        return (
            Stage(
                "sent",
                True,
                f"{seconds:.1f} s of video in {len(parts)} "
                f"task{'s' if len(parts) > 1 else ''} of {self.model}; every second costs credits",
            ),
            Stage(
                "size",
                True,
                f"{clip.width}x{clip.height} sent as {how.padded_width}x{how.padded_height}, "
                f"{share:.0%} of it the picture",
            ),
            Stage("licence", True, self.licence()),
        )

    def account(self) -> Account:
        """Return where requests go; InputError where no key is set."""
        key = os.environ.get(KEY)
        if key is None:
            raise InputError(
                KEY,
                "is not set",
                allowed="the key of a Runway developer account",
                way_out=f"make one at dev.runwayml.com, then: export {KEY}=...",
            )
        return Account(
            self.base_url,
            key,
            retries=self.retries,
            pause=self.pause,
            poll=self.poll,
            patience=self.patience,
        )

    def letterbox(self, height: int, width: int) -> Letterbox:
        """Return how frames lie in one of the API's sizes: whole, and padded by their border."""
        ratio = _closest(height, width) if self.ratio == "auto" else self.ratio
        outer_width, outer_height = (int(side) for side in ratio.split(":"))
        inner = letterbox(height, width, 1, (outer_height, outer_width))
        return Letterbox(
            height, width, inner.inner_height, inner.inner_width, outer_height, outer_width
        )

    @contextmanager
    def open(self, device: str) -> Iterator[Engine]:
        """Open nothing here: the work is done at Runway."""
        del device
        from simlift.engines.remote.aleph_engine import AlephEngine

        yield AlephEngine(self, self.account())

    def _check_speed(self, clip: Clip) -> None:
        longest = SECONDS[self.model][1]
        seconds = float(min(self.frames, clip.num_frames) / clip.fps)
        if seconds > longest:
            raise ClipError(
                clip.path,
                f"a window of {self.frames} frames is {seconds:.2f} s at {float(clip.fps):g} fps",
                allowed=f"at most {longest:g} s for {self.model}",
                way_out=f"--set frames={int(longest * clip.fps)}",
            )
        if self.model == "aleph2" and clip.fps > _FASTEST:
            raise ClipError(
                clip.path,
                f"has {float(clip.fps):g} frames per second",
                allowed=f"at most {_FASTEST:g} for aleph2",
                way_out="lift it with model=gen4_aleph, or export it at a lower rate",
            )


def windows(num_frames: int, window_size: WindowSize) -> list[int]:
    """Return how many frames each window of a clip holds."""
    lengths, start = [], 0
    while True:
        stop = min(start + window_size.frames, num_frames)
        lengths.append(stop - start)
        if stop == num_frames:
            return lengths
        start = stop - window_size.overlap


def _closest(height: int, width: int) -> str:
    """Return the size that wastes least: the largest share of picture, then the closest height."""

    def waste(ratio: str) -> tuple[float, int]:
        across, down = (int(side) for side in ratio.split(":"))
        scale = min(down / height, across / width)
        return round(1 - height * width * scale**2 / (across * down), 3), abs(down - height)

    return min(_SIZES, key=waste)


def _padding(how: Letterbox, clip: Clip) -> float:
    """Return how many of the clip's own pixels the padding would be."""
    outer, inner = how.padded_height * how.padded_width, how.inner_height * how.inner_width
    return (outer - inner) / inner * clip.height * clip.width
