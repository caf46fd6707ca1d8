"""Encode training items to latents and text embeddings, cached on disk by content hash.

    pairs/.cache/<key>.safetensors      target and reference [1 C F H W], float32; given-<k>: what
                                        an image-to-video model is told of k latent frames
    pairs/.cache/text-<key>.safetensors embeddings [T D] of one prompt

A key covers the videos' bytes, the autoencoder's, the size, the frames and the downscale, so that a
changed setting finds nothing and nothing stale is ever read.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from simlift.core.window import Frames
from simlift.media.video import VideoStore, probe_video
from simlift.models.wan._parts import DTYPES, TextEncoder, encode_frames, given_frames, load_vae
from simlift.models.wan.base_model import WanBase
from simlift.pixels.image.letterbox import box_downsample
from simlift.training.items import Item
from simlift.training.recipe import TrainRecipe

FOLDER = ".cache"
_VERSION = "1"  # of what is stored


@dataclass(frozen=True, eq=False)
class Latents:
    """One item, encoded: target and reference latents [1 C F H W], and its prompt's [T D].

    `given` holds what an image-to-video model is told for each number of given latent frames.
    """

    target: torch.Tensor
    reference: torch.Tensor
    text: torch.Tensor
    given: dict[int, torch.Tensor]


@dataclass(frozen=True)
class Cache:
    """The encoded items of a training set."""

    folder: Path
    base: WanBase
    recipe: TrainRecipe

    def read(self, item: Item) -> Latents:
        """Return an encoded item; it must have been filled in before."""
        video = load_file(self._video_file(item))
        given = {int(k.partition("-")[2]): v for k, v in video.items() if k.startswith("given-")}
        return Latents(video["target"], video["reference"], self.text(self.prompt(item)), given)

    def text(self, prompt: str) -> torch.Tensor:
        """Return a prompt's embeddings [T D]."""
        return load_file(self._text_file(prompt))["text"]

    def prompt(self, item: Item) -> str:
        """Return what the network is told of an item."""
        return self.recipe.prompt_template.replace("{caption}", item.caption)

    def fill(
        self, items: Sequence[Item], device: torch.device, progress: Callable[[int], None]
    ) -> None:
        """Encode what is not there yet."""
        self.folder.mkdir(exist_ok=True)
        prompts = {"", *(self.prompt(item) for item in items)}
        if missing := sorted(p for p in prompts if not self._text_file(p).exists()):
            encoder = TextEncoder(self.base.folder, DTYPES[self.recipe.dtype], device)
            for prompt in missing:
                _save({"text": encoder(prompt)}, self._text_file(prompt))
            del encoder
        videos = [item for item in items if not self._video_file(item).exists()]
        progress(sum(item.num_frames for item in items if item not in videos))
        if not videos:
            return
        vae = load_vae(self.base.folder).to(device)
        for item in videos:
            pixels = [read_frames(path, item) for path in (item.target, item.reference)]
            pixels[1] = box_downsample(pixels[1], self.recipe.incontext.downscale)
            target, reference = (encode_frames(vae, p).cpu().contiguous() for p in pixels)
            latents = {"target": target, "reference": reference}
            for count in self._given_counts():
                frames = pixels[0][: max(4 * count - 3, 0)]
                told = given_frames(vae, frames, item.num_frames)
                latents[f"given-{count}"] = told.cpu().contiguous()
            _save(latents, self._video_file(item))
            progress(item.num_frames)

    def _given_counts(self) -> range:
        """Return the numbers of latent frames that draws may give an image-to-video model."""
        if not self.base.image_to_video:
            return range(0)
        longest = self.recipe.prefix_frames if self.recipe.prefix_share else 1
        return range((longest - 1) // 4 + 2)

    def _video_file(self, item: Item) -> Path:
        parts = (
            _VERSION,
            item.digest,
            str((item.start, item.letterbox, item.shape)),
            self.base.folder.digest("vae"),
            str(self.recipe.incontext.downscale),
            *(str(count) for count in self._given_counts()),
        )
        return self.folder / f"{_key(*parts)}.safetensors"

    def _text_file(self, prompt: str) -> Path:
        parts = (_VERSION, prompt, self.base.folder.digest("text_encoder"), self.recipe.dtype)
        return self.folder / f"text-{_key(*parts)}.safetensors"


def read_frames(path: Path, item: Item) -> Frames:
    """Return an item's frames as the network sees them."""
    with VideoStore(probe_video(path)).open() as reader:
        frames = reader.read(list(range(item.start, item.start + item.num_frames)))
    return item.letterbox.apply(frames)


def _key(*parts: str) -> str:
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=12).hexdigest()


def _save(tensors: dict[str, torch.Tensor], path: Path) -> None:
    partial = path.with_name(f".{path.name}.partial")
    save_file(tensors, partial)
    partial.replace(path)
