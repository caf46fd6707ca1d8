"""Serve a run folder over http: GET and HEAD, byte ranges, nothing outside the folder."""

import errno
import functools
import os
import re
import socket
import socketserver
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from simlift.core.errors import InputError, RunError
from simlift.core.run import Run

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".json": "application/json; charset=utf-8",
    ".jsonl": "text/plain; charset=utf-8",
    ".mp4": "video/mp4",
    ".mkv": "video/x-matroska",
    ".png": "image/png",
}
_BLOCK = 1 << 18
_IDLE_SECONDS = 30


def serve(
    path: Path, *, say: Callable[[str], None], host: str = "127.0.0.1", port: int = 8000
) -> None:
    """Serve the report of the run at `path` until Ctrl-C; `say` receives its address."""
    with serving(path, host=host, port=port) as url:
        say(url)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return


@contextmanager
def serving(path: Path, *, host: str = "127.0.0.1", port: int = 8000) -> Iterator[str]:
    """Serve the report while the block runs and yield its address; port 0 picks a free one.

    RunError when there is no report; InputError when the port is taken.
    """
    report = Run(path).report_file
    if not report.is_file():
        raise RunError(path, "holds no report", way_out=f"simlift report {path}")
    server = _bind(path.resolve(), host, port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    name = f"[{host}]" if ":" in host else host
    try:
        yield f"http://{name}:{server.server_address[1]}/report/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def parse_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Read a Range header as first and last byte (RFC 9110, 14.1.2); None is the whole file.

    Several ranges, other units and nonsense are answered with the whole file, as the RFC allows.
    LookupError when the range begins behind the end.
    """
    match = re.fullmatch(r"bytes=(\d{0,18})-(\d{0,18})", (header or "").strip(), re.ASCII)
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:
        length = min(int(last), size)
        if length == 0:
            raise LookupError(f"an empty suffix of {size} bytes")
        return size - length, size - 1
    if last and int(last) < int(first):
        return None
    if int(first) >= size:
        raise LookupError(f"byte {first} of {size}")
    return int(first), min(int(last), size - 1) if last else size - 1


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def server_bind(self) -> None:
        # The standard library looks up its own name here, which can take seconds without network.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def handle_error(self, request: object, client_address: object) -> None:
        # Browsers drop a video request as soon as they have seen enough of it.
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _IDLE_SECONDS

    def __init__(self, root: Path, *connection: object) -> None:
        self._root = root
        super().__init__(*connection)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def log_message(self, *_: object) -> None:
        """Say nothing: a video is hundreds of requests."""

    def version_string(self) -> str:
        return "simlift"

    def _answer(self, *, with_body: bool) -> None:
        route = unquote(urlsplit(self.path).path, errors="replace")
        if route in ("", "/", "/report"):
            self._redirect("/report/")
            return
        found = self._find(route + "index.html" if route.endswith("/") else route)
        if found is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        try:
            file = found.open("rb")
        except OSError:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        with file:
            self._send(file, found.suffix.lower(), with_body)

    def _find(self, route: str) -> Path | None:
        parts = [part for part in route.split("/") if part]
        if any(part.startswith(".") or "\\" in part or "\0" in part for part in parts):
            return None
        try:
            path = self._root.joinpath(*parts).resolve(strict=True)
        except (OSError, RuntimeError):
            return None
        # Links are followed before the check, so that none leads out of the run.
        return path if path.is_relative_to(self._root) and path.is_file() else None

    def _send(self, file: BinaryIO, suffix: str, with_body: bool) -> None:
        status = os.fstat(file.fileno())
        size, tag = status.st_size, f'"{status.st_mtime_ns:x}-{status.st_size:x}"'
        asked = self.headers.get("Range") if with_body else None
        if self.headers.get("If-Range", tag) != tag:
            asked = None  # the file changed since the client saw its first part
        try:
            span = parse_range(asked, size)
        except LookupError:
            self.send_response(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
            self.send_header("Content-Range", f"bytes */{size}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        first, last = span or (0, size - 1)
        self.send_response(HTTPStatus.PARTIAL_CONTENT if span else HTTPStatus.OK)
        if span:
            self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.send_header("Content-Type", _TYPES.get(suffix, "application/octet-stream"))
        self.send_header("Content-Length", str(last - first + 1))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", tag)
        self.send_header("Cache-Control", "no-cache")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        if with_body:
            self._copy(file, first, last - first + 1)

    def _copy(self, file: BinaryIO, first: int, length: int) -> None:
        file.seek(first)
        while length > 0 and (block := file.read(min(_BLOCK, length))):
            self.wfile.write(block)
            length -= len(block)

    def _redirect(self, where: str) -> None:
        self.send_response(HTTPStatus.FOUND)
        self.send_header("Location", where)
        self.send_header("Content-Length", "0")
        self.end_headers()


def _bind(root: Path, host: str, port: int) -> _Server:
    kind = _Server6 if ":" in host else _Server
    try:
        return kind((host, port), functools.partial(_Handler, root))
    except OverflowError:
        raise InputError(f"port {port}", "is no port", allowed="0 to 65535") from None
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise InputError(
                f"port {port} of {host}",
                "is taken by another program",
                way_out="--port 0 picks a free one",
            ) from error
        raise InputError(f"{host}:{port}", f"cannot be served ({error.strerror})") from error
