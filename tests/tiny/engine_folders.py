"""The scene of `clips` as engines write it: true layouts, names and conventions, in small.

Each builder turns the scene into the engine's own axes, units and codes by closed forms that are
written here anew, not by the code under test.
"""

import json
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import pytest

from simlift.core.layers import Layer
from simlift.media.images import write_image
from tiny.clips import FRAMES, HEIGHT, WIDTH, camera, scene

NAMES = {1: "table", 2: "robot", 3: "sky"}
UP_DOWN = np.diag([1.0, -1.0, -1.0, 1.0])  # between OpenCV's camera and OpenGL's


def write_exr(path: Path, channels: Mapping[str, np.ndarray], **attributes: object) -> None:
    """Write float32 channels [h w] and attributes of the header."""
    OpenEXR = pytest.importorskip("OpenEXR")
    path.parent.mkdir(parents=True, exist_ok=True)
    planes = {name: np.ascontiguousarray(pixels) for name, pixels in channels.items()}
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage, **attributes}
    with OpenEXR.File(header, planes) as file:
        file.write(str(path))


def write_indexed_png(path: Path, indices: np.ndarray, palette: np.ndarray) -> None:
    """Write indices [h w] into a palette [n 3] as a PNG of colour type 3."""

    def chunk(name: bytes, data: bytes) -> bytes:
        checksum = zlib.crc32(name + data)
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", checksum)

    height, width = indices.shape
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(np.uint8).tobytes() for row in indices)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"PLTE", palette.astype(np.uint8).tobytes())
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def linear(codes: np.ndarray) -> np.ndarray:
    """Linear light of sRGB codes (IEC 61966-2-1), float32."""
    share = codes.astype(np.float64) / 255
    low = share / 12.92
    return np.where(share <= 0.04045, low, ((share + 0.055) / 1.055) ** 2.4).astype(np.float32)


def world_normals(index: int, count: int = FRAMES) -> np.ndarray:
    """Normals of a frame in the axes of the clip's world."""
    rotation = camera(count).world_to_camera[index, :3, :3]
    return scene(index)[Layer.NORMALS] @ rotation.astype(np.float32)


def along_ray(index: int) -> np.ndarray:
    """Distance from the camera's centre, +inf where nothing was hit."""
    k = camera(1).intrinsics[0]
    x = (np.arange(WIDTH) + 0.5 - k[0, 2]) / k[0, 0]
    y = (np.arange(HEIGHT) + 0.5 - k[1, 2]) / k[1, 1]
    return scene(index)[Layer.DEPTH] * np.sqrt(1 + x[None] ** 2 + y[:, None] ** 2)


def quaternion(rotation: np.ndarray) -> list[float]:
    """(w, x, y, z) of a rotation matrix."""
    turn = cv2.Rodrigues(np.asarray(rotation, dtype=np.float64))[0].ravel()
    angle = np.linalg.norm(turn)
    axis = turn / angle if angle > 1e-12 else turn
    return [float(np.cos(angle / 2)), *(float(v) for v in axis * np.sin(angle / 2))]


