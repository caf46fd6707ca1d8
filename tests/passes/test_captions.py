"""Captions: templates and files by their rules; a vision model behind a server on this machine."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest
from tiny import clips as builders

from simlift import cli
from simlift.core.clip import Clip, Label
from simlift.core.errors import InputError
from simlift.core.layers import Layer, StoredLayer, Unit
from simlift.core.pair import PairGate, PairSet
from simlift.core.strict_json import decode, encode
from simlift.passes.pairs.caption_endpoint import EndpointCaptions, read_cache
from simlift.passes.pairs.captions import FileCaptions, TemplateCaptions, captions_from

KEY = "sk-not-to-be-seen"


class Nowhere:
    """A store of no frames: captions look at a clip's words alone."""

    num_frames, height, width, files = 40, 6, 8, ()

    def open(self):
        raise AssertionError("captions read no file")


def clip(name="street", caption="a wet street", **changes):
    labels = {1: Label("car-1", "car"), 2: Label("car-2", "car"), 3: Label("sky", "sky")}
    made = Clip(
        name=name,
        path=Path(name),
        fps=Fraction(24),
        num_frames=40,
        height=6,
        width=8,
        layers=(StoredLayer(Layer.RGB, Nowhere(), _same, Unit.SRGB),),
        labels=labels,
        caption=caption,
    )
    return replace(made, **changes)


def _same(array):
    return array


def frames(count=9, height=6, width=8):
    levels = np.linspace(10, 240, count).astype(np.uint8)
    return np.broadcast_to(levels[:, None, None, None], (count, height, width, 3)).copy()


def say(captions, made=None, start=0):
    return captions.caption(made or clip(), start, frames())


@pytest.mark.parametrize(
    ("template", "changes", "text"),
    [
        ("photorealistic video, {caption}", {}, "photorealistic video, a wet street"),
        ("photorealistic video, {caption}", {"caption": ""}, "photorealistic video"),
        ("{caption}, seen at {name}", {"caption": " "}, "seen at street"),
        ("{name}: {classes}.", {}, "street: car, sky."),
        ("{classes}, {caption}", {"labels": {}}, "a wet street"),
        ("{{literal}} {name}", {}, "{literal} street"),
        ("a street", {}, "a street"),
    ],
)
def test_templates(template, changes, text):
    assert say(TemplateCaptions(template), clip(**changes)) == text


def test_a_prefix_goes_before_every_caption(tmp_path):
    (tmp_path / "c.json").write_text('{"street": "a wet street"}')
    assert say(TemplateCaptions("{caption}", "3DREAL ")) == "3DREAL a wet street"
    assert say(FileCaptions(tmp_path / "c.json", "3DREAL ")) == "3DREAL a wet street"


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{captoin}", r"unknown field \{captoin\}; allowed: \{caption\}, \{name\}, \{classes\}"),
        ("{}", r"unknown field \{\}"),
        ("{0}", r"unknown field \{0\}"),
        ("{name.__class__}", r"unknown field \{name\.__class__\}"),
        ("{name!r}", r"unknown field \{name!r\}"),
        ("{name:>9}", r"unknown field \{name:>9\}"),
        ("{name", r"expected '}'"),
    ],
)
def test_templates_that_are_none(template, words):
    with pytest.raises(InputError, match=words):
        TemplateCaptions(template)


def test_an_empty_caption_is_refused_even_behind_a_prefix():
    with pytest.raises(InputError, match="gives 'street' an empty caption"):
        say(TemplateCaptions("{caption}", "3DREAL "), clip(caption=""))


FILES = {
    "c.json": '{"street": "a street", "street:16": "rain now", "hall": "a hall"}',
    "c.jsonl": '{"clip": "street", "caption": "a street"}\n'
    '{"clip": "street", "start": 16, "caption": "rain now"}\n\n'
    '{"clip": "hall", "caption": "a hall"}\n',
    "c.csv": 'clip,caption,start\nstreet,a street,\nstreet,"rain now",16\nhall,a hall,\n',
    "c.txt": "street\ta street\nstreet:16\train now\n\nhall\ta hall\n",
}


