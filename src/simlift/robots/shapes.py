"""Make the meshes of a robot's links from what its model shows: files found, primitives built."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

import numpy as np

from simlift.core.errors import InputError
from simlift.pixels.geometry.primitives import primitive
from simlift.robots.meshes import SUFFIXES, Mesh, read_mesh
from simlift.robots.urdf import Visual

_OTHERWISE = (
    'say "meshes": "collision" in the robot\'s description, if those are there, or "meshes": "none"'
)
_PACKAGES = ("package://", "model://")


@dataclass(frozen=True)
class MeshFiles:
    """Reads the meshes that a model names, each once; `read` maps the files read so far."""

    model: Path
    read: dict[Path, Mesh] = field(default_factory=dict)

    def mesh(self, visual: Visual) -> Mesh:
        """Return what a link shows as a mesh in the axes of the link, in metres."""
        if visual.mesh is not None:
            return visual.mesh.moved(visual.origin)
        if visual.kind == "mesh":
            file = find_mesh(self.model, visual.link, visual.file)
            if file not in self.read:
                self.read[file] = read_mesh(file)
            found = self.read[file]
            return Mesh(found.vertices * visual.size, found.faces).moved(visual.origin)
        return _primitive(visual).moved(visual.origin)


def find_mesh(model: Path, link: str, named: str) -> Path:
    """Return the file of a mesh that a model names; InputError where it is not found.

    A relative path begins at the model's folder; `package://pkg/path` lies in a folder `pkg` around
    the model, or, where that was renamed, at `path` in a folder around it. Relative paths that the
    model's folder lacks are sought in the folders around it too.
    """
    if Path(named).suffix.lower() not in SUFFIXES:
        raise InputError(
            model,
            f"link {link!r} names the mesh {named!r}",
            allowed=" ".join(SUFFIXES),
            way_out=f"convert it, or name another model; or {_OTHERWISE}",
        )
    tried = []
    for candidate in _candidates(model, named):
        if candidate.is_file():
            return candidate
        tried.append(candidate)
    raise InputError(
        model,
        f"link {link!r} names the mesh {named!r}, which is not there",
        allowed=f"a file such as {tried[0]}" if tried else "a path on this machine",
        way_out=f"copy the meshes beside the model; or {_OTHERWISE}",
    )


def _candidates(model: Path, named: str) -> Iterator[Path]:
    folders = (model.parent, *model.resolve().parent.parents)
    for scheme in _PACKAGES:
        if named.startswith(scheme):
            package, _, tail = unquote(named.removeprefix(scheme)).partition("/")
            yield from (folder / package / tail for folder in folders)
            yield from (folder / tail for folder in folders)
            return
    if named.startswith("file:"):
        named = unquote(named.removeprefix("file:"))
        named = "/" + named.lstrip("/") if named.startswith("/") else named
    if "://" in named or not named:
        return
    if Path(named).is_absolute():
        yield Path(named)
        return
    yield from (folder / named for folder in folders)


def _primitive(visual: Visual) -> Mesh:
    """Return a primitive of URDF, whose sizes are whole where `primitive` takes halves."""
    if visual.kind == "cylinder":
        size = (visual.size[0], visual.size[1] / 2, 0.0)
    elif visual.kind == "box":
        size = (visual.size[0] / 2, visual.size[1] / 2, visual.size[2] / 2)
    else:
        size = (visual.size[0], 0.0, 0.0)
    found = primitive(visual.kind, np.array(size))
    if found is None:
        raise ValueError(f"no mesh is known of a {visual.kind}")
    return Mesh(found.vertices, found.faces.astype(np.int32))
