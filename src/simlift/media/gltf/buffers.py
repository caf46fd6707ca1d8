"""Read the arrays of a binary glTF 2.0 file: buffer views and accessors."""

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np

Entry = TypeVar("Entry")

_FLOAT = 5126
_KINDS = {5121: np.uint8, 5123: np.uint16, 5125: np.uint32, _FLOAT: np.float32}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}


class Unsupported(Exception):
    """A file is whole, and says something that is not read here."""


def item(entries: Sequence[Entry], index: object) -> Entry:
    """Return an entry of a table of the document; ValueError for a number that is none."""
    if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < len(entries):
        raise ValueError(f"{index!r} is no number below {len(entries)}")
    return entries[index]


class Buffers:
    """The binary buffer of a file, with the tables that describe it."""

    def __init__(self, document: dict[str, Any], data: bytes) -> None:
        self._data = data
        self._views = document.get("bufferViews", [])
        self._accessors = document.get("accessors", [])
        self._buffers = document.get("buffers", [])

    def view(self, index: object) -> bytes:
        """Return the bytes of a view."""
        view = item(self._views, index)
        if item(self._buffers, view["buffer"]).get("uri") is not None or view["buffer"] != 0:
            raise Unsupported("keeps numbers outside the file, in another buffer")
        start, length = view.get("byteOffset", 0), view["byteLength"]
        if start < 0 or length < 0 or start + length > len(self._data):
            raise ValueError(f"a view reaches to byte {start + length} of {len(self._data)}")
        return self._data[start : start + length]

    def vectors(self, index: object, width: int) -> np.ndarray:
        """Return float32 vectors [n width]; whole numbers are shares of their largest."""
        values = self._array(index, width)
        if values.dtype == np.float32:
            return values
        entry = item(self._accessors, index)
        if not entry.get("normalized") or width == 3:
            raise Unsupported("stores vectors as whole numbers")
        return (values / np.float32(np.iinfo(values.dtype).max)).astype(np.float32)

    def indices(self, index: object) -> np.ndarray:
        """Return the corners of faces, int32."""
        values = self._array(index, 1)[:, 0]
        if values.dtype == np.float32:
            raise ValueError("indices are no whole numbers")
        if len(values) and values.max() > np.iinfo(np.int32).max:
            raise ValueError(f"an index is {values.max()}")
        return values.astype(np.int32)

    def _array(self, index: object, width: int) -> np.ndarray:
        entry = item(self._accessors, index)
        if "sparse" in entry or "bufferView" not in entry:
            raise Unsupported("stores numbers as sparse changes")
        if entry["componentType"] not in _KINDS:
            raise Unsupported(f"stores numbers of the kind {entry['componentType']}")
        if _WIDTHS.get(entry["type"]) != width:
            raise ValueError(f"an accessor is of type {entry['type']}")
        kind = np.dtype(_KINDS[entry["componentType"]]).newbyteorder("<")
        raw = self.view(entry["bufferView"])
        start, count = entry.get("byteOffset", 0), entry["count"]
        stride = item(self._views, entry["bufferView"]).get("byteStride", kind.itemsize * width)
        if isinstance(count, bool) or not isinstance(count, int) or count < 0 or start < 0:
            raise ValueError(f"an accessor has {count!r} entries from byte {start}")
        if stride < kind.itemsize * width:
            raise ValueError(f"a view has a stride of {stride} bytes")
        if count and start + stride * (count - 1) + kind.itemsize * width > len(raw):
            raise ValueError(f"{count} entries do not fit into {len(raw)} bytes")
        if stride == kind.itemsize * width:
            return np.frombuffer(raw, kind, count * width, start).reshape(count, width)
        shape, steps = (count, width), (stride, kind.itemsize)
        return np.ndarray(shape, kind, raw, start, steps).copy()