def projection(height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """The OpenGL projection of the scene's camera, for columns, with an infinite far plane."""
    k = camera(1).intrinsics[0]
    return np.array(
        [
            [2 * k[0, 0] / width, 0, 1 - 2 * k[0, 2] / width, 0],
            [0, 2 * k[1, 1] / height, 2 * k[1, 2] / height - 1, 0],
            [0, 0, 0, 0.01],
            [0, 0, -1, 0],
        ]
    )


# --- Replicator --------------------------------------------------------------------------------


def replicator_camera(index: int, metres_per_unit: float = 0.01) -> dict[str, object]:
    """What camera_params holds: matrices for rows, in the stage's unit."""
    view = (UP_DOWN @ camera(index + 1).world_to_camera[index]).T.copy()
    view[3, :3] /= metres_per_unit
    return {
        "cameraAperture": [20.955, 20.955 * HEIGHT / WIDTH],
        "cameraApertureOffset": [0.0, 0.0],
        "cameraFocalLength": 20.955 * camera(1).intrinsics[0, 0, 0] / WIDTH,
        "cameraModel": "pinhole",
        "cameraProjection": projection().T.ravel().tolist(),
        "cameraViewTransform": view.ravel().tolist(),
        "metersPerSceneUnit": metres_per_unit,
        "renderProductResolution": [WIDTH, HEIGHT],
    }


def replicator_colours(index: int) -> dict[int, tuple[int, int, int, int]]:
    """The colours of table, robot and background, which are chosen anew in every frame."""
    return {1: (140, 25, 255 - index, 255), 2: (140, 255, 25 + index, 255), 3: (0, 0, 0, 0)}


def replicator(
    folder: Path,
    count: int = FRAMES,
    *,
    instances: bool = False,
    ray: bool = False,
    folders: bool = False,
) -> Path:
    """Write BasicWriter's files; `folders` sorts them by annotator, as for a render product."""

    def path(kind: str, index: int, suffix: str, place: str = "") -> Path:
        inner = folder / (place or kind) if folders else folder
        inner.mkdir(parents=True, exist_ok=True)
        return inner / f"{kind}_{index:04d}.{suffix}"

    def write_json(kind: str, index: int, data: object, place: str = "") -> None:
        path(kind, index, "json", place).write_text(json.dumps(data), encoding="utf-8")

    for i in range(count):
        frame = scene(i)
        opaque = np.full((HEIGHT, WIDTH, 1), 255, np.uint8)
        write_image(path("rgb", i, "png"), np.concatenate([frame[Layer.RGB], opaque], -1))
        if ray:
            np.save(path("distance_to_camera", i, "npy"), along_ray(i).astype(np.float32))
        else:
            np.save(path("distance_to_image_plane", i, "npy"), frame[Layer.DEPTH])
        normals = np.concatenate([world_normals(i), np.zeros((HEIGHT, WIDTH, 1))], -1)
        write_image(path("normals", i, "png"), ((normals * 0.5 + 0.5) * 255).astype(np.uint8))
        write_json("camera_params", i, replicator_camera(i))
        colours = replicator_colours(i)
        table = np.zeros((4, 4), np.uint8)
        for number, colour in colours.items():
            table[number] = colour
        kind = "instance_segmentation" if instances else "semantic_segmentation"
        write_image(path(kind, i, "png"), table[frame[Layer.SEGMENTATION]])
        name_of = {number: NAMES[number] for number in (1, 2)} | {3: "BACKGROUND"}
        classes = {str(colours[n]): {"class": name} for n, name in name_of.items()}
        if instances:
            prims = {
                str(colours[n]): name if n == 3 else f"/World/{name}_01"
                for n, name in name_of.items()
            }
            write_json(f"{kind}_mapping", i, prims, kind)
            write_json(f"{kind}_semantics_mapping", i, classes, kind)
        else:
            write_json(f"{kind}_labels", i, classes, kind)
        np.save(path("bounding_box_2d_tight", i, "npy"), np.zeros(3))
    return folder


# --- Unity Perception --------------------------------------------------------------------------


def solo(folder: Path, count: int = FRAMES, *, strategy: str = "Range") -> Path:
    """Write one SOLO sequence: depth along the ray, or along the axis (`strategy` "Depth")."""
    place = folder / "sequence.0"
    place.mkdir(parents=True, exist_ok=True)
    turned, mirrored = np.diag([1.0, 1, -1]), np.diag([1.0, -1, 1])
    for i in range(count):
        frame, pose = scene(i), np.linalg.inv(camera(count).world_to_camera[i])
        w, x, y, z = quaternion(turned @ pose[:3, :3] @ mirrored)
        opaque = np.full((HEIGHT, WIDTH, 1), 255, np.uint8)
        names = {k: f"step{i}.camera{k}" for k in (".png", ".instance segmentation.png")}
        write_image(place / names[".png"], np.concatenate([frame[Layer.RGB], opaque], -1))
        colours = np.array([[0, 0, 0, 255], [255, i, 0, 255], [0, 74, 255 - i, 255]], np.uint8)
        ids = frame[Layer.SEGMENTATION] % 3  # the sky has no label
        write_image(place / names[".instance segmentation.png"], colours[ids])
        depth = along_ray(i) if strategy == "Range" else frame[Layer.DEPTH]
        plane = np.where(np.isfinite(depth), depth, 0).astype(np.float32)
        nothing = np.zeros_like(plane)
        write_exr(
            place / f"step{i}.camera.Depth.exr",
            {"R": plane, "G": nothing, "B": nothing, "A": nothing + 1},
        )
        kind = "type.unity.com/unity.solo."
        capture = {
            "@type": f"{kind}RGBCamera",
            "id": "camera",
            "position": (turned @ pose[:3, 3]).tolist(),
            "rotation": [x, y, z, w],
            "filename": names[".png"],
            "imageFormat": "Png",
            "dimension": [float(WIDTH), float(HEIGHT)],
            "projection": "Perspective",
            "matrix": projection()[:3, :3].ravel().tolist(),
            "annotations": [
                {
                    "@type": f"{kind}InstanceSegmentationAnnotation",
                    "filename": names[".instance segmentation.png"],
                    "instances": [
                        {"instanceId": k, "labelName": NAMES[k], "color": colours[k].tolist()}
                        for k in (1, 2)
                    ],
                },
                {
                    "@type": f"{kind}DepthAnnotation",
                    "measurementStrategy": strategy,
                    "filename": f"step{i}.camera.Depth.exr",
                },
            ],
        }
        data = {"frame": i, "sequence": 0, "step": i, "captures": [capture], "metrics": []}
        (place / f"step{i}.frame_data.json").write_text(json.dumps(data), encoding="utf-8")
    return folder


# --- Blender -----------------------------------------------------------------------------------


def cryptomatte(
    name: str, hashes: Mapping[str, int], ids: np.ndarray, letters: str
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The first rank of a Cryptomatte, and the attributes that name it; id 0 is nothing."""
    table = np.array([0, *hashes.values()], np.uint32)
    planes = [table[ids].view(np.float32), np.ones(ids.shape, np.float32)]
    planes += [np.zeros(ids.shape, np.float32)] * 2
    manifest = json.dumps({key: f"{code:08x}" for key, code in hashes.items()})
    attributes = {
        "cryptomatte/0a1b2c3/name": name,
        "cryptomatte/0a1b2c3/hash": "MurmurHash3_32",
        "cryptomatte/0a1b2c3/conversion": "uint32_to_float32",
        "cryptomatte/0a1b2c3/manifest": manifest,
    }
    return {f"{name}00.{c}": p for c, p in zip(letters, planes, strict=True)}, attributes


HASHES = {"robot": 0x3F9A0001, "sky": 0x4B000123, "table.001": 0x13851A76}


def blender_frame(index: int, count: int = FRAMES) -> dict[str, np.ndarray]:
    """The passes of Blender's view layer by the names of their channels."""
    frame = scene(index)
    depth = frame[Layer.DEPTH]
    normals = np.where(np.isfinite(depth)[..., None], world_normals(index, count), 0)
    motion = frame[Layer.FLOW]
    rgb, albedo = linear(frame[Layer.RGB]), linear(frame[Layer.ALBEDO])
    return {
        **{f"Combined.{c}": rgb[..., k] for k, c in enumerate("RGB")},
        "Combined.A": np.ones((HEIGHT, WIDTH), np.float32),
        **{f"DiffCol.{c}": albedo[..., k] for k, c in enumerate("RGB")},
        "Depth.Z": np.where(np.isfinite(depth), depth, np.float32(1e10)).astype(np.float32),
        **{f"Normal.{c}": normals[..., k].astype(np.float32) for k, c in enumerate("XYZ")},
        "IndexOB.X": frame[Layer.SEGMENTATION].astype(np.float32),
        "Vector.X": np.full((HEIGHT, WIDTH), 7, np.float32),
        "Vector.Y": np.full((HEIGHT, WIDTH), 9, np.float32),
        "Vector.Z": -motion[..., 0],
        "Vector.W": motion[..., 1],
        "Mist.Z": np.zeros((HEIGHT, WIDTH), np.float32),
    }


def blender_camera(folder: Path, count: int = FRAMES, first: int = 1) -> None:
    """Write camera.json, whose matrices lead from OpenGL's camera to the world."""
    poses = [np.linalg.inv(UP_DOWN @ m) for m in camera(count).world_to_camera]
    data = {
        "lens_mm": 36.0 * camera(1).intrinsics[0, 0, 0] / WIDTH,
        "sensor_width_mm": 36.0,
        "fps": 24,
        "frames": [
            {"frame": first + i, "matrix_world": pose.tolist()} for i, pose in enumerate(poses)
        ],
        "objects": {str(number): name for number, name in NAMES.items()},
    }
    (folder / "camera.json").write_text(json.dumps(data), encoding="utf-8")


def blender_multilayer(folder: Path, count: int = FRAMES, *, matte: bool = False) -> Path:
    """Write multi-layer EXR files from frame 1 on; `matte` adds a Cryptomatte of objects."""
    for i in range(count):
        channels = {f"ViewLayer.{name}": p for name, p in blender_frame(i, count).items()}
        attributes = {"BlenderMultiChannel": "Blender V2.55.1 and newer"}
        if matte:
            # Hashes in the order of the scene's ids: table, robot, sky.
            hashes = {name: HASHES[name] for name in ("table.001", "robot", "sky")}
            ids = scene(i)[Layer.SEGMENTATION]
            planes, named = cryptomatte("ViewLayer.CryptoObject", hashes, ids, "rgba")
            channels |= planes
            attributes |= named
        write_exr(folder / f"frame_{i + 1:04d}.exr", channels, **attributes)
    blender_camera(folder, count)
    return folder


def blender_file_output(folder: Path, count: int = FRAMES) -> Path:
    """Write what File Output nodes leave: a file for each socket."""
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        found, number = blender_frame(i, count), f"{i + 1:04d}"
        write_image(folder / f"Image{number}.png", scene(i)[Layer.RGB])
        write_exr(folder / f"Depth{number}.exr", {"V": found["Depth.Z"]})
        write_exr(folder / f"IndexOB{number}.exr", {"V": found["IndexOB.X"]})
        normals = {c: found[f"Normal.{c}"] for c in "XYZ"}
        write_exr(folder / f"Normal{number}.exr", normals)
        motion = dict(zip("RGBA", (found[f"Vector.{c}"] for c in "XYZW"), strict=True))
        write_exr(folder / f"Vector{number}.exr", motion)
    blender_camera(folder, count)
    return folder


# --- Kubric ------------------------------------------------------------------------------------

PALETTE = np.array([[0, 0, 0], [219, 94, 86], [86, 219, 127], [111, 86, 219]], np.uint8)


def kubric(folder: Path, count: int = FRAMES) -> Path:
    """Write a scene as Kubric's file_io does; instances are the scene's three ids."""
    folder.mkdir(parents=True, exist_ok=True)
    known = camera(count)
    flows = np.stack([scene(i)[Layer.FLOW] for i in range(count)])
    low, high = float(flows.min()), float(flows.max())
    for i in range(count):
        frame, number = scene(i), f"{i:05d}"
        opaque = np.full((HEIGHT, WIDTH, 1), 255, np.uint8)
        write_image(folder / f"rgba_{number}.png", np.concatenate([frame[Layer.RGB], opaque], -1))
        distance = along_ray(i)
        distance = np.where(np.isfinite(distance), distance, 1.2e10).astype(np.float32)
        good, data = cv2.imencode(".tiff", distance)
        assert good
        (folder / f"depth_{number}.tiff").write_bytes(data.tobytes())
        normals = np.rint((world_normals(i, count) + 1) * 65535 / 2).astype(np.uint16)
        write_image(folder / f"normal_{number}.png", normals)
        rows_first = np.concatenate(
            [frame[Layer.FLOW][..., ::-1], np.zeros((HEIGHT, WIDTH, 1))], -1
        )
        codes = np.rint((rows_first - low) * 65535 / (high - low)).clip(0, 65535)
        codes[..., 2] = 0
        write_image(folder / f"forward_flow_{number}.png", codes.astype(np.uint16))
        write_indexed_png(folder / f"segmentation_{number}.png", frame[Layer.SEGMENTATION], PALETTE)
        write_image(folder / f"object_coordinates_{number}.png", normals)
    poses = np.stack([np.linalg.inv(UP_DOWN @ m) for m in known.world_to_camera])
    data = {
        "metadata": {"frame_rate": 24, "num_frames": count, "resolution": [WIDTH, HEIGHT]},
        "camera": {
            "focal_length": 35.0,
            "sensor_width": 35.0 * WIDTH / known.intrinsics[0, 0, 0],
            "positions": poses[:, :3, 3].tolist(),
            "quaternions": [quaternion(pose[:3, :3]) for pose in poses],
        },
        "instances": [
            {
                "asset_id": name,
                "category": name.upper(),
                "positions": [[0.0, 0.0, 0.02 * i * number] for i in range(count)],
                "quaternions": [[1.0, 0.0, 0.0, 0.0]] * count,
            }
            for number, name in NAMES.items()
        ],
    }
    (folder / "metadata.json").write_text(json.dumps(data), encoding="utf-8")
    ranges = {"forward_flow": {"min": low, "max": high}}
    (folder / "data_ranges.json").write_text(json.dumps(ranges), encoding="utf-8")
    return folder


# --- Unreal ------------------------------------------------------------------------------------


def unreal_header(index: int, count: int = FRAMES) -> dict[str, str]:
    """The metadata of a frame: a left-handed world in centimetres, pitch, yaw and roll."""
    pose = np.linalg.inv(camera(count).world_to_camera[index])
    mirror = np.diag([1.0, -1, 1])
    to_opencv = np.array([[0.0, 1, 0], [0, 0, -1], [1, 0, 0]])
    rotation = mirror @ pose[:3, :3] @ to_opencv
    x, y, z = mirror @ pose[:3, 3] * 100
    pitch = np.degrees(np.arcsin(rotation[2, 0]))
    yaw = np.degrees(np.arctan2(rotation[1, 0], rotation[0, 0]))
    roll = np.degrees(np.arctan2(-rotation[2, 1], rotation[2, 2]))
    fov = 2 * np.degrees(np.arctan(WIDTH / 2 / camera(1).intrinsics[0, 0, 0]))
    values = {
        "curPos/x": x,
        "curPos/y": y,
        "curPos/z": z,
        "curRot/pitch": pitch,
        "curRot/yaw": yaw,
        "curRot/roll": roll,
        "FinalImage/fov": fov,
    }
    return {f"unreal/camera/{key}": f"{value:.9f}" for key, value in values.items()}


def unreal_passes(index: int, count: int = FRAMES) -> dict[str, dict[str, np.ndarray]]:
    """The channels R, G, B and A of every pass."""
    frame = scene(index)
    mirrored = world_normals(index, count) * np.float32([1, -1, 1])
    depth = frame[Layer.DEPTH] * 100
    depth = np.where(np.isfinite(depth), depth, 65504).astype(np.float32)
    normals = np.where((depth < 65504)[..., None], mirrored * 0.5 + 0.5, 0).astype(np.float32)
    stacks = {
        "FinalImage": linear(frame[Layer.RGB]),
        "FinalImageMovieRenderQueue_WorldDepth": depth[..., None].repeat(3, -1),
        "FinalImageMovieRenderQueue_WorldNormal": normals,
        "FinalImageBaseColor": linear(frame[Layer.ALBEDO]),
        "FinalImageMovieRenderQueue_MotionVectors": np.full((HEIGHT, WIDTH, 3), 0.5, np.float32),
    }
    alpha = np.ones((HEIGHT, WIDTH), np.float32)
    return {
        name: {**{c: stack[..., k] for k, c in enumerate("RGB")}, "A": alpha}
        for name, stack in stacks.items()
    }


def unreal(folder: Path, count: int = FRAMES, *, multilayer: bool = True) -> Path:
    """Write multi-layer EXR files with object ids, or a file for each pass (pictures as PNG)."""
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        passes, header = unreal_passes(i, count), unreal_header(i, count)
        if multilayer:
            channels = passes.pop("FinalImage")
            for name, planes in passes.items():
                channels |= {f"{name}.{c}": plane for c, plane in planes.items()}
            hashes = {name: HASHES[name] for name in ("table.001", "robot", "sky")}
            ids = scene(i)[Layer.SEGMENTATION]
            matte, named = cryptomatte("ActorHitProxyMask", hashes, ids, "RGBA")
            write_exr(folder / f"shot.{i:04d}.exr", {**channels, **matte}, **header, **named)
            continue
        passes.pop("FinalImage")
        write_image(folder / f"shot.FinalImage.{i:04d}.png", scene(i)[Layer.RGB])
        for name, planes in passes.items():
            write_exr(folder / f"shot.{name}.{i:04d}.exr", planes, **header)
    return folder
