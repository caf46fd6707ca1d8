"""Project and unproject depth: camera rays, points, normals, warping, the flow of rigid bodies.

Cameras are OpenCV's (x right, y down, z forward), pixel centres at +0.5, depth is z-depth.
"""

import cv2
import numpy as np
from jaxtyping import Bool, Float, Int

_STILL = 1e-9  # change of a pose from frame to frame below which a body stands still
_CURVATURE = 0.003  # relative second difference of inverse depth that counts as an edge


def pinhole(height: int, width: int, horizontal_fov: float) -> Float[np.ndarray, "3 3"]:
    """Return the intrinsics of a pinhole camera with a field of view in radians."""
    focal = width / (2 * np.tan(horizontal_fov / 2))
    return np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1.0]])


def rays(
    intrinsics: Float[np.ndarray, "3 3"], height: int, width: int
) -> Float[np.ndarray, "h w 3"]:
    """Compute the camera ray through every pixel centre, with z = 1."""
    u = (np.arange(width, dtype=np.float32) + 0.5 - np.float32(intrinsics[0, 2])) / np.float32(
        intrinsics[0, 0]
    )
    v = (np.arange(height, dtype=np.float32) + 0.5 - np.float32(intrinsics[1, 2])) / np.float32(
        intrinsics[1, 1]
    )
    out = np.ones((height, width, 3), dtype=np.float32)
    out[..., 0], out[..., 1] = u[None, :], v[:, None]
    return out


def unproject(
    depth: Float[np.ndarray, "h w"], intrinsics: Float[np.ndarray, "3 3"]
) -> Float[np.ndarray, "h w 3"]:
    """Unproject depth to the camera-space point of every pixel, in metres."""
    return rays(intrinsics, *depth.shape) * depth[..., None]


def normals_from_depth(
    depth: Float[np.ndarray, "h w"],
    intrinsics: Float[np.ndarray, "3 3"],
    ids: Int[np.ndarray, "h w"] | None = None,
) -> Float[np.ndarray, "h w 3"]:
    """Compute unit normals that face the camera from depth; (0, 0, -1) where nothing was hit.

    The inverse depth of a plane is linear in pixel coordinates: with slopes (a, b) the normal is
    proportional to (fx a, fy b, r - a (u - cx) - b (v - cy)), r the inverse depth. Slopes are
    differences over 1, 2 and 3 pixels to both sides, weighted by how straight each side is, so that
    normals do not mix surfaces across an edge and planes come out exact. Where `ids`
    change there is an edge.
    """
    from simlift.pixels.geometry import _geometry_kernels as kernels

    inverse = kernels.inverse_depth(np.ascontiguousarray(depth, dtype=np.float32))
    own = np.zeros(depth.shape, np.int32) if ids is None else ids.astype(np.int32)
    across = kernels.slopes(inverse, np.ascontiguousarray(own), _CURVATURE)
    down = kernels.slopes(cv2.transpose(inverse), cv2.transpose(own), _CURVATURE)
    k = intrinsics
    lens = float(k[0, 0]), float(k[1, 1]), float(k[0, 2]), float(k[1, 2])
    return np.asarray(kernels.facing(inverse, across, cv2.transpose(down), lens))


def discontinuities(
    depth: Float[np.ndarray, "h w"] | None,
    normals: Float[np.ndarray, "h w 3"] | None,
    ids: Int[np.ndarray, "h w"] | None,
    *,
    depth_step: float = 0.03,
    angle: float = 0.6,
) -> Bool[np.ndarray, "h w"]:
    """Mask geometric discontinuities: a relative depth step, a fold in radians, another id.

    A pixel is marked when it differs from its right or lower neighbour.
    """
    from simlift.pixels.geometry import _geometry_kernels as kernels

    shapes = [x.shape[:2] for x in (depth, normals, ids) if x is not None]
    out = np.zeros(shapes[0], dtype=bool)
    if depth is not None:
        with np.errstate(divide="ignore", invalid="ignore"):
            inverse = np.where(np.isfinite(depth) & (depth > 0), 1 / depth, 0)
        out |= kernels.steps(inverse.astype(np.float32), np.float32(depth_step))
    if normals is not None:
        out |= kernels.folds(np.asarray(normals, np.float32), np.float32(np.cos(angle)))
    if ids is not None:
        out[:, :-1] |= ids[:, :-1] != ids[:, 1:]
        out[:-1] |= ids[:-1] != ids[1:]
    return out


