"""Read triangle meshes from STL and OBJ files.

STL has no standard; what every reader takes is read: 80 bytes, a count, 50 bytes for each triangle,
or the text form that begins with `solid`. OBJ is Wavefront's: `v` and `f` lines, indices from 1 on
or from the end below 0; polygons become fans. Units are the file's own.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from simlift.core.errors import InputError

_HEADER, _COUNTED = 80, 84
_TRIANGLE = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
_VERTEX = re.compile(rb"^[ \t]*vertex[ \t]+(\S+)[ \t]+(\S+)[ \t]+(\S+)[ \t]*\r?$", re.MULTILINE)
SUFFIXES = (".stl", ".obj")


@dataclass(frozen=True, eq=False)
class Mesh:
    """A triangle mesh: vertices [v 3] in metres in the axes of what bears it, and faces [f 3]."""

    vertices: Float[np.ndarray, "v 3"]
    faces: Int[np.ndarray, "f 3"]

    def moved(self, transform: Float[np.ndarray, "4 4"]) -> "Mesh":
        """Return the mesh under a transform."""
        return Mesh(self.vertices @ transform[:3, :3].T + transform[:3, 3], self.faces)

    def joined(self) -> "Mesh":
        """Return the mesh with one vertex for each place, and without triangles that are lines."""
        rows = np.ascontiguousarray(self.vertices + 0.0)  # of zeros with a sign, one
        keys = rows.view([("", rows.dtype)] * 3).ravel()
        _, first, place = np.unique(keys, return_index=True, return_inverse=True)
        faces = place.reshape(-1)[self.faces].astype(np.int32)
        whole = (faces != np.roll(faces, 1, axis=1)).all(axis=1)
        return Mesh(rows[first], faces[whole])


def read_mesh(file: Path) -> Mesh:
    """Read a .stl or .obj; InputError for other files, and for one that is cut short or empty."""
    suffix = file.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(
            file,
            f"is a mesh of the kind {suffix or 'without a suffix'}",
            allowed=" ".join(SUFFIXES),
            way_out="convert it, for example with Blender or assimp; or name a model whose meshes "
            "are of these kinds",
        )
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        raise InputError(file, "does not exist", way_out="check the mesh's path") from None
    except OSError as error:
        raise InputError(file, f"cannot be read: {error}") from error
    mesh = _stl(file, data) if suffix == ".stl" else _obj(file, data)
    if not len(mesh.faces):
        raise InputError(file, "holds no triangle", allowed="at least one")
    if not np.isfinite(mesh.vertices).all():
        raise InputError(file, "holds a vertex that is not finite")
    return mesh


def _stl(file: Path, data: bytes) -> Mesh:
    count = int.from_bytes(data[_HEADER:_COUNTED], "little") if len(data) >= _COUNTED else -1
    # Binary files may begin with `solid` too, so their length decides.
    if count >= 0 and len(data) == _COUNTED + count * _TRIANGLE.itemsize:
        corners = np.frombuffer(data, _TRIANGLE, count, _COUNTED)["corners"]
        return _soup(corners.reshape(-1, 3).astype(np.float64))
    if not data.lstrip()[:5].lower() == b"solid":
        raise InputError(
            file,
            f"is {len(data)} bytes long and says that it holds {max(count, 0)} triangles",
            allowed=f"{_COUNTED + max(count, 0) * _TRIANGLE.itemsize} bytes for these, or a text "
            "that begins with solid",
            way_out="copy or convert the file again",
        )
    if b"endsolid" not in data.lower():
        raise InputError(file, "ends before endsolid", way_out="copy the file again")
    found = _VERTEX.findall(data.lower())
    if len(found) != data.lower().count(b"vertex") or len(found) % 3:
        raise InputError(file, "holds a facet that is no triangle", allowed="vertex x y z, thrice")
    try:
        return _soup(np.array(found, dtype="S").reshape(-1, 3).astype(np.float64))
    except ValueError as error:
        raise InputError(file, f"holds a vertex that is none: {error}") from error


def _soup(corners: Float[np.ndarray, "v 3"]) -> Mesh:
    """Return the mesh of triangles [3 f 3] that are listed by their corners."""
    return Mesh(corners, np.arange(len(corners), dtype=np.int32).reshape(-1, 3))


def _obj(file: Path, data: bytes) -> Mesh:
    vertices: list[list[float]] = []
    faces: list[tuple[int, int, int]] = []
    text = data.decode("utf-8", errors="replace").replace("\\\n", " ")
    for number, line in enumerate(text.splitlines(), start=1):
        kind, *words = line.split("#", 1)[0].split() or [""]
        try:
            if kind == "v":
                x, y, z = words[:3]
                vertices.append([float(x), float(y), float(z)])
            elif kind == "f":
                at = [_index(word, len(vertices)) for word in words]
                if len(at) < 3:
                    raise ValueError("fewer than three corners")
                faces += [(at[0], at[k], at[k + 1]) for k in range(1, len(at) - 1)]
        except ValueError as error:
            raise InputError(
                file,
                f"line {number} is {line.strip()[:60]!r} ({error})",
                allowed="v x y z, or f with three corners or more that name vertices before it",
            ) from error
    return Mesh(
        np.array(vertices, np.float64).reshape(-1, 3), np.array(faces, np.int32).reshape(-1, 3)
    )


def _index(word: str, count: int) -> int:
    """Return which vertex a corner `v/vt/vn` names, counted from 0."""
    number = int(word.split("/", 1)[0])
    at = number - 1 if number > 0 else count + number
    if number == 0 or not 0 <= at < count:
        raise ValueError(f"vertex {number} of {count}")
    return at
