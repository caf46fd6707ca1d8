"""Write demonstrations of Isaac Lab and robomimic: the source's own groups, with other pictures.

Every group keeps all its attributes, and every dataset is copied as it is stored, chunk by chunk:
only the colour pictures of cameras that were lifted are others, in the order of rows that the
source has. The lists below `mask` name an episode wherever they name its source. The attribute
"simlift" of a group says where it came from.
"""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from simlift.core.errors import InputError, RunError
from simlift.core.layers import Layer
from simlift.core.strict_json import digest
from simlift.exports.datasets._copying import copy_attributes, copy_tree, create_like
from simlift.exports.datasets._demonstrations import Demonstration, demonstrations_of
from simlift.exports.datasets._statements import write_statements
from simlift.exports.datasets._videos import shown
from simlift.exports.datasets.episodes import ExportEpisode, View
from simlift.media._hdf5 import find, need, open_file
from simlift.sources.hdf5.dataset import Demonstrations

FILE = "dataset.hdf5"
_MADE = "demo"  # the group of a part
_FEWEST = 16  # frames that are written together
# From HDF5 1.8 on: attributes of more than 64 KiB, as models can be, need it.
_VERSIONS = ("v108", "latest")


def write_demonstrations(
    episodes: Sequence[ExportEpisode],
    out: Path,
    work: Path,
    *,
    layout: str,
    provenance: Sequence[Mapping[str, Any]],
    advance: Callable[[int], None],
    existing: Path | None = None,
) -> tuple[str, ...]:
    """Write one HDF5 file of all episodes, and return what must be said of it.

    Episodes have the numbers that `provenance` states; `work` keeps those that a killed export had
    finished. InputError for takes of another format, of several files, or of another size.
    """
    source, pairs = demonstrations_of(episodes, layout)
    notes: dict[str, None] = {}
    keys = [f"demo_{row['episode_index']}" for row in provenance]
    parts: list[Path | None] = []
    for pair in pairs:
        parts.append(_part(pair, source, work, notes) if pair.episode.generated else None)
        advance(pair.recorded.num_frames)
    with open_file(source.path) as read, _opened(out / FILE, existing) as write:
        if existing is None:
            _copy_frame(source.path, read, write)
        _check_environment(read, write, existing)
        for pair, key, part, row in zip(pairs, keys, parts, provenance):
            if part is None:
                group = need(source.path, read, source.group(pair.recorded), h5py.Group)
                made_of = write["data"].create_group(key)
                copy_tree(source.path, group, made_of, _dropped(source, pair.episode))
            else:
                with open_file(part) as made:
                    made.copy(_MADE, write["data"], key)
            write["data"][key].attrs["simlift"] = json.dumps(row, sort_keys=True)
        _extend_masks(source, read, write, dict(zip(keys, pairs)))
        if "total" in write["data"].attrs:
            total = sum(_length(group) for group in write["data"].values())
            write["data"].attrs.modify("total", total)
    names = {key: pair.recorded.key for key, pair in zip(keys, pairs)}
    write_statements(source, out / FILE, None if existing is None else existing / FILE, names)
    return tuple(notes)


def _dropped(source: Demonstrations, episode: ExportEpisode) -> set[str]:
    """Return the pictures of cameras that the export leaves out."""
    gone = set(source.cameras) - {view.camera for view in episode.views}
    names = {picture.name for camera in gone for picture in source.views[camera].pictures}
    return names | {_next(name) for name in names}


def _next(name: str) -> str:
    return f"next_{name}"  # obs/front_image -> next_obs/front_image


def _part(pair: Demonstration, source: Demonstrations, work: Path, notes: dict[str, None]) -> Path:
    """Make the group of a lifted episode in a file of its own, once; its notes lie beside it."""
    episode, stat = pair.episode, source.path.stat()
    state = [stat.st_size, stat.st_mtime_ns, [view.state() for view in episode.views]]
    target = work / "demos" / f"{digest([episode.name, str(source.path), state])}.hdf5"
    said = target.with_suffix(".txt")
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        found: list[str] = []
        partial = target.with_suffix(".partial")
        with open_file(source.path) as read, _written(partial, "w") as write:
            group = need(source.path, read, source.group(pair.recorded), h5py.Group)
            lifted = [view for view in episode.views if view.take is not None]
            names = {view.camera: source.views[view.camera].pictures[0].name for view in lifted}
            replaced = {*names.values(), *map(_next, names.values())}
            made = write.create_group(_MADE)
            copy_tree(source.path, group, made, replaced | _dropped(source, episode))
            for view in lifted:
                _replace(source, group, made, view, names[view.camera], found)
        said.write_text("\n".join(found), encoding="utf-8")
        partial.replace(target)
    notes |= dict.fromkeys(said.read_text(encoding="utf-8").splitlines())
    return target


