"""The report and its server, from a small run of gray frames: frame i has gray 30 + 9 i."""

import http.client
import itertools
import json
import re
import shutil
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from simlift.core.clip import Clip
from simlift.core.dataset import Origin
from simlift.core.errors import InputError, RunError
from simlift.core.layers import Layer, StoredLayer, Unit
from simlift.core.recipe import Encoding, Gate, Plugin, Recipe, Variant
from simlift.core.run import Run, ScoreSheet, Take, TakeKey, write_text
from simlift.core.score import Direction, Reduction, Score, frame_scores
from simlift.core.strict_json import digest, dumps
from simlift.evaluation.metrics.definitions import Definition
from simlift.media.decodings import Colour
from simlift.media.video import VideoStore, probe_video
from simlift.media.video.writer import write_video
from simlift.reports import Motion, Threshold, serving, write_report
from simlift.reports.model import Verdict, build_model, frame_values, gate_thresholds
from simlift.reports.page import json_for_script
from simlift.reports.previews import PREVIEW_LINES, encode_preview, preview_size, video_frames
from simlift.reports.serve import parse_range

FRAMES, HEIGHT, WIDTH, FPS = 24, 72, 96, Fraction(24)
VARIANTS = ("plain", "rain", "night")
HOSTILE = "</script><script>window.harmed=1</script><img src=x onerror=window.harmed=1>\"'&"
CLIP = "ep<img src=x onerror=window.harmed=1>&'\"#%"
BIG_SEED = 2**64 - 59


def gray(index: int) -> int:
    return 30 + 9 * index


