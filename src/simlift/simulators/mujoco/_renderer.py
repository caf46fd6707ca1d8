"""Render one frame's layers with MuJoCo: rgb, albedo, depth, segmentation, camera.

Colours are anti-aliased, and so mixed at edges; depth and ids must not be, so they come from a
second framebuffer that has one sample for each pixel, at its centre.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int32, UInt8

from simlift.simulators.mujoco._graphics import drawing
from simlift.simulators.mujoco._library import mujoco
from simlift.simulators.mujoco._segments import Segments
from simlift.simulators.recording import Frame

NUM_SAMPLES = 4
MAX_GEOMS = 20_000


@dataclass(frozen=True, eq=False)
class _Target:
    """An offscreen framebuffer with its OpenGL context."""

    gl: "mujoco.GLContext"
    context: "mujoco.MjrContext"
    rect: "mujoco.MjrRect"


@contextmanager
def _open_target(
    model: "mujoco.MjModel", *, height: int, width: int, num_samples: int
) -> Iterator[_Target]:
    model.vis.quality.offsamples = num_samples
    model.vis.global_.offheight, model.vis.global_.offwidth = height, width
    with drawing():
        gl = mujoco.GLContext(width, height)
        gl.make_current()
        context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, context)
    context.readDepthMap = mujoco.mjtDepthMap.mjDEPTH_ZEROFAR
    try:
        yield _Target(gl, context, mujoco.MjrRect(0, 0, width, height))
    finally:
        gl.make_current()
        context.free()
        gl.free()


@contextmanager
def open_renderer(
    model: "mujoco.MjModel", *, height: int, width: int, camera: "mujoco.MjvCamera"
) -> Iterator["Renderer"]:
    """Open both framebuffers; leaving the context frees them."""
    with ExitStack() as stack:
        smooth, exact = (
            stack.enter_context(
                _open_target(model, height=height, width=width, num_samples=num_samples)
            )
            for num_samples in (NUM_SAMPLES, 0)
        )
        option = mujoco.MjvOption()
        # Sites mark places for programs; a camera would not see them.
        option.sitegroup[:] = 0
        scene = mujoco.MjvScene(model, maxgeom=MAX_GEOMS)
        yield Renderer(model, camera, option, scene, smooth, exact)


def check_drawing() -> None:
    """Draw nothing once; RunError says why it fails. It takes a tenth of a second."""
    with drawing():
        context = mujoco.GLContext(1, 1)
        try:
            context.make_current()
            model = mujoco.MjModel.from_xml_string("<mujoco/>")
            mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100).free()
        finally:
            context.free()


@dataclass(frozen=True, eq=False)
class Renderer:
    """Renders the layers of one frame at a time; opened by `open_renderer`."""

    model: "mujoco.MjModel"
    camera: "mujoco.MjvCamera"
    option: "mujoco.MjvOption"
    scene: "mujoco.MjvScene"
    smooth: _Target
    exact: _Target

    def frame(self, data: "mujoco.MjData", segments: Segments) -> Frame:
        """Render every layer of the state that `data` holds."""
        self._update(data)
        rgb = self._draw_colour(self.smooth)
        segmentation, depth = self._ids_and_depth(segments)
        intrinsics, world_to_camera = self._pinhole()
        self._light_evenly()
        albedo = self._draw_colour(self.smooth)
        material = self._draw_material(segments) * (segmentation > 0)[..., None]
        return Frame(
            rgb=rgb,
            albedo=albedo,
            material=material,
            depth=depth,
            segmentation=segmentation,
            intrinsics=intrinsics,
            world_to_camera=world_to_camera,
            object_poses=segments.poses(data),
        )

    def colour(self, data: "mujoco.MjData") -> UInt8[np.ndarray, "h w 3"]:
        """Render the colour of the state alone."""
        self._update(data)
        return self._draw_colour(self.smooth)

    def _update(self, data: "mujoco.MjData") -> None:
        mujoco.mjv_updateScene(
            self.model, data, self.option, None, self.camera, mujoco.mjtCatBit.mjCAT_ALL, self.scene
        )
        for flag in (mujoco.mjtRndFlag.mjRND_SHADOW, mujoco.mjtRndFlag.mjRND_REFLECTION):
            self.scene.flags[flag] = True
        self._set_id_colours(False)

    def _set_id_colours(self, on: bool) -> None:
        self.scene.flags[mujoco.mjtRndFlag.mjRND_SEGMENT] = on
        self.scene.flags[mujoco.mjtRndFlag.mjRND_IDCOLOR] = on

    def _light_evenly(self) -> None:
        """Leave one light that is the same everywhere, so that colours are the surfaces' own."""
        for flag in (mujoco.mjtRndFlag.mjRND_SHADOW, mujoco.mjtRndFlag.mjRND_REFLECTION):
            self.scene.flags[flag] = False
        self.scene.nlight = 1
        light = self.scene.lights[0]
        light.headlight = True
        light.castshadow = False
        light.ambient[:], light.diffuse[:], light.specular[:] = 1.0, 0.0, 0.0
        for geom in self.scene.geoms[: self.scene.ngeom]:
            geom.emission = 0.0

    def _draw_material(self, segments: Segments) -> UInt8[np.ndarray, "h w 3"]:
        """Draw every geom in the colour of its roughness, metal and emission, lit evenly."""
        before = [(geom.matid, geom.rgba.copy()) for geom in self._geoms()]
        for geom in self._geoms():
            geom.matid = -1
            known = geom.objtype == mujoco.mjtObj.mjOBJ_GEOM
            # What is not a geom (a tendon, a skin) has no stated gloss: it is rough.
            geom.rgba[:3] = segments.materials[geom.objid] if known else (0.9, 0.0, 0.0)
        colours = self._draw_colour(self.exact)
        for geom, (matid, rgba) in zip(self._geoms(), before, strict=True):
            geom.matid = matid
            geom.rgba[:] = rgba
        return colours

    def _geoms(self) -> "list[mujoco.MjvGeom]":
        return list(self.scene.geoms[: self.scene.ngeom])

    def _draw_colour(self, target: _Target) -> UInt8[np.ndarray, "h w 3"]:
        """Draw with the sky behind everything that the id pass sees.

        MuJoCo draws the sky as a cube inside the frustum's far plane, whose faces would hide what
        stands further than far / sqrt(3), in colour but not in ids.
        """
        far = [float(eye.frustum_far) for eye in self.scene.camera]
        for eye, distance in zip(self.scene.camera, far, strict=True):
            eye.frustum_far = 1.75 * distance
        colours, _ = self._draw(target)
        for eye, distance in zip(self.scene.camera, far, strict=True):
            eye.frustum_far = distance
        return colours

    def _draw(
        self, target: _Target
    ) -> tuple[UInt8[np.ndarray, "h w 3"], Float32[np.ndarray, "h w"]]:
        """Return the framebuffer's colours and its depth, nearest 1 and farthest 0."""
        target.gl.make_current()
        colours = np.empty((target.rect.height, target.rect.width, 3), np.uint8)
        depth = np.empty((target.rect.height, target.rect.width), np.float32)
        mujoco.mjr_render(target.rect, self.scene, target.context)
        mujoco.mjr_readPixels(colours, depth, target.rect, target.context)
        return colours[::-1].copy(), depth[::-1]

    def _ids_and_depth(
        self, segments: Segments
    ) -> tuple[Int32[np.ndarray, "h w"], Float32[np.ndarray, "h w"]]:
        self._set_id_colours(True)
        colours, inverse = self._draw(self.exact)
        self._set_id_colours(False)
        drawn = colours.astype(np.int32) @ np.array([1, 1 << 8, 1 << 16], np.int32)
        ids = np.zeros(self.scene.ngeom + 1, np.int32)
        for geom in self.scene.geoms[: self.scene.ngeom]:
            if geom.segid < 0:
                continue
            if geom.objtype == mujoco.mjtObj.mjOBJ_GEOM:
                ids[geom.segid + 1] = segments.geom_ids[geom.objid]
            else:
                ids[geom.segid + 1] = segments.soft_ids.get((geom.objtype, geom.objid), 0)
        segmentation = ids[drawn]

        eye = self.scene.camera[0]
        near, far = float(eye.frustum_near), float(eye.frustum_far)
        metres = near * far / (near + inverse.astype(np.float64) * (far - near))
        depth = np.where(segmentation == 0, np.inf, metres).astype(np.float32)
        return segmentation, depth

    def _pinhole(self) -> tuple[Float[np.ndarray, "3 3"], Float[np.ndarray, "4 4"]]:
        """Return intrinsics and world_to_camera of the frustum that the scene is drawn through."""
        # MuJoCo keeps one camera for each eye and draws through their mean.
        left, right = self.scene.camera
        height, width = self.smooth.rect.height, self.smooth.rect.width
        top, bottom, near = left.frustum_top, left.frustum_bottom, left.frustum_near
        half_width = left.frustum_width or 0.5 * (top - bottom) * width / height
        centre = 0.5 * (left.frustum_center + right.frustum_center)
        intrinsics = np.array(
            [
                [
                    width * near / (2 * half_width),
                    0,
                    width * (half_width - centre) / 2 / half_width,
                ],
                [0, height * near / (top - bottom), height * top / (top - bottom)],
                [0, 0, 1],
            ],
            np.float64,
        )
        forward, up = np.float64(left.forward), np.float64(left.up)
        rotation = np.stack([np.cross(forward, up), -up, forward])
        position = 0.5 * (np.float64(left.pos) + np.float64(right.pos))
        world_to_camera = np.eye(4)
        world_to_camera[:3, :3] = rotation
        world_to_camera[:3, 3] = -rotation @ position
        return intrinsics, world_to_camera
