"""Small clips on disk with known contents: videos of any codec, folders of every layout.

`scene` says what every layer holds at frame i, as closed forms; everything else stores it.
"""

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange, Colorspace

from simlift.core.camera import Camera, Objects, Robot
from simlift.core.clip import Clip, Label
from simlift.core.layers import Layer
from simlift.media.images import write_image
from simlift.media.native import write_clip
from simlift.passes.demo import episode_path
from simlift.pixels.geometry.projection import pinhole
from simlift.sources import open_clip

HEIGHT, WIDTH, FRAMES = 32, 48, 9
LABELS = {1: Label("table-1", "table"), 2: Label("robot-arm", "robot"), 3: Label("sky", "sky")}


def levels(count: int) -> np.ndarray:
    """The gray level of every frame: distinct by far more than any codec moves a flat frame."""
    return np.linspace(24, 232, count).astype(np.uint8)


def flat_frames(count: int, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """Frames of one gray level each."""
    return np.broadcast_to(levels(count)[:, None, None, None], (count, height, width, 3)).copy()


def indices_of(frames: np.ndarray, count: int) -> list[int]:
    """Read back which frame each flat frame is."""
    means = frames.reshape(len(frames), -1).mean(1)
    return np.abs(means[:, None] - levels(count).astype(float)[None]).argmin(1).tolist()


# The scene is a wall, y + _SLANT x = _AWAY in the world, under an open sky.
_SLANT, _AWAY = 0.4, 2.0
_STRIPE = 0.3  # metres of wall along x that are one body: by turns 1, which stands, and 2


def scene(index: int, height: int = HEIGHT, width: int = WIDTH) -> dict[Layer, np.ndarray]:
    """Return every layer of frame `index` in its physical unit.

    `camera` and `objects` see and move this scene, so that all layers agree: a slanted wall with
    stripes of two bodies, of which the second slides up, and sky in the first rows. Every frame is
    a little brighter than the one before, and its shading normals a little more turned.
    """
    seen = camera(index + 2, height, width)
    k = seen.intrinsics[0]
    y, x = np.mgrid[0:height, 0:width]
    across, down = (x + 0.5 - k[0, 2]) / k[0, 0], (y + 0.5 - k[1, 2]) / k[1, 1]
    centre = 0.01 * index
    depth = (_AWAY - _SLANT * centre) / (1 + _SLANT * across)
    along, up = centre + across * depth, 1 - down * depth  # on the wall, in the world
    ids = 1 + np.floor(along / _STRIPE).astype(int) % 2
    rise = np.where(ids == 2, 0.02, 0.0)
    texture = 20 * np.sin(9 * along) + 15 * np.sin(11 * (up - rise * index))
    gray = 60 + 70 * (ids == 2) + texture + 9 * index
    rgb = np.stack([gray, 0.8 * gray + 10, 0.6 * gray + 30], axis=-1)
    sky = y < 3
    depth[sky], ids[sky] = np.inf, 3
    rgb[sky] = (150, 170, 200 + index)
    tilt = np.arctan(_SLANT) + 0.01 * index
    normal = np.where(sky[..., None], (0, 0, -1), (-np.sin(tilt), 0, -np.cos(tilt)))
    with np.errstate(invalid="ignore"):
        flow = np.stack([-0.01 * k[0, 0] / depth, -rise * k[1, 1] / depth], axis=-1)
    return {
        Layer.RGB: np.rint(rgb).astype(np.uint8),
        Layer.ALBEDO: np.broadcast_to(np.uint8(120), rgb.shape).astype(np.uint8),
        Layer.DEPTH: np.round(depth, 3).astype(np.float32),
        Layer.SEGMENTATION: ids.astype(np.int32),
        Layer.NORMALS: normal.astype(np.float32),
        Layer.FLOW: flow.astype(np.float32),
        Layer.MATERIAL: np.stack([255 - y * 3, 255 * (ids == 2), x * 5 + index], axis=-1).astype(
            np.uint8
        ),
        Layer.TWIN: (np.rint(rgb) * 3 // 4 + 20).astype(np.uint8),
    }


def camera(count: int, height: int = HEIGHT, width: int = WIDTH) -> Camera:
    """A camera that moves 1 cm to the right in every frame, 1 m over the ground, world z up."""
    poses = np.repeat(np.eye(4)[None], count, 0)
    poses[:, :3, :3] = [[1, 0, 0], [0, 0, -1], [0, 1, 0]]
    poses[:, 0, 3] = -0.01 * np.arange(count)
    poses[:, 1, 3] = 1.0
    intrinsics = np.repeat(pinhole(height, width, np.radians(60))[None], count, 0)
    return Camera(intrinsics, poses, np.array([0.0, 0.0, 1.0]))


def objects(count: int) -> Objects:
    """Body 2 rises 2 cm in every frame."""
    poses = np.repeat(np.eye(4)[None, None], count, 0)
    poses[:, 0, 2, 3] = 0.02 * np.arange(count)
    return Objects(np.array([2]), poses)


def robot(count: int) -> Robot:
    """One joint, one link."""
    poses = np.repeat(np.eye(4)[None, None], count, 0)
    turn = np.linspace(0, 1, count)
    return Robot(("elbow",), turn[:, None], ("hand",), poses, turn)


def native(
    folder: Path,
    layers: Sequence[Layer] = tuple(Layer),
    count: int = FRAMES,
    height: int = HEIGHT,
    width: int = WIDTH,
) -> Path:
    """Write the scene with simlift's own writer."""
    with write_clip(
        folder,
        name=folder.name,
        fps=Fraction(24),
        height=height,
        width=width,
        labels=LABELS,
        caption="a table",
    ) as writer:
        for i in range(count):
            frame = scene(i, height, width)
            writer.append({layer: frame[layer] for layer in layers})
        writer.camera(camera(count, height, width))
        writer.objects(objects(count))
        writer.robot(robot(count))
    return folder


def manifest(layers: Mapping[str, object], **changes: object) -> dict[str, object]:
    """A manifest as data; a change to None removes the key."""
    data: dict[str, object] = {
        "format": "simlift-clip/1",
        "name": "clip",
        "fps": "24",
        "num_frames": FRAMES,
        "height": HEIGHT,
        "width": WIDTH,
        "layers": layers,
        **changes,
    }
    return {key: value for key, value in data.items() if value is not None}


def native_images(folder: Path, count: int = FRAMES, **changes: object) -> Path:
    """Write a native folder by hand, without loss: PNG colour, .npy for all the rest."""
    for i in range(count):
        frame = scene(i)
        write_image(folder / "rgb" / f"{i:06d}.png", frame[Layer.RGB])
        for layer in (Layer.ALBEDO, Layer.MATERIAL, Layer.TWIN):
            write_image(folder / layer.value / f"{i:06d}.png", frame[layer])
        for layer in (Layer.DEPTH, Layer.NORMALS, Layer.FLOW):
            (folder / layer.value).mkdir(exist_ok=True)
            np.save(folder / layer.value / f"{i:06d}.npy", frame[layer])
        ids = frame[Layer.SEGMENTATION].astype(np.uint16)
        write_image(folder / "segmentation" / f"{i:06d}.png", ids)
    known = camera(count)
    np.savez(
        folder / "camera.npz",
        intrinsics=known.intrinsics,
        world_to_camera=known.world_to_camera,
        up=known.up,
    )
    suffix = dict.fromkeys((Layer.DEPTH, Layer.NORMALS, Layer.FLOW), "npy")
    entries = {k.value: {"file": f"{k.value}/%06d.{suffix.get(k, 'png')}"} for k in Layer}
    labels = {str(i): {"name": k.name, "category": k.category} for i, k in LABELS.items()}
    write_manifest(
        folder,
        manifest(
            entries, **{"labels": labels, "num_frames": count, "camera": "camera.npz", **changes}
        ),
    )
    return folder


def write_manifest(folder: Path, data: object) -> None:
    """Write clip.json."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "clip.json").write_text(json.dumps(data), encoding="utf-8")


def edit_manifest(folder: Path, **changes: object) -> None:
    """Change keys of clip.json; None removes one."""
    data = json.loads((folder / "clip.json").read_text(encoding="utf-8")) | changes
    write_manifest(folder, {k: v for k, v in data.items() if v is not None})


def video(
    path: Path,
    frames: np.ndarray,
    *,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    rate: Fraction | int = 24,
    options: Mapping[str, str] | None = None,
    container_options: Mapping[str, str] | None = None,
    ticks: tuple[Fraction, Sequence[int]] | None = None,
    gop: int = 5,
    colour: tuple[int, int] | None = None,
    audio: str | None = None,
) -> Path:
    """Write a video with PyAV alone.

    `frames` is uint8 rgb or rgba, or uint16 gray. `ticks` is a time base and one time for each
    frame. `colour` is the matrix and range (H.273) to convert by and to tag; None leaves the
    file untagged, converted by BT.601. `audio` is a codec for half a second of a 440 Hz tone.
    """
    layout = "gray16le" if frames.ndim == 3 else {3: "rgb24", 4: "rgba"}[frames.shape[3]]
    with av.open(str(path), "w", container_options=dict(container_options or {})) as out:
        stream = out.add_stream(codec, rate=rate, options=dict(options or {}))
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = pixel_format
        stream.codec_context.gop_size = gop
        base = ticks[0] if ticks else 1 / Fraction(rate)
        stream.codec_context.time_base = base
        if colour:
            stream.codec_context.colorspace, stream.codec_context.color_range = colour
        sound = _tone(out, audio) if audio else None
        for i, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), layout)
            if layout == "rgb24" and pixel_format.startswith("yuv"):
                matrix, reach = colour or (int(Colorspace.ITU601), int(ColorRange.MPEG))
                frame = frame.reformat(
                    format=pixel_format,
                    src_color_range=ColorRange.JPEG,
                    dst_colorspace=matrix,
                    dst_color_range=reach,
                )
            frame.pts = ticks[1][i] if ticks else i
            frame.time_base = base
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        if sound is not None:
            sound()
    if codec == "libsvtav1" and hasattr(os, "sched_setscheduler"):
        # Run by root, SVT-AV1 makes its caller a real-time thread, which starves what comes after.
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    return path


def tone() -> np.ndarray:
    """Half a second of 440 Hz at 16 kHz, int16 [1 n]."""
    return (np.sin(np.arange(8000) / 16000 * 2 * np.pi * 440) * 12000).astype(np.int16)[None]


def _tone(out: av.container.OutputContainer, codec: str):
    stream = out.add_stream(codec, rate=16000, layout="mono")

    def finish() -> None:
        frame = av.AudioFrame.from_ndarray(tone(), "s16", "mono")
        frame.sample_rate = 16000
        frame.pts = 0
        resampler = av.AudioResampler(format=stream.format, layout="mono", rate=16000)
        size = stream.codec_context.frame_size or 1024
        fifo = av.AudioFifo()
        for part in resampler.resample(frame):
            fifo.write(part)
        while fifo.samples:
            out.mux(stream.encode(fifo.read(min(size, fifo.samples))))
        out.mux(stream.encode(None))

    return finish


def carla(folder: Path, count: int = FRAMES, *, flat: bool = True, raw: bool = False) -> Path:
    """Write a CARLA dump of the scene; `raw` stores depth as BGRA buffers, `flat` in one folder."""
    folder.mkdir(parents=True, exist_ok=True)
    colours = np.array([[0, 0, 0], [128, 64, 128], [0, 0, 142], [70, 130, 180]], np.uint8)
    for i in range(count):
        frame = scene(i)
        place = {kind: f"{kind}{'' if flat else '/'}{i:06d}" for kind in ("rgb", "depth", "sem")}
        write_image(folder / f"{place['rgb']}.png", frame[Layer.RGB])
        code = carla_code(frame[Layer.DEPTH])
        red, green, blue = code & 255, (code >> 8) & 255, code >> 16
        if raw:
            buffer = np.stack([blue, green, red, np.full_like(red, 255)], axis=-1)
            (folder / place["depth"]).parent.mkdir(exist_ok=True)
            np.save(folder / f"{place['depth']}.npy", buffer.astype(np.uint8).ravel())
        else:
            image = np.stack([red, green, blue], axis=-1).astype(np.uint8)
            write_image(folder / f"{place['depth']}.png", image)
        write_image(folder / f"{place['sem']}.png", colours[frame[Layer.SEGMENTATION]])
    return folder


def carla_code(depth: np.ndarray) -> np.ndarray:
    """The 24-bit code of a depth in metres."""
    far = np.where(np.isfinite(depth), depth, 1000.0).astype(np.float64)
    return np.rint(far / 1000 * (2**24 - 1)).astype(np.uint32)


SEGMENT_COLOURS = np.array([[20, 20, 20], [220, 40, 40], [40, 60, 210], [60, 200, 80]], np.uint8)


def cosmos(folder: Path, count: int = FRAMES) -> Path:
    """Write a CosmosWriter folder: flat rgb, inverse depth as gray, ids as flat colours."""
    folder.mkdir(parents=True, exist_ok=True)
    video(folder / "clip_rgb.mp4", flat_frames(count), options={"crf": "4"})
    inverse = np.stack([inverse_gray(i) for i in range(count)])
    video(
        folder / "clip_depth.mp4",
        inverse[..., None].repeat(3, axis=-1),
        pixel_format="yuv444p",
        options={"crf": "1"},
    )
    ids = np.stack([cosmos_ids(i) for i in range(count)])
    video(
        folder / "clip_instance_segmentation.mp4",
        SEGMENT_COLOURS[ids],
        pixel_format="yuv444p",
        options={"crf": "4"},
    )
    video(folder / "clip_shaded_segmentation.mp4", flat_frames(count))
    return folder


def inverse_gray(index: int) -> np.ndarray:
    """The gray values of a CosmosWriter depth frame: bright is near."""
    ramp = np.linspace(30, 220, WIDTH)[None].repeat(HEIGHT, 0)
    return (ramp + index).astype(np.uint8)


def cosmos_ids(index: int) -> np.ndarray:
    """The colour index of every pixel of a CosmosWriter segmentation frame."""
    ids = np.zeros((HEIGHT, WIDTH), dtype=np.int64)
    ids[4:20, 4 : 12 + index] = 1
    ids[4:20, 28:44] = 2
    ids[24:] = 3
    return ids


def sequence(folder: Path, frames: np.ndarray, first: int = 0, step: int = 1) -> Path:
    """Write numbered PNG images."""
    for i, frame in enumerate(frames):
        write_image(folder / f"{first + i * step:06d}.png", frame)
    return folder


def read(clip: Clip, layer: Layer, indices: Sequence[int]) -> np.ndarray:
    """Read one layer of some frames in one window."""
    with clip.open([layer]) as reader:
        return reader.window(list(indices)).arrays[layer]


def read_all(clip: Clip) -> dict[Layer, np.ndarray]:
    """Read every layer of a whole clip."""
    with clip.open(Layer) as reader:
        return dict(reader.window(range(clip.num_frames)).arrays)


def packets(path: Path, kind: str) -> list[bytes]:
    """Return the coded packets of the first stream of a kind."""
    with ExitStack() as stack:
        container = stack.enter_context(av.open(str(path)))
        stream = getattr(container.streams, kind)[0]
        return [bytes(p) for p in container.demux(stream) if p.size]


def write_hdr(path: Path, radiance: np.ndarray) -> Path:
    """Write a Radiance file."""
    good, data = cv2.imencode(".hdr", np.ascontiguousarray(radiance[..., ::-1], dtype=np.float32))
    assert good
    path.write_bytes(data.tobytes())
    return path


def excerpt(folder, count):
    """Write the first frames of the shipped tabletop with their twin, which pairs' gates accept."""
    episode = open_clip(episode_path("tabletop"))
    layers = [Layer.RGB, Layer.TWIN]
    with (
        episode.open(layers) as reader,
        write_clip(
            folder, name="short", fps=episode.fps, height=episode.height, width=episode.width
        ) as writer,
    ):
        window = reader.window(range(count))
        for k in range(count):
            writer.append({layer: window[layer][k] for layer in layers})
    return folder
