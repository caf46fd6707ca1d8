"""Check the pairs of a training set and list them as items of one length and size.

Every check that needs no weights happens here, before any is read.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from simlift.core.errors import ClipError
from simlift.core.pair import Pair, PairSet
from simlift.core.recipe import Plugin
from simlift.core.strict_json import dumps as encoded
from simlift.media.video import VideoInfo, probe_video
from simlift.models.wan.base_model import WanBase
from simlift.pixels.image.letterbox import Letterbox, letterbox
from simlift.training.recipe import TrainRecipe


@dataclass(frozen=True)
class Item:
    """Some frames of a pair; `target` and `reference` are files, `digest` names their bytes."""

    pair: str
    start: int
    num_frames: int
    target: Path
    reference: Path
    caption: str
    digest: str
    letterbox: Letterbox

    @property
    def name(self) -> str:
        return self.pair if not self.start else f"{self.pair}:{self.start}"

    @property
    def shape(self) -> tuple[int, int, int]:
        """Frames, rows and columns as the network sees them."""
        return self.num_frames, self.letterbox.padded_height, self.letterbox.padded_width


def training_items(pairs: PairSet, recipe: TrainRecipe, base: WanBase) -> tuple[Item, ...]:
    """Return the items of a training set; ClipError names a pair that cannot be trained on.

    A pair longer than the recipe's frames gives several items, one behind the other; what is left
    over at an end is not trained on.
    """
    items: list[Item] = []
    for pair in pairs.pairs():
        items += _items_of(pairs.path, pair, recipe, base)
    if not items:
        raise ClipError(
            pairs.manifest, "holds no pair", way_out="make some: simlift pair CLIP... --out PAIRS"
        )
    shapes = sorted({item.shape for item in items})
    if recipe.batch > 1 and len(shapes) > 1:
        raise ClipError(
            pairs.path,
            f"holds pairs of {len(shapes)} shapes, such as {shapes[0]} and {shapes[-1]}",
            allowed="one shape where batch is above 1",
            way_out="--set batch=1 (accumulate works with any shape)",
        )
    return tuple(items)


def _items_of(folder: Path, pair: Pair, recipe: TrainRecipe, base: WanBase) -> list[Item]:
    target, reference = folder / pair.video, folder / reference_of(pair, recipe.reference)
    videos = [probe_video(path) for path in (target, reference)]
    _check_alike(pair, *videos)
    longest = videos[0].num_frames
    if longest < 5:
        raise ClipError(target, f"holds {longest} frames", allowed="at least 5")
    frames = min(recipe.frames, (longest - 1) // 4 * 4 + 1)
    multiple = base.multiple * recipe.incontext.downscale
    place = letterbox(videos[0].height, videos[0].width, multiple, recipe.resolution)
    digest = digest_of_files(target, reference)
    return [
        Item(pair.id, start, frames, target, reference, pair.caption, digest, place)
        for start in range(0, longest - frames + 1, frames)
    ]


def reference_of(pair: Pair, name: str) -> Path:
    """Return what enters in context: the render's video, or a control's; ClipError without it."""
    if name == "render":
        return pair.reference_video
    if name not in pair.controls:
        raise ClipError(
            f"pair {pair.id}",
            f"holds no control {name!r}",
            allowed=", ".join(("render", *pair.controls)),
            way_out=f"make the pairs with simlift pair ... --controls {name}",
        )
    return pair.controls[name].video


def control_plugin(pairs: PairSet, name: str) -> Plugin | None:
    """Return what drew the controls that a training sees, with its settings; None for the render.

    ClipError where pairs were drawn by different settings.
    """
    if name == "render":
        return None
    drawn = {encoded(pair.controls[name].drawn_by): pair for pair in pairs.pairs()}
    if len(drawn) > 1:
        one, other = (pair.id for pair in list(drawn.values())[:2])
        raise ClipError(
            pairs.manifest,
            f"the {name} of {one} and {other} were drawn with different settings",
            allowed="one style in a training set",
            way_out="make the pairs again in one go",
        )
    return next(iter(drawn.values())).controls[name].drawn_by


def _check_alike(pair: Pair, target: VideoInfo, reference: VideoInfo) -> None:
    one, other = ((v.num_frames, v.height, v.width) for v in (target, reference))
    if one != other:
        raise ClipError(
            target.path,
            f"pair {pair.id}: the target has (frames, height, width) {one}, its reference {other}",
            allowed="the same length and size",
            way_out="make the pair again, or remove its line from pairs.jsonl",
        )


def digest_of_files(*paths: Path) -> str:
    """Name files by their bytes."""
    total = hashlib.blake2b(digest_size=16)
    for path in paths:
        with path.open("rb") as file:
            total.update(
                hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).digest()
            )
    return total.hexdigest()


def split(items: tuple[Item, ...], holdout: int) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
    """Return the items to train on and those to evaluate on; the same ones where none is held out.

    Which pairs are held out depends on their content, not on their order or number.
    """
    if not holdout:
        return items, items[:4]
    pairs = sorted({(item.digest, item.pair) for item in items})
    if holdout >= len(pairs):
        raise ClipError(
            "train.holdout",
            f"found {holdout} of {len(pairs)} pairs",
            allowed="fewer than there are pairs",
        )
    kept_out = {name for _, name in pairs[:holdout]}
    return (
        tuple(item for item in items if item.pair not in kept_out),
        tuple(item for item in items if item.pair in kept_out),
    )
