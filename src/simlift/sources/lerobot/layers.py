"""Say which features of pictures are layers of which camera: depth and ids beside colour.

A feature X_depth, X.depth or X_segmentation, X.segmentation belongs to the camera X. LeRobot codes
depth in 12 bits, evenly in the logarithm of depth plus a shift; info.json holds the parameters as
video.depth_min, video.depth_max, video.shift and video.use_log.

Source: lerobot/datasets/depth_utils.py and lerobot/configs/video.py (0.6), DepthEncoderConfig.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from simlift.core.layers import Array, Layer, Unit
from simlift.media.decodings import Ids
from simlift.media.geometry_decodings import CodedDepth, Measure, RelativeDepth, ScaledDepth
from simlift.sources.lerobot.info import CameraFeature, Info

_SUFFIX = re.compile(
    r"(?P<camera>.+)[._/](?:(?P<depth>depth)|segmentation|instance_segmentation|"
    r"semantic_segmentation|seg)"
)
_QUANTA = 4095  # the largest code of LeRobot's depth: DEPTH_QMAX
_MILLIMETRES = {"mm": 0.001, "m": 1.0}


@dataclass(frozen=True)
class FeatureLayer:
    """A feature that is a layer of a camera, and how it is read."""

    layer: Layer
    feature: CameraFeature
    pixels: str  # the pixel format of `VideoSection`
    decode: Callable[[Array], Array]
    unit: Unit
    note: str = ""


def camera_layers(info: Info, notes: list[str]) -> dict[str, tuple[FeatureLayer, ...]]:
    """Return the cameras with colour, and the further layers of each.

    What belongs to no camera, or cannot be read, is said in `notes`.
    """
    owners = {name: owner for name in info.pictures if (owner := _owner(name, info)) is not None}
    cameras = [
        name
        for name, kind in info.pictures.items()
        if name not in owners and not kind.depth and kind.channels in (3, 4)
    ]
    found: dict[str, list[FeatureLayer]] = {name: [] for name in cameras}
    for name, feature in info.pictures.items():
        if name in found:
            continue
        owner = owners.get(name)
        if owner not in found:
            notes.append(f"{name} is depth or gray that belongs to no camera by its name: left out")
            continue
        camera = info.pictures[owner]
        if (feature.height, feature.width) != (camera.height, camera.width):
            notes.append(
                f"{name} is {feature.width}x{feature.height}, {owner} "
                f"{camera.width}x{camera.height}: it is no layer of it"
            )
            continue
        layer = _depth(feature) if _is_depth(feature) else _ids(feature, notes)
        if layer is not None:
            found[owner].append(layer)
    return {name: tuple(layers) for name, layers in found.items()}


def _owner(name: str, info: Info) -> str | None:
    match = _SUFFIX.fullmatch(name)
    return match["camera"] if match and match["camera"] in info.pictures else None


def _is_depth(feature: CameraFeature) -> bool:
    match = _SUFFIX.fullmatch(feature.name)
    return feature.depth or bool(match and match["depth"])


def _depth(feature: CameraFeature) -> FeatureLayer:
    """Return how depth is read: in metres where the dataset says so, else relative."""
    unit = feature.info.get("depth_unit")
    if feature.kind == "image":
        scale = _MILLIMETRES.get(str(unit))
        if scale is not None:
            decode: Callable[[Array], Array] = ScaledDepth(scale, (0.0,))
            note = f"{feature.name}: {unit}, 0 where nothing was measured"
            return FeatureLayer(Layer.DEPTH, feature, "luma", decode, Unit.METRES, note)
        note = f"{feature.name} states no depth_unit: it is relative"
        return FeatureLayer(
            Layer.DEPTH, feature, "luma", RelativeDepth(False, 65535.0), Unit.RELATIVE, note
        )
    coding = _coding(feature)
    if coding is not None:
        note = (
            f"{feature.name} is coded from {coding.near:g} to {coding.far:g} m; what is nearer, "
            "farther or was not measured is read as nothing hit"
        )
        return FeatureLayer(Layer.DEPTH, feature, "luma", coding, Unit.METRES, note)
    full = _full(str(feature.info.get("video.pix_fmt") or ""))
    note = (
        f"{feature.name} does not state between which distances it is coded (video.depth_min, "
        "video.depth_max): it is relative, larger codes being taken for farther"
    )
    return FeatureLayer(
        Layer.DEPTH, feature, "luma", RelativeDepth(False, full), Unit.RELATIVE, note
    )


def _coding(feature: CameraFeature) -> CodedDepth | None:
    """Return how a depth video is coded; None where info.json does not state the distances."""
    words = ("depth_min", "depth_max", "shift")
    near, far, shift = (feature.info.get(f"video.{word}") for word in words)
    # lerobot itself takes its own default where the shift is not written.
    shift = 3.5 if shift is None else shift
    numbers = (near, far, shift)
    if not feature.depth or not all(isinstance(n, int | float) for n in numbers):
        return None
    low, high, more = (float(n) for n in numbers)  # type: ignore[arg-type]
    logarithmic = bool(feature.info.get("video.use_log", True))
    if not 0 <= low < high or (logarithmic and low + more <= 0):
        return None
    measure: Measure = "log" if logarithmic else "linear"
    return CodedDepth(measure, low, high, _QUANTA, (0, _QUANTA), more)


def _full(pixel_format: str) -> float:
    """Return the largest code of a pixel format such as gray12le."""
    match = re.search(r"(\d\d)(?:le|be)$", pixel_format)
    return float((1 << int(match[1])) - 1) if match else 255.0


def _ids(feature: CameraFeature, notes: list[str]) -> FeatureLayer | None:
    """Return how ids are read; None for colours that lossy coding has changed."""
    if feature.kind == "image" and feature.channels == 1:
        return FeatureLayer(Layer.SEGMENTATION, feature, "luma", Ids(), Unit.IDS)
    lossless = str(feature.info.get("video.codec")) == "ffv1"
    if feature.kind == "video" and lossless and feature.channels == 1:
        return FeatureLayer(Layer.SEGMENTATION, feature, "luma", Ids(), Unit.IDS)
    notes.append(
        f"{feature.name} holds ids as colours or in lossy coding, which changes them: left out; "
        "store them as gray PNG images, or FFV1"
    )
    return None