@pytest.mark.parametrize("name", FILES)
def test_files_are_read_by_clip_and_by_stretch(tmp_path, name):
    (tmp_path / name).write_text(FILES[name])
    captions = FileCaptions(tmp_path / name)
    assert say(captions) == "a street"
    assert say(captions, start=16) == "rain now"
    assert say(captions, start=32) == "a street"
    assert say(captions, clip("hall")) == "a hall"
    with pytest.raises(
        InputError, match=rf"{name}: has no caption of 'door'.*'door:8' for frame 8"
    ):
        say(captions, clip("door"), start=8)


def test_a_file_that_changed_is_read_again(tmp_path):
    path = tmp_path / "c.txt"
    path.write_text("street\tone\n")
    assert say(FileCaptions(path)) == "one"
    path.write_text("street\tanother\n")
    assert say(FileCaptions(path)) == "another"


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("c.json", "[1]", "holds a list"),
        ("c.json", "{", "is not JSON"),
        ("c.json", '{"street": 3}', r"found 'street': 3"),
        ("c.json", '{"street": "a", "street": "b"}', "names 'street' again"),
        ("c.jsonl", '{"clip": "street", "caption": "a"}\n{"clip"', r"c\.jsonl:2: is not JSON"),
        ("c.jsonl", '{"name": "street", "caption": "a"}', r"c\.jsonl:1: found the columns name"),
        ("c.jsonl", '"street"', r"c\.jsonl:1: found the columns"),
        ("c.csv", "name,text\nstreet,a\n", r"found the columns name, text"),
        ("c.csv", "clip,caption\nstreet,a car, red\n", r"c\.csv:2: holds more fields.*quote"),
        ("c.csv", "clip,caption\nstreet\n", r"found 'street': None"),
        ("c.txt", "street a street", r"c\.txt:1: found 'street a street'; allowed: a name, a tab"),
        ("c.txt", "street\ta\nstreet\tb", r"c\.txt:2: names 'street' again"),
        ("c.txt", "street\t \n", "gives 'street' an empty caption"),
    ],
)
def test_files_that_are_none(tmp_path, name, text, words):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=words):
        say(FileCaptions(tmp_path / name))


def test_other_files(tmp_path):
    with pytest.raises(InputError, match=r"no file of captions; allowed: \.json, \.jsonl"):
        FileCaptions(tmp_path / "c.yaml")
    with pytest.raises(InputError, match="does not exist"):
        say(FileCaptions(tmp_path / "none.json"))
    (tmp_path / "c.txt").write_bytes(b"street\t\xff\xfe")
    with pytest.raises(InputError, match="is not text"):
        say(FileCaptions(tmp_path / "c.txt"))


def test_a_flag_is_a_file_or_a_template(tmp_path):
    assert captions_from("a.jsonl", "P ") == FileCaptions(Path("a.jsonl"), "P ")
    assert captions_from("a street, {caption}") == TemplateCaptions("a street, {caption}")


class Server(ThreadingHTTPServer):
    """Speaks the chat protocol: answers from a list of (status, headers, body), then the last."""

    def __init__(self, answers):
        super().__init__(("127.0.0.1", 0), Answers)
        self.answers, self.asked = list(answers), []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/v1"


class Answers(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, dict(self.headers), body))
        answers = self.server.answers
        status, headers, text = answers.pop(0) if len(answers) > 1 else answers[0]
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self):
        self.server.asked.append((self.path, dict(self.headers), None))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *arguments):
        pass


@contextmanager
def serving(*answers) -> Iterator[Server]:
    server = Server(answers)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def answer(text="A wet street.", finish="stop"):
    choice = {"message": {"role": "assistant", "content": text}, "finish_reason": finish}
    return 200, {}, json.dumps({"choices": [choice]}).encode()


def error(status, text="", **headers):
    return status, headers, json.dumps({"error": {"message": text}}).encode()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("CAPTION_KEY", KEY)


def endpoint(server, tmp_path, **changes):
    settings = {"key_variable": "CAPTION_KEY", "wait": 0.0, "timeout": 20.0, "images": 3}
    return EndpointCaptions(
        server.url, "see-1", tmp_path / "cache" / "answers.jsonl", **(settings | changes)
    )


