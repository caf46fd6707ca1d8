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
from simlift.core.dataset import Dataset, Episode, episode_numbered
from simlift.core.errors import InputError, RunError
from simlift.core.run import Run, ScoreSheet, Take
from simlift.core.strict_json import digest

OtherCameras = Literal["copy", "drop"]


@dataclass(frozen=True, eq=False)
class View:
    """One camera of an exported episode: the video of a take, or the clip as it was recorded."""

    camera: str
    clip: Clip
    take: Take | None = None
    video: Path | None = None
    sheet: ScoreSheet | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of what it shows: an engine may have made another size."""
        shown = self.clip if self.take is None else self.take
        return shown.height, shown.width

    def state(self) -> str:
        """Return what changes when the pictures may have: it names kept parts of work."""
        files = self.clip.files if self.video is None else (self.video,)
        stats = [(str(file.resolve()), file.stat()) for file in files]
        found = [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]
        return digest([self.clip.name, self.take, found])


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

    dataset: str  # its name
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
    _check_originals(originals)
    takes = run.takes()
    order = {variant.name: k for k, variant in enumerate(run.recipe().variants)}
    groups: dict[tuple[Path, str], dict[str, list[Take]]] = {}
    lifted: dict[Path, set[str]] = {}  # the cameras of each dataset
    for take in takes:
        clip, dataset = clips[take.clip], dataset_of[take.clip]
        group = (dataset.path, clip.group)
        found = groups.setdefault(group, {name: [] for name in order})
        found.setdefault(take.variant, []).append(take)
        lifted.setdefault(dataset.path, set()).add(_camera(dataset, clip))
    made, left = [], []
    sources: dict[tuple[Path, str], tuple[Dataset, Episode, frozenset[str]]] = {}
    for group, variants in groups.items():
        any_clip = next(each[0].clip for each in variants.values() if each)
        dataset = dataset_of[any_clip]
        source = _episode(dataset, clips[any_clip])
        wanted = frozenset(lifted[dataset.path])
        sources[group] = (dataset, source, wanted)
        for variant, found_takes in variants.items():
            taken = {_camera(dataset, clips[take.clip]): take for take in found_takes}
            if reasons := _against(run, found_takes, wanted - set(taken), unscored):
                left.append(Left(dataset.path.name, source.name, variant, reasons))
                continue
            views = _views(run, dataset, source, clips, taken, other_cameras)
            made.append(ExportEpisode(dataset, source, variant, views))

    def place(episode: ExportEpisode) -> tuple[str, int, int]:
        number = order.get(episode.variant, -1)
        return str(episode.dataset.path), episode.source.index, number

    chosen = sorted(made, key=place)
    notes: list[str] = []
    plain = _originals(chosen, sources, originals, other_cameras, notes)
    every = sorted([*chosen, *plain], key=place)
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
    if clip.origin is None:
        return dataset.episodes[0]
    return episode_numbered(dataset, clip.origin.episode)


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
    sources: Mapping[tuple[Path, str], tuple[Dataset, Episode, frozenset[str]]],
    ratio: float,
    other_cameras: OtherCameras | None,
    notes: list[str],
) -> list[ExportEpisode]:
    """Return as many originals as the ratio asks for, evenly from all; each enters once at most."""
    asked = round(ratio * len(lifted))
    every = sorted(sources.values(), key=lambda found: (str(found[0].path), found[1].index))
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
