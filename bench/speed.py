"""Frames per second of relighting and photographing, beside the augmentations in use today.

One run on two threads: each round does every row once, and the table shows the median round, by the
clock and in processor time, which other programs do not change. Clips are the shipped ones (or
another), resized: colour by interpolation, depth and ids by nearest.

    python bench/speed.py [--clip FOLDER ...] [--frames 4] [--rounds 3] [--look NAME]
"""

import argparse
import importlib.util
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from statistics import median

import cv2
import numpy as np

from simlift import Layer, Look, open_clip
from simlift.core.clip_sample import sample_clip
from simlift.core.window import ClipSample, Frames, Window
from simlift.engines.photographic.camera.optics import Optics
from simlift.engines.photographic.engine import PhotographicEngine
from simlift.engines.photographic.looks.look import Light
from simlift.engines.photographic.looks.named import NAMED, look_named, sample_look
from simlift.engines.photographic.materials.settings import Materials
from simlift.passes.demo import EPISODES, episode_path
from simlift.scale.memory import keep_pages

SIZES = ((480, 832), (720, 1280))
THREADS = 2
VARIANTS = 8
WEATHER = ("wet", "fog", "rain", "snow")
LIGHT_ALONE = Look(
    light=Light(ambient_occlusion=0, shadows=False, bounces=False, reflections=False),
    materials=Materials(strength=0),
    optics=Optics(),
)
Work = Callable[[], object]


def jitter(frame: np.ndarray) -> np.ndarray:
    """Brightness and contrast, then hue and saturation, as colour jitter does them."""
    bright = np.clip(frame.astype(np.float32) * 1.1 - 8, 0, 255).astype(np.uint8)
    hsv = cv2.cvtColor(bright, cv2.COLOR_RGB2HSV).astype(np.float32)
    hsv[..., 0] = (hsv[..., 0] + 6) % 180
    hsv[..., 1] = np.clip(hsv[..., 1] * 0.9, 0, 255)
    return cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB)


def blur(frame: np.ndarray) -> np.ndarray:
    """Soften by a Gaussian of one pixel."""
    return cv2.GaussianBlur(frame, (7, 7), 1.0)


def noise(frame: np.ndarray) -> np.ndarray:
    """Add normal noise."""
    grain = np.random.default_rng(0).normal(0, 4, frame.shape)
    return np.clip(frame + grain, 0, 255).astype(np.uint8)


def jpeg(frame: np.ndarray) -> np.ndarray:
    """Compress and decompress."""
    _, data = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 80])
    return cv2.imdecode(data, cv2.IMREAD_COLOR)


PLAIN = {"colour jitter": jitter, "Gaussian blur": blur, "noise": noise, "JPEG": jpeg}


def plain_rows(frames: Frames, pool: Executor) -> Iterator[tuple[str, Work]]:
    """Yield the plain stages in numpy and OpenCV, all of them first."""

    def chain(frame: np.ndarray) -> np.ndarray:
        for stage in PLAIN.values():
            frame = stage(frame)
        return frame

    yield "numpy/OpenCV, all four", lambda: list(pool.map(chain, frames))
    for name, stage in PLAIN.items():
        yield f"  {name}", lambda stage=stage: list(pool.map(stage, frames))


def kornia_rows(frames: Frames) -> Iterator[tuple[str, Work]]:
    """Yield the same stages in Kornia on the processor, where it is installed."""
    import kornia.augmentation as augment
    import torch

    torch.set_num_threads(THREADS)
    batch = torch.from_numpy(frames.copy()).permute(0, 3, 1, 2).float() / 255
    stages = {
        "colour jitter": augment.ColorJitter(0.1, 0.1, 0.1, 0.03, p=1.0),
        "Gaussian blur": augment.RandomGaussianBlur((7, 7), (1.0, 1.0), p=1.0),
        "noise": augment.RandomGaussianNoise(0.0, 0.016, p=1.0),
        "JPEG": augment.RandomJPEG((80.0, 80.0), p=1.0),
    }
    yield "Kornia on the processor, all four", lambda: torch.nn.Sequential(*stages.values())(batch)
    for name, stage in stages.items():
        yield f"  {name}", lambda stage=stage: stage(batch)


def resized(window: Window, height: int, width: int) -> Window:
    """Return the window at another size, without what was derived from it."""
    rows, columns = window.size
    arrays = {}
    for layer, array in window.arrays.items():
        smooth = layer in (Layer.RGB, Layer.ALBEDO)
        how = cv2.INTER_LINEAR if smooth else cv2.INTER_NEAREST
        arrays[layer] = np.stack([cv2.resize(x, (width, height), interpolation=how) for x in array])
    camera = window.camera
    camera = camera.scaled(width / columns, height / rows) if camera else None
    return replace(window, arrays=arrays, camera=camera, _derived={})


