"""Build tiny, randomly initialised models in the layout of the real ones, without downloads.

    cd tests; python -m tiny.models FOLDER

writes FOLDER/wan (two experts, as Wan2.2 T2V-A14B), FOLDER/wan-single (as Wan2.1), FOLDER/wan-dense
(as Wan2.2 TI2V-5B), FOLDER/vace (as Wan2.1 VACE), FOLDER/vace-2.2 (two experts) and
FOLDER/qwen-edit (as Qwen-Image-Edit-2509). Each is an ordinary diffusers folder: whatever runs on
it runs on the real model.
"""

import json
import sys
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKLQwenImage,
    AutoencoderKLWan,
    FlowMatchEulerDiscreteScheduler,
    QwenImageTransformer2DModel,
    UniPCMultistepScheduler,
    WanImageToVideoPipeline,
    WanPipeline,
    WanTransformer3DModel,
    WanVACEPipeline,
    WanVACETransformer3DModel,
)
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import (
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2Tokenizer,
    UMT5Config,
    UMT5EncoderModel,
)

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


def unipc(shift: float) -> UniPCMultistepScheduler:
    """The scheduler of Wan's pipelines."""
    return UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=shift
    )


def wan_shape(
    in_channels: int, out_channels: int, layers: int = 2, width: int = 24, heads: int = 2
) -> dict[str, object]:
    """The settings of a transformer of Wan's design."""
    return {
        "patch_size": (1, 2, 2),
        "num_attention_heads": heads,
        "attention_head_dim": width // heads,
        "in_channels": in_channels,
        "out_channels": out_channels,
        "text_dim": TEXT_DIM,
        "freq_dim": 256,
        "ffn_dim": 2 * width,
        "num_layers": layers,
        "cross_attn_norm": True,
        "qk_norm": "rms_norm_across_heads",
        "rope_max_seq_len": 64,
    }


def dense_vae(
    seed: int = 0, *, width: int = 4, channels: int = 48, multiples: tuple[int, ...] = (1, 2, 2, 2)
) -> AutoencoderKLWan:
    """An autoencoder of Wan2.2 TI2V-5B's design: residual, 16 times smaller in space."""
    torch.manual_seed(seed)
    return AutoencoderKLWan(
        base_dim=width,
        decoder_base_dim=width,
        z_dim=channels,
        dim_mult=list(multiples),
        num_res_blocks=1,
        temperal_downsample=[False, True, True],
        is_residual=True,
        in_channels=12,
        out_channels=12,
        patch_size=2,
        scale_factor_spatial=16,
        latents_mean=[0.0] * channels,
        latents_std=[1.0] * channels,
    ).eval()


@torch.no_grad()
def standardise(model: AutoencoderKLWan) -> AutoencoderKLWan:
    """Give an autoencoder the mean and deviation of its latents, here of coloured clouds."""
    generator = torch.Generator().manual_seed(5)
    coarse = torch.rand(1, 3, 5, 4, 6, generator=generator) * 2 - 1
    clouds = torch.nn.functional.interpolate(coarse, (17, 64, 96), mode="trilinear")
    latents = model.encode(clouds).latent_dist.mode()
    model.register_to_config(
        latents_mean=latents.mean((0, 2, 3, 4)).tolist(),
        latents_std=latents.std((0, 2, 3, 4)).tolist(),
    )
    return model


def transformer(
    seed: int, layers: int = 2, width: int = 24, heads: int = 2, channels: int = 16
) -> WanTransformer3DModel:
    """A text-to-video transformer of Wan's design."""
    torch.manual_seed(seed)
    return WanTransformer3DModel(**wan_shape(channels, channels, layers, width, heads)).eval()


