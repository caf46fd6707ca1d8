"""A demo run and the shipped episodes -> the pictures in docs/images.

simlift demo --out demo-run && python docs/pictures.py demo-run
python docs/pictures.py --only stages weather    # some of them; these need no run
"""

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from simlift import Clip, ClipSample, Layer, Look, Photographic, Run, Window
from simlift.core.clip_sample import sample_clip
from simlift.engines.echo import Echo
from simlift.engines.photographic.camera.optics import Optics
from simlift.engines.photographic.looks.look import Light
from simlift.engines.photographic.looks.named import look_named
from simlift.engines.photographic.looks.prompt import apply_prompt
from simlift.engines.photographic.materials.settings import Materials
from simlift.media.video import VideoStore, probe_video
from simlift.passes.demo import EPISODES, LOOKS, demo_clips, episode_path
from simlift.passes.twin import SEED, twin_settings
from simlift.scale.memory import keep_pages

FRAMES = {"tabletop": 33, "drive": 14}
SHOWN = {"tabletop": "hard", "drive": "day"}
IMAGES = Path(__file__).parent / "images"
LARGEST = 195_000  # bytes of a picture
TILE = (480, 270)
STEPS = 5  # of quality, from one attempt to the next

_BARE = Light(
    environment="clear-sky",
    elevation=45.0,
    ambient_occlusion=0.0,
    shadows=False,
    bounces=False,
    reflections=False,
)
_DRY = Look(light=_BARE, materials=Materials(strength=0.0), optics=Optics())
_SHADED = replace(_DRY, light=replace(_BARE, ambient_occlusion=1.0, shadows=True))
_AMONG = replace(_SHADED, light=replace(_SHADED.light, bounces=True))
_MADE = replace(_AMONG, materials=Materials())

# The first four build on each other; the others are looks that have all of these.
STAGES: Sequence[tuple[str, str, Look]] = (
    ("light", "drive", _DRY),
    ("+ shadows and occlusion", "drive", _SHADED),
    ("+ light among surfaces", "drive", _AMONG),
    ("+ materials", "drive", _MADE),
    ("rain", "drive", look_named("rain")),
    ("snow", "drive", look_named("snow")),
    ("fog", "drive", look_named("fog")),
    ("depth of field, f/1.8", "tabletop", Look(optics=Optics(f_number=1.8))),
    ("motion blur, 180 degrees", "drive", replace(_MADE, optics=Optics(shutter=0.5))),
    ("night", "drive", look_named("night")),
    ("wet ground, reflections", "drive", look_named("wet")),
)

PROMPTS = ("sunny", "rain", "heavy rain at night", "foggy morning", "light snow", "wet at sunset")

OTHER_LIGHTS: Mapping[str, Sequence[str]] = {
    "tabletop": ("window", "lamps", "overcast", "golden-hour"),
    "drive": ("noon", "golden-hour", "night", "fog"),
}


@dataclass(frozen=True, eq=False)
class Shot:
    """One frame of an episode with all its layers, and what its clip sample saw."""

    clip: Clip
    frame: Window
    sample: ClipSample

    def render(self) -> np.ndarray:
        """Return the simulator's own frame."""
        with Echo().open("cpu") as engine:
            return engine.lift(self.frame, sample=self.sample, before=None, seed=0)[0]

    def take(self, look: Look, seed: int = 0) -> np.ndarray:
        """Return the frame under a look."""
        with Photographic(look).open("cpu") as engine:
            return engine.lift(self.frame, sample=self.sample, before=None, seed=seed)[0]


@contextmanager
def shots() -> Iterator[dict[str, Shot]]:
    """Open one frame of every shipped episode."""
    with ExitStack() as stack:
        found = {}
        for clip in demo_clips():
            reader = stack.enter_context(clip.open(Layer))
            frame = reader.window([FRAMES[clip.name]])
            found[clip.name] = Shot(clip, frame, sample_clip(reader))
        yield found


def stages(shown: dict[str, Shot]) -> np.ndarray:
    """Draw what every stage adds, on a bare albedo."""
    albedo = tile(shown["drive"].frame[Layer.ALBEDO][0], "albedo, a layer of the clip")
    rest = [tile(shown[name].take(look), title) for title, name, look in STAGES]
    return sheet([albedo, *rest], 3)


