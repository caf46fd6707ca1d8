"""How much longer a whole lift of a plain 480p clip takes than decoding and encoding it alone.

Both run in turn in one process, several times; the ratio of medians is what counts. The stages of
one frame are timed beside it, so that the table says where the time goes.

    python bench/plain_speed.py [--frames 300] [--rounds 5]
"""

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from simlift import Photographic, Plugin, Recipe, Variant, lift_clips, open_clip
from simlift.core.recipe import Encoding
from simlift.engines.photographic.looks.look import Look
from simlift.media.video.writer import write_video
from simlift.pixels.colour import spaces
from simlift.pixels.optics import film, lens, sensor
from simlift.scale.progress import Silent

HEIGHT, WIDTH = 480, 832


def make_clip(path: Path, num_frames: int) -> None:
    """Write a moving, textured clip with the grain of a rendered game."""
    generator = np.random.default_rng(0)
    big = generator.integers(0, 255, (HEIGHT // 8 + 8, WIDTH // 8 + num_frames, 3))
    world = np.kron(big, np.ones((8, 8, 1))).astype(np.uint8)
    world = np.clip(world + generator.normal(0, 4, world.shape), 0, 255).astype(np.uint8)
    with write_video(path, height=HEIGHT, width=WIDTH, fps=Fraction(24)) as writer:
        for t in range(num_frames):
            writer.append(world[None, :HEIGHT, 2 * t : 2 * t + WIDTH])


def bare(source: Path, target: Path, encoding: Encoding) -> None:
    """Decode and encode with the settings of a take, and nothing else."""
    with av.open(str(source)) as reader, av.open(str(target), "w") as out:
        stream = reader.streams.video[0]
        stream.thread_type = "AUTO"
        coded = out.add_stream(encoding.codec, rate=stream.average_rate)
        coded.height, coded.width, coded.pix_fmt = stream.height, stream.width, encoding.chroma
        coded.codec_context.gop_size = encoding.keyframe_interval
        coded.codec_context.thread_count = encoding.threads
        coded.options = {"crf": str(encoding.crf), "preset": encoding.preset}
        for frame in reader.decode(stream):
            frame.pict_type = 0
            out.mux(coded.encode(frame))
        out.mux(coded.encode(None))


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that some work takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def stages() -> dict[str, float]:
    """Return milliseconds of each stage for one frame, the median of 20."""
    frame = np.random.default_rng(1).integers(0, 255, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    linear = spaces.decode_srgb(frame)
    shade = np.ones((HEIGHT, WIDTH, 3), dtype=np.float32)
    codes = sensor.quantise(linear, white=1.6)
    grade = np.eye(3, 4)
    work: dict[str, Callable[[], object]] = {
        "sRGB to linear": lambda: spaces.decode_srgb(frame),
        "exposure and vignette": lambda: linear * shade,
        "softness": lambda: lens.blur_point_spread(linear, 0.5),
        "sensor": lambda: sensor.expose_bayer(linear, white=1.6, shot=4e-4, read=1e-3, seed=(1, 1)),
        "film and grade": lambda: film.tone_map_8bit(codes, 1.3, 1.6, grade),
    }
    return {n: statistics.median(timed(w) for _ in range(20)) * 1e3 for n, w in work.items()}


def main() -> None:
    """Print the ratio and the stages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "plain.mp4"
        make_clip(source, options.frames)
        recipe = Recipe(variants=(Variant("plain", Plugin.of(Photographic(Look()))),))
        alone, lifted = [], []
        for _ in range(options.rounds):
            alone.append(timed(lambda: bare(source, Path(folder) / "b.mp4", recipe.encoding)))
            run = Path(folder) / "run"
            lifted.append(
                timed(lambda: lift_clips([open_clip(source)], recipe, run, progress=Silent()))  # noqa: B023
            )
            shutil.rmtree(run)
    ratios = [b / a for a, b in zip(alone, lifted, strict=True)]
    frames = options.frames
    print(f"{WIDTH}x{HEIGHT}, {frames} frames, median of {options.rounds}")
    print(f"  decode + encode   {frames / statistics.median(alone):7.1f} frames/s")
    print(f"  whole lift        {frames / statistics.median(lifted):7.1f} frames/s")
    spread = f"({min(ratios):.2f} to {max(ratios):.2f})"
    print(f"  ratio             {statistics.median(ratios):7.2f}  {spread}")
    print("one frame, one thread:")
    for name, milliseconds in stages().items():
        print(f"  {name:24}{milliseconds:6.2f} ms")


if __name__ == "__main__":
    main()
