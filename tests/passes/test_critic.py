"""The critic: a vision model behind a server on this machine, asked for a score from 1 to 5."""

import json
import threading
from collections.abc import Iterator
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from simlift import cli
from simlift.core.errors import InputError
from simlift.core.recipe import Plugin, Recipe, Variant
from simlift.core.run import Run, TakeKey
from simlift.engines.echo import Echo
from simlift.media.video.writer import write_video
from simlift.passes.critic import Critic
from simlift.passes.lift import lift_clips
from simlift.passes.score import score_run
from simlift.scale.progress import Silent
from simlift.sources import open_clip

FRAMES = np.full((4, 16, 16, 3), 90, np.uint8)


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.server.asked.append(body)
            choice = {"message": {"content": self.server.answer}, "finish_reason": "stop"}
            data = json.dumps({"choices": [choice]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            return None

    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.answer, made.asked = "4", []
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def critic(server: ThreadingHTTPServer) -> Critic:
    return Critic(f"http://127.0.0.1:{server.server_port}/v1", "judge")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    texture = np.random.default_rng(0).integers(60, 200, (48, 80, 3)).astype(np.uint8)
    with write_video(tmp_path / "a.mp4", height=48, width=64, fps=Fraction(12)) as writer:
        for t in range(10):
            writer.append(texture[None, :, t : t + 64])
    made = Recipe((Variant("v0", Plugin.of(Echo())),))
    lift_clips([open_clip(tmp_path / "a.mp4")], made, tmp_path / "run", progress=Silent())
    return Run(tmp_path / "run")


@pytest.mark.parametrize(("answer", "score"), [("4", 4), (" 1.", 1), ("Score: 5", 5), ("2/5", 2)])
def test_the_answer_is_the_score(server, answer: str, score: int) -> None:
    server.answer = answer
    assert critic(server).judge(FRAMES, "a/v0").value() == score
    images = [p for p in server.asked[0]["messages"][0]["content"] if p["type"] == "image_url"]
    assert len(images) == 4 and server.asked[0]["model"] == "judge"


@pytest.mark.parametrize("answer", ["6", "0", "It looks fine", "between 2 and 3", "35"])
def test_any_other_answer_is_an_error(server, answer: str) -> None:
    server.answer = answer
    with pytest.raises(InputError, match="allowed: a digit from 1 to 5"):
        critic(server).judge(FRAMES, "a/v0")


def test_the_frames_shown_are_evenly_spaced() -> None:
    asked = Critic("http://localhost:1/v1", "m", images=4)
    assert asked.frames(10) == (0, 3, 6, 9) and asked.frames(2) == (0, 1)
    assert asked.frames(1) == (0,)


def test_a_poor_score_rejects_and_a_scored_take_is_not_asked_about_again(server, run: Run) -> None:
    score_run(run, progress=Silent())
    key = TakeKey("a", "v0")
    assert run.sheet(key).accepted and "critic_score" not in run.sheet(key).values()
    assert not server.asked  # nothing is asked without a critic
    server.answer = "2"
    assert not score_run(run, progress=Silent(), critic=critic(server))
    assert not run.sheet(key).accepted
    assert run.sheet(key).reasons == ("critic_score 2 is below 3",)
    score_run(run, progress=Silent(), critic=critic(server))
    assert len(server.asked) == 1


def test_both_flags_or_none(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["score", str(run.path), "--critic-url", "http://localhost:1/v1"])
    assert ended.value.code == 2 and "both or none" in capsys.readouterr().err