def weather(shown: dict[str, Shot]) -> np.ndarray:
    """Draw the drive as prompts tell it."""
    drive = shown["drive"]
    return sheet([tile(drive.take(apply_prompt(Look(), p)), f'--prompt "{p}"') for p in PROMPTS], 2)


def twin(shown: dict[str, Shot]) -> np.ndarray | None:
    """Draw render, take and twin, and what the take has more or less light of than the twin."""
    tiles = []
    for shot in shown.values():
        if Layer.TWIN not in shot.clip or not (shot.clip.path / "twin.json").is_file():
            continue
        take, truth = shot.take(twin_settings(shot.clip).look, SEED), shot.frame[Layer.TWIN][0]
        apart = (take.astype(np.int16) - truth) // 2 + 128
        tiles += [
            tile(shot.render(), "render"),
            tile(take, "photographic, the twin's light"),
            tile(truth, "twin, path traced"),
            tile(apart.astype(np.uint8), "(photographic - twin) / 2 + gray"),
        ]
    return sheet(tiles, 2) if tiles else None


def contact(shown: dict[str, Shot]) -> np.ndarray:
    """Draw every episode in lights that its twin does not have."""
    tiles = [
        tile(shot.take(look_named(look)), f"{name}: {look}")
        for name, shot in shown.items()
        for look in OTHER_LIGHTS[name]
    ]
    return sheet(tiles, 2)


SHEETS: Mapping[str, Callable[[dict[str, Shot]], np.ndarray | None]] = {
    "stages": stages,
    "weather": weather,
    "twin": twin,
    "contact": contact,
}


def tile(picture: np.ndarray, title: str, size: tuple[int, int] = TILE) -> np.ndarray:
    """Shrink a picture and write a title below it, on a strip of its own."""
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    strip = np.zeros((24, size[0], 3), np.uint8)
    font = cv2.FONT_HERSHEY_SIMPLEX
    cv2.putText(strip, title, (8, 17), font, 0.5, (255, 255, 255), 1, cv2.LINE_AA)
    return np.vstack([small, strip])


def sheet(tiles: Sequence[np.ndarray], columns: int) -> np.ndarray:
    """Lay tiles out in rows."""
    rows = [tiles[i : i + columns] for i in range(0, len(tiles), columns)]
    return np.vstack([np.hstack(row) for row in rows])


def write(name: str, picture: np.ndarray) -> None:
    """Write a picture at the highest quality that keeps it small."""
    IMAGES.mkdir(exist_ok=True)
    code = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    for quality in range(95, 20, -STEPS):
        data = cv2.imencode(".jpg", code, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
        if len(data) <= LARGEST:
            break
    (IMAGES / f"{name}.jpg").write_bytes(data)
    print(f"{name}.jpg: {picture.shape[1]}x{picture.shape[0]}, {len(data) // 1000} kB, q{quality}")


def demo(run: Run) -> Iterator[tuple[str, np.ndarray]]:
    """Yield one sheet for each episode, and the picture of the README."""
    pairs = []
    for name in EPISODES:
        index = FRAMES[name]
        render = tile(frame(episode_path(name) / "rgb.mp4", index), "the simulator's render")
        takes = [
            tile(frame(run.path / "takes" / name / f"{look}.mp4", index), f"take: {look}")
            for look in LOOKS
        ]
        yield name, sheet([render, *takes], 2)
        pairs += [render, takes[list(LOOKS).index(SHOWN[name])]]
    yield "readme", sheet(pairs, 2)


def frame(video: Path, index: int) -> np.ndarray:
    """Return one frame of a video."""
    with VideoStore(probe_video(video)).open() as reader:
        return reader.read([index])[0]


def main() -> None:
    """Write the sheets that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, nargs="?", default=Path("demo-run"))
    parser.add_argument("--only", nargs="+", choices=["demo", *SHEETS], default=["demo", *SHEETS])
    arguments = parser.parse_args()
    keep_pages()
    if "demo" in arguments.only:
        for name, picture in demo(Run(arguments.run)):
            write(name, picture)
    wanted = [name for name in SHEETS if name in arguments.only]
    if not wanted:
        return
    with shots() as shown:
        for name in wanted:
            picture = SHEETS[name](shown)
            if picture is None:
                print(f"{name}: no episode has a twin yet; make it with simlift record --twin")
            else:
                write(name, picture)


if __name__ == "__main__":
    main()
