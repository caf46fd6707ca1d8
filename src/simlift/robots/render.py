"""Render the mask of a robot: its links' meshes, posed, through the camera of a frame."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int

from simlift.core.camera import Camera
from simlift.pixels.geometry.rasterise import rasterise
from simlift.robots.description import MeshKind, model_at
from simlift.robots.shapes import MeshFiles
from simlift.robots.tree import KinematicTree

ROBOT = 1
WORLD = "world"  # the root of every MJCF, and by custom that of a URDF whose robot is mounted


@dataclass(frozen=True, eq=False)
class LinkMeshes:
    """The meshes of a robot's links, one after the other; those of link k end at `ends[k]`.

    `vertices` [v 3] are in metres in the axes of their link; `files` are all they were read from.
    """

    links: tuple[str, ...]
    vertices: Float[np.ndarray, "v 3"]
    ends: Int[np.ndarray, "l"]
    faces: Int[np.ndarray, "f 3"]
    files: tuple[Path, ...]

    def posed(self, transforms: Float[np.ndarray, "l 4 4"]) -> Float[np.ndarray, "v 3"]:
        """Return the vertices under one transform for each link."""
        out = np.empty_like(self.vertices)
        start = 0
        for end, transform in zip(self.ends, transforms, strict=True):
            part = self.vertices[start:end]
            out[start:end] = part @ transform[:3, :3].T + transform[:3, 3]
            start = end
        return out


@dataclass(frozen=True)
class MeshSource:
    """Where the meshes of a robot are read from: a model, the kind of shapes, and `marks`.

    `marks` are links of the robot, such as its end effectors: an MJCF may hold a whole scene.
    """

    model: Path
    kind: MeshKind
    marks: tuple[str, ...]

    def load(self) -> LinkMeshes:
        """Read the meshes, once by a process as long as the model's file does not change."""
        return _load(self, self.model.stat().st_mtime_ns)


@lru_cache(maxsize=8)
def _load(source: MeshSource, _stamp: int) -> LinkMeshes:
    model = model_at(source.model)
    shapes = {"visual": model.visuals, "collision": model.collisions, "none": ()}[source.kind]
    wanted = robot_links(model.tree, source.marks)
    reader = MeshFiles(source.model)
    links, vertices, faces, ends = [], [np.zeros((0, 3))], [np.zeros((0, 3), np.int32)], []
    count = 0
    for link in wanted:
        meshes = [reader.mesh(shape).joined() for shape in shapes if shape.link == link]
        for mesh in meshes:
            vertices.append(mesh.vertices)
            faces.append((mesh.faces + count).astype(np.int32))
            count += len(mesh.vertices)
        if meshes:
            links.append(link)
            ends.append(count)
    return LinkMeshes(
        tuple(links),
        np.concatenate(vertices),
        np.array(ends, np.int64),
        np.concatenate(faces),
        tuple(sorted({*model.files, *reader.read})),
    )


def robot_links(tree: KinematicTree, marks: Sequence[str]) -> tuple[str, ...]:
    """Return the bodies of a robot: of a world those branches that bear one of `marks`.

    Where the root is no world, the whole tree is the robot. InputError for a mark that is no body.
    """
    if tree.root != WORLD:
        return tree.bodies
    parents = {joint.child: joint.parent for joint in tree.joints}

    def branch(link: str) -> str:
        while parents.get(link, WORLD) != WORLD:
            link = parents[link]
        return link

    branches = {branch(tree.chain(mark)[0]) for mark in marks} - {WORLD}
    return tuple(link for link in tree.bodies if branch(link) in branches)


def in_view(
    meshes: LinkMeshes,
    link_poses: Float[np.ndarray, "t l 4 4"],
    camera: Camera,
    size: tuple[int, int],
) -> Bool[np.ndarray, "t"]:
    """Return in which frames the robot may be seen: in others the boxes around its links are not.

    A box is out of view where all its corners lie beyond one side of the image, or behind.
    """
    starts = [0, *meshes.ends[:-1]]
    parts = [meshes.vertices[a:b] for a, b in zip(starts, meshes.ends, strict=True)]
    ends = np.stack([[part.min(0), part.max(0)] for part in parts])
    which = np.array(list(np.ndindex(2, 2, 2)))
    corners = np.ones((len(parts), 8, 4))
    corners[..., :3] = ends[:, which, np.arange(3)]
    seen = camera.world_to_camera[:, None] @ link_poses
    points = np.einsum("tlij,lkj->tlki", seen, corners)[..., :3]
    u, v, z = np.moveaxis(np.einsum("tij,tlkj->tlki", camera.intrinsics, points), -1, 0)
    height, width = size
    sides = np.stack([z <= 0, u < 0, v < 0, u > width * z, v > height * z])
    beyond = np.logical_and.reduce(sides, axis=-1).any(axis=0)
    return np.asarray(~beyond.all(axis=1))


def robot_ids(
    meshes: LinkMeshes,
    link_poses: Float[np.ndarray, "l 4 4"],
    intrinsics: Float[np.ndarray, "3 3"],
    world_to_camera: Float[np.ndarray, "4 4"],
    size: tuple[int, int],
) -> tuple[Int[np.ndarray, "h w"], Float[np.ndarray, "h w"]]:
    """Return ids, 1 where the robot is and 0 elsewhere, and its depth, +inf elsewhere.

    `link_poses` are link_to_world of `meshes.links`; `size` is (height, width).
    """
    vertices = meshes.posed(world_to_camera @ link_poses)
    face_ids = np.full(len(meshes.faces), ROBOT, np.int32)
    depth, ids = rasterise(vertices, meshes.faces, face_ids, intrinsics, size)
    return ids, depth


@dataclass(frozen=True, eq=False)
class RobotMaskStore:
    """Ids of a robot that are rendered when they are read: `number` where it is, 0 elsewhere.

    `link_poses` [t l 4 4] are link_to_world of the links of its meshes.
    """

    source: MeshSource
    files: tuple[Path, ...]
    link_poses: Float[np.ndarray, "t l 4 4"]
    camera: Camera
    height: int
    width: int
    number: int = ROBOT

    @property
    def num_frames(self) -> int:
        return len(self.link_poses)

    @contextmanager
    def open(self) -> Iterator["RobotMaskReader"]:
        """Load the meshes."""
        yield RobotMaskReader(self, self.source.load())


@dataclass(frozen=True, eq=False)
class RobotMaskReader:
    """Renders the mask of frames."""

    store: RobotMaskStore
    meshes: LinkMeshes

    def read(self, indices: Sequence[int]) -> Int[np.ndarray, "t h w"]:
        """Return int32 ids [t h w] of frames."""
        store, camera = self.store, self.store.camera
        size = store.height, store.width
        out = np.zeros((len(indices), *size), np.int32)
        for k, i in enumerate(indices):
            pose = camera.world_to_camera[i]
            lens = camera.intrinsics[i]
            out[k] = robot_ids(self.meshes, store.link_poses[i], lens, pose, size)[0]
        return out * np.int32(store.number)