def test_what_is_asked(tmp_path):
    with serving(answer()) as server:
        assert say(endpoint(server, tmp_path, prefix="3DREAL ")) == "3DREAL A wet street."
    [(path, headers, body)] = server.asked
    assert path == "/v1/chat/completions"
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert (body["model"], body["max_tokens"], body["temperature"]) == ("see-1", 300, 0.0)
    [message] = body["messages"]
    text, *images = message["content"]
    assert "Do not name the weather" in text["text"]
    sent = [image["image_url"]["url"] for image in images]
    assert all(url.startswith("data:image/jpeg;base64,") for url in sent)
    means = [decoded(url).mean() for url in sent]
    wanted = [frames()[k].mean() for k in (0, 4, 8)]
    assert np.allclose(means, wanted, atol=3)  # the first, the middle and the last frame


def decoded(url):
    data = base64.b64decode(url.partition(",")[2])
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)


def test_colours_and_sizes_of_what_is_sent(tmp_path):
    red = np.zeros((1, 40, 100, 3), np.uint8)
    red[..., 0] = 220
    with serving(answer()) as server:
        endpoint(server, tmp_path, side=50).caption(clip(), 0, red)
    [image] = server.asked[0][2]["messages"][0]["content"][1:]
    picture = decoded(image["image_url"]["url"])  # OpenCV gives blue first
    assert picture.shape == (20, 50, 3)
    assert np.allclose(picture.reshape(-1, 3).mean(0), (0, 0, 220), atol=4)


def test_settings_change_what_is_asked(tmp_path):
    with serving(answer()) as server:
        say(endpoint(server, tmp_path, key_variable=None, weather=True))
        say(endpoint(server, tmp_path, limit_name="max_completion_tokens", temperature=None))
    (_, first, body), (_, _, other) = server.asked
    assert "Authorization" not in first
    assert "Name the weather" in body["messages"][0]["content"][0]["text"]
    assert "temperature" not in other
    assert other["max_completion_tokens"] == 300
    assert "max_tokens" not in other


def test_nothing_is_asked_twice(tmp_path):
    with serving(answer("  A wet\nstreet. "), answer("Another.")) as server:
        captions = endpoint(server, tmp_path)
        assert [say(captions), say(captions)] == ["A wet street."] * 2
        assert say(replace(captions, prefix="P ")) == "P A wet street."
        assert len(server.asked) == 1
        assert captions.caption(clip(), 9, 255 - frames()) == "Another."  # other frames
        assert len(server.asked) == 2
    assert say(captions) == "A wet street."  # the server is gone
    text = captions.cache.read_text()
    assert KEY not in text
    assert [json.loads(line)["start"] for line in text.splitlines()] == [0, 9]


def test_a_line_that_a_killed_process_left_is_written_anew(tmp_path):
    with serving(answer()) as server:
        captions = endpoint(server, tmp_path)
        captions.cache.parent.mkdir()
        captions.cache.write_text('{"key": "x", "caption": "kept"}\n{"key": "half')
        assert say(captions) == "A wet street."
    assert len(read_cache(captions.cache)) == 2
    assert read_cache(captions.cache)["x"] == "kept"
    captions.cache.write_text("nonsense\n")
    with pytest.raises(InputError, match=r"answers\.jsonl:1: is no kept answer"):
        say(captions)


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_what_may_pass_is_asked_again(tmp_path, status):
    with serving(error(status), error(status, **{"Retry-After": "0"}), answer()) as server:
        assert say(endpoint(server, tmp_path)) == "A wet street."
    assert len(server.asked) == 3


def test_waits_grow_and_heed_the_server(tmp_path, monkeypatch):
    waits = []
    monkeypatch.setattr("time.sleep", waits.append)
    busy = [error(429, **{"Retry-After": "7"}), error(500), error(429, **{"Retry-After": "999"})]
    with serving(*busy, answer()) as server:
        say(endpoint(server, tmp_path, wait=1.0))
    assert [wait for wait in waits if wait >= 1] == [7.0, 2.0, 60.0]