@torch.no_grad()
def pass_input_through(model: WanTransformer3DModel) -> WanTransformer3DModel:
    """Make a random transformer hand its input on and look at its own place, as a trained one does.

    An adapter then has the content of its pairs to learn, not what noise is and where things are.
    The last layer undoes the first. Because the last norm gives every token one length, a fourth of
    it is content and the rest a constant, so that answers up to twice as long can be given. Queries
    and keys are nearly constant in the fastest rotations, which are alike at one place only.
    """
    first, last = model.patch_embedding, model.proj_out
    width, channels, *patch = first.weight.shape
    size = last.out_features
    basis = torch.nn.init.orthogonal_(torch.empty(width, width))
    content, constant = basis[:, :size], basis[:, size:].sum(1)
    first.weight.copy_(content.reshape(first.weight.shape))
    first.bias.copy_((3 * size / (width - size)) ** 0.5 * constant)
    places = content.reshape(width, channels, *patch).permute(2, 3, 4, 1, 0)
    last.weight.copy_(2 * (size / width) ** 0.5 * places.reshape(size, width))
    torch.nn.init.zeros_(last.bias)
    heads = model.config.num_attention_heads
    of_head = width // heads
    of_space = 2 * (of_head // 6)
    fastest = torch.zeros(heads, of_head)
    fastest[:, [0, of_head - 2 * of_space, of_head - of_space]] = 1
    for block in model.blocks:
        for layer in (block.attn1.to_q, block.attn1.to_k):
            layer.weight.mul_(0.1)
            layer.bias.copy_(fastest.flatten())
        for norm in (block.attn1.norm_q, block.attn1.norm_k):
            norm.weight.mul_(2)
    return model


def wan(
    folder: Path,
    *,
    experts: int = 2,
    layers: int = 2,
    width: int = 24,
    heads: int = 2,
    guesses: bool = False,
) -> Path:
    """Write a text-to-video pipeline of one or two experts; `guesses` as trained ones do."""
    torch.manual_seed(0)
    made = [transformer(seed, layers, width, heads) for seed in range(1, experts + 1)]
    autoencoder = vae()
    if guesses:
        made = [pass_input_through(model) for model in made]
        autoencoder = standardise(autoencoder)
    pipeline = WanPipeline(
        tokenizer=tokenizer(),
        text_encoder=text_encoder(),
        vae=autoencoder,
        scheduler=unipc(3.0),
        transformer=made[0],
        transformer_2=made[1] if experts == 2 else None,
        boundary_ratio=0.875 if experts == 2 else None,
    )
    pipeline.save_pretrained(folder)
    return folder


def wan_image_to_video(folder: Path) -> Path:
    """Write an image-to-video pipeline in the layout of Wan2.2 I2V-A14B, of two experts."""
    made = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        made.append(WanTransformer3DModel(**wan_shape(36, 16)).eval())
    WanImageToVideoPipeline(
        tokenizer=tokenizer(),
        text_encoder=text_encoder(),
        vae=vae(),
        scheduler=unipc(3.0),
        image_processor=None,
        image_encoder=None,
        transformer=made[0],
        transformer_2=made[1],
        boundary_ratio=0.9,
    ).save_pretrained(folder)
    return folder


def wan_dense(folder: Path) -> Path:
    """Write a text-to-video pipeline in the layout of Wan2.2 TI2V-5B."""
    WanPipeline(
        tokenizer=tokenizer(),
        text_encoder=text_encoder(),
        vae=dense_vae(),
        scheduler=unipc(5.0),
        transformer=transformer(1, channels=48),
        expand_timesteps=True,
    ).save_pretrained(folder)
    return folder


def vace_transformer(seed: int) -> WanVACETransformer3DModel:
    """A transformer of VACE's design: two of its three blocks have a branch for the condition."""
    torch.manual_seed(seed)
    return WanVACETransformer3DModel(
        **wan_shape(16, 16, layers=3), vace_layers=[0, 2], vace_in_channels=96
    ).eval()


def vace(folder: Path, experts: int = 1) -> Path:
    """Write a video editing pipeline: Wan2.1 VACE, or with two experts Wan2.2 VACE-Fun."""
    torch.manual_seed(0)
    WanVACEPipeline(
        tokenizer=tokenizer(),
        text_encoder=text_encoder(),
        vae=vae(),
        scheduler=unipc(3.0),
        transformer=vace_transformer(1),
        transformer_2=vace_transformer(2) if experts == 2 else None,
        boundary_ratio=0.875 if experts == 2 else None,
    ).save_pretrained(folder)
    return folder


_QWEN_TOKENS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)


