"""The default engine against ground truth: path-traced twins of the same states and cameras.

    python bench/twin.py --table            the shipped episodes and their twins, one line each
    python bench/twin.py                    new seeds, environments and views: renders twins first
    python bench/twin.py --out FOLDER       keep what was recorded, and go on from it
    python bench/twin.py --again            and what the path tracer itself reaches with other paths

The engine is told the twin's environment, exposure, lens and film (`twin.json`), and has the clip's
layers; what it makes of them is compared with the twin. `gap_closed` is the share of the render's
distance to the twin that the engine closed.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from simlift.core.clip import Clip
from simlift.core.clip_sample import sample_clip
from simlift.core.layers import Layer
from simlift.core.window import Frames
from simlift.engines.pathtraced import PathTraced
from simlift.engines.photographic import Look, Photographic
from simlift.engines.photographic.looks.look import Light
from simlift.evaluation.metrics import gap_closed
from simlift.evaluation.metrics.flicker import denoise_and_shrink
from simlift.passes.demo import demo_clips
from simlift.passes.lift_windows import lift_window, read_windows
from simlift.passes.twin import SEED, record_twin, twin_settings
from simlift.pixels.image.patches import texture_distance, texture_projections
from simlift.pixels.image.similarity import ssim
from simlift.scale.memory import keep_pages
from simlift.scale.progress import Silent
from simlift.simulators import Drive, Tabletop, record
from simlift.sources import open_clip

_STILLS = 6  # frames of a clip that structure and texture are measured on


@dataclass(frozen=True)
class Case:
    """A recording that nothing was tuned on: scene, seed, light."""

    scene: str
    seed: int
    environment: str
    turn: float
    frames: int = 2


# Other seeds, and other lights or turns, than those looked at while the engine was written.
CASES = (
    Case("tabletop", 5, "lamp-room", -120.0),
    Case("tabletop", 7, "overcast", 90.0),
    Case("drive", 5, "overcast", 0.0),
    Case("drive", 6, "clear-sky", 35.0),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--table", action="store_true", help="the shipped episodes alone")
    parser.add_argument("--out", type=Path, help="folder of the recordings that are made")
    parser.add_argument("--again", action="store_true", help="path trace each twin once more")
    parser.add_argument("--samples", type=int, default=64, help="paths for each pixel of a twin")
    arguments = parser.parse_args()
    keep_pages()
    if arguments.table:
        for clip in demo_clips():
            spec = Photographic(twin_settings(clip).look)
            print(line(clip.name, measure(clip, spec)), flush=True)
        return
    with _folder(arguments.out) as out:
        clips = [recorded(case, out, arguments.samples) for case in CASES]
        print("\nnew seeds, lights and views")
        for case, clip in zip(CASES, clips, strict=True):
            name = f"{case.scene} {case.seed} {case.environment} {case.turn:+.0f}"
            print(line(name, measure(clip, Photographic(twin_settings(clip).look))), flush=True)
        if arguments.again:
            print("\nthe path tracer, with other paths, on the first frames")
            for case, clip in zip(CASES, clips, strict=True):
                spec = PathTraced(twin_settings(clip).look, samples=arguments.samples)
                print(
                    line(f"{case.scene} {case.seed}", measure(clip, spec, most=1), "pathtraced"),
                    flush=True,
                )
        print("\nwhat each stage adds, PSNR to the twin in dB")
        for scene in ("tabletop", "drive"):
            chosen = [clip for case, clip in zip(CASES, clips, strict=True) if case.scene == scene]
            for stage, change in STAGES:
                specs = [Photographic(change(twin_settings(clip).look)) for clip in chosen]
                pairs = zip(chosen, specs, strict=True)
                gains = [measure(*pair, stills=False)["psnr"] for pair in pairs]
                print(f"  {scene:9} {stage:34} {np.mean(gains):5.1f}")


def _light(**settings: object) -> Callable[[Look], Look]:
    return lambda look: replace(look, light=replace(look.light, **settings))  # type: ignore[arg-type]


_NONE = {"ambient_occlusion": 0.0, "shadow_length": 0.01, "bounces": False, "reflections": False}
STAGES: Sequence[tuple[str, Callable[[Look], Look]]] = (
    ("sky light and suns", _light(**_NONE, specular=0.0)),
    ("+ reflections of the environment", _light(**_NONE)),
    ("+ shadows", _light(**{k: v for k, v in _NONE.items() if k != "shadow_length"})),
    ("+ ambient occlusion", _light(bounces=False, reflections=False)),
    ("+ light among surfaces", _light(reflections=False)),
    ("+ reflections of the image (all)", lambda look: look),
)


def recorded(case: Case, out: Path, samples: int) -> Clip:
    """Record a case and its twin, unless they are there."""
    folder = out / f"{case.scene}-{case.seed}"
    kind = Tabletop() if case.scene == "tabletop" else Drive()
    if not (folder / "clip.json").exists():
        print(f"recording {folder.name}", flush=True)
        record(Sampled(kind, case.frames), folder, case.seed, lambda _: None)
    clip = open_clip(folder)
    if Layer.TWIN not in clip:
        print(f"tracing {folder.name}", flush=True)
        look = Look(light=Light(environment=case.environment, turn=case.turn))
        plain = replace(
            look,
            albedo=replace(look.albedo, lift=0.0),
            materials=replace(look.materials, strength=0.0),
            # The frames are far apart: there is no motion between them to blur.
            optics=replace(look.optics, shutter=0.0),
        )
        record_twin(clip, PathTraced(plain, samples=samples), Silent())
        clip = open_clip(folder)
    return clip


@dataclass(frozen=True)
class Sampled:
    """A few frames of a scene, spread over it and in pairs, so that its sample shows it moving."""

    scene: Tabletop | Drive
    frames: int

    @property
    def num_frames(self) -> int:
        return self.frames

    def simulate(self, seed: int):  # noqa: ANN201
        """Run the whole episode, and render some of it."""
        whole = self.scene.simulate(seed)
        wanted = set(np.linspace(0, whole.num_frames - 1, self.frames).astype(int).tolist())
        frames = lambda: (f for i, f in enumerate(whole.render()) if i in wanted)  # noqa: E731
        return replace(
            whole, num_frames=self.frames, render=frames, robot=None, actions=None, fps=1
        )


def measure(
    clip: Clip, spec: Photographic | PathTraced, *, most: int | None = None, stills: bool = True
) -> dict[str, float]:
    """Lift a clip, or `most` of its frames, and compare take and render with the twin."""
    take, render, twin = [], [], []
    # Not the twin's own paths.
    seed = SEED + 1
    with clip.open(spec.needs() | spec.uses() | {Layer.TWIN}) as reader, spec.open("cpu") as engine:
        sample = sample_clip(reader)
        for window in read_windows(reader, spec.window_size()):
            take.append(
                lift_window(engine, window, sample, None, seed, spec.window_size(), clip.name)
            )
            render.append(window.rgb)
            twin.append(window[Layer.TWIN])
            if most is not None and sum(map(len, take)) >= most:
                break
    takes, renders, twins = (np.concatenate(parts) for parts in (take, render, twin))
    out = {"psnr": _psnr(takes, twins), "psnr_render": _psnr(renders, twins)}
    if stills:
        chosen = np.unique(np.linspace(0, len(twins) - 1, _STILLS).astype(int))
        for name, distance in (("ssim", _unlike), ("patches", _texture)):
            far = np.mean([distance(renders[i], twins[i]) for i in chosen])
            near = np.mean([distance(takes[i], twins[i]) for i in chosen])
            out |= {name: float(near), f"{name}_closed": gap_closed(float(near), float(far))}
        if len(twins) > 3:
            out["flicker"] = _flicker(takes) / _flicker(twins)
    return out


def _psnr(frames: Frames, twin: Frames) -> float:
    error = np.mean((frames.astype(np.float32) - twin) ** 2)
    return float(10 * np.log10(255**2 / error))


def _unlike(one: np.ndarray, other: np.ndarray) -> float:
    gray = [cv2.cvtColor(f, cv2.COLOR_RGB2GRAY).astype(np.float32) for f in (one, other)]
    return 1 - ssim(gray[0], gray[1])


def _texture(one: np.ndarray, other: np.ndarray) -> float:
    return texture_distance(texture_projections(one), texture_projections(other))


def _flicker(frames: Frames) -> float:
    """Return the mean second difference over time of the calmed frames: motion cancels mostly."""
    smooth = np.stack(denoise_and_shrink(frames))
    return float(np.abs(smooth[2:] - 2 * smooth[1:-1] + smooth[:-2]).mean())


def line(name: str, values: dict[str, float], engine: str = "photographic") -> str:
    text = (
        f"{name} render PSNR {values['psnr_render']:.1f}, {engine} PSNR {values['psnr']:.1f}, "
        f"SSIM distance closed {values['ssim_closed']:.0%}, "
        f"patch distance closed {values['patches_closed']:.0%}"
    )
    if "flicker" in values:
        text += f", flicker over the twin's {values['flicker']:.2f}"
    return text


@contextmanager
def _folder(out: Path | None) -> Iterator[Path]:
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        yield out
        return
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


if __name__ == "__main__":
    main()
