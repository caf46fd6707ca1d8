"""Export the takes of a run as recordings of Rerun (.rrd), one for each episode.

Entities of a recording, on the timelines "frame" and "time":

world/cameras/<camera>                    where the camera stands; its pinhole
world/cameras/<camera>/render             the clip's frames, as JPEG
world/cameras/<camera>/takes/<variant>    the take's video, and which of its frames is shown
world/cameras/<camera>/depth              depth, 16-bit PNG
world/robot/<link>                        the frame of each link
world/skeleton/<arm>                      each arm as a line from the end effector to the base
curves/<group>/<name>                     joints, states, actions

A clip whose camera is not known has its pictures under cameras/<camera> instead.
"""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from simlift.core.clip import Clip
from simlift.core.errors import MissingLibrary, RunError
from simlift.core.run import Run, Take
from simlift.scale.progress import Progress
from simlift.sources import open_clip


def export_rerun(
    run: Run,
    out: Path,
    progress: Progress,
    *,
    takes: Sequence[Take] | None = None,
    clips: Mapping[str, Clip] | None = None,
) -> tuple[Path, ...]:
    """Write `<out>/<episode>.rrd` for every episode of some takes, all of a run without any.

    `clips` are those of the takes by name; without them they are opened where the takes say. Each
    file appears by rename when it is whole. MissingLibrary without Rerun, RunError without takes.
    """
    if find_spec("rerun") is None:
        raise MissingLibrary("rerun-sdk", "an export for Rerun", "rerun")
    from simlift.exports import _rerun

    chosen = run.takes() if takes is None else tuple(takes)
    if not chosen:
        raise RunError(run.path, "holds no takes", way_out="make some: simlift lift")
    known: dict[str, Clip] = dict(clips or {})
    episodes: dict[str, dict[str, list[Take]]] = {}
    for take in chosen:
        if take.clip not in known:
            known[take.clip] = open_clip(take.source, take.read_options)
        group = known[take.clip].group
        episodes.setdefault(group, {}).setdefault(take.clip, []).append(take)
    made = []
    frames = sum(known[name].num_frames for group in episodes.values() for name in group)
    with progress.task("rerun", frames) as advance:
        for group, members in episodes.items():
            path = out / f"{group}.rrd"
            views = [_rerun.View(known[name], tuple(own)) for name, own in members.items()]
            _rerun.write_recording(run, group, views, path, advance)
            made.append(path)
    return tuple(made)
