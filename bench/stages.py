"""Where a fully lit frame's time goes, for one look and for each further one, on the shipped clips.

python bench/stages.py [--clip FOLDER] [--frames 8]
"""

import argparse
import cProfile
import pstats
import time
from pathlib import Path

import cv2

from simlift import Layer, Photographic, open_clip
from simlift.core.clip_sample import sample_clip
from simlift.engines.photographic.scene.bounding_boxes import half_width
from simlift.passes.demo import EPISODES, LOOKS, episode_path
from simlift.pixels.geometry.projection import normals_from_depth
from simlift.pixels.geometry.voxels import first_hits, visibility_beyond_frustum
from simlift.pixels.light.occlusion import ambient_occlusion_by_rays, distant_shadow
from simlift.pixels.light.probes import LightVolume
from simlift.pixels.light.reflections import screen_space_reflections
from simlift.pixels.light.shading import shade
from simlift.pixels.materials.textures import apply_textures
from simlift.pixels.optics.film import tone_map_8bit
from simlift.pixels.optics.lens import blur_point_spread
from simlift.pixels.optics.sensor import expose_bayer
from simlift.scale.memory import keep_pages

SHOWN = {
    normals_from_depth: "normals from depth",
    half_width: "width of things (half resolution)",
    ambient_occlusion_by_rays: "ambient occlusion (half resolution)",
    distant_shadow: "shadows in the image (half resolution)",
    visibility_beyond_frustum: "shadows from voxels (quarter resolution)",
    LightVolume.at: "light from probes (half resolution)",
    first_hits: "reflections of voxels (half resolution)",
    apply_textures: "materials",
    shade: "light",
    screen_space_reflections: "reflections of the image",
    blur_point_spread: "softness",
    expose_bayer: "sensor",
    tone_map_8bit: "film and grade",
}


def profile(path: Path, num_frames: int) -> None:
    """Print processor milliseconds of each stage for one frame."""
    clip = open_clip(path)
    with clip.open(Layer) as reader, Photographic(LOOKS["day"]).open("cpu") as engine:
        sample = sample_clip(reader)
        engine = type(engine)(
            engine.look, engine.reference_photos, engine.photos
        )  # one thread: no pool
        engine.lift(reader.window([0]), sample=sample, previous=None, seed=0)
        window = reader.window(range(min(num_frames, clip.num_frames)))
        profiler = cProfile.Profile(time.process_time)
        first = time.process_time()
        profiler.enable()
        engine.lift(window, sample=sample, previous=None, seed=0)
        profiler.disable()
        second = time.process_time()
        engine.lift(window, sample=sample, previous=None, seed=0)
        third = time.process_time()
    frames = len(window)
    print(f"{clip.name}, {clip.width}x{clip.height}, one thread")
    print(f"  first look of a frame  {(second - first) / frames * 1e3:7.1f} ms")
    print(f"  each further look      {(third - second) / frames * 1e3:7.1f} ms")
    stats = pstats.Stats(profiler).stats  # type: ignore[attr-defined]
    for function, title in SHOWN.items():
        code = function.__code__
        ran = stats.get((code.co_filename, code.co_firstlineno, code.co_name))
        print(f"    {title:42}" + (f"{ran[3] / frames * 1e3:7.1f} ms" if ran else "    not run"))


def main() -> None:
    """Profile the shipped clips, or another."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clip", type=Path)
    parser.add_argument("--frames", type=int, default=8)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    keep_pages()
    paths = [options.clip] if options.clip else [episode_path(name) for name in EPISODES]
    for path in paths:
        profile(path, options.frames)


if __name__ == "__main__":
    main()
