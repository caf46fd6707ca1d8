"""Path-trace the twin of a clip that stores its scene -> a layer of the clip.

The twin is ground truth for engines: the same states and cameras under a look whose exposure is
locked, so that an engine under the look in `twin.json` is told everything the twin was made with.
Frames are kept one by one in `.twin/` until all are there; a killed recording goes on from them.
"""

import shutil
from dataclasses import replace
from pathlib import Path

from simlift.core.clip import Clip
from simlift.core.clip_sample import sample_clip
from simlift.core.errors import ClipError, RunError
from simlift.core.layers import Layer
from simlift.core.protocols import WindowSize
from simlift.core.recipe import derive_seed
from simlift.core.run import Take, write_text
from simlift.core.strict_json import decode, dumps, load
from simlift.core.window import ClipSample
from simlift.engines.pathtraced import PathTraced
from simlift.engines.photographic import Look, Photographic
from simlift.engines.photographic.looks.look import Light
from simlift.engines.photographic.looks.named import look_named
from simlift.media.images import read_image, write_image
from simlift.media.native import add_layer
from simlift.passes.lift_windows import lift_window, read_windows
from simlift.scale.progress import Progress

SEED = derive_seed(0, "twin")


_LOOKS = {
    "tabletop": Look(light=Light(environment="studio", turn=-140.0)),
    "drive": Look(light=Light(environment="overcast")),
}


def twin_spec(scene: str, look: str | None, samples: int) -> PathTraced:
    """Return the settings of a scene's twin; without a look, one that suits the scene."""
    chosen = look_named(look) if look is not None else _LOOKS.get(scene, Look())
    # The scene's own colours and materials are the truth; a look's would be an invention.
    plain = replace(
        chosen,
        albedo=replace(chosen.albedo, saturation=1.0, lift=0.0),
        materials=replace(chosen.materials, strength=0.0),
    )
    return PathTraced(plain, samples=samples)


def record_twin(clip: Clip, spec: PathTraced, progress: Progress) -> Path:
    """Render a clip's twin and add it to the clip; returns the file of its settings."""
    spec.check(clip)
    if Layer.TWIN in clip:
        raise ClipError(
            clip.path, "has a twin already", way_out="remove twin from clip.json to render another"
        )
    settings = clip.path / "twin.json"
    kept = clip.path / ".twin"
    with clip.open(spec.needs() | spec.uses()) as reader:
        sample = sample_clip(reader)
        spec = replace(spec, look=lock_exposure(spec.look, sample))
        kept.mkdir(exist_ok=True)
        _check_same(kept / "twin.json", spec)
        with spec.open("cpu") as engine, progress.task("twin", clip.num_frames) as step:
            for window in read_windows(reader, WindowSize(frames=1)):
                path = kept / f"{int(window.indices[0]):06d}.png"
                if not path.exists():
                    made = lift_window(
                        engine, window, sample, None, SEED, spec.window_size(), clip.name
                    )
                    write_image(kept / ".partial.png", made[0])
                    (kept / ".partial.png").replace(path)
                step(1)
    write_text(settings, dumps(spec))  # before the layer: no twin is without its settings
    with add_layer(clip.path, Layer.TWIN) as writer:
        for index in range(clip.num_frames):
            writer.append({Layer.TWIN: read_image(kept / f"{index:06d}.png")})
    shutil.rmtree(kept)
    return settings


def twin_settings(clip: Clip) -> PathTraced:
    """Return what a clip's twin was made with."""
    return load(clip.path / "twin.json", PathTraced)


def under_twin_light(take: Take) -> bool | None:
    """Whether a take was made under the light and weather of its clip's twin.

    None where that is not known: the engine has no look, or the clip keeps no `twin.json`.
    """
    settings = take.source / "twin.json"
    look = take.settings.get("look")
    if look is None or not settings.is_file():
        return None
    twin, own = load(settings, PathTraced).look, decode(look, Look, str(take.key))
    return (own.light, own.weather, own.backdrop) == (twin.light, twin.weather, twin.backdrop)


def light_note(take: Take) -> str | None:
    """Say what a take's distances to the twin are worth; None where both have the same light."""
    same = under_twin_light(take)
    if same:
        return None
    if same is None:
        return "whether the twin has this take's light is not known"
    return "the twin was rendered under another light, so this says little"


def lock_exposure(look: Look, sample: ClipSample) -> Look:
    """Return a look with the exposure and white balance that it meters on a clip, held still."""
    if look.exposure.manual is not None:
        return look
    with Photographic(look).open("cpu") as camera:
        gains = camera.constants(sample, SEED).gains.mean(axis=0)
    red, green, blue = (float(g) for g in gains)
    return replace(look, exposure=replace(look.exposure, manual=(red, green, blue)))


def _check_same(path: Path, spec: PathTraced) -> None:
    if not path.exists():
        write_text(path, dumps(spec))
    elif load(path, PathTraced) != spec:
        raise RunError(
            path.parent,
            "holds frames of a twin with other settings",
            way_out="ask for the same look and samples again, or remove the folder",
        )
