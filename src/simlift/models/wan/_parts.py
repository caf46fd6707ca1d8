"""Load the parts of a Wan model; encode and decode frames, and embed prompts.

Shapes: B batch, C channels, F H W latent frames, rows, columns; T text tokens, D their width.
"""

import html
import re
from collections.abc import Iterator
from typing import Any, TypeAlias

import ftfy
import numpy as np
import torch
from diffusers import AutoencoderKLWan, WanTransformer3DModel
from diffusers.models.autoencoders.autoencoder_kl_wan import unpatchify
from jaxtyping import Float32, UInt8
from transformers import AutoTokenizer, UMT5EncoderModel

from simlift.core.window import Frames
from simlift.models.hub._loading import check_none_missing, loading
from simlift.models.hub.pipeline_folder import PipelineFolder
from simlift.models.wan.base_model import WanBase
from simlift.models.wan.flow_matching import Expert

Tensor: TypeAlias = torch.Tensor
TEXT_TOKENS = 512  # the text's length that Wan was trained with, padded by zeros
DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16, "float32": torch.float32}


def load_transformer(base: WanBase, expert: Expert, dtype: torch.dtype) -> WanTransformer3DModel:
    """Return an expert in eval mode, without gradients, on the CPU."""
    folder = base.folder.path / base.component(expert)
    with loading(folder):
        model, report = WanTransformer3DModel.from_pretrained(
            folder,
            torch_dtype=dtype,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
        )
    check_none_missing(set(report["missing_keys"]), folder)
    return model.eval().requires_grad_(False)


def load_vae(folder: PipelineFolder, other: str | None = None) -> AutoencoderKLWan:
    """Return the autoencoder in float32; `other` is the folder of a smaller one of its latents."""
    path = folder.path / "vae" if other is None else other
    with loading(path):
        vae = AutoencoderKLWan.from_pretrained(
            path, torch_dtype=torch.float32, use_safetensors=True, local_files_only=True
        )
    return vae.eval().requires_grad_(False)


class TextEncoder:
    """Wan's tokenizer and umT5, loaded."""

    def __init__(self, folder: PipelineFolder, dtype: torch.dtype, device: torch.device) -> None:
        with loading(folder.path / "text_encoder"):
            self._tokenizer: Any = AutoTokenizer.from_pretrained(
                folder.path / "tokenizer", local_files_only=True
            )
            self._network: Any = UMT5EncoderModel.from_pretrained(
                folder.path / "text_encoder",
                dtype=dtype,
                use_safetensors=True,
                local_files_only=True,
            )
        self._network.eval().to(device)

    @torch.inference_mode()
    def __call__(self, prompt: str) -> Tensor:
        """Return a prompt's embeddings [T D] without padding, float32 on the CPU."""
        tokens = self._tokenizer(
            [clean_prompt(prompt)],
            padding="max_length",
            max_length=TEXT_TOKENS,
            truncation=True,
            return_attention_mask=True,
            return_tensors="pt",
        )
        place = self._network.device
        mask = tokens.attention_mask.to(place)
        found = self._network(tokens.input_ids.to(place), mask).last_hidden_state[0]
        return found[: int(mask.sum())].float().cpu().clone()


def clean_prompt(prompt: str) -> str:
    """Return a prompt as Wan's own pipeline reads it: mended, unescaped, single spaces."""
    mended = html.unescape(html.unescape(ftfy.fix_text(prompt)))
    return re.sub(r"\s+", " ", mended).strip()


def padded_text(embeddings: Tensor, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Return embeddings [T D] as the transformer takes them: [1 512 D], zeros behind the text."""
    out = embeddings.new_zeros(1, TEXT_TOKENS, embeddings.shape[1])
    out[0, : len(embeddings)] = embeddings
    return out.to(device, dtype)


def given_frames(vae: AutoencoderKLWan, frames: Frames, num_frames: int) -> Tensor:
    """Return what an image-to-video model is told of a video's first frames, [1 4+C F H W].

    `frames` [k h w 3] are given, black follows up to `num_frames` (4k+1). The mask is 1 where a
    frame is given, four to a latent frame, of which the first stands for its one frame four times
    (Wan2.1, sec. 5.1; `WanImageToVideoPipeline.prepare_latents` of diffusers).
    """
    count, height, width = len(frames), *frames.shape[1:3]
    # Black is not what the network calls nothing: that is 0 of the scale from -1 to 1.
    video = np.full((num_frames, height, width, 3), 127.5, np.float32)
    video[:count] = frames
    latents = encode_frames(vae, video)
    shown = torch.zeros(num_frames)
    shown[:count] = 1
    mask = torch.cat([shown[:1].repeat(4), shown[1:]]).view(1, -1, 4).transpose(1, 2)
    mask = mask[..., None, None].expand(-1, -1, -1, *latents.shape[3:])
    return torch.cat([mask.to(latents), latents], dim=1)


@torch.inference_mode()
def encode_frames(vae: AutoencoderKLWan, frames: Frames | Float32[np.ndarray, "t h w 3"]) -> Tensor:
    """Return the normalised latents [1 C F H W] of 4k+1 frames, float32, where the weights are.

    Frames are codes from 0 to 255. The most likely latents, not a sample: a clip has one set of
    latents.
    """
    place = next(vae.parameters())
    pixels = torch.from_numpy(np.ascontiguousarray(frames)).to(place.device)
    video = pixels.permute(3, 0, 1, 2)[None].to(place.dtype) / 127.5 - 1
    latents = vae.encode(video).latent_dist.mode()
    mean, std = _statistics(vae, latents)
    return ((latents - mean) / std).float()


@torch.inference_mode()
def decode_latents(
    vae: AutoencoderKLWan, latents: Tensor
) -> Iterator[UInt8[np.ndarray, "t h w 3"]]:
    """Yield the frames of normalised latents [1 C F H W], one frame first, then four at a time.

    Equal to decoding at once, without holding the whole video in float on the device.
    """
    mean, std = _statistics(vae, latents)
    place = next(vae.parameters())
    codes = (latents.to(place.device) * std + mean).to(place.dtype)
    vae.clear_cache()
    prepared = vae.post_quant_conv(codes)
    for i in range(prepared.shape[2]):
        vae._conv_idx = [0]
        part = vae.decoder(
            prepared[:, :, i : i + 1],
            feat_cache=vae._feat_map,
            feat_idx=vae._conv_idx,
            first_chunk=i == 0,
        )
        if vae.config.patch_size is not None:
            part = unpatchify(part, patch_size=vae.config.patch_size)
        levels = ((part[0].clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
        yield levels.permute(1, 2, 3, 0).cpu().numpy()
    vae.clear_cache()


def _statistics(vae: AutoencoderKLWan, latents: Tensor) -> tuple[Tensor, Tensor]:
    shape = (1, -1, 1, 1, 1)
    mean = torch.tensor(vae.config.latents_mean, device=latents.device).view(shape)
    std = torch.tensor(vae.config.latents_std, device=latents.device).view(shape)
    return mean, std
