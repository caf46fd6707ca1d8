"""Read LeRobot v3.0: many episodes share a parquet file, and a video file for each camera."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from simlift.core.clip import Clip
from simlift.core.dataset import Episode, Feature, Origin, clip_name
from simlift.core.errors import ClipError
from simlift.core.layers import Layer, StoredLayer, Unit
from simlift.core.read_options import ReadOptions
from simlift.media.decodings import Colour
from simlift.media.video.section import VideoSection
from simlift.sources.lerobot.info import Info

if TYPE_CHECKING:
    import pyarrow

LAYOUT = "lerobot-v3.0"


@dataclass(frozen=True)
class Section:
    """Where the frames of an episode lie: a file, and the number of its first frame there."""

    file: Path
    first: int


@dataclass(frozen=True)
class LeRobotV3:
    """A dataset of LeRobot v3.0, its tables of episodes read."""

    path: Path
    info: Info
    episodes: tuple[Episode, ...]
    data_files: tuple[Path, ...]  # of each episode
    first_rows: tuple[int, ...]  # dataset_from_index of each episode
    sections: Mapping[str, tuple[Section, ...]]  # of each camera, for each episode
    options: ReadOptions = ReadOptions()
    notes: tuple[str, ...] = ()
    layout: str = LAYOUT
    _positions: dict[int, int] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._positions.update({e.index: k for k, e in enumerate(self.episodes)})

    @property
    def fps(self) -> Fraction:
        return self.info.fps

    @property
    def cameras(self) -> tuple[str, ...]:
        return tuple(name for name, kind in self.info.pictures.items() if not kind.depth)

    @property
    def features(self) -> Mapping[str, Feature]:
        return self.info.features

    @property
    def robot_type(self) -> str:
        return self.info.robot_type

    @property
    def licence(self) -> str:
        return str(self.info.data.get("license") or "")

    def check(self, episodes: Sequence[Episode], cameras: Sequence[str]) -> None:
        """Raise ClipError for files that are not there, or shorter than the tables say."""
        for camera in cameras:
            if camera not in self.sections:
                raise ClipError(
                    self.info.file,
                    f"{camera} holds pictures inside the rows",
                    allowed="features of dtype video",
                )
            files: dict[Path, int] = {}
            for episode in episodes:
                section = self.sections[camera][self._positions[episode.index]]
                end = section.first + episode.num_frames
                files[section.file] = max(files.get(section.file, 0), end)
            for file in files:
                if not file.is_file():
                    missing = f"the video of camera {camera} does not exist"
                    have = [c for c in self.cameras if self._is_there(c, episodes)]
                    raise ClipError(
                        file,
                        missing,
                        allowed="a file for every camera that info.json names",
                        way_out=f"--cameras {','.join(have)}" if have else "copy the dataset again",
                    )

    def _is_there(self, camera: str, episodes: Sequence[Episode]) -> bool:
        sections = self.sections.get(camera, ())
        return bool(sections) and all(
            sections[self._positions[e.index]].file.is_file() for e in episodes
        )

    def clip(self, episode: Episode, camera: str) -> Clip:
        """Open a camera of an episode as a clip of colour frames."""
        kind = self.info.pictures[camera]
        section = self.sections[camera][self._positions[episode.index]]
        store = VideoSection(
            section.file, section.first, episode.num_frames, kind.height, kind.width, self.fps
        )
        return Clip(
            name=clip_name(episode, camera),
            path=self.path,
            fps=self.fps,
            num_frames=episode.num_frames,
            height=kind.height,
            width=kind.width,
            layers=(StoredLayer(Layer.RGB, store, Colour(), Unit.SRGB),),
            caption="; ".join(episode.tasks),
            notes=self.notes,
            read_options=replace(self.options, episode=str(episode.index), camera=camera),
            origin=Origin(
                dataset=self.path.resolve(),
                layout=self.layout,
                episode=episode.index,
                episode_name=episode.name,
                key=episode.key,
                camera=camera,
            ),
        )

    def rows(self, episode: Episode) -> "pyarrow.Table":
        """Read the rows of an episode in the types in which they are stored."""
        from simlift.sources.lerobot import _rows

        position = self._positions[episode.index]
        return _rows.episode_rows(self.data_files[position], episode, self.fps)

    def files(self, episode: Episode) -> tuple[Path, ...]:
        """The parquet file that holds the episode's rows."""
        return (self.data_files[self._positions[episode.index]],)


def read_v3(root: Path, info: Info, options: ReadOptions) -> LeRobotV3:
    """Read the tables of episodes; ClipError where they contradict each other or info.json."""
    from simlift.sources.lerobot import _episodes

    table = _episodes.read_episodes(root, info)
    return LeRobotV3(
        path=root,
        info=info,
        episodes=table.episodes,
        data_files=table.data_files,
        first_rows=table.first_rows,
        sections={
            name: tuple(Section(file, first) for file, first in sections)
            for name, sections in table.sections.items()
        },
        options=options,
        notes=table.notes,
    )
