"""What depth of few codes costs: the default engine from coded depth, beside true depth.

    python bench/coded_depth.py [--frames 12] [--out FOLDER]

The depth of the shipped episodes is coded as pictures of depth are, in 8 bits of H.264, and read
back: as it is (steps), and dequantised. Each is lifted under the settings of the episode's twin;
PSNR to the twin says what was lost. `--out` keeps crops of takes and normals.
"""

import argparse
import tempfile
import time
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from simlift.core.camera import Camera
from simlift.core.clip import Clip
from simlift.core.clip_sample import sample_clip
from simlift.core.layers import Array, Layer, StoredLayer, Unit
from simlift.engines.photographic import Photographic
from simlift.engines.photographic.scene.frame_geometry import normals
from simlift.media.coded_depth import AsStored, DequantisedDepth, luma_range
from simlift.media.geometry_decodings import CodedDepth, Measure, ray_lengths
from simlift.media.video import VideoStore, probe_video
from simlift.passes.demo import demo_clips
from simlift.passes.lift_windows import lift_window
from simlift.passes.twin import SEED, twin_settings
from simlift.scale.memory import keep_pages


@dataclass(frozen=True)
class Coding:
    """A way in which pictures of depth are made."""

    name: str
    measure: Measure
    near: float
    far: float
    along_ray: bool


CODINGS = {
    "tabletop": (
        Coding("CosmosWriter 0.1 to 100 m", "reversed log", 0.1, 100, True),
        Coding("inverse 0.4 to 20 m", "inverse", 0.4, 20, False),
    ),
    "drive": (
        Coding("CosmosWriter 1 to 1000 m", "reversed log", 1, 1000, True),
        Coding("inverse 2 to 150 m", "inverse", 2, 150, False),
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--frames", type=int, default=12, help="evenly spaced frames of a clip")
    parser.add_argument("--clip", choices=tuple(CODINGS), help="one of the episodes")
    parser.add_argument("--out", type=Path, help="folder for pictures")
    arguments = parser.parse_args()
    keep_pages()
    for clip in demo_clips():
        if arguments.clip not in (None, clip.name):
            continue
        true, pictures = _lift(clip, arguments.frames)
        print(f"{clip.name}: true depth {true:.2f} dB", flush=True)
        _keep(arguments.out, f"{clip.name} true", pictures)
        with tempfile.TemporaryDirectory() as folder:
            for k, coding in enumerate(CODINGS[clip.name]):
                path = Path(folder) / f"{k}.mp4"
                _write(clip, coding, path)
                for how in ("as it is", "dequantised"):
                    layer = _layer(coding, path, dequantised=how == "dequantised")
                    psnr, pictures = _lift(_with(clip, layer), arguments.frames)
                    print(
                        f"  {coding.name:26} {path.stat().st_size / clip.num_frames / 1000:4.1f} kB"
                        f"/frame {how:12} {psnr:.2f} dB, {_seconds(clip, layer) * 1000:.1f} ms "
                        f"a frame",
                        flush=True,
                    )
                    _keep(arguments.out, f"{clip.name} {coding.name} {how}", pictures)


def _write(clip: Clip, coding: Coding, path: Path) -> None:
    """Code the depth of a clip as the picture of depth that a writer leaves."""
    low, high = np.log(coding.near), np.log(coding.far)
    with clip.open({Layer.DEPTH}) as reader, av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(clip.fps))
        stream.width, stream.height, stream.pix_fmt = clip.width, clip.height, "yuv420p"
        stream.options = {"crf": "8"}
        for i in range(clip.num_frames):
            window = reader.window([i])
            depth = window[Layer.DEPTH][0].astype(np.float64)
            if coding.along_ray and window.camera is not None:
                depth = depth * ray_lengths(window.camera.intrinsics, *depth.shape)[0]
            depth = np.clip(depth, coding.near, coding.far)
            if coding.measure == "inverse":
                share = (1 / depth - 1 / coding.far) / (1 / coding.near - 1 / coding.far)
            else:
                share = 1 - (np.log(depth) - low) / (high - low)
            picture = np.repeat(np.rint(share * 255).astype(np.uint8)[..., None], 3, axis=-1)
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)


@dataclass(frozen=True)
class Stepped:
    """Codes to metres one by one, as they are."""

    dequantised: DequantisedDepth

    def __call__(self, raw: Array, camera: Camera | None, ids: Array | None) -> Array:
        del ids
        own = self.dequantised
        share = np.clip((raw - 16.0) / 219, 0, 1)
        depth = own.coding(share)
        if own.along_ray:
            assert camera is not None
            depth = depth / ray_lengths(camera.intrinsics, *depth.shape[1:])
        return np.where(raw < 17.5, np.inf, depth).astype(np.float32)


def _layer(coding: Coding, path: Path, *, dequantised: bool) -> StoredLayer:
    info = probe_video(path)
    coded = CodedDepth(coding.measure, coding.near, coding.far)
    smooth = DequantisedDepth(coded, luma_range(info), coding.along_ray, dark_is_nothing=True)
    decode = smooth if dequantised else Stepped(smooth)
    store = VideoStore(info, "luma")
    return StoredLayer(Layer.DEPTH, store, AsStored(), Unit.METRES, guided=decode)


def _with(clip: Clip, layer: StoredLayer) -> Clip:
    others = tuple(stored for stored in clip.layers if stored.layer is not Layer.DEPTH)
    return replace(clip, layers=(*others, layer))


def _lift(clip: Clip, count: int) -> tuple[float, dict[str, Array]]:
    spec = Photographic(twin_settings(clip).look)
    chosen = set(np.unique(np.linspace(0, clip.num_frames - 1, count).astype(int)).tolist())
    squares, pictures = [], {}
    layers = spec.needs() | spec.uses() | {Layer.TWIN}
    with clip.open(layers) as reader, spec.open("cpu") as engine:
        sample = sample_clip(reader)
        for index in sorted(chosen):
            window = reader.window([index])
            size = spec.window_size()
            take = lift_window(engine, window, sample, None, SEED + 1, size, clip.name)
            squares.append(np.mean((take.astype(np.float32) - window[Layer.TWIN]) ** 2))
            pictures = {
                "take": take[0],
                "normals": ((normals(window) + 1) * 127.5).astype(np.uint8),
            }
    return float(10 * np.log10(255**2 / np.mean(squares))), pictures


def _seconds(clip: Clip, layer: StoredLayer) -> float:
    """Return the seconds of processor time that decoding a frame takes, without reading it."""
    assert layer.guided is not None
    with clip.open({Layer.SEGMENTATION}) as reader, layer.store.open() as codes:
        raw, window = codes.read([0]), reader.window([0])
    times = []
    for _ in range(5):
        start = time.thread_time()
        layer.guided(raw, window.camera, window[Layer.SEGMENTATION])
        times.append(time.thread_time() - start)
    return min(times)


def _keep(out: Path | None, name: str, pictures: dict[str, Array]) -> None:
    if out is None:
        return
    out.mkdir(parents=True, exist_ok=True)
    for kind, picture in pictures.items():
        cv2.imwrite(str(out / f"{name} {kind}.png".replace(" ", "-")), picture[..., ::-1])


if __name__ == "__main__":
    main()
