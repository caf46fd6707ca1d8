"""Whether a take has the light of its clip's twin, and what is said where it has not."""

import io
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from rich.console import Console

from simlift.core.recipe import Plugin, Recipe, Variant
from simlift.core.run import Run, ScoreSheet, Take, write_text
from simlift.core.score import Direction, frame_scores
from simlift.core.strict_json import digest, dumps, encode
from simlift.engines.echo import Echo
from simlift.engines.pathtraced import PathTraced
from simlift.engines.photographic import Look, Photographic
from simlift.engines.photographic.looks.look import Grade, Light
from simlift.evaluation.metrics import DEFINITIONS
from simlift.passes.tables import print_summary
from simlift.passes.twin import light_note, under_twin_light

STUDIO = Look(light=Light(environment="studio", turn=-140.0))


def take(clip: Path, spec: Photographic | Echo) -> Take:
    made = Plugin.of(spec)
    return Take(
        clip="clip",
        variant="one",
        source=clip,
        source_digest="0",
        engine=made.kind,
        settings=encode(spec),
        recipe_digest="0",
        seed=0,
        num_frames=2,
        height=4,
        width=4,
        fps=Fraction(24),
        window_starts=(),
        stages=(),
        skipped=(),
        notes=(),
        versions={},
    )


@pytest.fixture
def clip(tmp_path):
    write_text(tmp_path / "twin.json", dumps(PathTraced(STUDIO)))
    return tmp_path


def test_the_grade_of_a_look_does_not_change_its_light(clip):
    graded = replace(STUDIO, grade=Grade(warmth=0.3))
    assert under_twin_light(take(clip, Photographic(graded))) is True
    assert light_note(take(clip, Photographic(graded))) is None


def test_another_light_is_told_apart(clip):
    other = replace(STUDIO, light=replace(STUDIO.light, turn=20.0))
    assert under_twin_light(take(clip, Photographic(other))) is False
    assert "another light" in (light_note(take(clip, Photographic(other))) or "")


def test_what_has_no_look_or_no_settings_is_not_guessed(clip, tmp_path):
    assert under_twin_light(take(clip, Echo())) is None
    assert under_twin_light(take(tmp_path / "none", Photographic(STUDIO))) is None
    assert "not known" in (light_note(take(clip, Echo())) or "")


SAME = Photographic(STUDIO)
OTHER = Photographic(replace(STUDIO, light=replace(STUDIO.light, turn=20.0)))


@pytest.mark.parametrize(
    ("spec", "shown", "said"),
    [
        (SAME, True, ""),
        (OTHER, False, "for 1 of 1 takes: they have another light"),
        (Echo(), True, "for 1 of 1 takes it is not known whether the twin has their light"),
    ],
    ids=["same", "other", "unknown"],
)
def test_the_summary_says_which_light_distances_compare(clip, tmp_path, spec, shown, said):
    run = Run(tmp_path / "run")
    write_text(run.path / "recipe.json", dumps(Recipe((Variant("one", Plugin.of(spec)),))))
    made = take(clip, spec)
    run.take_video(made.key).parent.mkdir(parents=True)
    run.take_video(made.key).touch()
    write_text(run.take_file(made.key), dumps(made))
    ones = (1.0, 1.0)
    score = frame_scores("twin_psnr", Direction.HIGHER, (0, 1), ones, ones, "dB")
    sheet = ScoreSheet("clip", "one", digest(made), True, (), (score,), "")
    write_text(run.score_file(made.key), dumps(sheet))
    out = io.StringIO()
    print_summary(run, Console(file=out, width=100))
    assert ("against the twin" in out.getvalue()) is shown
    assert said in out.getvalue()
    assert ("1 of 1 takes" in out.getvalue()) is bool(said)


def test_every_score_has_a_title_of_its_own():
    titles = [definition.title for definition in DEFINITIONS.values()]
    assert len(set(titles)) == len(titles)
    assert not [title for title in titles if "_" in title]