def gray_frames(count: int, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    levels = np.array([gray(i) for i in range(count)], dtype=np.uint8)
    return np.broadcast_to(levels[:, None, None, None], (count, height, width, 3)).copy()


def write_gray(path: Path, *, timestamps=None, height: int = HEIGHT, width: int = WIDTH) -> Path:
    frames = gray_frames(FRAMES, height, width)
    with write_video(
        path, height=height, width=width, fps=FPS, encoding=Encoding(), timestamps=timestamps
    ) as video:
        video.append(frames)
    return path


def clip_of(path: Path, name: str = CLIP) -> Clip:
    info = probe_video(path)
    layer = StoredLayer(Layer.RGB, VideoStore(info), Colour(), Unit.SRGB)
    return Clip(
        name=name,
        path=path,
        fps=info.fps,
        num_frames=info.num_frames,
        height=info.height,
        width=info.width,
        layers=(layer,),
        timestamps=info.timestamps,
    )


def take_of(source: Path, variant: str) -> Take:
    return Take(
        clip=CLIP,
        variant=variant,
        source=source,
        source_digest="0123456789abcdef",
        engine="simlift.engines.echo:Echo",
        settings={"prompt": HOSTILE, "strength": 0.5},
        recipe_digest="fedcba9876543210",
        seed=BIG_SEED,
        num_frames=FRAMES,
        height=HEIGHT,
        width=WIDTH,
        fps=FPS,
        window_starts=(8, 16),
        stages=("light",),
        skipped=("materials: no albedo layer",),
        notes=(HOSTILE,),
        versions={"simlift": "0.1.0"},
    )


def scores_of(level: float) -> tuple[Score, ...]:
    evidence = [0.0 if 5 <= i < 9 else 1.0 for i in range(FRAMES)]
    edges = [level * e for e in evidence]
    rng = np.random.default_rng(0)
    colours = tuple(tuple(row) for row in rng.random((FRAMES, 3)).tolist())
    return (
        frame_scores("sharpness", Direction.NEUTRAL, range(FRAMES), [2.0] * FRAMES),
        frame_scores("sharpness_render", Direction.NEUTRAL, range(FRAMES), [3.0] * FRAMES),
        frame_scores("edge_f1_near", Direction.HIGHER, range(FRAMES), edges, evidence),
        Score(
            "colour_drift",
            Direction.LOWER,
            tuple(range(FRAMES)),
            colours,
            (2.0,) * FRAMES,
            Reduction.SPREAD,
        ),
    )


def make_run(folder: Path, source: Path, *, timestamps=None) -> Run:
    """Lift a gray clip into three variants: accepted, rejected, not scored."""
    run = Run(folder)
    run.begin(Recipe(tuple(Variant(v, Plugin("m:C", {})) for v in VARIANTS)), {})
    for variant in VARIANTS:
        take = take_of(source, variant)
        write_gray(run.take_video(take.key), timestamps=timestamps)
        write_text(run.take_file(take.key), dumps(take))
        if variant == "night":
            continue
        good = variant == "plain"
        sheet = ScoreSheet(
            clip=CLIP,
            variant=variant,
            take_digest=digest(take),
            accepted=good,
            reasons=() if good else ("edges moved " + HOSTILE,),
            scores=scores_of(0.8 if good else 0.2),
            flow="the simulator",
        )
        write_text(run.score_file(take.key), dumps(sheet))
    return run


def report_of(run: Run, source: Path, **options) -> Path:
    return write_report(
        run,
        {CLIP: clip_of(source)},
        overlays={CLIP: {"edges " + HOSTILE: source}},
        definitions={
            "edge_f1_near": Definition(
                "Edges kept", "Share of edges that stay. " + HOSTILE, "a paper", Direction.HIGHER
            )
        },
        **options,
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Run, Path]:
    """A run with its report, and the clip it was made from."""
    folder = tmp_path_factory.mktemp("made")
    source = write_gray(folder / "source.mp4")
    run = make_run(folder / "run", source)
    report_of(run, source)
    return run, source


# The model


def test_the_gate_names_its_scores():
    thresholds = gate_thresholds(Gate(min_edge_f1_near=0.3, max_flicker_ratio=2.0))
    assert thresholds["edge_f1_near"] == Threshold(minimum=0.3)
    assert thresholds["flicker_ratio"] == Threshold(maximum=2.0)


@pytest.mark.parametrize(
    ("threshold", "value", "passes"),
    [
        (Threshold(minimum=1.0), 1.0, True),
        (Threshold(minimum=1.0), 0.9, False),
        (Threshold(maximum=1.0), 1.0, True),
        (Threshold(maximum=1.0), 1.1, False),
        (Threshold(maximum=1.0), None, None),
        (Threshold(), 1.0, None),
    ],
)
def test_a_threshold_judges(threshold, value, passes):
    assert threshold.passes(value) is passes


def test_the_model_says_what_the_sheets_say(made):
    run, _ = made
    model = build_model(run, definitions={}, thresholds=gate_thresholds(Gate()))
    (clip,) = model.clips
    assert [take.variant for take in clip.takes] == list(VARIANTS)
    assert [take.verdict for take in clip.takes] == list(Verdict)
    # Judged scores first; the render's own score is no plot of its own.
    assert [s.name for s in model.scores] == ["edge_f1_near", "colour_drift", "sharpness"]
    plots = {plot.score: plot for plot in clip.takes[0].plots}
    assert plots["sharpness"].render_value == 3.0
    assert plots["sharpness"].passes is None
    assert plots["edge_f1_near"].value == pytest.approx(0.8)
    assert [i for i, v in enumerate(plots["edge_f1_near"].values) if v is None] == [5, 6, 7, 8]
    judged = [{p.score: p.passes for p in take.plots} for take in clip.takes]
    assert [found.get("edge_f1_near") for found in judged] == [True, False, None]
    assert ("Seed", str(BIG_SEED)) in clip.takes[0].provenance


def test_frame_values_of_a_spread_have_its_value_as_mean():
    score = scores_of(1.0)[-1]
    assert np.mean(frame_values(score, FRAMES)) == pytest.approx(score.value(), rel=1e-5)


def test_a_sheet_of_another_take_is_no_evidence(tmp_path):
    source = write_gray(tmp_path / "source.mp4")
    run = make_run(tmp_path / "run", source)
    other = dumps(take_of(tmp_path / "elsewhere.mp4", "plain"))
    write_text(run.take_file(TakeKey(CLIP, "plain")), other)
    model = build_model(run, definitions={}, thresholds={})
    assert model.clips[0].takes[0].verdict is Verdict.UNSCORED


def test_a_run_without_takes_has_no_report(tmp_path):
    run = Run(tmp_path / "run")
    run.begin(Recipe((Variant("plain", Plugin("m:C", {})),)), {})
    with pytest.raises(RunError, match="no finished take"):
        write_report(run, {}, overlays={}, definitions={})


# Previews


@pytest.mark.parametrize(
    ("size", "preview"),
    [
        ((1080, 1920), (480, 854)),
        ((481, 641), (480, 640)),
        ((75, 101), (74, 100)),
        ((1, 1), (2, 2)),
    ],
)
def test_previews_are_even_and_small(size, preview):
    assert preview_size(*size) == preview
    assert preview[0] <= PREVIEW_LINES


def test_a_preview_keeps_every_frame_in_its_place(tmp_path):
    encode_preview(iter(gray_frames(FRAMES)), tmp_path / "p.mp4", FPS)
    found = [frame.mean() for frame in video_frames(tmp_path / "p.mp4")]
    assert found == pytest.approx([gray(i) for i in range(FRAMES)], abs=2)
    assert probe_video(tmp_path / "p.mp4").timestamps is None


# The page


def test_the_page_names_nothing_on_a_network(made):
    text = made[0].report_file.read_text()
    assert set(re.findall(r"[a-z]+://[\w./]*", text)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"@import|url\(", text)


def test_hostile_names_stay_text(made):
    text = made[0].report_file.read_text()
    # One script for data, one for code; all others hold base64 alone.
    assert len(re.findall("<script", text)) == 2 + len(
        re.findall('<script type="text/plain"', text)
    )
    assert "<img" not in text
    assert "<script>window" not in text


def test_json_in_a_script_comes_back_whole():
    data = {"name": HOSTILE + "\u2028<!--\x00", "n": [1.5, None]}
    text = json_for_script(data)
    assert not set("<>&") & set(text)
    assert json.loads(text) == data


def test_equal_runs_have_equal_pages(made, tmp_path):
    run, source = made
    first = run.report_file.read_bytes()
    shutil.copytree(run.path, tmp_path / run.path.name)
    assert report_of(Run(tmp_path / run.path.name), source).read_bytes() == first


def test_progress_counts_the_frames_of_all_previews(made, tmp_path):
    run, source = made
    shutil.copytree(run.path, tmp_path / "run")
    seen: list[int] = []
    report_of(Run(tmp_path / "run"), source, progress=seen.append)
    assert seen == [FRAMES] * (1 + len(VARIANTS) + 1)


def test_previews_beyond_the_budget_are_linked(made, tmp_path):
    run, source = made
    shutil.copytree(run.path, tmp_path / "run")
    page = report_of(Run(tmp_path / "run"), source, budget_bytes=0)
    links = re.findall(r'"link":"([^"]+)"', page.read_text())
    assert sum(link.startswith("../takes/") for link in links) == len(VARIANTS)
    assert sum(link.startswith("previews/") for link in links) == 2  # the render and the overlay
    assert '<script type="text/plain"' not in page.read_text()
    # A report within the budget leaves nothing of them behind.
    report_of(Run(tmp_path / "run"), source)
    assert [p.name for p in page.parent.iterdir()] == ["index.html"]


def test_takes_with_uneven_times_are_never_linked(tmp_path):
    steps = [Fraction(1, 24) * (1 + i % 3) for i in range(FRAMES)]
    times = [Fraction(0), *itertools.accumulate(steps[:-1])]
    source = write_gray(tmp_path / "source.mp4", timestamps=times)
    run = make_run(tmp_path / "run", source, timestamps=times)
    page = report_of(run, source, budget_bytes=0)
    links = re.findall(r'"link":"([^"]+)"', page.read_text())
    assert {link.split("/")[0] for link in links} == {"previews"}
    assert all(probe_video(page.parent / link).timestamps is None for link in links)


# The server


def fetch(url: str, path: str, *, method: str = "GET", **headers: str):
    host = url.split("/")[2]
    connection = http.client.HTTPConnection(host, timeout=5)
    try:
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders()
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read()
    finally:
        connection.close()


@pytest.fixture(scope="module")
def site(made) -> Iterator[str]:
    with serving(made[0].path, port=0) as url:
        yield url


def test_ranges_are_slices():
    size = 10
    data = bytes(range(size))
    for first, last in itertools.product(range(size), range(12)):
        found = parse_range(f"bytes={first}-{last}", size)
        if last < first:
            assert found is None
        else:
            assert data[found[0] : found[1] + 1] == data[first : last + 1]
    for n in range(1, 12):
        first, last = parse_range(f"bytes=-{n}", size)
        assert data[first : last + 1] == data[-n:]
    for text in (
        None,
        "",
        "bytes=-",
        "bytes=a-b",
        "lines=0-1",
        "bytes=0-1,3-4",
        "bytes=" + "9" * 99,
    ):
        assert parse_range(text, size) is None
    for text in ("bytes=10-", "bytes=10-12", "bytes=-0"):
        with pytest.raises(LookupError):
            parse_range(text, size)
    with pytest.raises(LookupError):
        parse_range("bytes=0-", 0)


def test_the_server_answers_ranges(made, site):
    path = "/recipe.json"
    data = (made[0].path / "recipe.json").read_bytes()
    status, headers, body = fetch(site, path)
    assert (status, body) == (200, data)
    assert headers["Accept-Ranges"] == "bytes"
    assert headers["Content-Type"].startswith("application/json")
    status, headers, body = fetch(site, path, Range="bytes=5-20")
    assert (status, body) == (206, data[5:21])
    assert headers["Content-Range"] == f"bytes 5-20/{len(data)}"
    assert fetch(site, path, Range="bytes=-7")[2] == data[-7:]
    assert fetch(site, path, Range="bytes=0-1,4-5")[::2] == (200, data)
    status, headers, body = fetch(site, path, Range=f"bytes={len(data)}-")
    assert (status, headers["Content-Range"], body) == (416, f"bytes */{len(data)}", b"")


def test_a_changed_file_is_sent_whole(site):
    tag = fetch(site, "/recipe.json")[1]["ETag"]
    assert fetch(site, "/recipe.json", Range="bytes=0-3", If_Range=tag)[0] == 206
    assert fetch(site, "/recipe.json", Range="bytes=0-3", If_Range='"old"')[0] == 200


def test_head_has_no_body(made, site):
    status, headers, body = fetch(site, "/report/", method="HEAD")
    assert (status, body) == (200, b"")
    assert int(headers["Content-Length"]) == made[0].report_file.stat().st_size
    assert headers["Content-Type"].startswith("text/html")


def test_takes_are_found_under_any_name(site):
    from urllib.parse import quote

    status, headers, body = fetch(site, f"/takes/{quote(CLIP)}/plain.mp4")
    assert (status, headers["Content-Type"], body[4:8]) == (200, "video/mp4", b"ftyp")


def test_the_root_leads_to_the_report(site):
    status, headers, _ = fetch(site, "/")
    assert (status, headers["Location"]) == (302, "/report/")


def test_nothing_outside_the_run_is_served(made, site):
    run, source = made
    (run.path / "way-out").symlink_to(source.parent)
    (run.path / "way-out.mp4").symlink_to(source)
    (run.path / ".hidden").write_text("secret")
    for path in (
        "/../source.mp4",
        "/%2e%2e/source.mp4",
        "/..%2fsource.mp4",
        "/report/../../source.mp4",
        "/report/..%5c..%5csource.mp4",
        "//source.mp4",
        f"/{source}",
        "/way-out/source.mp4",
        "/way-out.mp4",
        "/.hidden",
        "/takes",
        "/takes/",
        "/recipe.json%00.mp4",
        "/" + "a" * 5000,
    ):
        assert fetch(site, path)[0] in (302, 404), path
    assert fetch(site, "/recipe.json", method="POST")[0] == 501


def test_a_taken_port_is_named(made):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        taken = pytest.raises(InputError, match=f"port {port}.*taken.*--port 0")
        with taken, serving(made[0].path, port=port):
            pass


def test_no_report_nothing_to_serve(tmp_path):
    with pytest.raises(RunError, match="simlift report"), serving(tmp_path, port=0):
        pass


# In the browser

LAUNCH = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
# Gray of the picture that a video shows now, as the viewer would see it.
SHOWN = """video => {
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = 8;
  const context = canvas.getContext('2d');
  context.drawImage(video, 0, 0, 8, 8);
  return context.getImageData(4, 4, 1, 1).data[1];
}"""


@pytest.fixture(scope="module")
def browser():
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no chromium or google-chrome on PATH")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        opened = play.chromium.launch(executable_path=program, args=LAUNCH)
        yield opened
        opened.close()


class Viewer:
    """The report, opened in a browser."""

    def __init__(self, page) -> None:
        self.page = page
        self.trouble: list[str] = []
        page.on("pageerror", lambda error: self.trouble.append(str(error)))
        page.on("console", lambda m: m.type == "error" and self.trouble.append(m.text))
        page.on("request", self._request)

    def _request(self, request) -> None:
        if not request.url.startswith(("file:", "blob:", "data:", "http://127.0.0.1:")):
            self.trouble.append(request.url)

    def open(self, url: str) -> "Viewer":
        self.page.goto(url)
        self.wait_for_frame(0)
        return self

    @property
    def frame(self) -> int:
        return int(re.match(r"frame (\d+)", self.page.text_content("#clock"))[1])

    def wait(self, expression: str) -> None:
        # Playwright's own waiting needs eval, which the page's policy forbids, as it should.
        until = time.monotonic() + 15
        while not self.page.evaluate(expression):
            assert time.monotonic() < until, f"still not: {expression}"
            time.sleep(0.02)

    def wait_for_frame(self, frame: int) -> None:
        """Wait until the page says `frame` and no video of the shown cells is seeking."""
        self.wait(
            "deck.chasing === null && !deck.active.some(v => v.seeking || v.readyState < 2) && "
            f"deck.frame === {frame}"
        )

    def shown(self) -> list[int]:
        """Return the frame that each active video shows, read from its picture."""
        grays = self.page.evaluate(f"deck.active.map({SHOWN})")
        return [round((value - 30) / 9) for value in grays]

    def wipe(self) -> int:
        return int(self.page.get_attribute("#wipe", "aria-valuenow"))


@pytest.fixture
def viewer(browser):
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    opened = Viewer(context.new_page())
    yield opened
    assert opened.trouble == []
    assert opened.page.evaluate("window.harmed === undefined")
    context.close()


@pytest.fixture
def from_disk(viewer, made):
    return viewer.open(made[0].report_file.as_uri())


@pytest.mark.browser
def test_frames_are_exact_from_disk(from_disk):
    for frame in (0, 1, 7, 8, 15, FRAMES - 1, 3):
        from_disk.page.evaluate(f"deck.seek({frame})")
        from_disk.wait_for_frame(frame)
        assert from_disk.frame == frame
        assert from_disk.shown() == [frame, frame]


@pytest.mark.browser
def test_linked_videos_play_from_disk_and_from_the_server(viewer, made, tmp_path):
    run, source = made
    copy = tmp_path / "run"
    shutil.copytree(run.path, copy, symlinks=True)
    page = report_of(Run(copy), source, budget_bytes=0)
    viewer.open(page.as_uri())
    assert "previews lie in the run folder" in viewer.page.text_content("#linked")
    viewer.page.keyboard.press("ArrowLeft")
    viewer.wait_for_frame(FRAMES - 1)
    with serving(copy, port=0) as url:
        viewer.open(url)
        viewer.page.evaluate("deck.seek(11)")
        viewer.wait_for_frame(11)
        assert viewer.shown() == [11, 11]
        viewer.page.goto("about:blank")


@pytest.mark.browser
def test_a_page_away_from_its_links_says_so(viewer, made, tmp_path):
    run, source = made
    shutil.copytree(run.path, tmp_path / "run", symlinks=True)
    page = report_of(Run(tmp_path / "run"), source, budget_bytes=0)
    shutil.copy(page, tmp_path / "mailed.html")
    viewer.page.goto((tmp_path / "mailed.html").as_uri())
    viewer.wait("document.querySelectorAll('.cell.broken').length === 4")
    assert all("ERR_FILE_NOT_FOUND" in text for text in viewer.trouble)
    viewer.trouble.clear()


@pytest.mark.browser
def test_space_plays_loops_and_stops_on_one_frame(from_disk):
    from_disk.page.keyboard.press(" ")
    from_disk.wait("deck.frame > 4")
    assert from_disk.page.get_attribute("#play", "aria-label") == "Pause"
    from_disk.wait("deck.frame < 4")  # it began again
    from_disk.wait("deck.frame > 2")
    from_disk.page.keyboard.press(" ")
    from_disk.wait("deck.chasing === null")
    assert from_disk.shown() == [from_disk.frame] * 2
    stood = from_disk.frame
    time.sleep(0.2)
    assert from_disk.frame == stood


@pytest.mark.browser
def test_arrows_step_and_wrap(from_disk):
    for key, frame in (("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1), ("ArrowLeft", 0)):
        from_disk.page.keyboard.press(key)
        from_disk.wait_for_frame(frame)
    from_disk.page.keyboard.press("ArrowLeft")
    from_disk.wait_for_frame(FRAMES - 1)


@pytest.mark.browser
def test_the_wipe_moves_by_mouse_and_keys_and_cuts_the_take(from_disk):
    page = from_disk.page
    box = page.locator("#stage").bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 0.5, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.25, middle, steps=4)
    page.mouse.up()
    assert from_disk.wipe() == 25
    cut = page.locator(".cell.selected").evaluate("cell => getComputedStyle(cell).clipPath")
    assert cut == "inset(0px 0px 0px 25%)"
    page.keyboard.press("Shift+ArrowRight")
    assert from_disk.wipe() == 30
    assert from_disk.frame == 0
    page.focus("#wipe")
    page.keyboard.press("End")
    assert from_disk.wipe() == 100
    page.keyboard.press("ArrowLeft")
    assert from_disk.wipe() == 95
    assert page.get_by_role("slider", name="Wipe between render and take").count() == 1


@pytest.mark.browser
def test_a_click_on_a_plot_goes_to_that_frame(from_disk):
    area = from_disk.page.locator('[data-score="edge_f1_near"] .area')
    box = area.bounding_box()
    for frame in (13, 6):
        area.click(position={"x": box["width"] * (frame + 0.5) / FRAMES, "y": 20})
        from_disk.wait_for_frame(frame)
        assert from_disk.frame == frame
        assert from_disk.shown() == [frame, frame]
    reading = from_disk.page.text_content('[data-score="edge_f1_near"] .reading')
    assert reading == "no evidence here"
    assert from_disk.page.locator('[data-score="edge_f1_near"] .gate').count() == 1
    assert from_disk.page.locator('[data-score="sharpness"] .line.render').count() == 1


@pytest.mark.browser
def test_the_grid_shows_every_variant_in_step(from_disk):
    page = from_disk.page
    page.click("#grid")
    page.evaluate("deck.seek(9)")
    from_disk.wait_for_frame(9)
    assert page.locator(".cell:visible").count() == 1 + len(VARIANTS)
    assert from_disk.shown() == [9] * (1 + len(VARIANTS))
    page.get_by_role("button", name="Show night").click()
    assert page.get_attribute("#grid", "aria-pressed") == "false"
    assert page.text_content(".cell.selected figcaption").endswith("night")
    from_disk.wait_for_frame(9)


@pytest.mark.browser
def test_variants_change_by_key_row_and_address(from_disk):
    page = from_disk.page
    page.keyboard.press("2")
    assert "Rejected" in page.text_content("#verdict")
    assert HOSTILE in page.text_content("#verdict")
    page.keyboard.press("ArrowDown")
    assert "Not scored" in page.text_content("#verdict")
    page.keyboard.press("ArrowDown")
    assert "Accepted" in page.text_content("#verdict")
    assert str(BIG_SEED) in page.text_content("#origin")
    page.locator("#takes tbody tr").nth(1).click()
    assert "Rejected" in page.text_content("#verdict")
    page.reload()
    assert "Rejected" in page.text_content("#verdict")


@pytest.mark.browser
def test_the_table_sorts_with_missing_values_last(from_disk):
    page = from_disk.page

    def order() -> list[str]:
        return page.locator("#takes tbody .variant").all_text_contents()

    head = page.get_by_role("button", name="Edges kept")
    head.click()
    assert order() == ["rain", "plain", "night"]
    head.click()
    assert order() == ["plain", "rain", "night"]
    assert page.locator("th[aria-sort=descending]").count() == 1


@pytest.mark.browser
def test_overlays_lie_over_the_sides_that_ask(from_disk):
    page = from_disk.page
    page.keyboard.press("o")
    page.evaluate("deck.seek(12)")
    from_disk.wait_for_frame(12)
    assert page.locator(".cell.overlaid:visible").count() == 2
    assert page.locator(".cell.selected canvas").evaluate("c => c.width") == WIDTH
    drawn = page.locator(".cell.selected canvas").evaluate(SHOWN)
    assert round((drawn - 30) / 9) == 12
    page.select_option("#side", "take")
    assert page.locator(".cell.render.overlaid").count() == 0
    page.keyboard.press("o")
    page.locator(".cell.overlaid").wait_for(state="detached")


@pytest.mark.browser
def test_help_opens_and_closes(from_disk):
    from_disk.page.keyboard.press("?")
    assert from_disk.page.locator("#help").is_visible()
    from_disk.page.keyboard.press("Escape")
    assert not from_disk.page.locator("#help").is_visible()


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 820, 1100, 1600])
def test_nothing_scrolls_sideways(from_disk, width):
    page = from_disk.page
    page.set_viewport_size({"width": width, "height": 844})
    for key in ("2", "o", "g", "g"):
        page.keyboard.press(key)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    small = page.evaluate(
        "[...document.querySelectorAll('button:not(.plain):not(.pick), select')]"
        ".filter(b => b.offsetParent && b.getBoundingClientRect().height < 44).length"
    )
    assert small == 0