def forgotten(window: Window) -> Window:
    """Return the window as it was read: nothing derived."""
    return replace(window, _derived={})


def lift_rows(
    window: Window, sample: ClipSample, look: Look, pool: Executor
) -> Iterator[tuple[str, Work]]:
    """Yield a plain video's camera, light without shadows, all that `look` asks for, and more."""
    kept = (Layer.RGB,)
    bare, bare_survey = only(window, kept), ClipSample(only(sample.window, kept))
    looks = [sample_look(0, i) for i in range(VARIANTS)]

    def lift(window: Window, sample: ClipSample, looks: list[Look]) -> None:
        for one in looks:
            engine = PhotographicEngine(one, pool=pool)
            engine.lift(window, sample=sample, previous=None, seed=0)

    def each(name: str, one: Look, window: Window, sample: ClipSample) -> tuple[str, Work]:
        engine = PhotographicEngine(one, pool=pool)
        # What holds over the clip is computed once, whatever its length.
        engine.lift(forgotten(window).frame(0), sample=sample, previous=None, seed=0)
        return name, lambda: engine.lift(forgotten(window), sample=sample, previous=None, seed=0)

    def anew() -> ClipSample:
        return ClipSample(forgotten(sample.window))

    yield each("simlift, lens, sensor, film, grade", look, bare, bare_survey)
    yield each("light, lens, sensor, film, grade", LIGHT_ALONE, window, sample)
    yield each("all stages", look, window, sample)
    shutter = replace(look, optics=replace(look.optics, shutter=0.5))
    yield each("  and a shutter", shutter, window, sample)
    for name in WEATHER:
        yield each(f"  look {name}", NAMED[name], window, sample)
    yield (
        f"  {VARIANTS} looks, each lifted alone",
        lambda: [lift(forgotten(window), anew(), [one]) for one in looks],
    )
    yield f"  {VARIANTS} looks of one clip", lambda: lift(forgotten(window), anew(), looks)


def only(window: Window, layers: tuple[Layer, ...]) -> Window:
    """Return the window with some of its layers, nothing derived."""
    return replace(window, arrays={k: window.arrays[k] for k in layers}, _derived={})


def measure(rows: list[tuple[str, Work]], rounds: int) -> list[tuple[float, float]]:
    """Return the median seconds of each row, by the clock and of all processors.

    Every round runs all rows, after one round to warm up.
    """
    found: list[list[tuple[float, float]]] = [[] for _ in rows]
    for turn in range(rounds + 1):
        for place, (_, work) in enumerate(rows):
            begun = time.perf_counter(), time.process_time()
            work()
            if turn:
                now = time.perf_counter(), time.process_time()
                found[place].append((now[0] - begun[0], now[1] - begun[1]))
    return [(median(x for x, _ in each), median(x for _, x in each)) for each in found]


def show(name: str, rows: list[tuple[str, Work]], frames: int, rounds: int) -> None:
    """Print frames per second of each row, and how many times the plain chain's speed it is."""
    found = measure(rows, rounds)
    print(f"\n{name}\n  {'':36}{'frames/s':>10}{'ms/frame':>10}{'cpu ms':>10}{'to plain':>10}")
    for (label, _), (seconds, busy) in zip(rows, found, strict=True):
        made = frames * (VARIANTS if label.startswith(f"  {VARIANTS} looks") else 1)
        rate, plain = made / seconds, frames / found[0][0]
        cost = f"{rate:10.1f}{1e3 / rate:10.1f}{1e3 * busy / made:10.1f}"
        print(f"  {label:36}{cost}{rate / plain:10.2f}")


def main() -> None:
    """Print a table for each clip and size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clip", type=Path, nargs="+")
    parser.add_argument("--small", action="store_true", help="only the smaller size")
    parser.add_argument("--frames", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--look", default="natural", help="a named look, or a .json file")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    keep_pages()
    look = look_named(options.look)
    kornia = importlib.util.find_spec("kornia") is not None
    print(f"{THREADS} threads, look {options.look}, medians of {options.rounds} rounds")
    if not kornia:
        print("Kornia is not installed: its rows are left out")
    with ThreadPoolExecutor(THREADS) as pool:
        for path in options.clip or [episode_path(name) for name in EPISODES]:
            clip = open_clip(path)
            with clip.open(Layer) as reader:
                sample = sample_clip(reader)
                read = reader.window(range(min(options.frames, clip.num_frames)))
            for size in SIZES[:1] if options.small else SIZES:
                window = resized(read, *size)
                rows = list(plain_rows(window.rgb, pool))
                rows += kornia_rows(window.rgb) if kornia else ()
                rows += lift_rows(window, sample, look, pool)
                name = f"{clip.name}, {size[1]}x{size[0]}"
                show(name, rows, len(window), options.rounds)


if __name__ == "__main__":
    main()