def qwen_tokenizer() -> Qwen2Tokenizer:
    """A byte-level tokenizer that never learned to merge bytes."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: i for i, token in enumerate((*letters, *_QWEN_TOKENS))}
    return Qwen2Tokenizer(
        vocab=vocabulary, merges=[], additional_special_tokens=list(_QWEN_TOKENS[1:])
    )


def qwen_encoder(tokens: Qwen2Tokenizer) -> Qwen2_5_VLForConditionalGeneration:
    """A vision and language model of two layers."""
    torch.manual_seed(3)
    names = {
        f"{name}_token_id": tokens.convert_tokens_to_ids(f"<|{name}{end}|>")
        for name, end in (("image", "_pad"), ("video", "_pad"), ("vision_start", ""))
    }
    config = Qwen2_5_VLConfig(
        text_config={
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "vocab_size": len(tokens),
            "bos_token_id": None,
            "eos_token_id": tokens.eos_token_id,
            "rope_scaling": {"type": "mrope", "mrope_section": [1, 1, 2]},
        },
        vision_config={
            "depth": 2,
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_heads": 2,
            "out_hidden_size": 16,
            "fullatt_block_indexes": [1],
        },
        **names,
    )
    return Qwen2_5_VLForConditionalGeneration(config).eval()


def qwen_edit(folder: Path) -> Path:
    """Write an image editing pipeline in the layout of Qwen-Image-Edit-2509.

    The folder is written part by part: diffusers cannot build the whole pipeline where torchvision
    is absent, for a processor of videos that it never uses.
    """
    tokens = qwen_tokenizer()
    torch.manual_seed(4)
    parts = {
        "tokenizer": tokens,
        "text_encoder": qwen_encoder(tokens),
        "vae": AutoencoderKLQwenImage(
            base_dim=8,
            z_dim=4,
            dim_mult=[1, 2, 4],
            num_res_blocks=1,
            temperal_downsample=[False, True],
            latents_mean=[0.0] * 4,
            latents_std=[1.0] * 4,
        ).eval(),
        "transformer": QwenImageTransformer2DModel(
            patch_size=2,
            in_channels=16,
            out_channels=4,
            num_layers=2,
            attention_head_dim=16,
            num_attention_heads=3,
            joint_attention_dim=16,
            axes_dims_rope=(8, 4, 4),
        ).eval(),
        "scheduler": FlowMatchEulerDiscreteScheduler(
            use_dynamic_shifting=True, base_shift=0.5, max_shift=0.9, shift_terminal=0.02
        ),
    }
    index: dict[str, object] = {"_class_name": "QwenImageEditPlusPipeline"}
    for name, part in parts.items():
        part.save_pretrained(folder / name)
        library = "diffusers" if type(part).__module__.startswith("diffusers") else "transformers"
        index[name] = [library, type(part).__name__]
    index["processor"] = ["transformers", "Qwen2VLProcessor"]
    processor = folder / "processor"
    tokens.save_pretrained(processor)
    images = {
        "image_processor_type": "Qwen2VLImageProcessor",
        "processor_class": "Qwen2VLProcessor",
        "min_pixels": 28 * 28,
        "max_pixels": 56 * 56,
        "patch_size": 14,
        "temporal_patch_size": 2,
        "merge_size": 2,
    }
    (processor / "preprocessor_config.json").write_text(json.dumps(images, indent=2))
    (folder / "model_index.json").write_text(json.dumps(index, indent=2))
    return folder


def build(folder: Path) -> None:
    """Write every tiny model."""
    wan(folder / "wan")
    wan(folder / "wan-single", experts=1)
    wan_dense(folder / "wan-dense")
    vace(folder / "vace")
    vace(folder / "vace-2.2", experts=2)
    qwen_edit(folder / "qwen-edit")


if __name__ == "__main__":
    build(Path(sys.argv[1] if len(sys.argv) > 1 else "tiny"))