@pytest.mark.browser
def test_a_clip_without_its_render_shows_the_take_alone(viewer, made, tmp_path):
    run, _ = made
    shutil.copytree(run.path, tmp_path / "run", symlinks=True)
    page = write_report(Run(tmp_path / "run"), {}, overlays={}, definitions={})
    viewer.open(page.as_uri())
    assert not viewer.page.locator("#wipe").is_visible()
    viewer.page.keyboard.press("ArrowRight")
    viewer.wait_for_frame(1)
    assert viewer.shown() == [1]


@pytest.mark.browser
def test_reasons_have_titles_and_twins_of_another_light_a_caution(viewer, made, tmp_path):
    folder, source = made
    shutil.copytree(folder.path, tmp_path / "run", symlinks=True)
    run, key = Run(tmp_path / "run"), TakeKey(CLIP, VARIANTS[1])
    twin = frame_scores("twin_psnr", Direction.HIGHER, range(FRAMES), [20.0] * FRAMES)
    sheet = run.sheet(key)
    told = replace(sheet, reasons=("edge_f1_near 0.2 is below 0.55",), scores=(*sheet.scores, twin))
    write_text(run.score_file(key), dumps(told))
    viewer.open(report_of(run, source, twin_notes={key: "another light"}).as_uri())
    viewer.page.keyboard.press("2")
    said = "Edges kept (edge_f1_near) 0.2 is below 0.55"
    assert viewer.page.locator("#verdict li").all_inner_texts() == [said]
    assert said in viewer.page.locator("td.why").all_inner_texts()
    cautions = viewer.page.locator(".plot:has(.caution)")
    assert cautions.count() == 1
    assert cautions.get_attribute("data-score") == "twin_psnr"
    assert viewer.page.get_by_role("button", name="Edges kept").get_attribute("title") == (
        "edge_f1_near"
    )


