"""Choose the episodes of an export: those whose takes the gate accepted, and originals among them.

An exported episode is a source episode under one variant, or as it was recorded. All of its cameras
that were lifted must have been accepted: a view that is missing or wrong spoils the episode.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from simlift.core.clip import Clip
from simlift.core.dataset import Dataset, Episode
from simlift.core.errors import InputError, RunError
from simlift.core.run import Run, ScoreSheet, Take

OtherCameras = Literal["copy", "drop"]


@dataclass(frozen=True, eq=False)
class View:
    """One camera of an exported episode: the video of a take, or the clip as it was recorded."""

    camera: str
    clip: Clip
    take: Take | None = None
    video: Path | None = None
    sheet: ScoreSheet | None = None


@dataclass(frozen=True, eq=False)
class ExportEpisode:
    """An episode to be written: where its rows come from, and a view for each camera.

    `variant` is "" for an original.
    """

    dataset: Dataset
    source: Episode
    variant: str
    views: tuple[View, ...]

    @property
    def name(self) -> str:
        """A name that is the same in every export of the run: it names kept parts of work."""
        return f"{self.source.name}.{self.variant or 'original'}"

    @property
    def generated(self) -> bool:
        """Whether any of its views was made, not recorded."""
        return any(view.take is not None for view in self.views)


@dataclass(frozen=True)
class Left:
    """An episode and variant that is not exported, and why."""

    episode: str
    variant: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Selection:
    """What an export holds, in order, and what it leaves out."""

    episodes: tuple[ExportEpisode, ...]
    left: tuple[Left, ...]
    notes: tuple[str, ...] = ()

    @property
    def lifted(self) -> int:
        """Episodes that were lifted."""
        return sum(bool(episode.variant) for episode in self.episodes)


def select(
    run: Run,
    clips: Mapping[str, Clip],
    dataset_of: Mapping[str, Dataset],
    *,
    other_cameras: OtherCameras | None,
    originals: float,
    unscored: bool,
) -> Selection:
    """Choose the episodes of a run; RunError where verdicts are missing or nothing is left.

    `clips` and `dataset_of` are the clip and the dataset of every clip's name. Episodes stand in
    the order of their numbers, the original first, then variants in the order of the recipe.
    """
    takes = run.takes()
    names = {take.clip for take in takes}
    order = {variant.name: k for k, variant in enumerate(run.recipe().variants)}
    groups: dict[tuple[str, str], list[Take]] = {}
    for take in takes:
        groups.setdefault((clips[take.clip].group, take.variant), []).append(take)
    made, left = [], []
    sources: dict[str, tuple[Dataset, Episode, frozenset[str]]] = {}
    for (group, variant), found in groups.items():
        dataset = dataset_of[found[0].clip]
        source = _episode(dataset, clips[found[0].clip])
        lifted = {_camera(dataset, clips[t.clip]): t for t in found}
        wanted = {_camera(dataset, clips[n]) for n in names if clips[n].group == group}
        sources[group] = (dataset, source, frozenset(wanted))
        if reasons := _against(run, found, wanted - set(lifted), unscored):
            left.append(Left(source.name, variant, reasons))
            continue
        views = _views(run, dataset, source, clips, lifted, other_cameras)
        made.append(ExportEpisode(dataset, source, variant, views))
    _check_originals(originals)
    chosen = sorted(made, key=lambda e: (e.source.index, order.get(e.variant, 0)))
    notes: list[str] = []
    plain = _originals(chosen, sources, originals, other_cameras, notes)
    every = sorted(
        [*chosen, *plain],
        key=lambda e: (e.source.index, bool(e.variant), order.get(e.variant, 0)),
    )
    if not chosen:
        raise RunError(
            run.path,
            f"has no episode whose cameras were all accepted ({len(left)} left out, such as "
            f"{left[0].episode} {left[0].variant}: {left[0].reasons[0]})"
            if left
            else "has no takes",
            way_out="see why: simlift report RUN; lift again with other looks",
        )
    return Selection(tuple(every), tuple(left), tuple(notes))


def _camera(dataset: Dataset, clip: Clip) -> str:
    return clip.origin.camera if clip.origin else dataset.cameras[0]


def _episode(dataset: Dataset, clip: Clip) -> Episode:
    index = clip.origin.episode if clip.origin else dataset.episodes[0].index
    return next(episode for episode in dataset.episodes if episode.index == index)


def _against(
    run: Run, takes: Sequence[Take], missing: Iterable[str], unscored: bool
) -> tuple[str, ...]:
    reasons = [f"camera {camera} has no take" for camera in sorted(missing)]
    for take in takes:
        sheet = run.sheet(take.key)
        if sheet is None and not unscored:
            raise RunError(
                run.path,
                f"{take.key} has no verdict",
                allowed="takes that were scored",
                way_out=f"simlift score {run.path}; or --unscored to export them unseen",
            )
        if sheet is not None and not sheet.accepted:
            reasons += [f"{take.clip}: {reason}" for reason in sheet.reasons]
    return tuple(reasons)


def _views(
    run: Run,
    dataset: Dataset,
    source: Episode,
    clips: Mapping[str, Clip],
    lifted: Mapping[str, Take],
    other_cameras: OtherCameras | None,
) -> tuple[View, ...]:
    views = []
    for camera in dataset.cameras:
        take = lifted.get(camera)
        if take is not None:
            video = run.take_video(take.key)
            views.append(View(camera, clips[take.clip], take, video, run.sheet(take.key)))
        elif other_cameras is None:
            raise InputError(
                "--other-cameras",
                f"is not stated, and {camera} of {dataset.path} was not lifted",
                allowed="copy (as it was recorded) or drop",
                way_out="state it, or lift that camera too",
            )
        elif other_cameras == "copy":
            views.append(_recorded(dataset, source, camera))
    return tuple(views)


def _recorded(dataset: Dataset, source: Episode, camera: str) -> View:
    dataset.check([source], [camera])
    return View(camera, dataset.clip(source, camera))


def _check_originals(ratio: float) -> None:
    if not (math.isfinite(ratio) and ratio >= 0):
        raise InputError(
            "--originals", f"found {ratio}", allowed="originals for each lifted episode, 0 or more"
        )


def _originals(
    lifted: Sequence[ExportEpisode],
    sources: Mapping[str, tuple[Dataset, Episode, frozenset[str]]],
    ratio: float,
    other_cameras: OtherCameras | None,
    notes: list[str],
) -> list[ExportEpisode]:
    """Return as many originals as the ratio asks for, evenly from all; each enters once at most."""
    asked = round(ratio * len(lifted))
    every = sorted(sources.values(), key=lambda found: found[1].index)
    count = min(asked, len(every))
    if count < asked:
        notes.append(
            f"{count} originals for {len(lifted)} lifted episodes: {ratio:g} to 1 was asked, and "
            "each original enters once"
        )
    chosen = [every[k * len(every) // count] for k in range(count)] if count else []
    made = []
    for dataset, source, cameras in chosen:
        kept = [c for c in dataset.cameras if c in cameras or other_cameras == "copy"]
        views = tuple(_recorded(dataset, source, camera) for camera in kept)
        made.append(ExportEpisode(dataset, source, "", views))
    return made
