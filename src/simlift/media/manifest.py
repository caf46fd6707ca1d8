"""Define `clip.json`, the manifest of a native clip folder: its files and how to read them.

Every convention in which engines write their layers can be stated here, once. Unknown keys, wrong
types and statements that do not belong to a layer are errors.
"""

import json
from dataclasses import MISSING, dataclass, field, fields
from fractions import Fraction
from typing import Literal

from simlift.core.camera_conventions import Convention, Direction, Up
from simlift.core.clip import Label
from simlift.core.errors import RecipeError
from simlift.core.layers import Layer
from simlift.core.strict_json import encode
from simlift.media.geometry_decodings import Axes, Measure

# Which keys of a layer's entry say something about which layer; the others belong to every layer.
_BELONGS: dict[str, frozenset[str]] = {
    "metres_per_unit": frozenset({"depth"}),
    "sky": frozenset({"depth"}),
    "measure": frozenset({"depth"}),
    "near": frozenset({"depth"}),
    "far": frozenset({"depth"}),
    "axes": frozenset({"normals", "flow"}),
    "range": frozenset({"normals"}),
    "encoding": frozenset({"segmentation"}),
    "colours": frozenset({"segmentation"}),
    "tolerance": frozenset({"segmentation"}),
    "transfer": frozenset({"rgb", "albedo", "twin"}),
    "matrix": frozenset({"rgb", "albedo", "twin"}),
    "pixels_per_unit": frozenset({"flow"}),
    "zero": frozenset({"flow"}),
}


@dataclass(frozen=True)
class NativeLayer:
    """One layer: where it lies, and in which convention it was written.

    file: a video; a pattern of numbered files such as rgb/%06d.png; one array of all frames (.npy,
        .npz); or the list of the files of all frames.
    channel: a channel or layer of a multi-layer EXR ("ViewLayer.Depth.Z"), an array of an .npz, or,
        for ids in colour images, the channels that hold the number, lowest byte first ("r", "gb").
    number_offset: what a file's number is above the number of its frame.
    rows: whether the first row is the top one.
    metres_per_unit, sky, measure, near, far: depth. metres = number * metres_per_unit for z (along
        the optical axis) and ray (from the camera's centre); metres = metres_per_unit / number for
        inverse. With near and far, numbers from 0 to 1 (or to the largest whole number) lie between
        these distances: 0 is near for z-buffer, linear and log, far for inverse and "reversed ...".
        Numbers of 8 bits and of lossy video are smoothed along surfaces, guided by ids.
        sky: the number, or numbers, where nothing was hit.
    axes: normals in the axes of which camera, or of the world; flow whose second number leads up is
        "opengl". range: "0..1" for floats whose middle is 0.
    encoding: ids as values, as the indices of a palette, or as colours that `colours` names
        ("#8c19ff": 1); a pixel farther than `tolerance` codes from every named colour is an error.
    transfer: srgb, or linear light with 1 for white. matrix: of video that does not say its own.
    pixels_per_unit, zero: flow in pixels = (number - zero) * pixels_per_unit, for right and down.
    """

    file: str | tuple[str, ...]
    channel: str = ""
    number_offset: int = 0
    rows: Literal["top-down", "bottom-up"] = "top-down"
    metres_per_unit: float | None = None
    sky: float | tuple[float, ...] | None = None
    measure: Measure = "z"
    near: float | None = None
    far: float | None = None
    axes: Axes | None = None
    range: Literal["-1..1", "0..1"] = "-1..1"
    encoding: Literal["values", "palette", "colours"] = "values"
    colours: dict[str, int] = field(default_factory=dict)
    tolerance: int = 0
    transfer: Literal["srgb", "linear"] = "srgb"
    matrix: Literal["bt601", "bt709", "bt2020"] | None = None
    pixels_per_unit: tuple[float, float] = (1.0, 1.0)
    zero: float = 0.0
    unit: Literal[
        "sRGB",
        "metres",
        "relative",
        "camera-space unit vector",
        "ids",
        "pixels",
        "shares of 255",
        "",
    ] = ""
    note: str = ""  # where the layer comes from, such as the model that estimated it

    def __post_init__(self) -> None:
        for bound in ("near", "far", "metres_per_unit"):
            value = getattr(self, bound)
            if value is not None and value <= 0:
                raise RecipeError(
                    bound, f"found {value}", allowed="metres above 0; or unit: relative"
                )
        if self.near is not None and self.far is not None and self.near >= self.far:
            raise RecipeError("near, far", f"found {self.near}, {self.far}", allowed="near < far")
        if self.measure not in ("z", "ray", "inverse") and self.near is None:
            raise RecipeError("measure", f"is {self.measure} without near", allowed="near and far")
        if (self.near is not None or self.far is not None) and self.measure in ("z", "ray"):
            raise RecipeError(
                "near, far",
                f"are stated for the measure {self.measure}",
                allowed="inverse, z-buffer, linear, log, or these reversed",
            )
        if self.far is None and self.near is not None and self.measure != "reversed z-buffer":
            raise RecipeError("far", "is missing", allowed="the distance that belongs to near")
        if (self.encoding == "colours") != bool(self.colours):
            raise RecipeError(
                "encoding",
                f"is {self.encoding} with {len(self.colours)} named colours",
                allowed='encoding "colours" with colours such as {"#8c19ff": 1}',
            )
        for colour in self.colours:
            colour_of(colour)

    def check_layer(self, layer: Layer) -> None:
        """Raise RecipeError where a key says something that the layer does not have."""
        for key in fields(self):
            if layer.value in _BELONGS.get(key.name, frozenset({layer.value})):
                continue
            default = key.default if key.name != "colours" else {}
            if getattr(self, key.name) != default:
                raise RecipeError(
                    f"layers.{layer.value}",
                    f"has {key.name}",
                    allowed=f"on {' and '.join(sorted(_BELONGS[key.name]))} alone",
                )

    @property
    def nothing(self) -> tuple[float, ...]:
        """The numbers where nothing was hit."""
        if self.sky is None:
            return ()
        return self.sky if isinstance(self.sky, tuple) else (self.sky,)


