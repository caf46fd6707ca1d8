"""Build tiny, randomly initialised baselines in the layout of the real ones, without downloads.

    cd tests; python -m tiny.pipelines FOLDER

writes FOLDER/lucy (as Lucy-Edit), FOLDER/ditto (as Wan2.1-VACE) with FOLDER/ditto-lora.safetensors,
FOLDER/cosmos (as Cosmos-Transfer2.5) with FOLDER/cosmos-edge (a control network of its own), and
FOLDER/ltx (as LTX-2) with FOLDER/ltx-lora.safetensors. Each is an ordinary diffusers folder.
"""

import json
import sys
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKLLTX2Audio,
    AutoencoderKLLTX2Video,
    Cosmos2_5_TransferPipeline,
    CosmosControlNetModel,
    CosmosTransformer3DModel,
    FlowMatchEulerDiscreteScheduler,
    LTX2Pipeline,
    LTX2VideoTransformer3DModel,
    LucyEditPipeline,
    WanTransformer3DModel,
    WanVACEPipeline,
    WanVACETransformer3DModel,
)
from diffusers.pipelines.ltx2 import LTX2TextConnectors
from diffusers.pipelines.ltx2.vocoder import LTX2Vocoder
from safetensors.torch import save_file
from transformers import (
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
)

from tiny.models import dense_vae, text_encoder, tokenizer, unipc, vae, wan_shape

_RANK = 2

# What the transformer of Cosmos and its control network have in common. The text encoder's layers
# are concatenated: two of 16 make the 32 that the networks read.
_COSMOS = {
    "num_attention_heads": 2,
    "attention_head_dim": 16,
    "mlp_ratio": 2,
    "text_embed_dim": 32,
    "adaln_lora_dim": 4,
    "max_size": (32, 32, 32),
    "patch_size": (1, 2, 2),
    "rope_scale": (2.0, 1.0, 1.0),
    "extra_pos_embed_type": None,
    "img_context_dim_in": 32,
    "img_context_dim_out": 32,
}


def lucy(folder: Path) -> Path:
    """Write an editing pipeline: Wan2.2 TI2V-5B's layout, the clean latents as further channels."""
    autoencoder = dense_vae(0, width=3, channels=4, multiples=(1, 1, 1, 1))
    network = WanTransformer3DModel(**wan_shape(8, 4)).eval()
    LucyEditPipeline(
        tokenizer=tokenizer(),
        text_encoder=text_encoder(),
        vae=autoencoder,
        scheduler=unipc(5.0),
        transformer=network,
        expand_timesteps=True,
    ).save_pretrained(folder)
    return folder


def ditto(folder: Path) -> Path:
    """Write a VACE pipeline of one expert."""
    torch.manual_seed(0)
    network = WanVACETransformer3DModel(
        **wan_shape(16, 16),
        vace_layers=[0, 1],
        vace_in_channels=96,
    ).eval()
    WanVACEPipeline(
        tokenizer=tokenizer(),
        text_encoder=text_encoder(),
        vae=vae(),
        scheduler=unipc(3.0),
        transformer=network,
    ).save_pretrained(folder)
    return folder


def ditto_lora(path: Path, *, size: float = 0.5) -> Path:
    """Write an adapter of the VACE blocks under the names that DiffSynth-Studio gives them."""
    torch.manual_seed(3)
    width, weights = 24, {}
    for block in range(2):
        for name in ("self_attn.q", "self_attn.v", "self_attn.o", "cross_attn.k", "ffn.0"):
            out = 2 * width if name == "ffn.0" else width
            stem = f"vace_blocks.{block}.{name}"
            weights[f"{stem}.lora_A.default.weight"] = torch.randn(_RANK, width) * size
            weights[f"{stem}.lora_B.default.weight"] = torch.randn(out, _RANK) * size
    save_file(weights, path)
    return path