def rigid_flow(
    depth: Float[np.ndarray, "h w"],
    ids: Int[np.ndarray, "h w"] | None,
    intrinsics: tuple[np.ndarray, np.ndarray],
    world_to_camera: tuple[np.ndarray, np.ndarray],
    body_ids: Int[np.ndarray, "o"],
    body_poses: tuple[np.ndarray, np.ndarray],
) -> tuple[Float[np.ndarray, "h w 2"], Float[np.ndarray, "h w"]]:
    """Compute the forward flow in pixels of a scene of rigid bodies, and the depth it leads to.

    Each argument pair holds the values at t and t+1. Pixels whose id is no body stand still in the
    world. Sky turns with the camera. Flow is NaN where a point passes behind the camera.
    """
    height, width = depth.shape
    sky = ~np.isfinite(depth)
    here = unproject(np.where(sky, np.float32(1e4), depth), intrinsics[0])
    ahead = world_to_camera[1] @ np.linalg.inv(world_to_camera[0])
    moved = cv2.transform(here, ahead[:3].astype(np.float32))
    if ids is not None and len(body_ids):
        motions = np.einsum("oij,ojk->oik", body_poses[1], np.linalg.inv(body_poses[0]))
        for k in np.flatnonzero(np.abs(motions - np.eye(4)).max((1, 2)) > _STILL):
            mask = ids == body_ids[k]
            whole = world_to_camera[1] @ motions[k] @ np.linalg.inv(world_to_camera[0])
            moved[mask] = np.einsum("nk,jk->nj", here[mask], whole[:3, :3]) + whole[:3, 3]
    z = moved[..., 2]
    k1 = intrinsics[1]
    with np.errstate(divide="ignore", invalid="ignore"):
        u = moved[..., 0] / z * k1[0, 0] + k1[0, 2]
        v = moved[..., 1] / z * k1[1, 1] + k1[1, 2]
    x = np.arange(width, dtype=np.float32)[None] + 0.5
    y = np.arange(height, dtype=np.float32)[:, None] + 0.5
    flow = np.dstack([u - x, v - y]).astype(np.float32)
    flow[z <= 1e-6] = np.nan
    return flow, np.where(sky, np.inf, z).astype(np.float32)


def backward_warp(
    image: Float[np.ndarray, "h w *c"], flow: Float[np.ndarray, "h w 2"], *, nearest: bool = False
) -> Float[np.ndarray, "h w *c"]:
    """Warp `image` (at t+1) back to t along the flow of t; outside is 0."""
    height, width = flow.shape[:2]
    x = np.arange(width, dtype=np.float32)[None] + np.nan_to_num(flow[..., 0], nan=-1e6)
    y = np.arange(height, dtype=np.float32)[:, None] + np.nan_to_num(flow[..., 1], nan=-1e6)
    how = cv2.INTER_NEAREST if nearest else cv2.INTER_LINEAR
    return np.asarray(cv2.remap(image, x, y, how, borderMode=cv2.BORDER_CONSTANT, borderValue=0))


def lands_inside(flow: Float[np.ndarray, "h w 2"]) -> Bool[np.ndarray, "h w"]:
    """Mask pixels whose flow ends inside the next frame."""
    height, width = flow.shape[:2]
    with np.errstate(invalid="ignore"):
        x = np.arange(width, dtype=np.float32)[None] + flow[..., 0]
        y = np.arange(height, dtype=np.float32)[:, None] + flow[..., 1]
        return np.asarray((x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1))