@dataclass(frozen=True)
class NativeCamera:
    """A camera in another form than camera.npz of OpenCV's: its file, its convention, its lens.

    file: .npz, .json or .csv of all frames, or a pattern of a .json for each; without one, the
        camera stands still at the origin. keys: what the file calls frames, pose, view, projection,
        intrinsics, fov, fov_down, focal_length, sensor_width, position, quaternion, rotator.
    direction: what a pose matrix leads from and to. quaternion: the order of its numbers.
    matrices: whether a list of 16 numbers holds rows or columns. fov, fov_down: degrees across or
        down. focal_length, sensor_width: in one unit, such as millimetres.
    """

    file: str = ""
    convention: Convention = "opencv"
    direction: Direction = "world_to_camera"
    matrices: Literal["rows", "columns"] = "rows"
    quaternion: Literal["wxyz", "xyzw"] = "wxyz"
    metres_per_unit: float | None = None
    up: Up | None = None
    keys: dict[str, str] = field(default_factory=dict)
    fov: float | None = None
    fov_down: float | None = None
    focal_length: float | None = None
    sensor_width: float | None = None
    projection: Literal["perspective", "orthographic"] = "perspective"

    def __post_init__(self) -> None:
        if self.projection == "orthographic":
            raise RecipeError(
                "projection",
                "found 'orthographic'",
                allowed="perspective: depth, light and motion are computed for a pinhole",
                way_out="render with a perspective camera, far away and narrow if need be",
            )
        if (self.focal_length is None) != (self.sensor_width is None):
            raise RecipeError(
                "focal_length, sensor_width",
                f"found {self.focal_length}, {self.sensor_width}",
                allowed="both or neither",
            )
        unknown = set(self.keys) - CAMERA_KEYS
        if unknown:
            raise RecipeError(
                "keys",
                f"found {', '.join(sorted(unknown))}",
                allowed=", ".join(sorted(CAMERA_KEYS)),
            )


CAMERA_KEYS = frozenset(
    "frames pose view projection intrinsics fov fov_down focal_length sensor_width position "
    "quaternion rotator".split()
)


@dataclass(frozen=True)
class NativeManifest:
    """All that `clip.json` may hold.

    frames: the numbers of the frames in the patterns' files, in order; without it, those that exist
    for rgb, which may not have gaps.
    """

    format: Literal["simlift-clip/1"]
    name: str
    fps: Fraction
    num_frames: int
    height: int
    width: int
    layers: dict[str, NativeLayer]
    frames: tuple[int, ...] | None = None
    caption: str = ""
    labels: dict[str, Label] = field(default_factory=dict)
    camera: str | NativeCamera | None = None
    objects: str | None = None
    robot: str | None = None
    actions: str | None = None
    scene: str | None = None

    def __post_init__(self) -> None:
        if self.num_frames < 1:
            raise RecipeError("num_frames", f"found {self.num_frames}", allowed="at least 1")
        if self.height < 1 or self.width < 1:
            raise RecipeError(
                "height, width", f"found {self.height}, {self.width}", allowed="at least 1"
            )
        if self.fps <= 0:
            raise RecipeError("fps", f"found {self.fps}", allowed="a rate above 0")
        if self.frames is not None and len(self.frames) != self.num_frames:
            raise RecipeError(
                "frames", f"holds {len(self.frames)}", allowed=f"num_frames ({self.num_frames})"
            )
        names = {layer.value for layer in Layer}
        if unknown := set(self.layers) - names:
            raise RecipeError(
                "layers", f"found {', '.join(sorted(unknown))}", allowed=", ".join(sorted(names))
            )
        for name, entry in self.layers.items():
            entry.check_layer(Layer(name))
        for key in self.labels:
            if not key.isdigit():
                raise RecipeError("labels", f"found the key {key!r}", allowed="whole numbers")


def manifest_text(manifest: NativeManifest) -> str:
    """Return the manifest as JSON, without what stands at its default in layers and camera."""
    data = encode(manifest)
    data["layers"] = {name: _stated(entry) for name, entry in manifest.layers.items()}
    if isinstance(manifest.camera, NativeCamera):
        data["camera"] = _stated(manifest.camera)
    if manifest.frames is None:
        del data["frames"]
    return json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _stated(value: NativeLayer | NativeCamera) -> dict[str, object]:
    kept = {}
    for key in fields(value):
        default = key.default if key.default is not MISSING else None
        if key.default_factory is not MISSING:
            default = key.default_factory()
        if getattr(value, key.name) != default:
            kept[key.name] = encode(getattr(value, key.name))
    return kept


def colour_of(text: str) -> tuple[int, int, int]:
    """Return the red, green and blue of a text such as "#8c19ff"."""
    try:
        if len(text) != 7 or text[0] != "#":
            raise ValueError
        return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)
    except ValueError:
        raise RecipeError("colours", f"found {text!r}", allowed='such as "#8c19ff"') from None
