"""Build tiny, randomly initialised models in the layout of the real ones, without downloads.

    python examples/realmaster/tiny_models.py FOLDER

writes FOLDER/wan (two experts, as Wan2.2 T2V-A14B), FOLDER/wan-single (as Wan2.1), FOLDER/vace and
FOLDER/qwen-edit. Each is an ordinary diffusers folder: whatever runs on it runs on the real model.
"""

import sys
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKLWan,
    UniPCMultistepScheduler,
    WanPipeline,
    WanTransformer3DModel,
)
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast, UMT5Config, UMT5EncoderModel

TEXT_DIM = 32
_SPECIAL = ("<pad>", "</s>", "<unk>")


def tokenizer() -> PreTrainedTokenizerFast:
    """A tokenizer of single characters, which needs no trained vocabulary."""
    letters = [chr(code) for code in range(32, 127)]
    vocabulary = {token: i for i, token in enumerate((*_SPECIAL, *letters))}
    built = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    built.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    built.decoder = decoders.Fuse()
    built.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=built, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )


def text_encoder() -> UMT5EncoderModel:
    """A two-layer umT5."""
    config = UMT5Config(
        vocab_size=128, d_model=TEXT_DIM, d_kv=8, d_ff=64, num_layers=2, num_heads=4
    )
    return UMT5EncoderModel(config).eval()


def vae(seed: int = 0) -> AutoencoderKLWan:
    """A causal video autoencoder of Wan's strides (8 in space, 4 in time) and 16 channels."""
    torch.manual_seed(seed)
    return AutoencoderKLWan(
        base_dim=3,
        z_dim=16,
        dim_mult=[1, 1, 1, 1],
        num_res_blocks=1,
        temperal_downsample=[False, True, True],
    ).eval()


def transformer(seed: int, layers: int = 2, width: int = 24, heads: int = 2):
    """A text-to-video transformer of Wan's design."""
    torch.manual_seed(seed)
    return WanTransformer3DModel(
        patch_size=(1, 2, 2),
        num_attention_heads=heads,
        attention_head_dim=width // heads,
        in_channels=16,
        out_channels=16,
        text_dim=TEXT_DIM,
        freq_dim=256,
        ffn_dim=2 * width,
        num_layers=layers,
        cross_attn_norm=True,
        qk_norm="rms_norm_across_heads",
        rope_max_seq_len=64,
    ).eval()


def wan(
    folder: Path, *, experts: int = 2, layers: int = 2, width: int = 24, heads: int = 2
) -> Path:
    """Write a text-to-video pipeline with two experts, or with one."""
    torch.manual_seed(0)
    second = transformer(2, layers, width, heads) if experts == 2 else None
    pipeline = WanPipeline(
        tokenizer=tokenizer(),
        text_encoder=text_encoder(),
        vae=vae(),
        scheduler=UniPCMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
        ),
        transformer=transformer(1, layers, width, heads),
        transformer_2=second,
        boundary_ratio=0.875 if experts == 2 else None,
    )
    pipeline.save_pretrained(folder)
    return folder


def build(folder: Path) -> None:
    """Write every tiny model."""
    wan(folder / "wan")
    wan(folder / "wan-single", experts=1)


if __name__ == "__main__":
    build(Path(sys.argv[1] if len(sys.argv) > 1 else "tiny"))