# Episodes of several cameras


def make_episode(folder: Path, source: Path) -> Path:
    """Write the report of two cameras of one episode, each in two variants, and its joints."""
    run = Run(folder)
    run.begin(Recipe(tuple(Variant(v, Plugin("m:C", {})) for v in VARIANTS[:2])), {})
    clips = {}
    for camera in ("front", "wrist"):
        name = f"episode_000003.{camera}"
        clips[name] = clip_of(source, name)
        for variant in VARIANTS[:2]:
            origin = Origin(source, "lerobot-v3.0", 3, "episode_000003", "3", camera)
            take = replace(take_of(source, variant), clip=name, origin=origin)
            write_gray(run.take_video(take.key))
            write_text(run.take_file(take.key), dumps(take))
    line = tuple(None if i == 4 else i / 10 for i in range(FRAMES))
    lines = (Motion("joints", "rad", ("elbow", HOSTILE), (line, tuple(-i for i in range(FRAMES)))),)
    return write_report(run, clips, overlays={}, definitions={}, motion={"episode_000003": lines})


def test_the_model_knows_the_cameras_of_an_episode(tmp_path):
    source = write_gray(tmp_path / "source.mp4")
    make_episode(tmp_path / "run", source)
    model = build_model(Run(tmp_path / "run"), definitions={}, thresholds={})
    assert [(clip.episode, clip.camera) for clip in model.clips] == [
        ("episode_000003", "front"),
        ("episode_000003", "wrist"),
    ]
    assert model.episodes == ()


