"""Hold demonstrations of one HDF5 file as a dataset: what of every format is the same."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from simlift.core.camera import Camera, Robot
from simlift.core.clip import Clip
from simlift.core.dataset import Episode, Feature, Origin, clip_name
from simlift.core.layers import Array, Layer, StoredLayer, Unit
from simlift.core.read_options import ReadOptions
from simlift.media.hdf5 import Hdf5Store

if TYPE_CHECKING:
    import pyarrow


@dataclass(frozen=True)
class Picture:
    """A layer of a camera: the dataset `name` below every episode's group, and how it is read."""

    layer: Layer
    name: str
    decode: Callable[[Array], Array]
    unit: Unit
    to_camera: Callable[[Array, Camera], Array] | None = None


@dataclass(frozen=True)
class View:
    """A camera of a file: its size in pixels, and its layers, colour first."""

    height: int
    width: int
    pictures: tuple[Picture, ...]


class Tracks(Protocol):
    """Reads what moves with the frames of an episode."""

    def camera(self, episode: Episode, camera: str) -> Camera | None:
        """Return the camera of every frame, or None where nothing says it."""
        ...

    def robot(self, episode: Episode) -> Robot | None:
        """Return the robot of every frame, or None where nothing says it."""
        ...


@dataclass(frozen=True)
class Unknown:
    """Neither camera nor robot is known."""

    def camera(self, episode: Episode, camera: str) -> Camera | None:
        del episode, camera
        return None

    def robot(self, episode: Episode) -> Robot | None:
        del episode
        return None


@dataclass(frozen=True)
class Demonstrations:
    """A dataset in one HDF5 file: a group for each episode, below `root`.

    `extra` are the observations that an episode has beyond its frames (1 in ManiSkill's files).
    """

    path: Path
    layout: str
    fps: Fraction
    episodes: tuple[Episode, ...]
    views: Mapping[str, View]
    features: Mapping[str, Feature]
    notes: tuple[str, ...] = ()
    root: str = "data"
    bottom_up: bool = False
    extra: int = 0
    tracks: Tracks = Unknown()
    robot_type: str = ""
    licence: str = ""
    filters: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    options: ReadOptions = ReadOptions()

    @cached_property
    def _real_path(self) -> Path:
        return self.path.resolve()

    @property
    def cameras(self) -> tuple[str, ...]:
        return tuple(self.views)

    def group(self, episode: Episode) -> str:
        """Return the name of an episode's group in the file."""
        return f"{self.root}/{episode.key}" if self.root else episode.key

    def check(self, episodes: Sequence[Episode], cameras: Sequence[str]) -> None:
        """Raise ClipError where an episode lacks pictures or actions, or has too few of them."""
        from simlift.sources.hdf5 import _tree

        _tree.check(self, episodes, cameras)

    def clip(self, episode: Episode, camera: str) -> Clip:
        """Open a camera of an episode; what moves with the frames is read, no pixel is."""
        view = self.views[camera]
        layers = []
        seen = self.tracks.camera(episode, camera)
        for picture in view.pictures:
            if picture.to_camera is not None and seen is None:
                continue
            store = Hdf5Store(
                self.path,
                f"{self.group(episode)}/{picture.name}",
                episode.num_frames,
                view.height,
                view.width,
                bottom_up=self.bottom_up,
            )
            layers.append(
                StoredLayer(
                    picture.layer, store, picture.decode, picture.unit, to_camera=picture.to_camera
                )
            )
        return Clip(
            name=clip_name(episode, camera, self.cameras),
            path=self.path,
            fps=self.fps,
            num_frames=episode.num_frames,
            height=view.height,
            width=view.width,
            layers=tuple(layers),
            camera=seen,
            robot=self.tracks.robot(episode),
            caption="; ".join(episode.tasks),
            notes=self.notes,
            read_options=replace(self.options, episode=str(episode.index), camera=camera),
            origin=Origin.of(self._real_path, self.layout, episode, camera),
        )

    def rows(self, episode: Episode) -> "pyarrow.Table":
        """Read every array of numbers that has a row for each frame, in the types stored."""
        from simlift.sources.hdf5 import _tree

        return _tree.rows(self, episode)

    def files(self, episode: Episode) -> tuple[Path, ...]:
        """The file itself."""
        del episode
        return (self.path,)
