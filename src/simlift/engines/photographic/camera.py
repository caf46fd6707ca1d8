"""The photographic engine, opened: windows in, photographed frames out.

Everything that must hold over a clip (exposure, white balance, grade, the fitted light of the
render) is settled once from the survey, so the same seed gives the same pixels in any window.
"""

from concurrent.futures import Executor
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8, UInt16

from simlift.core.layers import Layer
from simlift.core.window import Frames, Survey, Tail, Window
from simlift.engines.photographic import backdrop, scene
from simlift.engines.photographic.lighting import open_environment, resolve
from simlift.engines.photographic.look import Grade, Look
from simlift.pixels import colour, film, lens, sensor, shading
from simlift.pixels.environment import Environment, axes_from_world, lookup
from simlift.pixels.occlusion import distant_shadow, upsample

_PLAIN_METERING = 0.2  # a render without layers is already exposed: metering only nudges it
_PLAIN_WHITE = 1.6  # and has no highlights above display white
# A render without an albedo layer already holds reflections, contact shadows and an exposure.
_ESTIMATED_OCCLUSION = 0.4
_ESTIMATED_METERING = 0.5
_OUTDOORS = 0.02  # share of pixels that hit nothing above which a clip is taken as outdoors
_SOFTNESS_LINES = 720
_SHARPEST = 0.45  # pixels; below it the mosaic aliases into colour


@dataclass(frozen=True, eq=False)
class Settled:
    """What holds over a clip under a look."""

    environment: Environment | None
    axes: Float[np.ndarray, "3 3"]  # world to environment
    first_view: Float[np.ndarray, "3 3"]  # world to the first camera
    median_depth: float
    shading: Float[np.ndarray, "9"] | None  # the render's own light, where albedo is estimated
    photo: Float[np.ndarray, "a b 3"] | None
    times: Float[np.ndarray, "k"]
    gains: Float[np.ndarray, "k 3"]
    grade: Float[np.ndarray, "3 4"]


