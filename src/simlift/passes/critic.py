"""Ask a vision-language model how a take looks, through an OpenAI-compatible server."""

import re
from dataclasses import dataclass

import numpy as np

from simlift.core.errors import InputError
from simlift.core.score import Direction, Score, frame_scores
from simlift.core.window import Frames
from simlift.passes.pairs.caption_endpoint import EndpointCaptions

QUESTION = (
    "These are frames of one video of a robot or a scene, in order. Judge whether it could have "
    "been filmed: do things keep their shape and number, does nothing float, pass through other "
    "things, appear or vanish, are hands and grippers whole, is no frame broken? Answer with one "
    "digit alone: 1 broken, 2 clearly wrong, 3 small faults, 4 good, 5 as if filmed."
)


@dataclass(frozen=True)
class Critic:
    """Asks for a score from 1 to 5. `key_variable` names the environment variable of the key."""

    url: str
    model: str
    key_variable: str | None = None
    images: int = 8

    def __post_init__(self) -> None:
        self._endpoint()

    def _endpoint(self) -> EndpointCaptions:
        return EndpointCaptions(
            self.url,
            self.model,
            key_variable=self.key_variable,
            images=self.images,
            max_tokens=16,
        )

    def frames(self, count: int) -> tuple[int, ...]:
        """Return the frames that are shown, evenly spaced, of a take of `count`."""
        spaced = np.linspace(0, count - 1, min(self.images, count)).round()
        return tuple(np.unique(spaced.astype(int)).tolist())

    def judge(self, frames: Frames, about: str) -> Score:
        """Return the model's score of a take; InputError where it answers anything else."""
        answer = self._endpoint().ask(QUESTION, frames, about)
        found = re.fullmatch(r"(?:score:? *)?([1-5])(?: */ *5)?\.?", answer.strip(), re.IGNORECASE)
        if found is None:
            raise InputError(
                self.url,
                f"{self.model} answered {answer[:60]!r} about {about}",
                allowed="a digit from 1 to 5",
                way_out="choose a model that follows instructions, or leave the critic out",
            )
        return frame_scores("critic_score", Direction.HIGHER, [0], [float(found[1])])