@pytest.mark.parametrize(
    ("reply", "times", "words"),
    [
        (error(503, "overloaded"), 3, "after 3 attempts: HTTP 503 overloaded.*try again later"),
        (error(401, f"bad key {KEY}"), 1, r"HTTP 401 bad key \*\*\*; way out: check the key"),
        (error(404, "no model see-1"), 1, "HTTP 404 no model see-1.*ends in /v1"),
        (error(400, "too many images"), 1, "HTTP 400 too many images"),
        ((500, {}, b"<html>oops</html>"), 3, "HTTP 500 Internal Server Error"),
        ((200, {}, b"<html>hello</html>"), 1, "its answer is no chat completion"),
        ((200, {}, b'{"choices": []}'), 1, "its answer is no chat completion"),
        (answer(None), 1, "its answer is no chat completion"),
        (answer("  "), 1, "its answer is empty"),
        (answer("A wet", "length"), 1, "its answer was cut.*raise max_tokens above 300"),
        ((302, {"Location": "http://127.0.0.1:1/"}, b""), 1, "HTTP 302"),
    ],
)  # fmt: skip
def test_what_the_server_answers_instead_is_said(tmp_path, reply, times, words):
    with serving(reply) as server:
        captions = endpoint(server, tmp_path, attempts=3)
        with pytest.raises(InputError, match=f"gave no answer about street:8.*{words}") as told:
            say(captions, start=8)
    assert len(server.asked) == times
    assert KEY not in str(told.value)
    assert not captions.cache.exists()


def test_a_server_that_is_not_there(tmp_path):
    with serving(answer()) as server:
        pass
    with pytest.raises(InputError, match=r"after 2 attempts: .*is the server up"):
        say(endpoint(server, tmp_path, attempts=2))


@pytest.mark.parametrize("key", ["", " ", "two\nlines", "caf\u00e9"])
def test_a_key_that_is_none_is_not_told(tmp_path, monkeypatch, key):
    monkeypatch.setenv("CAPTION_KEY", key)
    with serving(answer()) as server, pytest.raises(InputError, match=r"\$CAPTION_KEY: is not set"):
        say(endpoint(server, tmp_path))
    assert server.asked == []


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"url": "localhost:8000/v1"}, "allowed: http:// or https://"),
        ({"url": "https://me:secret@host/v1"}, r"^caption url: holds a name or a password"),
        ({"images": 0}, "caption images: found 0"),
        ({"attempts": 0}, "caption attempts: found 0"),
    ],
)
def test_settings_that_are_none(tmp_path, settings, words):
    with pytest.raises(InputError, match=words):
        EndpointCaptions(**({"url": "http://h/v1", "model": "m", "cache": tmp_path} | settings))


def test_captions_are_data_without_the_key(tmp_path):
    captions = EndpointCaptions(
        "http://h/v1", "m", tmp_path / "a.jsonl", key_variable="CAPTION_KEY"
    )
    data = encode(captions)
    assert decode(data, EndpointCaptions) == captions
    assert KEY not in json.dumps(data)
    for other in (TemplateCaptions("a {name}"), FileCaptions(tmp_path / "c.csv", "P ")):
        assert decode(encode(other), type(other)) == other


def test_pairs_are_captioned_by_a_server_from_the_command_line(tmp_path, capsys):
    clips = builders.native(tmp_path / "desk", [Layer.RGB, Layer.TWIN], count=9)
    words = ["pair", str(clips), "--twins", "--frames", "9", "--out", str(tmp_path / "pairs")]
    for gate in fields(PairGate):  # random pictures make no pair otherwise
        words += ["--set", f"gate.{gate.name}={-1e9 if gate.name.startswith('min') else 1e9}"]
    with serving(answer("A desk.")) as server:
        asked = ["--caption-url", server.url, "--caption-model", "see-1"]
        key = ["--caption-key", "CAPTION_KEY", "--set", "endpoint.images=2"]
        for _ in range(2):
            with pytest.raises(SystemExit, match="0"):
                cli.main([*words, *asked, *key])
        assert len(server.asked) == 1
    [pair] = PairSet(tmp_path / "pairs").pairs()
    assert pair.caption == "A desk."
    assert KEY not in "".join(
        path.read_text(errors="replace") for path in (tmp_path / "pairs").rglob("*.json*")
    )
    capsys.readouterr()
    for given, words_of_error in (
        (asked[:2], "--caption-model: is missing"),
        ([*asked, "--caption", "{name}"], "beside a caption server; allowed: one of the two"),
    ):
        with pytest.raises(SystemExit, match="2"):
            cli.main([*words, *given])
        assert words_of_error in " ".join(capsys.readouterr().err.split())