@dataclass(frozen=True, eq=False)
class PhotographicEngine:
    """Lifts windows under one look. `like` and `photos` are the user's photos, as sRGB bytes;
    `pool` photographs the frames of a window side by side."""

    look: Look
    like: tuple[UInt8[np.ndarray, "h w 3"], ...] = ()
    photos: tuple[UInt8[np.ndarray, "h w 3"], ...] = ()
    pool: Executor | None = None

    def lift(self, window: Window, *, survey: Survey, before: Tail | None, seed: int) -> Frames:
        """Return the photographed frames of a window."""
        del before
        settled = survey.window.derive(_Settle(self, survey, seed))
        each = self.pool.map if self.pool is not None else map
        frames = window.derive(scene.split)
        return np.stack(list(each(lambda frame: self._photograph(frame, settled, seed), frames)))

    def _photograph(self, frame: Window, settled: Settled, seed: int) -> UInt8[np.ndarray, "h w 3"]:
        look = self.look
        index = int(frame.indices[0])
        gain = film.interpolate(settled.times, settled.gains, index / frame.fps)
        exposed = cv2.transform(self._radiance(frame, settled), np.diag(gain))
        linear = cv2.multiply(exposed, lens.vignette(*_optics(frame, look.lens.vignette)))
        softness = look.lens.softness * frame.size[0] / _SOFTNESS_LINES
        linear = lens.soften(linear, max(softness, _SHARPEST) if softness > 0 else 0.0)
        white = self._white(settled)
        if look.sensor.bayer:
            codes = sensor.expose(
                linear,
                white=white,
                shot=look.sensor.shot,
                read=look.sensor.read,
                seed=(seed, index),
            )
        else:
            codes = sensor.quantise(linear, white=white)
        return self._develop(codes, white, settled.grade)

    def _white(self, settled: Settled) -> float:
        return self.look.film.white if settled.environment is not None else _PLAIN_WHITE

    def _develop(
        self, codes: UInt16[np.ndarray, "h w 3"], white: float, grade: Float[np.ndarray, "3 4"]
    ) -> UInt8[np.ndarray, "h w 3"]:
        table = film.film_table(self.look.film.contrast, white)
        display = colour.apply_curve(codes, table)
        graded = cv2.transform(display, grade)
        return np.asarray(cv2.convertScaleAbs(graded, alpha=1 / 257))

    def _radiance(self, frame: Window, settled: Settled) -> Float[np.ndarray, "h w 3"]:
        """Return scene light before the camera."""
        if settled.environment is None:
            return colour.decode(frame.rgb[0])
        look = self.look
        behind = frame.derive(_behind(frozenset(look.backdrop.classes)))
        seam = backdrop.matte(behind) if behind.any() else None
        albedo = self._albedo(frame, settled, seam)
        to_environment = (settled.axes @ scene.camera_to_world(frame)).astype(np.float32)
        view = cv2.transform(scene.view_directions(frame), to_environment)
        normals = cv2.transform(frame.derive(scene.normals), to_environment)
        lit = shading.shade(
            albedo,
            normals,
            view,
            self._ambient(frame, settled),
            self._shadows(frame, settled, to_environment),
            settled.environment,
            specular=look.light.specular if Layer.ALBEDO in frame else 0.0,
            roughness=look.light.roughness,
        )
        lit += self._emission(frame, settled)
        if seam is None:
            return lit
        stands = self._backdrop(frame, settled, view)
        return np.asarray(lit * seam.cover + stands * (1 - seam.cover))

    def _albedo(
        self, frame: Window, settled: Settled, seam: backdrop.Matte | None
    ) -> Float[np.ndarray, "h w 3"]:
        look = self.look.albedo
        if Layer.ALBEDO in frame:
            linear = colour.decode(frame[Layer.ALBEDO][0])
        else:
            linear = colour.decode(frame.rgb[0])
            if settled.shading is not None:
                world = scene.camera_to_world(frame).astype(np.float32)
                normals = cv2.transform(frame.derive(scene.normals), world)
                linear = shading.remove_shading(linear, normals, settled.shading, look.delight)
        if seam is not None:
            linear = backdrop.clean_border(linear, seam)
        if look.saturation != 1:
            linear = cv2.transform(linear, _saturation(look.saturation).astype(np.float32))
        return np.asarray(np.maximum(linear, 0) * np.float32(1 - look.lift) + np.float32(look.lift))

    def _emission(self, frame: Window, settled: Settled) -> Float[np.ndarray, "h w 3"]:
        """Return the light of lamps and windows: bright in the render and of such a class."""
        look = self.look.light
        rendered = colour.decode(frame.rgb[0])
        shining = [i for i, name in frame.categories.items() if name in look.emissive]
        if not shining or Layer.SEGMENTATION not in frame:
            return np.zeros_like(rendered)
        mask = np.isin(frame[Layer.SEGMENTATION][0], shining)
        share = np.clip((colour.luminance(rendered) - 0.55) / 0.3, 0, 1) * mask
        # The photographer balances for the room, and lamps of that room come out white.
        neutral = settled.gains[0] / settled.gains[0].mean()
        return rendered * ((share * np.float32(look.emission))[..., None] / neutral).astype(
            np.float32
        )

    def _ambient(self, frame: Window, settled: Settled) -> Float[np.ndarray, "h w"]:
        look = self.look.light
        if Layer.DEPTH not in frame or not frame.metric_depth or look.ambient_occlusion == 0:
            return np.ones(frame.size, dtype=np.float32)
        occlusion = scene.Occlusion(look.occlusion_radius * settled.median_depth)
        visible = frame.derive(occlusion)
        share = 1.0 if Layer.ALBEDO in frame else _ESTIMATED_OCCLUSION
        return visible ** np.float32(look.ambient_occlusion * share)

    def _shadows(
        self, frame: Window, settled: Settled, to_environment: Float[np.ndarray, "3 3"]
    ) -> tuple[Float[np.ndarray, "h w"], ...]:
        assert settled.environment is not None
        suns = settled.environment.suns
        if Layer.DEPTH not in frame or not frame.metric_depth:
            return tuple(np.ones(frame.size, dtype=np.float32) for _ in suns)
        half = scene.halve(frame)
        length = self.look.light.shadow_length * settled.median_depth
        maps = []
        for sun in suns:
            towards = sun.samples() @ to_environment
            small = distant_shadow(half.depth, half.normals, half.intrinsics, towards, length)
            whole = frame[Layer.DEPTH][0], frame.derive(scene.normals)
            maps.append(upsample(small, half.depth, half.normals, *whole))
        return tuple(maps)

    def _backdrop(
        self, frame: Window, settled: Settled, view: Float[np.ndarray, "h w 3"]
    ) -> Float[np.ndarray, "h w 3"]:
        assert settled.environment is not None
        if settled.photo is not None:
            turn = (settled.first_view @ settled.axes.T).astype(np.float32)
            camera = scene.intrinsics(frame)
            height, width = frame.size
            fov = (
                2 * float(np.arctan(width / 2 / camera[0, 0])),
                2 * float(np.arctan(height / 2 / camera[1, 1])),
            )
            return backdrop.photo_along(settled.photo, cv2.transform(view, turn), fov)
        if self.look.backdrop.kind == "keep":
            return colour.decode(frame.rgb[0]) * np.float32(
                settled.environment.harmonics[0].mean() * 0.3
            )
        return lookup(settled.environment.radiance, view)

    def _settle(self, survey: Survey, seed: int) -> Settled:
        """Derive from the survey what must hold over the clip."""
        frames = survey.window.derive(scene.split)
        lit = scene.has_normals(survey.window)
        first = scene.camera_to_world(frames[0]).T
        axes = axes_from_world(
            scene.world_up(frames[0]), scene.heading(survey), np.radians(self.look.light.turn)
        )
        photo = None
        if self.photos:
            chosen = self.photos[seed % len(self.photos)]
            photo = colour.decode(chosen) * np.float32(1.2)
        settled = Settled(
            environment=self._environment(frames) if lit else None,
            axes=axes,
            first_view=first,
            median_depth=scene.median_depth(survey.window) if Layer.DEPTH in survey.window else 1.0,
            shading=_fit_shading(frames) if lit and Layer.ALBEDO not in survey.window else None,
            photo=photo,
            times=survey.times,
            gains=np.ones((len(frames), 3)),
            grade=np.eye(3, 4),
        )
        radiances = [self._radiance(frame, settled) for frame in frames]
        settled = _with(settled, gains=self._meter(survey, settled, radiances))
        return self._graded(settled, radiances)

    def _environment(self, frames: tuple[Window, ...]) -> Environment:
        share = np.mean([scene.hidden(frame, frozenset()).mean() for frame in frames])
        name = resolve(self.look.light, outdoors=bool(share > _OUTDOORS))
        return open_environment(self.look.light, name)

    def _meter(
        self, survey: Survey, settled: Settled, radiances: list[Float[np.ndarray, "h w 3"]]
    ) -> Float[np.ndarray, "k 3"]:
        look = self.look.exposure
        levels = np.array([film.log_average(colour.luminance(r)) for r in radiances])
        share = 1.0 if Layer.ALBEDO in survey.window else _ESTIMATED_METERING
        if settled.environment is None:
            share = _PLAIN_METERING
        stops = np.log2(look.key / levels) * look.strength * share
        stops = film.smooth_over_time(survey.times, stops, look.adaptation) + look.compensation
        light = _light_colour(settled.environment, radiances, Layer.ALBEDO in survey.window)
        neutral = (light / (light @ colour.LUMINANCE)) ** -look.white_balance
        return np.exp2(stops)[:, None] * (neutral / (neutral @ colour.LUMINANCE))

    def _graded(self, settled: Settled, radiances: list[Float[np.ndarray, "h w 3"]]) -> Settled:
        grade = _grade_matrix(self.look.grade)
        if self.like:
            white = self._white(settled)
            developed = [
                self._develop(
                    sensor.quantise((r * g).astype(np.float32), white=white), white, grade
                ).reshape(-1, 3)
                for r, g in zip(radiances, settled.gains, strict=True)
            ]
            source = colour.moments(np.concatenate(developed) / 255.0)
            target = colour.moments(np.concatenate([p.reshape(-1, 3) for p in self.like]) / 255.0)
            transfer = colour.monge_kantorovich(source, target)
            share = self.look.grade.like_strength
            transfer = share * transfer + (1 - share) * np.eye(3, 4)
            linear = transfer[:, :3] @ grade[:, :3]
            grade = np.column_stack([linear, transfer[:, 3]])
        grade = grade.copy()
        grade[:, 3] *= 65535
        return _with(settled, grade=grade)