def cosmos(folder: Path) -> Path:
    """Write a Cosmos-Transfer2.5 pipeline; it names no guardrail, as the published one."""
    torch.manual_seed(0)
    network = CosmosTransformer3DModel(
        in_channels=17,
        out_channels=16,
        num_layers=2,
        concat_padding_mask=True,
        controlnet_block_every_n=1,
        img_context_num_tokens=4,
        **_COSMOS,
    ).eval()
    Cosmos2_5_TransferPipeline(
        text_encoder=_qwen(),
        tokenizer=_chat_tokenizer(),
        transformer=network,
        vae=vae(),
        scheduler=unipc(5.0),
        controlnet=cosmos_control(None),
        safety_checker=_Unchecked(),
    ).save_pretrained(folder)
    index = folder / "model_index.json"
    entries = json.loads(index.read_text(encoding="utf-8"))
    entries["safety_checker"] = [None, None]
    index.write_text(json.dumps(entries, indent=2), encoding="utf-8")
    return folder


def cosmos_control(folder: Path | None, seed: int = 1) -> CosmosControlNetModel:
    """Return a control network, written to a folder of its own where one is named."""
    torch.manual_seed(seed)
    network = CosmosControlNetModel(
        n_controlnet_blocks=2,
        in_channels=18,
        latent_channels=18,
        model_channels=32,
        use_crossattn_projection=False,
        **_COSMOS,
    ).eval()
    if folder is not None:
        network.save_pretrained(folder)
    return network


def ltx(folder: Path) -> Path:
    """Write an LTX-2 pipeline of video and audio; the autoencoder's strides are 32 and 8."""
    torch.manual_seed(0)
    encoder = _gemma()
    width = encoder.config.text_config.hidden_size
    layers = encoder.config.text_config.num_hidden_layers
    sound = _audio_vae()
    LTX2Pipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=_ltx_vae(),
        audio_vae=sound,
        text_encoder=encoder,
        tokenizer=tokenizer(),
        connectors=_connectors(width, layers),
        transformer=LTX2VideoTransformer3DModel(
            in_channels=4,
            out_channels=4,
            patch_size=1,
            patch_size_t=1,
            num_attention_heads=2,
            attention_head_dim=8,
            cross_attention_dim=16,
            audio_in_channels=4,
            audio_out_channels=4,
            audio_num_attention_heads=2,
            audio_attention_head_dim=4,
            audio_cross_attention_dim=8,
            num_layers=2,
            qk_norm="rms_norm_across_heads",
            caption_channels=width,
            rope_double_precision=False,
            rope_type="split",
        ).eval(),
        vocoder=LTX2Vocoder(
            in_channels=sound.config.output_channels * sound.config.mel_bins,
            hidden_channels=32,
            out_channels=2,
            upsample_kernel_sizes=[4, 4],
            upsample_factors=[2, 2],
            resnet_kernel_sizes=[3],
            resnet_dilations=[[1, 3, 5]],
            leaky_relu_negative_slope=0.1,
            output_sampling_rate=16000,
        ).eval(),
    ).save_pretrained(folder)
    return folder


def ltx_lora(path: Path, *, downscale: int | None = 2, size: float = 0.5) -> Path:
    """Write an in-context adapter under the names of Lightricks' trainer."""
    torch.manual_seed(4)
    weights = {}
    for block in range(2):
        for name in ("attn1.to_q", "attn1.to_k", "attn1.to_v", "attn1.to_out.0"):
            stem = f"diffusion_model.transformer_blocks.{block}.{name}"
            weights[f"{stem}.lora_A.weight"] = torch.randn(_RANK, 16) * size
            weights[f"{stem}.lora_B.weight"] = torch.randn(16, _RANK) * size
    metadata = {} if downscale is None else {"reference_downscale_factor": str(downscale)}
    save_file(weights, path, metadata=metadata)
    return path


def build(folder: Path) -> None:
    """Write every tiny baseline."""
    folder.mkdir(parents=True, exist_ok=True)
    lucy(folder / "lucy")
    ditto(folder / "ditto")
    ditto_lora(folder / "ditto-lora.safetensors")
    cosmos(folder / "cosmos")
    cosmos_control(folder / "cosmos-edge", seed=2)
    ltx(folder / "ltx")
    ltx_lora(folder / "ltx-lora.safetensors")


