"""Draw what the policy sees: MuJoCo's picture, sampled finely and averaged to a small one."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import UInt8

from simlift.simulators.mujoco._episode import fixed_camera
from simlift.simulators.mujoco._library import mujoco

RENDERED = 192  # pixels a side of what is rendered, recorded and lifted
SEEN = 96  # pixels a side of what the policy sees

Picture = UInt8[np.ndarray, "h w 3"]


def shrink(image: Picture) -> Picture:
    """Average a rendered picture to what the policy sees."""
    return np.asarray(cv2.resize(image, (SEEN, SEEN), interpolation=cv2.INTER_AREA))


@dataclass(eq=False)
class SceneCamera:
    """A framebuffer and what it draws of a model; opened by `open_camera`."""

    model: "mujoco.MjModel"
    gl: "mujoco.GLContext"
    context: "mujoco.MjrContext"
    scene: "mujoco.MjvScene"
    option: "mujoco.MjvOption"
    view: "mujoco.MjvCamera"

    def picture(self, data: "mujoco.MjData") -> Picture:
        """Return the rendered picture at full size."""
        self.gl.make_current()
        every = mujoco.mjtCatBit.mjCAT_ALL
        mujoco.mjv_updateScene(self.model, data, self.option, None, self.view, every, self.scene)
        self.scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = True
        rect = mujoco.MjrRect(0, 0, RENDERED, RENDERED)
        mujoco.mjr_render(rect, self.scene, self.context)
        colours = np.empty((RENDERED, RENDERED, 3), np.uint8)
        mujoco.mjr_readPixels(colours, None, rect, self.context)
        return colours[::-1].copy()

    def upload_textures(self) -> None:
        """Show textures that changed in the model."""
        self.gl.make_current()
        for texture in range(self.model.ntex):
            mujoco.mjr_uploadTexture(self.model, self.context, texture)


@contextmanager
def open_camera(model: "mujoco.MjModel", name: str) -> Iterator[SceneCamera]:
    """Open a camera that the model names; it draws as the recorder does, 4 samples a pixel."""
    model.vis.quality.offsamples = 4
    model.vis.global_.offheight = model.vis.global_.offwidth = RENDERED
    gl = mujoco.GLContext(RENDERED, RENDERED)
    gl.make_current()
    context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100)
    mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, context)
    option = mujoco.MjvOption()
    option.sitegroup[:] = 0
    try:
        scene = mujoco.MjvScene(model, maxgeom=2000)
        yield SceneCamera(model, gl, context, scene, option, fixed_camera(model, name))
    finally:
        gl.make_current()
        context.free()
        gl.free()
