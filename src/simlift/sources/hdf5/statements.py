"""Read what a user, or a recorder, states beside an HDF5 file: NAME.hdf5.cameras.json.

    format       "simlift-cameras/1"
    quaternion   "wxyz" or "xyzw": the order of every quaternion here and in the file's `cameras`
                 and `robots`
    convention   the axes of the cameras: "opencv" (x right, y down, z forward), "opengl", ...
    fps          frames a second
    rows         "top-down" or "bottom-up": how pictures are stored
    depth        "metres" or "relative"
    robots       {name: {"joint_names": [...], "link_names": [...]}}
    demos        {episode: {"cameras": {camera: {"intrinsics" [t 3 3], "position" [t 3],
                 "quaternion" [t 4], "rotation" [t 3 3]}}, "robots": {name: {"joint_positions"
                 [t j], "link_positions" [t l 3], "link_quaternions" [t l 4]}}}}

Arrays of the demos may lie in the HDF5 file instead, in groups of the same names below the group of
each episode. Poses lead to the world, whose z points up, in metres; `rotation` is the quaternion as
a matrix, by which its order is checked. Nothing has a default but `convention`, which is OpenCV's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, get_args

from simlift.core.camera_conventions import TO_OPENCV
from simlift.core.errors import ClipError
from simlift.core.strict_json import read_json

FORMAT = "simlift-cameras/1"
Order = Literal["wxyz", "xyzw"]
_KEYS: Mapping[str, type | tuple[type, ...]] = {
    "format": str,
    "recorded_with": str,
    "quaternion": str,
    "convention": str,
    "fps": (int, float),
    "rows": str,
    "depth": str,
    "robots": dict,
    "demos": dict,
}
_WORDS = {
    "format": (FORMAT,),
    "quaternion": get_args(Order),
    "convention": tuple(TO_OPENCV),
    "rows": ("top-down", "bottom-up"),
    "depth": ("metres", "relative"),
}


@dataclass(frozen=True)
class Statements:
    """What is stated of a file; empty where there is no such file beside it."""

    file: Path
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def fps(self) -> Fraction | None:
        rate = self.data.get("fps")
        return None if rate is None else Fraction(rate).limit_denominator(1001)

    def word(self, key: str) -> str | None:
        """Return a stated word, or None."""
        return self.data.get(key)

    def of(self, demo: str) -> Mapping[str, Any]:
        """Return what is stated of an episode."""
        found = self.data.get("demos", {}).get(demo, {})
        return found if isinstance(found, dict) else {}


def statements_of(path: Path) -> Statements:
    """Read the file beside an HDF5 file; ClipError names the key that is not as it should be."""
    file = path.with_name(f"{path.name}.cameras.json")
    if not file.is_file():
        return Statements(file)
    data = read_json(file)
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        found = data.get("format") if isinstance(data, dict) else type(data).__name__
        raise ClipError(file, f"its format is {found!r}", allowed=f'"format": "{FORMAT}"')
    for key, value in data.items():
        if key not in _KEYS:
            raise ClipError(file, f"states {key!r}", allowed=", ".join(_KEYS))
        kind = _KEYS[key]
        words = _WORDS.get(key)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise ClipError(file, f"{key} is {value!r}"[:120], allowed=_kind_words(kind))
        if words is not None and value not in words:
            raise ClipError(file, f"{key} is {value!r}", allowed=" or ".join(words))
    if "fps" in data and not 0 < data["fps"] < 10_000:
        raise ClipError(file, f"fps is {data['fps']}", allowed="frames a second, above 0")
    _check_tree(file, data.get("robots", {}), 2, "robots")
    _check_tree(file, data.get("demos", {}), 4, "demos")
    for demo, stated in data.get("demos", {}).items():
        if stray := set(stated) - {"cameras", "robots"}:
            where = f"demos.{demo}"
            raise ClipError(file, f"{where} states {sorted(stray)[0]!r}", allowed="cameras, robots")
    return Statements(file, data)


def _check_tree(file: Path, data: Any, depth: int, where: str) -> None:
    """Raise ClipError where what should be objects in objects is something else."""
    if not isinstance(data, dict):
        raise ClipError(file, f"{where} is {data!r}"[:120], allowed="an object")
    if depth > 1:
        for name, inner in data.items():
            _check_tree(file, inner, depth - 1, f"{where}.{name}")


def _kind_words(kind: type | tuple[type, ...]) -> str:
    return "a word" if kind is str else "an object" if kind is dict else "a number"