def _replace(
    source: Demonstrations,
    group: h5py.Group,
    made: h5py.Group,
    view: View,
    name: str,
    notes: list[str],
) -> None:
    """Write the pictures of a take where those of its source lie, and as those of next_obs."""
    stored = need(source.path, group, name, h5py.Dataset)
    _write_pictures(source, view, stored, made, name, range(view.clip.num_frames))
    later = find(source.path, group, _next(name))
    if not isinstance(later, h5py.Dataset):
        return
    last = view.clip.num_frames - 1
    for k in sorted({0, last // 2, last - 1} & set(range(last))):
        if not np.array_equal(later[k], stored[k + 1]):
            raise InputError(
                source.path,
                f"{later.name} at {k} is not {stored.name} at {k + 1}",
                allowed="next_obs that shows the next observation, for takes show no other frame",
                way_out=f"remove {_next(name)} from the file: robomimic can derive it",
            )
    frames = [*range(1, last + 1), last]
    _write_pictures(source, view, later, made, _next(name), frames)
    notes.append(
        f"the last frame of {_next(name)} in lifted episodes is that of {name}: what follows the "
        "last action was not lifted"
    )


def _write_pictures(
    source: Demonstrations,
    view: View,
    stored: h5py.Dataset,
    made: h5py.Group,
    name: str,
    frames: Sequence[int],
) -> None:
    """Write frames of a view into a dataset like `stored`, in whole chunks."""
    folder, _, leaf = name.rpartition("/")
    target = create_like(stored, made.require_group(folder) if folder else made, leaf)
    each = stored.chunks[0] if stored.chunks else 1
    step = -(-_FEWEST // each) * each
    with shown(view).open([Layer.RGB]) as reader:
        for start in range(0, len(frames), step):
            chosen = frames[start : start + step]
            distinct = sorted(set(chosen))
            seen = np.asarray(reader.window(distinct).rgb)
            pictures = seen[np.searchsorted(distinct, chosen)]
            if source.bottom_up:
                pictures = pictures[:, ::-1]
            place = slice(start, start + len(chosen))
            if stored.shape[3] == 4:
                pictures = np.concatenate([pictures, stored[place][..., 3:]], axis=-1)
            target[place] = pictures


def _copy_frame(path: Path, read: h5py.File, write: h5py.File) -> None:
    """Copy what stands around the episodes: attributes, and other groups."""
    copy_attributes(read, write)
    for name in ("data", "mask"):
        if name in read:
            copy_attributes(read[name], write.create_group(name))
    for name in read:
        if name not in ("data", "mask"):
            found = find(path, read, name)
            if isinstance(found, h5py.Group):
                copy_tree(path, found, write.create_group(name))
            else:
                write.copy(found, write, name)


def _check_environment(read: h5py.File, write: h5py.File, existing: Path | None) -> None:
    one, other = (file["data"].attrs.get("env_args") for file in (read, write))
    if one != other:
        raise RunError(
            existing,
            "was recorded in another environment (env_args) than these episodes",
            allowed="one environment in a file",
            way_out="choose another --out",
        )


def _extend_masks(
    source: Demonstrations,
    read: h5py.File,
    write: h5py.File,
    pairs: Mapping[str, Demonstration],
) -> None:
    """Add every episode to the lists that name its source."""
    for name, numbers in source.filters.items():
        found = find(source.path, read, f"mask/{name}")
        masks = write.require_group("mask")
        kept = [_text(key) for key in masks[name][()]] if name in masks else []
        mine = [key for key, pair in pairs.items() if pair.recorded.index in set(numbers)]
        if name in masks:
            del masks[name]
        keys: Any = [*kept, *mine]
        fixed = found.dtype.kind == "S"
        width = max((len(key) for key in keys), default=1)
        kind = np.dtype(f"S{max(width, found.dtype.itemsize)}") if fixed else h5py.string_dtype()
        copy_attributes(found, masks.create_dataset(name, data=keys, dtype=kind))


def _text(key: bytes | str) -> str:
    return key.decode() if isinstance(key, bytes) else key


def _length(group: h5py.Group) -> int:
    stated = group.attrs.get("num_samples")
    return len(group["actions"]) if stated is None else int(stated)


@contextmanager
def _opened(file: Path, existing: Path | None) -> Iterator[h5py.File]:
    """Open the file of the export, which begins as that of an earlier one."""
    if existing is not None:
        shutil.copyfile(existing / FILE, file)
    with _written(file, "w" if existing is None else "r+") as write:
        yield write


@contextmanager
def _written(file: Path, mode: str) -> Iterator[h5py.File]:
    try:
        with h5py.File(file, mode, libver=_VERSIONS) as write:
            yield write
    except OSError as error:
        raise RunError(
            file,
            f"cannot be written ({error.strerror or error})",
            way_out="free space on the disk or choose another --out, then run again: it resumes",
        ) from error
