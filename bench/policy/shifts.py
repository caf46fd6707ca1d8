"""Change how the scene looks: what the tests show and no training frame does.

A shift is drawn by a seed and set in the MuJoCo model, so every picture is MuJoCo's own. Poses and
physics stay as they are.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache

import cv2
import numpy as np

from simlift.simulators.building import _textures as textures
from simlift.simulators.building._textures import Image
from simlift.simulators.mujoco._library import mujoco

_FIELDS = ("mat_rgba", "mat_specular", "light_dir", "light_pos", "light_diffuse",
           "light_specular", "tex_data", "body_pos")  # fmt: skip


@dataclass(frozen=True)
class Parts:
    """What a model calls what a shift changes: materials, lights, bodies."""

    table: tuple[str, ...]
    room: tuple[str, ...]
    cube: str
    shell: tuple[str, ...]  # of the robot
    lamp: int
    fill: int | None
    centre: tuple[float, float, float]  # what lights turn about, in the model's frame
    bystanders: Mapping[str, str] = field(default_factory=dict)  # material -> body


@dataclass(eq=False)
class Appearance:
    """A model's appearance: remembers the plain one, and sets others."""

    model: "mujoco.MjModel"
    parts: Parts
    _plain: dict[str, np.ndarray] = field(init=False)
    _headlight: tuple[np.ndarray, np.ndarray] = field(init=False)

    def __post_init__(self) -> None:
        self._plain = {name: getattr(self.model, name).copy() for name in _FIELDS}
        head = self.model.vis.headlight
        self._headlight = head.ambient.copy(), head.diffuse.copy()

    def restore(self) -> None:
        """Set the plain appearance."""
        for name, values in self._plain.items():
            getattr(self.model, name)[:] = values
        head = self.model.vis.headlight
        head.ambient[:], head.diffuse[:] = self._headlight

    def shift(self, name: str, seed: int) -> None:
        """Set a shift's appearance of a seed; "none" is the plain one."""
        self.restore()
        for k, part in enumerate(SHIFTS[name]):
            part(self.model, self.parts, np.random.default_rng((seed, k)))


def _light(model: "mujoco.MjModel", parts: Parts, rng: np.random.Generator) -> None:
    """Turn both lights anywhere above the table; change intensity and colour of all."""
    head = model.vis.headlight
    head.ambient[:] *= rng.uniform(0.35, 1.4) * _tint(rng, 0.15)
    head.diffuse[:] *= rng.uniform(0.2, 1.5)
    for light, low, high in ((parts.lamp, 0.4, 1.5), (parts.fill, 0.0, 2.5)):
        if light is None:
            continue
        azimuth, elevation = rng.uniform(-np.pi, np.pi), np.deg2rad(rng.uniform(25, 80))
        flat = np.cos(elevation)
        towards = np.array([flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation)])
        model.light_dir[light] = -towards
        model.light_pos[light] = np.array(parts.centre) + 1.6 * towards
        model.light_diffuse[light] *= rng.uniform(low, high) * _tint(rng, 0.3)


def _tint(rng: np.random.Generator, most: float) -> np.ndarray:
    """Draw the colour of a light, of mean 1, from amber to blue with some green or magenta."""
    warm, green = rng.uniform(-most, most), rng.uniform(-most, most) / 3
    tint = np.array([1 + warm, 1 + green, 1 - warm])
    return tint / tint.mean()


def _colours(model: "mujoco.MjModel", parts: Parts, rng: np.random.Generator) -> None:
    """Repaint cube, robot, table and mat."""
    cube = model.material(parts.cube).id
    if _texture_of(model, cube) >= 0:
        _print(model, parts.cube, np.full((8, 8, 3), 255, np.uint8))
    model.mat_rgba[cube, :3] = _vivid(rng)
    paint = rng.uniform(0.25, 0.95) * (0.6 + 0.4 * _vivid(rng))
    for name in parts.shell:
        model.mat_rgba[model.material(name).id, :3] = paint
    for name in parts.table:
        model.mat_rgba[model.material(name).id, :3] = rng.uniform(0.35, 1.0, 3)


def _vivid(rng: np.random.Generator) -> np.ndarray:
    """Draw a saturated colour of any hue."""
    hue, strength, value = rng.uniform(0, 6), rng.uniform(0.6, 0.95), rng.uniform(0.5, 0.95)
    pure = np.clip(np.abs((hue + np.array([0.0, 4.0, 2.0])) % 6 - 3) - 1, 0, 1)
    return value * (1 - strength * (1 - pure))


def _background(model: "mujoco.MjModel", parts: Parts, rng: np.random.Generator) -> None:
    """Paper the walls, lay another floor, and move and repaint what stands around."""
    for name in parts.room:
        _print(model, name, _texture(rng))
    for material, body in parts.bystanders.items():
        model.mat_rgba[model.material(material).id, :3] = _vivid(rng)
        angle, distance = rng.uniform(0.28 * np.pi, 1.72 * np.pi), rng.uniform(0.30, 0.42)
        place = model.body(body).id
        # Never between the camera and the mat, which lies within this ring.
        model.body_pos[place, :2] = 0.42 + distance * np.cos(angle), distance * np.sin(angle) * 1.15


def _surfaces(model: "mujoco.MjModel", parts: Parts, rng: np.random.Generator) -> None:
    """Give table and mat textures of other kinds and colours."""
    for name in parts.table:
        _print(model, name, _texture(rng))


def _texture_of(model: "mujoco.MjModel", material: int) -> int:
    return int(model.mat_texid[material, mujoco.mjtTextureRole.mjTEXROLE_RGB])


def _print(model: "mujoco.MjModel", material: str, image: Image) -> None:
    """Show an image in place of a material's texture, on each side where that is a cube's."""
    texture = _texture_of(model, model.material(material).id)
    width, height = int(model.tex_width[texture]), int(model.tex_height[texture])
    if int(model.tex_nchannel[texture]) != 3:
        raise ValueError(f"{material}: its texture has no three channels")
    side = cv2.resize(image, (width, width), interpolation=cv2.INTER_AREA)
    start = int(model.tex_adr[texture])
    pixels = np.tile(side, (height // width, 1, 1))
    model.tex_data[start : start + pixels.size] = pixels.ravel()


def _texture(rng: np.random.Generator) -> Image:
    bank = _bank()
    return bank[int(rng.integers(len(bank)))]


@cache
def _bank() -> tuple[Image, ...]:
    rng = np.random.default_rng(99)
    return tuple(_draw(rng) for _ in range(96))


def _draw(rng: np.random.Generator) -> Image:
    """Draw a texture: brick, cloth, plaster, planks, leaves or a grid, of any colour."""
    first, second = rng.uniform(0.1, 0.95, (2, 3)).tolist()
    made: tuple[Callable[[], Image], ...] = (
        lambda: textures.courses(first, second, rng, rows=8, columns=4, gap=0.14),
        lambda: textures.woven(first, second, rng, threads=16),
        lambda: textures.plaster(first, rng, contrast=0.12),
        lambda: textures.wood(first, rng, planks=5, contrast=0.2),
        lambda: textures.leaves(first, rng),
        lambda: textures.ruled(first, second, cells=int(rng.integers(4, 16)), width=12),
    )
    return made[int(rng.integers(len(made)))]()


Change = Callable[["mujoco.MjModel", Parts, np.random.Generator], None]
SHIFTS: dict[str, tuple[Change, ...]] = {
    "none": (),
    "light": (_light,),
    "colour": (_colours,),
    "background": (_background,),
    "texture": (_surfaces,),
    "all": (_light, _colours, _background, _surfaces),
}