def _with(settled: Settled, **changes: object) -> Settled:
    return Settled(**{**settled.__dict__, **changes})


@dataclass(frozen=True)
class _Settle:
    """Settles a clip once for each engine and seed, however many windows ask."""

    engine: PhotographicEngine
    survey: Survey
    seed: int

    def __call__(self, window: Window) -> Settled:
        del window
        return self.engine._settle(self.survey, self.seed)


def _optics(frame: Window, strength: float) -> tuple[int, int, tuple[float, ...], float]:
    k = scene.intrinsics(frame)
    return (*frame.size, (k[0, 0], k[1, 1], k[0, 2], k[1, 2]), strength)


@dataclass(frozen=True)
class _behind:
    classes: frozenset[str]

    def __call__(self, frame: Window) -> np.ndarray:
        return scene.hidden(frame, self.classes)


def _light_colour(
    environment: Environment | None, radiances: list[Float[np.ndarray, "h w 3"]], known: bool
) -> Float[np.ndarray, "3"]:
    """Return the colour of the light: the environment's, or an estimate from the render's pixels.

    The estimate is the shades-of-gray norm of order 6 (Finlayson and Trezzi 2004), halved and
    bounded, since a scene may well be coloured.
    """
    if environment is not None and known:
        light = environment.harmonics[0] * 0.282095
        for sun in environment.suns:
            light = light + sun.irradiance * (0.5 / np.pi)
        return np.asarray(light)
    power = np.mean([(r.astype(np.float64) ** 6).mean((0, 1)) for r in radiances], axis=0)
    cast = np.maximum(power, 1e-12) ** (1 / 6)
    return np.clip((cast / (cast @ colour.LUMINANCE)) ** 0.5, 0.85, 1.18)


def _fit_shading(frames: tuple[Window, ...]) -> Float[np.ndarray, "9"]:
    lumas, normals = [], []
    for frame in frames:
        seen = ~scene.hidden(frame, frozenset())
        world = scene.camera_to_world(frame).astype(np.float32)
        lumas.append(colour.luminance(colour.decode(frame.rgb[0]))[seen])
        normals.append(cv2.transform(frame.derive(scene.normals), world)[seen])
    return shading.estimate_shading(np.concatenate(lumas), np.concatenate(normals))


def _saturation(amount: float) -> Float[np.ndarray, "3 3"]:
    gray = np.tile(colour.LUMINANCE.astype(np.float64), (3, 1))
    return np.asarray(gray + (np.eye(3) - gray) * amount)


def _grade_matrix(grade: Grade) -> Float[np.ndarray, "3 4"]:
    warm = np.diag([1 + 0.10 * grade.warmth, 1.0, 1 - 0.14 * grade.warmth])
    return np.column_stack([warm @ _saturation(grade.saturation), np.zeros(3)])
