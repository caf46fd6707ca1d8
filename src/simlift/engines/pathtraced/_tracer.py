"""Path-trace scene geometry under an environment map with Mitsuba 3 -> radiance per pixel.

The estimator is Mitsuba 3's path tracer (next-event estimation, multiple importance sampling);
materials are its principled BSDF (Burley 2012) with a specular of 0.5, which is an F0 of 0.04.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float, Float32

from simlift.core.scene_geometry import Material, Part, SceneGeometry
from simlift.engines.pathtraced._mitsuba import mi
from simlift.pixels.colour.spaces import srgb_to_linear
from simlift.pixels.light.environment import Environment, equirectangular_directions

STATIC = 0  # the object that everything belongs to that never moves
_LAMP_WEIGHT = 0.25  # of a material that shines, in the choice of the next light; the sky has 1
_SKY = (1024, 2048)  # rows and columns of the map that lights the scene; the sun is 4 pixels wide


@dataclass(frozen=True, eq=False)
class Mesh:
    """Faces of one material that move together."""

    object: int
    material: int
    vertices: Float32[np.ndarray, "v 3"]
    normals: Float32[np.ndarray, "v 3"]
    uv: Float32[np.ndarray, "v 2"]
    faces: np.ndarray


@dataclass(frozen=True)
class View:
    """A pinhole, or a thin lens where `aperture` (its radius in metres) is above 0."""

    intrinsics: Float[np.ndarray, "3 3"]
    camera_to_world: Float[np.ndarray, "4 4"]
    height: int
    width: int
    aperture: float = 0.0
    focus: float = 1.0  # metres


class Tracer:
    """A scene on the renderer: pose it, then trace it."""

    def __init__(
        self,
        geometry: SceneGeometry,
        moving: frozenset[int],
        environment: Environment,
        axes: Float[np.ndarray, "3 3"],
        *,
        still: Mapping[int, Float[np.ndarray, "4 4"]],
        emission: float,
        bounces: int,
    ) -> None:
        """Load a scene; `still` are the poses of what never moves, `axes` turn world to map."""
        self.meshes = _merge(geometry, moving, still)
        scene: dict[str, Any] = {
            "type": "scene",
            "integrator": {"type": "path", "max_depth": bounces + 1},
            "sky": {
                "type": "envmap",
                "bitmap": mi.Bitmap(_with_suns(environment)),
                "to_world": mi.ScalarTransform4f(_map_to_world(axes)),
                "sampling_weight": 1.0,
            },
        }
        materials = [_bsdf(material) for material in geometry.materials]
        for index, mesh in enumerate(self.meshes):
            material = geometry.materials[mesh.material]
            scene[f"mesh_{index}"] = _mesh(
                index, mesh, materials[mesh.material], material, emission
            )
        self.scene = mi.load_dict(scene)
        self.parameters = mi.traverse(self.scene)

    def pose(self, poses: Mapping[int, Float[np.ndarray, "4 4"]]) -> None:
        """Move every moving object to its pose."""
        changed = False
        for index, mesh in enumerate(self.meshes):
            if mesh.object == STATIC:
                continue
            pose = poses[mesh.object]
            turn, place = pose[:3, :3].astype(np.float32), pose[:3, 3].astype(np.float32)
            self.parameters[f"mesh_{index}.vertex_positions"] = (
                np.einsum("vi,ji->vj", mesh.vertices, turn) + place
            ).ravel()
            self.parameters[f"mesh_{index}.vertex_normals"] = np.einsum(
                "vi,ji->vj", mesh.normals, turn
            ).ravel()
            changed = True
        if changed:
            self.parameters.update()

    def trace(self, view: View, samples: int, seed: int) -> Float32[np.ndarray, "h w 3"]:
        """Return radiance, averaged over `samples` paths for each pixel."""
        image = mi.render(self.scene, sensor=sensor_of(view), spp=samples, seed=mi.UInt32(seed))
        return np.array(image, dtype=np.float32)[..., :3]


def _merge(
    geometry: SceneGeometry, moving: frozenset[int], still: Mapping[int, np.ndarray]
) -> list[Mesh]:
    """Join parts of one material that move together; what never moves goes to world axes."""
    groups: dict[tuple[int, int], list[Part]] = {}
    for part in geometry.parts:
        owner = part.id if part.id in moving else STATIC
        placed = part.posed(still[part.id]) if owner == STATIC else part
        groups.setdefault((owner, part.material), []).append(placed)
    meshes = []
    for (owner, material), members in groups.items():
        starts = np.cumsum([0] + [len(p.vertices) for p in members[:-1]])
        meshes.append(
            Mesh(
                owner,
                material,
                np.concatenate([p.vertices for p in members]),
                np.concatenate([p.normals for p in members]),
                np.concatenate([p.uv for p in members]),
                np.concatenate([p.faces + k for p, k in zip(members, starts, strict=True)]),
            )
        )
    return meshes


def _bsdf(material: Material) -> Any:
    colour: dict[str, Any] = {"type": "rgb", "value": list(material.colour)}
    if material.texture is not None:
        linear = srgb_to_linear(material.texture.astype(np.float32) / 255)
        image = (linear * np.array(material.colour)).astype(np.float32)
        colour = {"type": "bitmap", "bitmap": mi.Bitmap(image), "raw": True}
    surface: dict[str, Any] = {
        "type": "principled",
        "base_color": colour,
        "roughness": max(material.roughness, 0.05),
        "metallic": material.metallic,
        "specular": 0.5,
    }
    # Simulators draw both sides of a face, or close their meshes so that it does not matter.
    both: dict[str, Any] = {"type": "twosided", "inner": surface}
    if material.opacity < 1:
        both = {"type": "mask", "opacity": material.opacity, "inner": both}
    return mi.load_dict(both)


def _mesh(index: int, mesh: Mesh, bsdf: Any, material: Material, emission: float) -> Any:
    properties = mi.Properties()
    properties["bsdf"] = bsdf
    if material.emission > 0:
        level = emission * material.lamp
        radiance = {"type": "rgb", "value": [float(c) * level for c in material.colour]}
        light = {"type": "area", "radiance": radiance, "sampling_weight": _LAMP_WEIGHT}
        properties["emitter"] = mi.load_dict(light)
    out = mi.Mesh(
        f"mesh_{index}", len(mesh.vertices), len(mesh.faces), has_vertex_normals=True,
        has_vertex_texcoords=True, props=properties,
    )  # fmt: skip
    parameters = mi.traverse(out)
    parameters["vertex_positions"] = mesh.vertices.ravel()
    parameters["vertex_normals"] = mesh.normals.ravel()
    parameters["vertex_texcoords"] = mesh.uv.ravel()
    parameters["faces"] = mesh.faces.astype(np.uint32).ravel()
    parameters.update()
    return out


def _with_suns(environment: Environment) -> Float32[np.ndarray, "h w 3"]:
    """Return the map with small suns painted back as discs of their irradiance."""
    height, width = _SKY
    radiance = cv2.resize(environment.radiance, (width, height), interpolation=cv2.INTER_LINEAR)
    for sun in environment.unpainted:
        way = equirectangular_directions(height, width)
        radius = max(sun.radius, 1.7 * np.pi / height)
        disc = np.einsum("hwk,k->hw", way, sun.direction) > np.cos(radius)
        solid = float((disc * np.sin((np.arange(height) + 0.5) / height * np.pi)[:, None]).sum())
        solid *= np.pi / height * 2 * np.pi / width
        radiance = radiance + disc[..., None] * (sun.irradiance / solid)
    return np.ascontiguousarray(radiance, dtype=np.float32)


def _map_to_world(axes: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "4 4"]:
    """Return Mitsuba's map axes to world axes.

    Both maps have +y up and run the same way round; Mitsuba's middle column is +z, ours -z.
    """
    pose = np.eye(4)
    pose[:3, :3] = axes.T @ np.diag([-1.0, 1.0, -1.0])
    return pose


def sensor_of(view: View) -> Any:
    """Return the renderer's camera: a box filter over a pixel, a thin lens where it is open."""
    k = view.intrinsics
    # Mitsuba's camera looks along +z with x to the left and y up.
    pose = view.camera_to_world @ np.diag([-1.0, -1.0, 1.0, 1.0])
    film: dict[str, Any] = {
        "type": "hdrfilm", "width": view.width, "height": view.height,
        "rfilter": {"type": "box"}, "pixel_format": "rgb",
    }  # fmt: skip
    lens: dict[str, Any] = {
        "fov_axis": "x",
        "near_clip": 1e-3,
        "far_clip": 1e5,
        "to_world": mi.ScalarTransform4f(pose),
        "film": film,
    }
    if view.aperture > 0:
        lens |= {"type": "thinlens", "aperture_radius": view.aperture, "focus_distance": view.focus}
        # A thin lens has its axis in the middle of its film: the image is a part of a larger one.
        film["width"], film["crop_offset_x"] = _around(k[0, 2], view.width)
        film["height"], film["crop_offset_y"] = _around(k[1, 2], view.height)
        film |= {"crop_width": view.width, "crop_height": view.height}
    else:
        lens |= {
            "type": "perspective",
            "principal_point_offset_x": float((view.width / 2 - k[0, 2]) / view.width),
            "principal_point_offset_y": float((view.height / 2 - k[1, 2]) / view.height),
        }
    lens["fov"] = float(np.degrees(2 * np.arctan(film["width"] / 2 / k[0, 0])))
    return mi.load_dict(lens)


def _around(centre: float, size: int) -> tuple[int, int]:
    """Return how large a film is whose middle is `centre` of a part of it, and the part's start.

    Both are whole, so the middle is met to a quarter of a pixel.
    """
    whole = max(round(2 * centre), 2 * size - round(2 * centre))
    return whole, 0 if 2 * centre > size else whole - size
