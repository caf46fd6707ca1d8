"""Requests to Runway's API and its answers: uploads, tasks, finished videos.

The protocol as documented at docs.dev.runwayml.com (read 2026) and spoken by runwayml/sdk-python:
every request carries `Authorization: Bearer KEY` and `X-Runway-Version: 2024-11-06`;
POST /v1/uploads answers {uploadUrl, fields, runwayUri}, the file follows as a form to uploadUrl;
POST /v1/video_to_video answers {id}; GET /v1/tasks/ID answers {status, output, failure,
failureCode} with the states PENDING, THROTTLED, RUNNING, SUCCEEDED, FAILED and CANCELLED.
429, 502, 503 and 504 may be tried again, with growing pauses and up to 50 % of chance in them
(errors/errors); failures SAFETY.* may not (errors/task-failures). A task is asked for at most every
five seconds.
"""

import email.utils
import http.client
import json
import random
import secrets
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias
from urllib.parse import urlsplit

from simlift.core.errors import InputError, RecipeError, RunError

API_VERSION = "2024-11-06"
Model: TypeAlias = Literal["gen4_aleph", "aleph2"]

# What a task takes, in seconds. The longest are the models' own limits; a window below the shortest
# is held on its last frame.
SECONDS: dict[Model, tuple[float, float]] = {"gen4_aleph": (1.0, 5.0), "aleph2": (2.0, 30.0)}

_AGAIN = frozenset({429, 502, 503, 504})
_CHANCE = 0.5
_LONGEST_PAUSE = 60.0
_LOCAL = ("localhost", "127.0.0.1", "::1")
_WHERE = "Runway"


@dataclass(frozen=True)
class Account:
    """Where requests go, the key that they carry, and how patient they are (in seconds)."""

    base_url: str
    key: str = field(repr=False)
    retries: int = 5
    pause: float = 1.0  # before the first retry; doubled before each further one
    poll: float = 5.0
    patience: float = 1200.0
    timeout: float = 60.0  # of one request

    def __post_init__(self) -> None:
        check_url(self.base_url)
        if not self.key or any(c.isspace() or not c.isprintable() for c in self.key):
            raise InputError(
                "RUNWAYML_API_SECRET",
                "is empty" if not self.key else "holds white space",
                allowed="the key of a Runway developer account, alone",
            )


def check_url(url: str) -> None:
    """Raise RecipeError for an address to which a key would travel in the clear."""
    parts = urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOCAL):
        return
    raise RecipeError(
        "aleph.base_url", f"found {url!r}", allowed="https://..., or http:// on this machine"
    )


class TaskGone(RunError):
    """Runway does not know what was named, or no longer."""


class TaskFailed(RunError):
    """A task that ended without a video."""


