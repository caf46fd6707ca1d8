"""Define the verb that records: embedded scenes, models, and demonstrations that are replayed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import tyro

from simlift.cli import options
from simlift.cli.options import MaybeInt, MaybePath, MaybeSize, MaybeText
from simlift.core.errors import RecipeError

SceneName = Literal["tabletop", "drive", "model", "replay"]


def record(
    scene: tyro.conf.Positional[SceneName],
    file: tyro.conf.Positional[MaybePath] = None,
    /,
    *,
    out: Path,
    seed: int = 0,
    frames: MaybeInt = None,
    size: MaybeSize = None,
    model: MaybePath = None,
    camera: MaybeText = None,
    cameras: MaybeText = None,
    episode: MaybeText = None,
    episodes: MaybeText = None,
    assets: MaybePath = None,
    twin: bool = False,
    look: MaybeText = None,
    samples: int = 128,
) -> int:
    """Record episodes in MuJoCo with every layer: a native clip, or a dataset of them.

    Run it again to resume.

    Args:
        scene: An embedded scene; "model" for the MJCF file given by --model; or "replay" for the
            demonstrations of robosuite or robomimic in FILE, whose states are rendered anew.
        file: The HDF5 file that is replayed.
        out: Folder of the clip, or of the dataset.
        seed: Decides the scene's layout; of several episodes the first one's.
        frames: Number of frames.
        size: Width and height in pixels; of a replay without it, those of the recorded pictures.
        model: An MJCF file.
        camera: A camera of that file; without it, one that sees the whole model. Of a replay, as
            --cameras.
        cameras: Cameras of a dataset, with commas between: front, side, wrist of the tabletop; any
            of the model that is replayed, by default those whose pictures the file holds.
        episode: The demonstration that is replayed, such as demo_0.
        episodes: Demonstrations that are replayed, such as 0:50, by default all; or how many
            episodes of the tabletop are recorded.
        assets: Meshes and textures of a replay: a robosuite checkout, or its assets folder; by
            default those of the robosuite that is installed.
        twin: Render the path-traced twin too; a clip that is there gains one, a killed one goes on.
        look: The twin's look: a name or a JSON file.
        samples: Paths for each pixel of the twin.
    """
    if look is not None and not twin:
        raise RecipeError("--look", f"found {look!r}", allowed="with --twin")
    given = {
        "--camera": camera, "--cameras": cameras, "--episode": episode, "--episodes": episodes,
        "--assets": assets, "--model": model, "--frames": frames, "FILE": file,
    }  # fmt: skip
    if scene == "replay":
        _refuse(given, ("--model", "--frames"), "of a scene that is simulated")
    else:
        _refuse(given, ("--episode", "--assets", "FILE"), "with replay")
    if scene in ("drive", "model"):
        _refuse(given, ("--episodes", "--cameras"), "with tabletop and replay")
    many = scene == "replay" or episodes is not None or cameras is not None
    if many and twin:
        raise RecipeError("--twin", "is stated for a dataset", allowed="with a single clip")
    if scene == "replay":
        return _replay(file, out, camera, cameras, episode, episodes, size, assets)
    if many:
        _refuse(given, ("--camera",), "with --model; the tabletop has --cameras")
        return _episodes(out, episodes, cameras, seed, frames, size)
    return _clip(scene, out, seed, frames, size, model, camera, twin, look, samples)


def _refuse(given: Mapping[str, object], flags: tuple[str, ...], allowed: str) -> None:
    for flag in flags:
        if given[flag] is not None:
            raise RecipeError(flag, f"found {given[flag]}", allowed=allowed)


def _clip(
    scene: Literal["tabletop", "drive", "model"],
    out: Path,
    seed: int,
    frames: int | None,
    size: tuple[int, int] | None,
    model: Path | None,
    camera: str | None,
    twin: bool,
    look: str | None,
    samples: int,
) -> int:
    from simlift.passes.record import record_scene
    from simlift.passes.twin import record_twin, twin_spec
    from simlift.sources import open_clip

    spec = twin_spec(scene, look, samples)
    progress = options.progress()
    if not (twin and (out / "clip.json").exists()):
        missing = record_scene(
            scene, out, progress, seed=seed, frames=frames, size=size, model=model, camera=camera
        )
        _tell(missing)
    if twin:
        settings = record_twin(open_clip(out), spec, progress)
        options.out.print(f"the twin and its settings: {settings}", markup=False)
    return _done(out)


def _episodes(
    out: Path,
    episodes: str | None,
    cameras: str | None,
    seed: int,
    frames: int | None,
    size: tuple[int, int] | None,
) -> int:
    from simlift.passes.record import record_episodes

    if episodes is not None and not episodes.isdecimal():
        raise RecipeError("--episodes", f"found {episodes!r}", allowed="how many, such as 8")
    missing = record_episodes(
        out,
        options.progress(),
        count=1 if episodes is None else int(episodes),
        cameras=_words(cameras) or ("front",),
        seed=seed,
        frames=frames,
        size=size,
    )
    _tell(missing)
    return _done(out)


def _replay(
    file: Path | None,
    out: Path,
    camera: str | None,
    cameras: str | None,
    episode: str | None,
    episodes: str | None,
    size: tuple[int, int] | None,
    assets: Path | None,
) -> int:
    from simlift.passes.replay import record_replay

    if file is None:
        raise RecipeError("FILE", "is missing", allowed="simlift record replay FILE --out OUT")
    for one, many, name in ((camera, cameras, "--camera"), (episode, episodes, "--episode")):
        if one is not None and many is not None:
            raise RecipeError(name, f"found {one!r} beside {name}s", allowed="one of the two")
    made = record_replay(
        file,
        out,
        options.progress(),
        episodes=episode if episode is not None else episodes,
        cameras=_words(camera if camera is not None else cameras),
        size=size,
        assets=assets,
    )
    for note in made.notes:
        options.out.print(f"  note: {note}", markup=False, highlight=False)
    _tell(made.missing)
    return _done(out)


def _words(text: str | None) -> tuple[str, ...] | None:
    """Return the words of a list with commas; None where nothing was stated."""
    return None if text is None else tuple(w for w in text.split(",") if w)


def _tell(missing: str) -> None:
    if missing:
        options.out.print(f"the clip carries no scene to trace: {missing}", markup=False)


def _done(out: Path) -> int:
    options.out.print(f"recorded {out}; see it with: simlift inspect {out} --out .", markup=False)
    return 0
