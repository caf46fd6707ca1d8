"""Read demonstrations of robosuite and robomimic, and of what writes as they do (MimicGen, LIBERO).

Pictures of robosuite come with their lowest row first where its macro IMAGE_CONVENTION is "opengl",
as it is by default; robomimic turns them when it extracts observations. The file does not say which
it holds: it is found out from what moves (`upright`), or stated.
"""

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import h5py
import numpy as np

from simlift.core.dataset import Episode
from simlift.core.errors import ClipError
from simlift.core.read_options import ReadOptions
from simlift.media._hdf5 import names_in, need
from simlift.sources.folder_files import frame_rate
from simlift.sources.hdf5._tracks import tracks_of
from simlift.sources.hdf5._tree import (
    columns_of,
    episodes_of,
    features_of,
    filters_of,
    json_attribute,
    pictures_in,
)
from simlift.sources.hdf5._views import find_views
from simlift.sources.hdf5.dataset import Demonstrations, View
from simlift.sources.hdf5.statements import Statements
from simlift.sources.hdf5.upright import fixed_cameras, is_sure, row_correlation

_LOOKED_AT = 4  # episodes
_FRAMES = 96  # of each, at most
_EFFECTOR = re.compile(r"(?:robot\d+_)?eef?_pos")  # in the world: robosuite's, and LIBERO's


def read_robomimic(
    path: Path,
    file: h5py.File,
    statements: Statements,
    options: ReadOptions,
    *,
    as_stored: bool = False,
) -> Demonstrations:
    """Read the tree; ClipError where nothing tells which row of the pictures is the first.

    `as_stored` leaves rows of pictures as they lie, whichever is the first.
    """
    notes: list[str] = []
    data = file["data"]
    environment = json_attribute(path, data, "env_args")
    episodes = episodes_of(path, data, notes)
    group = data[episodes[0].key]
    columns = columns_of(path, group, episodes[0].num_frames, 0, notes)
    views = find_views(columns, statements.word("depth"), notes)
    settings = environment.get("env_kwargs")
    settings = settings if isinstance(settings, dict) else {}
    rate = settings.get("control_freq")
    known = statements.fps or (
        Fraction(rate).limit_denominator(1001)
        if isinstance(rate, int | float) and 0 < rate < 10_000
        else None
    )
    fps, rate_notes = frame_rate(options, known, episodes[0].num_frames)
    robots = settings.get("robots")
    name = str(environment.get("env_name") or "")
    tracks, seen = tracks_of(path, group, statements)
    if not set(views) <= seen and not as_stored:
        notes.append(
            "the camera's place is not in the rows: simlift record replay renders an episode anew "
            f"with camera, depth and ids (simlift record replay {path.name} "
            f"--episode {episodes[0].key} --camera {next(iter(views))})"
        )
    turned = (
        bool(views)
        and not as_stored
        and _from_below(path, data, episodes, views, statements, notes)
    )
    skipped = set(pictures_in(columns))
    return Demonstrations(
        path=path,
        layout="robomimic",
        fps=fps,
        episodes=episodes,
        views=views,
        features=features_of({k: v for k, v in columns.items() if k not in skipped}),
        notes=(*notes, *rate_notes),
        bottom_up=turned,
        tracks=tracks,
        robot_type=", ".join(robots) if isinstance(robots, list) else str(robots or name),
        filters=filters_of(path, file, episodes),
        options=options,
    )


def _from_below(
    path: Path,
    data: h5py.Group,
    episodes: Sequence[Episode],
    views: Mapping[str, View],
    statements: Statements,
    notes: list[str],
) -> bool:
    """Say whether the first row of pictures is the lowest; a statement goes before evidence."""
    found = _correlations(path, data, episodes, views)
    seen = [value for value in found if value is not None and is_sure(value)]
    stated = statements.word("rows")
    words = f"correlation {np.mean(seen):.2f} in {len(seen)} episodes" if seen else ""
    against = bool(seen) and (max(seen) > 0) != (stated == "top-down")
    if stated is not None:
        if against:
            notes.append(
                f"rows are stated to be {stated}, which what moves speaks against: {words}"
            )
        return stated == "bottom-up"
    if not seen or min(seen) * max(seen) < 0:
        raise ClipError(
            path,
            "nothing tells whether its pictures are upright or upside down"
            + (": episodes contradict each other" if seen else ""),
            allowed="a model_file with a fixed camera that sees the end effector (obs/*_eef_pos) "
            "move, or a statement",
            way_out=f'write {{"format": "simlift-cameras/1", "rows": "bottom-up"}} (robosuite\'s '
            f'own recordings) or "top-down" (robomimic\'s) into {statements.file.name} beside it',
        )
    if seen[0] < 0:
        notes.append(
            "pictures are stored upside down, as OpenGL renders them, and are turned upright: what "
            f"changes in them runs against the projected end effector ({words})"
        )
        return True
    notes.append(
        f"pictures are stored upright: what changes in them goes with the projected end effector "
        f"({words})"
    )
    return False


def _correlations(
    path: Path, data: h5py.Group, episodes: Sequence[Episode], views: Mapping[str, View]
) -> list[float | None]:
    """Return what the first camera that tells it says of a few episodes."""
    out: list[float | None] = []
    for episode in episodes[:_LOOKED_AT]:
        group = data[episode.key]
        model = group.attrs.get("model_file", "")
        cameras = fixed_cameras(model if isinstance(model, str) else str(model))
        seen = names_in(path, need(path, group, "obs", h5py.Group))
        effectors = [name for name in seen if _EFFECTOR.fullmatch(name)]
        for name, view in views.items():
            if name not in cameras or len(effectors) != 1:
                continue
            effector = need(path, group, f"obs/{effectors[0]}", h5py.Dataset)
            points = np.asarray(effector, dtype=np.float64)
            pictures = need(path, group, view.pictures[0].name, h5py.Dataset)
            count = min(_FRAMES, len(pictures), len(points))
            rows = cameras[name].rows_of(points[:count, :3], view.height)
            out.append(row_correlation(np.asarray(pictures[:count]), rows))
            if is_sure(out[-1]):
                break
    return out