class Runway:
    """Speaks the protocol for one account."""

    def __init__(self, account: Account, sleep: Callable[[float], None] = time.sleep) -> None:
        self._account, self._sleep = account, sleep
        # A redirect would carry the key to wherever it points.
        self._opener = urllib.request.build_opener(_NoRedirect)

    def upload(self, name: str, data: bytes, content_type: str) -> str:
        """Upload a file for 24 hours and return its runway:// URI."""
        slot = self._call("POST", "/v1/uploads", {"filename": name, "type": "ephemeral"})
        address, uri = str(slot.get("uploadUrl", "")), str(slot.get("runwayUri", ""))
        if not address or not uri:
            raise RunError(_WHERE, "gave no place to upload to")
        body, kind = _form(slot.get("fields") or {}, name, data, content_type)
        # The signed address needs no key.
        request = urllib.request.Request(
            address, data=body, headers={"Content-Type": kind}, method="POST"
        )
        self._send(request, "the upload", safe=True)
        return uri

    def start(self, body: Mapping[str, Any]) -> str:
        """Start a task of /v1/video_to_video and return its id; from here on it costs credits."""
        answer = self._call("POST", "/v1/video_to_video", body)
        if not isinstance(answer.get("id"), str):
            raise RunError(_WHERE, "started a task and gave it no id")
        return str(answer["id"])

    def outcome(self, task: str) -> str:
        """Wait for a task and return the address of its video; RunError when it fails."""
        began = time.monotonic()
        while True:
            answer = self._call("GET", f"/v1/tasks/{task}", None)
            status = str(answer.get("status"))
            if status == "SUCCEEDED":
                output = answer.get("output") or []
                if not output:
                    raise RunError(f"{_WHERE}, task {task}", "succeeded without a video")
                return str(output[0])
            if status in ("FAILED", "CANCELLED"):
                raise _failure(task, status, answer)
            waited = time.monotonic() - began
            if waited > self._account.patience:
                raise RunError(
                    f"{_WHERE}, task {task}",
                    f"still {status} after {waited:.0f} s",
                    way_out="run again: it goes on with this task, which is paid already; or set "
                    "a larger patience",
                )
            self._sleep(self._account.poll)

    def download(self, address: str, path: Path) -> None:
        """Fetch a finished video; its signed address needs no key."""
        request = urllib.request.Request(address, method="GET")
        path.write_bytes(self._send(request, "the finished video", safe=True))

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None) -> dict[str, Any]:
        request = urllib.request.Request(
            self._account.base_url.rstrip("/") + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {self._account.key}",
                "X-Runway-Version": API_VERSION,
                "Content-Type": "application/json",
            },
            method=method,
        )
        answer = self._send(request, f"{method} {path}", safe=method == "GET")
        try:
            found = json.loads(answer)
        except ValueError as error:
            raise RunError(f"{_WHERE}, {method} {path}", "answered no JSON") from error
        if not isinstance(found, dict):
            raise RunError(f"{_WHERE}, {method} {path}", "answered no JSON object")
        return found

    def _send(self, request: urllib.request.Request, what: str, *, safe: bool) -> bytes:
        """Send, and try again where that is allowed; `safe` requests may be sent twice."""
        where = f"{_WHERE}, {what}"
        for attempt in range(self._account.retries + 1):
            last = attempt == self._account.retries
            try:
                with self._opener.open(request, timeout=self._account.timeout) as answer:
                    found: bytes = answer.read()
                    return found
            except urllib.error.HTTPError as error:
                if error.code not in _AGAIN or last:
                    raise self._refusal(where, error, attempt) from None
                pause = _asked(error.headers.get("Retry-After"))
            except (OSError, http.client.HTTPException) as error:
                # A lost answer may hide a task that was started, and paid.
                if last or not (safe or _never_arrived(error)):
                    raise self._lost(where, error, safe) from None
                pause = None
            self._sleep(self._pause(attempt) if pause is None else pause)
        raise AssertionError("the last attempt returns or raises")

    def _pause(self, attempt: int) -> float:
        grown = min(self._account.pause * 2**attempt, _LONGEST_PAUSE)
        return grown * (1 + _CHANCE * random.random())

    def _refusal(self, where: str, error: urllib.error.HTTPError, attempt: int) -> Exception:
        words = self._words(error.read())
        if error.code == 404:
            return TaskGone(where, f"404: {words}")
        if error.code == 401:
            return InputError(
                where,
                "401: the key in RUNWAYML_API_SECRET is not valid, or its account is suspended",
                way_out="make a key at dev.runwayml.com and set it without quotes or spaces",
            )
        if error.code == 429:
            return RunError(
                where,
                f"429 after {attempt + 1} attempts: {words}",
                allowed="what the account's tier gives in requests, tasks at a time and a day",
                way_out="run again later: it goes on where it stopped",
            )
        if error.code in _AGAIN:
            return RunError(
                where,
                f"{error.code} after {attempt + 1} attempts: {words}",
                way_out="run again later: it goes on where it stopped",
            )
        return RunError(where, f"{error.code}: {words}")

    def _lost(self, where: str, error: Exception, safe: bool) -> RunError:
        reason = self._words(str(getattr(error, "reason", None) or error).encode())
        way_out = "check the network, then run again: it goes on where it stopped"
        if not safe:
            way_out += "; look at the account's tasks first, for this one may have been started"
        return RunError(where, f"the connection was lost ({reason})", way_out=way_out)

    def _words(self, body: bytes) -> str:
        """Return what an answer says, short and without the key."""
        text = body.decode("utf-8", "replace")
        try:
            found = json.loads(text)
            text = str(found.get("error", text)) if isinstance(found, dict) else text
        except ValueError:
            pass
        return " ".join(text.replace(self._account.key, "***").split())[:300] or "no reason given"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: object, **kwargs: object) -> None:
        """Follow nowhere: the answer that names another place becomes an error."""
        del args, kwargs


def _never_arrived(error: Exception) -> bool:
    return isinstance(getattr(error, "reason", error), ConnectionRefusedError)


def _asked(header: str | None) -> float | None:
    """Return the pause in a Retry-After header: seconds, or a date."""
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(header).timestamp() - time.time()
        except ValueError:
            return None
    return min(max(seconds, 0.0), _LONGEST_PAUSE)


def _failure(task: str, status: str, answer: Mapping[str, Any]) -> TaskFailed:
    code, words = str(answer.get("failureCode") or status), str(answer.get("failure") or "")[:300]
    if code.startswith("SAFETY"):
        way_out = "change the prompt or leave this clip out: content moderation refuses it again"
    elif code.startswith("INTERNAL"):
        way_out = "run again: the fault was Runway's"
    else:
        way_out = "mend what it names, then run again"
    return TaskFailed(
        f"{_WHERE}, task {task}", f"{status.lower()} with {code} ({words})", way_out=way_out
    )


def _form(
    fields: Mapping[str, Any], name: str, data: bytes, content_type: str
) -> tuple[bytes, str]:
    """Return a multipart form, fields first and the file last, and its content type."""
    border = secrets.token_hex(16)
    parts = [
        f'--{border}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode()
        for key, value in fields.items()
    ]
    head = (
        f'--{border}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        f"Content-Type: {content_type}\r\n\r\n"
    )
    body = b"".join([*parts, head.encode(), data, f"\r\n--{border}--\r\n".encode()])
    return body, f"multipart/form-data; boundary={border}"