class _Unchecked:
    """Stands where the guardrail does while a pipeline is built; it is not saved."""

    def save_pretrained(self, folder: str) -> None:
        """Save nothing."""


def _chat_tokenizer() -> PreTrainedTokenizerFast:
    """The tokenizer of single characters, with a template for chats of text."""
    built = tokenizer()
    built.chat_template = (
        "{% for message in messages %}{{ message['role'] }}: {{ message['content'][0]['text'] }} "
        "{% endfor %}"
    )
    return built


def _qwen() -> Qwen2_5_VLForConditionalGeneration:
    """A language model of two layers."""
    return Qwen2_5_VLForConditionalGeneration(
        Qwen2_5_VLConfig(
            text_config={
                "vocab_size": 128,
                "hidden_size": 16,
                "intermediate_size": 16,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "num_key_value_heads": 2,
                "rope_scaling": {"mrope_section": [1, 1, 2], "rope_type": "default"},
                "rope_theta": 1000000.0,
            },
            vision_config={
                "depth": 1,
                "hidden_size": 16,
                "intermediate_size": 16,
                "num_heads": 2,
                "out_hidden_size": 16,
            },
        )
    ).eval()


def _gemma() -> Gemma3ForConditionalGeneration:
    """A language model of two layers, with the eyes that the class demands."""
    return Gemma3ForConditionalGeneration(
        Gemma3Config(
            text_config={
                "vocab_size": 128,
                "hidden_size": 32,  # the width of the connectors
                "intermediate_size": 32,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "num_key_value_heads": 1,
                "head_dim": 8,
            },
            vision_config={
                "hidden_size": 16,
                "intermediate_size": 16,
                "num_hidden_layers": 1,
                "num_attention_heads": 2,
                "image_size": 28,
                "patch_size": 14,
            },
            mm_tokens_per_image=4,
        )
    ).eval()


def _ltx_vae() -> AutoencoderKLLTX2Video:
    return AutoencoderKLLTX2Video(
        in_channels=3,
        out_channels=3,
        latent_channels=4,
        block_out_channels=(8, 8, 8, 8),
        decoder_block_out_channels=(16, 32, 64),
        layers_per_block=(1, 1, 1, 1, 1),
        decoder_layers_per_block=(1, 1, 1, 1),
        timestep_conditioning=False,
        spatial_compression_ratio=32,
        temporal_compression_ratio=8,
    ).eval()


def _audio_vae() -> AutoencoderKLLTX2Audio:
    return AutoencoderKLLTX2Audio(
        base_channels=4,
        output_channels=2,
        ch_mult=(1,),
        num_res_blocks=1,
        attn_resolutions=None,
        in_channels=2,
        resolution=32,
        latent_channels=2,
        norm_type="pixel",
        causality_axis="height",
        dropout=0.0,
        mid_block_add_attention=False,
        sample_rate=16000,
        mel_hop_length=160,
        is_causal=True,
        mel_bins=8,
    ).eval()


def _connectors(width: int, layers: int) -> LTX2TextConnectors:
    return LTX2TextConnectors(
        caption_channels=width,
        text_proj_in_factor=layers + 1,
        video_connector_num_attention_heads=4,
        video_connector_attention_head_dim=8,
        video_connector_num_layers=1,
        video_connector_num_learnable_registers=None,
        audio_connector_num_attention_heads=4,
        audio_connector_attention_head_dim=8,
        audio_connector_num_layers=1,
        audio_connector_num_learnable_registers=None,
        connector_rope_base_seq_len=32,
        rope_theta=10000.0,
        rope_double_precision=False,
        causal_temporal_positioning=False,
        rope_type="split",
    ).eval()


if __name__ == "__main__":
    build(Path(sys.argv[1] if len(sys.argv) > 1 else "tiny"))
