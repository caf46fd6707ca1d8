"""Find the meshes and textures of a recorded MJCF again, on another machine than the one it names.

robosuite writes the model of every demonstration into its file (`model_file`) with the absolute
paths of the machine that recorded it. Each is looked for by its longest ending below an installed
robosuite, or below a folder that the user names. The XML comes from a file that anybody may have
written: nothing outside these folders is read, and only files of the kinds that MuJoCo draws.
"""

import importlib.util
import posixpath
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from simlift.core.errors import ClipError

# Suffixes by element: MuJoCo XML reference, asset/mesh, asset/texture, asset/hfield, asset/skin.
_KINDS: dict[str, frozenset[str]] = {
    "mesh": frozenset({".stl", ".obj", ".msh"}),
    "texture": frozenset({".png"}),
    "hfield": frozenset({".png", ".bin"}),
    "skin": frozenset({".skn"}),
}
_FOLDER_OF = {"mesh": "meshdir", "skin": "meshdir", "texture": "texturedir", "hfield": "meshdir"}
_BELOW = ("", "robosuite/models/assets", "models/assets", "assets")  # of what the user names
_SHOWN = 4


@dataclass(frozen=True, eq=False)
class PortableModel:
    """An MJCF whose files are named by keys of `assets`, which holds their bytes."""

    xml: str
    assets: dict[str, bytes]
    folders: tuple[Path, ...]  # below which they were found


def find_assets(xml: str, where: Path, stated: Path | None) -> PortableModel:
    """Return the model with the bytes of its files; ClipError lists the first that are missing.

    `where` is the file that holds the model. ClipError too for what a model must not ask of us:
    other files than meshes and textures, paths that lead out, includes, plugins.
    """
    root = _parsed(xml, where)
    roots = _roots(stated)
    compiler = root.find("compiler")
    folders = dict(compiler.attrib) if compiler is not None else {}
    assets: dict[str, bytes] = {}
    keys: dict[Path, str] = {}
    missing: list[str] = []
    for element in root.iter():
        for attribute in [name for name in element.attrib if name.startswith("file")]:
            named = element.attrib[attribute]
            wanted = _wanted(where, element.tag, named, folders)
            found = _found(where, wanted, roots)
            if found is None:
                missing.append(named)
                continue
            if found not in keys:
                keys[found] = f"asset_{len(keys)}{found.suffix.lower()}"
                assets[keys[found]] = found.read_bytes()
            if element.tag != "texture" and "name" not in element.attrib:
                element.set("name", PurePosixPath(named).stem)  # MuJoCo's rule, by the file's name
            element.set(attribute, keys[found])
    if missing:
        raise _missing(where, missing, roots, stated)
    if compiler is not None:
        for name in ("meshdir", "texturedir", "assetdir", "strippath"):
            compiler.attrib.pop(name, None)
    # The innermost root of each: a checkout holds its assets folder too.
    used = tuple(dict.fromkeys(_innermost(file, roots) for file in keys))
    return PortableModel(ET.tostring(root, encoding="unicode"), assets, used)


def _parsed(xml: str, where: Path) -> ET.Element:
    if "<!DOCTYPE" in xml or "<!ENTITY" in xml:
        raise ClipError(where, "its model declares entities", allowed="an MJCF without any")
    try:
        root = ET.fromstring(xml)
    except ET.ParseError as error:
        raise ClipError(where, f"its model is not XML ({error})", allowed="MJCF") from error
    if root.tag != "mujoco":
        raise ClipError(where, f"its model is a <{root.tag}>", allowed="MJCF, <mujoco>")
    for tag in ("include", "plugin", "extension"):
        if next(root.iter(tag), None) is not None:
            raise ClipError(
                where,
                f"its model has <{tag}>",
                allowed="one whole MJCF, as robosuite stores it, without plugins",
            )
    return root


def _roots(stated: Path | None) -> tuple[Path, ...]:
    """Return the folders in which assets are looked for."""
    if stated is not None:
        if not stated.is_dir():
            raise ClipError(
                stated, "is no folder", allowed="--assets: a robosuite checkout or its assets"
            )
        return tuple(p for below in _BELOW if (p := stated / below).is_dir())
    # The package is only located: importing it would run it.
    spec = importlib.util.find_spec("robosuite")
    places = list(spec.submodule_search_locations or ()) if spec is not None else []
    return tuple(p for place in places if (p := Path(place) / "models" / "assets").is_dir())


def _wanted(where: Path, tag: str, named: str, folders: dict[str, str]) -> tuple[str, ...]:
    """Return the parts of a file's path; ClipError where it may not be read at all."""
    suffixes = _KINDS.get(tag)
    plain = named.replace("\\", "/")
    if suffixes is None or PurePosixPath(plain).suffix.lower() not in suffixes:
        raise ClipError(
            where,
            f"its model reads {named!r} as a <{tag}>",
            allowed="; ".join(f"{tag}: {' '.join(sorted(s))}" for tag, s in _KINDS.items()),
        )
    if not _is_absolute(plain):
        folder = folders.get(_FOLDER_OF[tag], folders.get("assetdir", ""))
        plain = posixpath.join(folder.replace("\\", "/"), plain)
    parts = PurePosixPath(posixpath.normpath(plain)).parts
    if ".." in parts:
        raise ClipError(
            where,
            f"its model reads {named!r}, which leads out of its folder",
            allowed="files below the assets",
        )
    return tuple(part for part in parts if part != "/" and not part.endswith(":"))


def _is_absolute(name: str) -> bool:
    return name.startswith("/") or name[1:2] == ":"


def _found(where: Path, parts: Sequence[str], roots: Sequence[Path]) -> Path | None:
    """Return the file with the longest ending of a path that lies below a root.

    An ending has its folder at least: link0.stl alone may be the link of another robot.
    """
    shortest = min(2, len(parts))
    for length in range(len(parts), shortest - 1, -1):
        for root in roots:
            file = root.joinpath(*parts[-length:])
            if not file.is_file():
                continue
            resolved = file.resolve()
            if not resolved.is_relative_to(root.resolve()):
                raise ClipError(
                    where, f"its asset {file} is a link to {resolved}", allowed="files in place"
                )
            return resolved
    return None


def _innermost(file: Path, roots: Sequence[Path]) -> Path:
    return max((r for r in roots if file.is_relative_to(r.resolve())), key=lambda r: len(r.parts))


def _missing(
    where: Path, missing: Sequence[str], roots: Sequence[Path], stated: Path | None
) -> ClipError:
    names = sorted(set(missing))
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    looked = ", ".join(str(r) for r in roots) or (
        f"{stated}, which holds no assets" if stated else "no robosuite is installed"
    )
    return ClipError(
        where,
        f"{len(names)} meshes and textures of its model are not here: "
        f"{', '.join(names[:_SHOWN])}{more} (looked in: {looked})",
        allowed="the assets of the robosuite that recorded it",
        way_out="pip install robosuite --no-deps --target DIR (of the version that recorded it), "
        "then --assets DIR",
    )
