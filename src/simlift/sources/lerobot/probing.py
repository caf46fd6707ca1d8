"""Compare the video files of a dataset with its tables by their headers, before any is decoded."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av

from simlift.core.dataset import Episode
from simlift.core.errors import ClipError
from simlift.media.video.url import media_url, reason
from simlift.sources.lerobot.info import CameraFeature

if TYPE_CHECKING:
    from simlift.sources.lerobot.dataset import LeRobot

_PROBED = 64  # files; others are looked at when their turn comes
_RATE = Fraction(1, 100)  # by which a rate may differ from the stated one


def check_files(dataset: "LeRobot", episodes: Sequence[Episode], cameras: Sequence[str]) -> None:
    """Raise ClipError for files that are missing; and of the first 64, that are unlike the tables.

    That is: fewer frames than rows, another size or rate, sections that drifted.
    """
    due: dict[Path, tuple[CameraFeature, int, int]] = {}
    for camera in cameras:
        for feature in _features(dataset, camera):
            for episode in episodes:
                if feature.kind == "image":
                    _need(dataset, dataset.places.data_file(episode.index), camera, episodes)
                    continue
                section = dataset.places.section(feature.name, episode.index)
                end = section.first + episode.num_frames
                known = due.get(section.file, (feature, 0, episode.index))
                due[section.file] = (feature, max(known[1], end), episode.index)
            for file in [file for file, (owner, _, _) in due.items() if owner is feature]:
                _need(dataset, file, camera, episodes)
    for file, (feature, end, episode_index) in list(due.items())[:_PROBED]:
        _probe(dataset, file, feature, end, episode_index)


def _features(dataset: "LeRobot", camera: str) -> list[CameraFeature]:
    return [dataset.info.pictures[camera], *(layer.feature for layer in dataset.layers[camera])]


def _need(dataset: "LeRobot", file: Path, camera: str, episodes: Sequence[Episode]) -> None:
    if file.is_file():
        return
    have = [other for other in dataset.cameras if _is_there(dataset, other, episodes)]
    raise ClipError(
        file,
        f"a file of camera {camera} does not exist",
        allowed="a file for every camera that info.json names",
        way_out=f"--cameras {','.join(have)}" if have else "copy the dataset again",
    )


def _is_there(dataset: "LeRobot", camera: str, episodes: Sequence[Episode]) -> bool:
    for feature in _features(dataset, camera):
        for episode in episodes:
            file = (
                dataset.places.data_file(episode.index)
                if feature.kind == "image"
                else dataset.places.section(feature.name, episode.index).file
            )
            if not file.is_file():
                return False
    return True


def _probe(dataset: "LeRobot", file: Path, feature: CameraFeature, end: int, episode: int) -> None:
    try:
        with av.open(media_url(file)) as container:
            stream = next(iter(container.streams.video), None)
            if stream is None:
                raise ClipError(file, "holds no video", way_out="copy the dataset again")
            if stream.codec_context is None:
                raise ClipError(
                    file, "its codec is not known", way_out="copy it again, or encode it anew"
                )
            count, rate = stream.frames, stream.average_rate
            size = (stream.codec_context.height, stream.codec_context.width)
    except av.error.FFmpegError as error:
        raise ClipError(
            file, f"cannot be read as video ({reason(error)})", way_out="copy the dataset again"
        ) from error
    if sorted(size) != sorted((feature.height, feature.width)):
        raise ClipError(
            file,
            f"is {size[1]}x{size[0]}, the dataset says {feature.width}x{feature.height}",
            allowed="the size that the dataset states",
            way_out="encode it again, or correct meta/info.json",
        )
    last, total = dataset.places.fullest(feature.name, file, episode)
    if count and last > total == count:
        raise ClipError(
            file,
            f"holds {count} frames, as many as its episodes, which are said to end at frame {last}",
            allowed="from_timestamp / fps = the frames before an episode",
            way_out="from_timestamp has drifted: let lerobot write the dataset again",
        )
    if count and count < end:
        raise ClipError(
            file,
            f"holds {count} frames, the tables ask for {end}",
            allowed="a frame for every row",
            way_out="copy the dataset again, or leave the episodes out with --episodes",
        )
    if count > 1 and rate and abs(rate - dataset.fps) > _RATE * dataset.fps:
        raise ClipError(
            file,
            f"shows {float(rate):g} frames a second, meta/info.json says {float(dataset.fps):g}",
            allowed="the rate that the dataset states",
            way_out="correct fps in meta/info.json, or encode the video again",
        )
