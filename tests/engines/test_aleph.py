"""Runway's Aleph against a server of this test's own that speaks the documented protocol."""

import base64
import email.parser
import email.policy
import json
import threading
import urllib.parse
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from tiny import clips as builders

import simlift
from simlift.core.errors import ClipError, InputError, RecipeError, RunError
from simlift.core.layers import Layer
from simlift.core.recipe import Plugin, Recipe, Variant
from simlift.core.strict_json import dumps
from simlift.engines.remote.aleph import KEY, Aleph, windows
from simlift.engines.remote.aleph_engine import resample
from simlift.media.video import VideoStore, probe_video
from simlift.passes.lift import lift_clips
from simlift.scale.progress import Silent

SECRET = "key_" + "a1" * 64
COUNT, RATE = 7, 4  # few frames, a second of which are fewer still


class Server(ThreadingHTTPServer):
    """Keeps uploads and tasks; `refuse` are answers to give before the usual ones, in order.

    A task is looked at `polls` times before it ends; its output is the video that it was given.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Speaker)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.requests, self.bodies, self.uploads, self.tasks, self.looks = [], [], {}, {}, {}
        self.refuse, self.polls = [], 1
        self.ending = {"status": "SUCCEEDED"}
        self.answer = None  # bytes of the output, in the place of the video that was sent


class Speaker(BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_GET(self):
        if self.path.startswith("/files/"):
            assert "Authorization" not in self.headers, "the key goes to the API alone"
            name = urllib.parse.unquote(self.path.rpartition("/")[2])
            found = self.server.answer or self.server.tasks[name]
            return self.say(200, found)
        if (refused := self.refused()) is not None:
            return refused
        task = self.path.rpartition("/")[2]
        if task not in self.server.tasks:
            return self.say(404, {"error": "Task not found"})
        looks = self.server.looks[task] = self.server.looks.get(task, 0) + 1
        if looks <= self.server.polls:
            return self.say(200, {"id": task, "status": ["PENDING", "THROTTLED"][looks % 2]})
        done = self.server.ending["status"] == "SUCCEEDED"
        output = {"output": [f"{self.server.url}/files/{task}"]} if done else {}
        return self.say(200, {"id": task, **self.server.ending, **output})

    def do_POST(self):
        data = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.startswith("/bucket/"):
            assert "Authorization" not in self.headers
            self.server.uploads[self.path.rpartition("/")[2]] = form(self.headers, data)
            return self.say(204, b"")
        if (refused := self.refused()) is not None:
            return refused
        body = json.loads(data)
        if self.path == "/v1/uploads":
            assert body == {"filename": "window.mp4", "type": "ephemeral"}
            name = f"u{len(self.server.uploads)}"
            place = {"uploadUrl": f"{self.server.url}/bucket/{name}", "fields": {"policy": "p"}}
            return self.say(200, {"runwayUri": f"runway://{name}", **place})
        assert self.path == "/v1/video_to_video"
        self.server.bodies.append(body)
        task = f"task-{len(self.server.tasks)}"
        uri = body["videoUri"]
        if uri.startswith("runway://"):
            self.server.tasks[task] = self.server.uploads[uri.removeprefix("runway://")]["file"]
        else:
            self.server.tasks[task] = base64.b64decode(uri.removeprefix("data:video/mp4;base64,"))
        return self.say(200, {"id": task})

    def refused(self):
        self.server.requests.append((self.command, self.path))
        if self.headers["Authorization"] != f"Bearer {SECRET}":
            return self.say(401, {"error": "Unauthorized"}) or True
        assert self.headers["X-Runway-Version"] == "2024-11-06"
        if self.server.refuse:
            code, body, headers = self.server.refuse.pop(0)
            return self.say(code, body, headers) or True
        return None

    def say(self, code, body, headers=()):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(data)))
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


def form(headers, data):
    """The fields of a multipart form."""
    text = f"Content-Type: {headers['Content-Type']}\r\n\r\n".encode() + data
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(text)
    return {
        part.get_param("name", header="content-disposition"): part.get_payload(decode=True)
        for part in message.iter_parts()
    }


@pytest.fixture
def server(monkeypatch, tmp_path):
    monkeypatch.setenv(KEY, SECRET)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def clip(tmp_path):
    video = builders.video(
        tmp_path / "clip.mp4", gray(COUNT, 34, 46), rate=RATE, options={"crf": "4"}
    )
    return simlift.open_clip(video)


def gray(count, height, width):
    """Frames of one level each, far enough apart for a codec."""
    return builders.flat_frames(count, height, width)


def aleph(server, **settings):
    return Aleph(base_url=server.url, poll=0, pause=0, ratio="640:480", **settings)


def test_a_clip_goes_there_and_comes_back_at_its_size_and_length(server, clip):
    made = simlift.lift(clip, aleph(server), seed=2**40 + 5)
    assert made.shape == (COUNT, 34, 46, 3)
    assert builders.indices_of(made, COUNT) == list(range(COUNT))
    (body,) = server.bodies
    assert body["model"] == "gen4_aleph"
    assert body["ratio"] == "640:480"
    assert body["seed"] == 5
    assert "references" not in body


def test_windows_overlap_by_a_frame_that_goes_along(server, clip):
    made = simlift.lift(clip, aleph(server, frames=3))
    assert builders.indices_of(made, COUNT) == list(range(COUNT))
    assert len(server.bodies) == len(windows(COUNT, aleph(server, frames=3).window_size())) == 3
    assert "references" not in server.bodies[0]
    (reference,) = server.bodies[1]["references"]
    assert reference["type"] == "image"
    assert reference["uri"].startswith("data:image/jpeg;base64,")


def test_aleph2_is_given_a_keyframe_and_no_ratio(server, clip):
    simlift.lift(clip, aleph(server, frames=5, model="aleph2"))
    assert all("ratio" not in body for body in server.bodies)
    assert server.bodies[1]["keyframes"][0]["seconds"] == 0


def test_what_is_too_large_for_a_request_is_uploaded(server, clip):
    made = simlift.lift(clip, aleph(server, inline_megabytes=0.0))
    assert builders.indices_of(made, COUNT) == list(range(COUNT))
    assert server.bodies[0]["videoUri"] == "runway://u0"
    assert server.uploads["u0"]["policy"] == b"p"


def test_short_windows_are_held_to_the_shortest_video(server, clip, tmp_path):
    made = simlift.lift(clip, aleph(server, frames=6))
    assert made.shape[0] == COUNT
    (tmp_path / "sent.mp4").write_bytes(server.tasks["task-1"])
    assert probe_video(tmp_path / "sent.mp4").num_frames == RATE


@pytest.mark.parametrize("code", [429, 502, 503, 504])
def test_what_may_be_tried_again_is(server, clip, code):
    server.refuse = [(code, {"error": "busy"}, {"Retry-After": "0"})] * 3
    assert simlift.lift(clip, aleph(server)).shape == (COUNT, 34, 46, 3)
    assert len(server.bodies) == 1


def test_too_many_requests_end_in_words(server, clip):
    server.refuse = [(429, {"error": "daily limit"}, {})] * 9
    with pytest.raises(RunError, match=r"429 after 3 attempts: daily limit.*run again later"):
        simlift.lift(clip, aleph(server, retries=2))
    assert server.bodies == []


def test_a_wrong_key_is_named_and_never_shown(server, clip, monkeypatch):
    monkeypatch.setenv(KEY, "key_wrong")
    with pytest.raises(InputError, match="401: the key in RUNWAYML_API_SECRET") as caught:
        simlift.lift(clip, aleph(server))
    assert "key_wrong" not in str(caught.value)


def test_an_answer_that_repeats_the_key_is_told_without_it(server, clip):
    server.refuse = [(400, {"error": f"bad promptText for {SECRET}"}, {})]
    with pytest.raises(RunError, match=r"400: bad promptText for \*\*\*"):
        simlift.lift(clip, aleph(server))


def test_a_redirect_is_not_followed_with_the_key(server, clip):
    server.refuse = [(302, b"", {"Location": "http://127.0.0.1:9/elsewhere"})]
    with pytest.raises(RunError, match="302"):
        simlift.lift(clip, aleph(server))


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        ("SAFETY.INPUT.TEXT", "SAFETY.INPUT.TEXT .*content moderation refuses it again"),
        ("INTERNAL.BAD_OUTPUT.CODE01", "the fault was Runway's"),
        ("INPUT_PREPROCESSING.INTERNAL", "mend what it names"),
    ],
)
def test_failed_tasks_say_why_and_are_forgotten(server, clip, failure, words):
    server.ending = {"status": "FAILED", "failureCode": failure, "failure": "no"}
    with pytest.raises(RunError, match=words):
        simlift.lift(clip, aleph(server))
    server.ending = {"status": "SUCCEEDED"}
    assert simlift.lift(clip, aleph(server)).shape[0] == COUNT
    assert len(server.bodies) == 2


def test_a_task_that_takes_too_long_is_gone_on_with(server, clip):
    server.polls = 10**9
    with pytest.raises(RunError, match=r"still (PENDING|THROTTLED).*which is paid already"):
        simlift.lift(clip, aleph(server, patience=0.0))
    server.polls = 0
    assert simlift.lift(clip, aleph(server)).shape[0] == COUNT
    assert len(server.bodies) == 1, "nothing was started, or paid, twice"


def test_a_killed_run_pays_only_for_what_is_missing(server, clip):
    engine = aleph(server, frames=3)
    # The first window's video cannot be read, and the run ends.
    server.answer = b"no video"
    with pytest.raises(RunError, match="sent no whole video"):
        simlift.lift(clip, engine)
    server.answer = None
    made = simlift.lift(clip, engine)
    assert builders.indices_of(made, COUNT) == list(range(COUNT))
    assert len(server.bodies) == 3
    simlift.lift(clip, engine)
    assert len(server.bodies) == 3


def test_a_task_that_runway_forgot_is_started_anew(server, clip):
    simlift.lift(clip, aleph(server))
    server.tasks.clear()
    simlift.lift(clip, aleph(server))
    assert len(server.bodies) == 2


def test_other_seeds_prompts_and_clips_are_other_tasks(server, clip):
    simlift.lift(clip, aleph(server), seed=1)
    simlift.lift(clip, aleph(server), seed=2)
    simlift.lift(clip, aleph(server, prompt="snow"), seed=1)
    assert len(server.bodies) == 3


def test_an_answer_of_another_rate_and_size_is_resampled(server, clip, tmp_path):
    # Twice the frames at twice the rate, at half the size: every second one is shown.
    frames = gray(COUNT, 240, 320).repeat(2, axis=0)
    builders.video(tmp_path / "fast.mp4", frames, rate=2 * RATE, options={"crf": "4"})
    server.answer = (tmp_path / "fast.mp4").read_bytes()
    made = simlift.lift(clip, aleph(server))
    assert made.shape == (COUNT, 34, 46, 3)
    assert builders.indices_of(made, COUNT) == list(range(COUNT))


def test_an_answer_that_ends_early_is_refused(tmp_path):
    video = builders.video(tmp_path / "short.mp4", gray(12, 32, 48), rate=24)
    store = VideoStore(probe_video(video))
    assert len(resample(store, 17, 24.0)) == 17
    with pytest.raises(RunError, match=r"sent 0.50 s of video for 1.00 s"):
        resample(store, 24, 24.0)


def test_a_server_that_is_not_there(server, clip):
    gone = Aleph(base_url="http://127.0.0.1:9", poll=0, pause=0, retries=1)
    with pytest.raises(RunError, match="connection was lost"):
        simlift.lift(clip, gone)


def test_the_plan_says_what_will_be_sent(server, clip):
    stages = {stage.name: stage.reason for stage in aleph(server, frames=3).check(clip)}
    assert stages["sent"].startswith("3.0 s of video in 3 tasks of gen4_aleph")
    assert stages["size"].startswith("46x34 sent as 640x480")
    assert server.requests == []


def test_limits_are_checked_before_any_call(server, tmp_path, monkeypatch):
    video = builders.video(tmp_path / "long.mp4", builders.flat_frames(60), rate=Fraction(10))
    long = simlift.open_clip(video)
    with pytest.raises(ClipError, match=r"6.00 s at 10 fps.*at most 5 s.*--set frames=50"):
        aleph(server).check(long)
    assert aleph(server, frames=50).check(long)
    assert aleph(server, model="aleph2").check(long)
    fast = builders.video(tmp_path / "fast.mp4", builders.flat_frames(8), rate=60)
    with pytest.raises(ClipError, match=r"60 frames per second.*at most 30"):
        aleph(server, model="aleph2").check(simlift.open_clip(fast))
    monkeypatch.delenv(KEY)
    with pytest.raises(InputError, match=f"{KEY}: is not set"):
        aleph(server, frames=50).check(long)
    monkeypatch.setenv(KEY, "key with spaces")
    with pytest.raises(InputError, match="holds white space"):
        aleph(server, frames=50).check(long)
    assert server.requests == []


def test_bad_settings():
    for settings, words in (
        ({"prompt": "x" * 1001}, "1001 characters"),
        ({"prompt": " "}, "1 to 1000"),
        ({"prompt": "\U0001f600" * 501}, "1002 characters"),
        ({"overlap": 2}, "0 or 1"),
        ({"frames": 1}, "2 or more"),
        ({"poll": -1.0}, "aleph.poll"),
        ({"base_url": "http://example.org"}, "https://"),
    ):
        with pytest.raises(RecipeError, match=words):
            Aleph(**settings)


@pytest.mark.parametrize(
    ("height", "width", "ratio"),
    [(720, 1280, (720, 1280)), (480, 848, (480, 848)), (1280, 720, (1280, 720)),
     (512, 512, (960, 960)), (480, 640, (480, 640)), (704, 1680, (672, 1584))],
)  # fmt: skip
def test_the_closest_size_is_chosen(height, width, ratio):
    how = Aleph().letterbox(height, width)
    assert (how.padded_height, how.padded_width) == ratio
    frames = np.zeros((1, height, width, 3), np.uint8)
    assert how.undo(how.apply(frames)).shape == frames.shape


def test_a_run_names_the_engine_and_never_the_key(server, clip, tmp_path):
    recipe = Recipe((Variant("aleph", Plugin.of(aleph(server))),))
    assert SECRET not in dumps(recipe)
    out = tmp_path / "run"
    result = lift_clips([clip], recipe, out, progress=Silent())
    assert result.made == 1
    server.refuse = [(400, {"error": SECRET}, {})]
    again = lift_clips([clip], recipe, tmp_path / "again", progress=Silent())
    assert again.failures or again.made
    for path in (p for p in tmp_path.rglob("*") if p.is_file()):
        assert SECRET.encode() not in path.read_bytes(), path
    assert "every second costs credits" in next(out.glob("takes/*/aleph.json")).read_text()
    assert Layer.RGB in clip
