"""Caption frames with a vision model behind an OpenAI-compatible endpoint.

Protocol: POST {url}/chat/completions with a text and `image_url` parts that hold JPEG as data
URLs; the answer is `choices[0].message.content` (OpenAI API reference, "Create chat completion";
vLLM, Ollama and others serve the same). Answers are kept in a file of JSON lines under a hash of
all that was asked, so that a run that goes on asks nothing twice.
"""

import base64
import hashlib
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from jaxtyping import UInt8

from simlift.core.clip import Clip
from simlift.core.errors import InputError
from simlift.passes.pairs.captions import Frames, checked

INSTRUCTION = (
    "These are frames of one video, in order. Describe what it shows in one or two plain "
    "sentences: the place, the objects with their colours and materials, who or what moves and "
    "how, and the camera. Say nothing of image quality, rendering, games or simulation."
)
_WEATHER = "Name the weather and the time of day."
_NO_WEATHER = "Do not name the weather or the time of day."
_PATIENCE = 60.0  # seconds that one wait lasts at most, whatever the server asks for


@dataclass(frozen=True)
class EndpointCaptions:
    """Ask a model what it sees. `key_variable` names the environment variable of the key.

    `images` frames, evenly spaced, are sent with their longer side at most `side` pixels. `weather`
    has the weather and the time of day named, or left out. Answers lie in `cache`; without one all
    is asked anew. Some servers call the limit of an answer max_completion_tokens, and take no
    temperature: None sends none.
    """

    url: str
    model: str
    cache: Path | None = None
    instruction: str = INSTRUCTION
    weather: bool = False
    key_variable: str | None = None
    prefix: str = ""
    images: int = 4
    side: int = 768
    max_tokens: int = 300
    limit_name: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    temperature: float | None = 0.0
    timeout: float = 120.0  # seconds
    attempts: int = 5
    wait: float = 2.0  # seconds before the second attempt; each further wait is twice as long

    def __post_init__(self) -> None:
        if not self.url.startswith(("http://", "https://")):
            raise InputError("caption url", f"found {self.url!r}", allowed="http:// or https://")
        if "@" in self.url:
            raise InputError(
                "caption url", "holds a name or a password", way_out="name them by key_variable"
            )
        for name, low in (("images", 1), ("side", 16), ("max_tokens", 1), ("attempts", 1)):
            if getattr(self, name) < low:
                raise InputError(
                    f"caption {name}", f"found {getattr(self, name)}", allowed=f"at least {low}"
                )

    def caption(self, clip: Clip, start: int, frames: Frames) -> str:
        """Return the model's words on one line; InputError says what the server answered instead.

        The key is read from the environment here, and appears in no error and no file.
        """
        weather = _WEATHER if self.weather else _NO_WEATHER
        asked = self._question(f"{self.instruction} {weather}", frames)
        name = hashlib.blake2b(
            json.dumps(asked, sort_keys=True).encode(), digest_size=16
        ).hexdigest()
        answer = None if self.cache is None else read_cache(self.cache).get(name)
        if answer is None:
            answer = self._ask(asked, f"{clip.name}:{start}")
            if self.cache is not None:
                row = {"key": name, "clip": clip.name, "start": start, "caption": answer}
                _keep(self.cache, row)
        return checked(answer, clip, self.url, self.prefix)

    def ask(self, text: str, frames: Frames, about: str) -> str:
        """Return the model's answer to any text about frames, on one line; InputError as above."""
        return self._ask(self._question(text, frames), about)

    def _question(self, ask: str, frames: Frames) -> dict[str, Any]:
        places = np.linspace(0, len(frames) - 1, min(self.images, len(frames))).round().astype(int)
        images = [
            {"type": "image_url", "image_url": {"url": _data_url(frames[k], self.side)}}
            for k in places
        ]
        warmth = {} if self.temperature is None else {"temperature": self.temperature}
        return {
            "model": self.model,
            self.limit_name: self.max_tokens,
            **warmth,
            "messages": [{"role": "user", "content": [{"type": "text", "text": ask}, *images]}],
        }

    def _ask(self, asked: dict[str, Any], about: str) -> str:
        key = _key(self.key_variable)
        headers = {"Content-Type": "application/json"}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        request = urllib.request.Request(
            f"{self.url.rstrip('/')}/chat/completions", json.dumps(asked).encode(), headers
        )
        for attempt in range(1, self.attempts + 1):
            last = attempt == self.attempts
            pause = self.wait * 2 ** (attempt - 1)
            try:
                with _opener().open(request, timeout=self.timeout) as response:
                    return self._words(response.read(), about)
            except urllib.error.HTTPError as error:
                with error:
                    reason = _without(key, _reason(error))
                    asks = _seconds(error.headers.get("Retry-After"))
                if last or not (error.code in (408, 429) or error.code >= 500):
                    raise self._failed(
                        about, f"HTTP {error.code} {reason}", attempt, _advice(error.code)
                    ) from None
                pause = max(pause, asks)
            except (OSError, HTTPException) as error:
                if last:
                    reason = _without(key, str(getattr(error, "reason", error)))
                    raise self._failed(about, reason, attempt, "is the server up?") from None
            time.sleep(min(pause, _PATIENCE))
        raise AssertionError("the last attempt returns or raises")

    def _words(self, body: bytes, about: str) -> str:
        try:
            choice = json.loads(body)["choices"][0]
            words = " ".join(choice["message"]["content"].split())
        except (ValueError, KeyError, IndexError, TypeError, AttributeError):
            raise self._failed(
                about, "its answer is no chat completion", 1, "check the address: it ends in /v1"
            ) from None
        if choice.get("finish_reason") == "length":
            raise self._failed(
                about, "its answer was cut", 1, f"raise max_tokens above {self.max_tokens}"
            )
        if not words:
            raise self._failed(about, "its answer is empty", 1, "try another model or instruction")
        return words

    def _failed(self, about: str, reason: str, attempts: int, way_out: str) -> InputError:
        tries = f" after {attempts} attempts" if attempts > 1 else ""
        return InputError(
            self.url, f"gave no answer about {about}{tries}: {reason}", way_out=way_out
        )