@pytest.mark.browser
def test_the_cameras_of_an_episode_play_side_by_side(viewer, tmp_path):
    viewer.open(make_episode(tmp_path / "run", write_gray(tmp_path / "source.mp4")).as_uri())
    page = viewer.page
    page.keyboard.press("c")
    page.evaluate("deck.seek(9)")
    viewer.wait_for_frame(9)
    assert viewer.shown() == [9] * 4  # the render and the take of both cameras
    captions = page.locator(".cell:visible figcaption").all_inner_texts()
    last = [text.split()[-1].lstrip("1") for text in captions]
    assert last == ["Render", "plain", "render", "plain"]
    assert "wrist" in captions[2] and "wrist" in captions[3]
    page.keyboard.press("2")
    viewer.wait_for_frame(9)
    assert page.locator(".cell:visible figcaption").last.inner_text().endswith("wrist: rain")
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.keyboard.press("g")
    assert page.locator(".cell:visible").count() == 3
    page.keyboard.press("g")
    assert page.get_attribute("#cameras", "aria-pressed") == "false"


@pytest.mark.browser
def test_joints_are_drawn_in_step_with_the_video(viewer, tmp_path):
    viewer.open(make_episode(tmp_path / "run", write_gray(tmp_path / "source.mp4")).as_uri())
    page = viewer.page
    plot = page.locator('[data-motion="joints"]')
    assert plot.locator("path.line").count() == 2
    for frame, reading in ((6, "0.600"), (4, "unknown")):
        page.evaluate(f"deck.seek({frame})")
        viewer.wait_for_frame(frame)
        assert plot.locator(".key b").first.inner_text() == reading
        left = plot.locator(".cursor").evaluate("c => parseFloat(c.style.left)")
        assert left == pytest.approx((frame + 0.5) / FRAMES * 100, abs=0.01)
    box = plot.locator(".area").bounding_box()
    plot.locator(".area").click(position={"x": box["width"] * 12.5 / FRAMES, "y": 20})
    viewer.wait_for_frame(12)
    assert HOSTILE in plot.locator(".legend").inner_text()


@pytest.mark.browser
def test_a_lone_clip_has_neither_other_cameras_nor_joints(from_disk):
    page = from_disk.page
    assert not page.locator("#cameras").is_visible()
    assert not page.locator("#motion-section").is_visible()
    page.keyboard.press("c")
    assert page.locator(".stage.wipe").count() == 1
