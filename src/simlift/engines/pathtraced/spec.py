"""Define the settings of the path-traced engine, check a clip for them, and open the engine."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

from simlift.core.clip import Clip
from simlift.core.errors import ClipError
from simlift.core.layers import Layer
from simlift.core.protocols import Stage, WindowSize
from simlift.core.setting import Setting, check_ranges
from simlift.engines.photographic import Look, Photographic
from simlift.engines.photographic.scene.stored_scene import open_scene

if TYPE_CHECKING:
    from simlift.engines.pathtraced.engine import PathTracedEngine


# Stages of the photographic engine that photograph traced light too.
_CAMERA = frozenset(
    {"depth of field", "motion blur", "glare", "lateral colour", "exposure", "lens", "sensor",
     "film", "grade"}
)  # fmt: skip

_SQUARE = 1e-3  # relative difference of focal lengths that counts as none


@dataclass(frozen=True)
class PathTraced:
    """Render a clip's own scene under a look; the camera is that of the photographic engine."""

    look: Look = field(default_factory=Look)
    samples: Annotated[int, Setting("paths for each pixel", "", 1, 65536)] = 64
    bounces: Annotated[int, Setting("how often a path may turn", "", 1, 64)] = 6
    instants: Annotated[
        int, Setting("moments of the open shutter, where the look has one", "", 1, 64)
    ] = 4

    def __post_init__(self) -> None:
        check_ranges(self, "pathtraced")

    def needs(self) -> frozenset[Layer]:
        """Colour for the clip sample, depth and surface colour to tell noise from texture."""
        return frozenset({Layer.RGB, Layer.DEPTH, Layer.ALBEDO})

    def uses(self) -> frozenset[Layer]:
        return Photographic(self.look).uses()

    def window_size(self) -> WindowSize:
        return WindowSize(frames=1)

    def check(self, clip: Clip) -> tuple[Stage, ...]:
        """ClipError for a clip that does not carry its scene or its motion."""
        if clip.scene is None:
            raise ClipError(
                clip.path,
                "does not carry its scene",
                allowed="a native clip with scene.glb, camera.npz and objects.npz",
                way_out="record it with: simlift record, which writes the scene beside the layers",
            )
        if clip.camera is None or clip.objects is None:
            raise ClipError(
                clip.path,
                "carries its scene but not "
                + ("its camera" if clip.camera is None else "the poses of its bodies"),
                way_out="record the clip again",
            )
        focal = clip.camera.intrinsics[:, (0, 1), (0, 1)]
        if (abs(focal[:, 1] / focal[:, 0] - 1) > _SQUARE).any():
            raise ClipError(
                clip.path,
                f"its camera has focal lengths of {focal[0, 0]:.6g} and {focal[0, 1]:.6g} pixels",
                allowed="the same in both axes: the renderer's pixels are square",
            )
        geometry = open_scene(clip)
        assert geometry is not None
        faces = sum(len(part.faces) for part in geometry.parts)
        photographic = Photographic(self.look, strict=False)
        return (
            Stage(
                "light",
                True,
                f"path traced: {self.samples} paths a pixel, {self.bounces} bounces, "
                f"{faces:,} triangles",
            ),
            *(stage for stage in photographic.check(clip) if stage.name in _CAMERA),
            Stage(
                "weather",
                bool(self.look.weather.kinds),
                "fog and what falls; surfaces stay dry" if self.look.weather.kinds else "clear",
            ),
        )

    @contextmanager
    def open(self, device: str) -> Iterator["PathTracedEngine"]:
        """Load the renderer; scenes are loaded with the first frame of their clip."""
        del device
        from simlift.engines.pathtraced.engine import PathTracedEngine

        with Photographic(self.look).open("cpu") as camera:
            yield PathTracedEngine(self, camera)