def read_cache(path: Path) -> dict[str, str]:
    """Return kept answers by the hash of their question; a line that was being written is none."""
    if not path.exists():
        return {}
    found = {}
    lines = path.read_text(encoding="utf-8").split("\n")
    for number, line in enumerate(lines[:-1], 1):  # what follows the last newline is not whole
        try:
            row = json.loads(line)
            found[row["key"]] = str(row["caption"])
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{path}:{number}", "is no kept answer", way_out="remove the line"
            ) from error
    return found


def _keep(path: Path, row: Mapping[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as file:
        if end := file.tell():
            file.seek(0)
            whole = file.read().rfind(b"\n") + 1
            if whole < end:  # a line that a killed process left
                file.truncate(whole)
        file.write(json.dumps(row, sort_keys=True, ensure_ascii=False).encode() + b"\n")


def _data_url(frame: UInt8[np.ndarray, "h w 3"], side: int) -> str:
    scale = side / max(frame.shape[:2])
    if scale < 1:
        height, width = (max(round(n * scale), 1) for n in frame.shape[:2])
        frame = cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)
    good, data = cv2.imencode(".jpg", np.ascontiguousarray(frame[..., ::-1]))
    assert good
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()


def _key(variable: str | None) -> str:
    if variable is None:
        return ""
    key = os.environ.get(variable, "").strip()
    if not (key and key.isascii() and key.isprintable()):
        raise InputError(
            f"${variable}",
            "is not set, or is no key",
            allowed="the key of the caption server",
            way_out=f"export {variable}=..., or leave key_variable out for a server without keys",
        )
    return key


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows nothing: a redirect would carry the key to another host."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(_NoRedirect)


def _reason(error: urllib.error.HTTPError) -> str:
    """Return the server's own words, where it has some, on one line."""
    try:
        body = error.read(4096).decode("utf-8", "replace")
        found = json.loads(body).get("error", "")
        text = str(found.get("message", "") if isinstance(found, dict) else found)
    except (ValueError, AttributeError, OSError, HTTPException):
        text = ""
    return " ".join((text or error.reason or "").split())[:200]


def _seconds(asked: str | None) -> float:
    """Return what Retry-After asks for; 0 where it asks nothing, or names a date."""
    try:
        return max(float(asked or 0), 0.0)
    except ValueError:
        return 0.0


def _without(key: str, text: str) -> str:
    return text.replace(key, "***") if key else text


def _advice(code: int) -> str:
    if code in (401, 403):
        return "check the key that key_variable names"
    if code == 404:
        return "check the address, which ends in /v1, and the model's name"
    if code in (408, 429) or code >= 500:
        return "try again later: what was answered is kept"
    return "check the model and its settings"
