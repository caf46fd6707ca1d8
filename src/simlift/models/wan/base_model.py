"""Find a Wan model by name and read what it is made of, before torch is imported."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from simlift.core.errors import RecipeError
from simlift.models.hub.pipeline_folder import PipelineFolder, find_pipeline
from simlift.models.wan.flow_matching import Expert, Experts

EXTRA = "realmaster"
MASK_CHANNELS = 4  # one for each frame of a latent frame
_COMPONENTS = ("transformer", "vae", "text_encoder")


@dataclass(frozen=True)
class WanBase:
    """A Wan model: Wan2.1 and TI2V-5B have one transformer, Wan2.2 A14B has two experts.

    Latents of a video of 4k+1 frames have k+1 frames, and sides `stride` times smaller.
    """

    folder: PipelineFolder

    @property
    def experts(self) -> Experts:
        """Which transformer answers for which noise level."""
        if "transformer_2" not in self.folder:
            return Experts()
        return Experts(float(self.folder.index["boundary_ratio"]))

    @cached_property
    def transformer(self) -> dict[str, Any]:
        """The settings of the transformers, which are alike."""
        return self.folder.config("transformer")

    @cached_property
    def vae(self) -> dict[str, Any]:
        """The settings of the video autoencoder."""
        return self.folder.config("vae")

    @property
    def stride(self) -> int:
        """Pixels for each latent, in each direction."""
        return int(self.vae.get("scale_factor_spatial", 8))

    @property
    def multiple(self) -> int:
        """What the sides of a video must be multiples of."""
        return self.stride * int(self.transformer["patch_size"][1])

    @property
    def channels(self) -> int:
        """Channels of a latent."""
        return int(self.transformer["out_channels"])

    @property
    def image_to_video(self) -> bool:
        """Whether first frames enter as further channels: 4 of a mask, then those of a latent."""
        return int(self.transformer["in_channels"]) == 2 * self.channels + MASK_CHANNELS

    def latent_shape(self, num_frames: int, height: int, width: int) -> tuple[int, int, int, int]:
        """Return the latents' shape [c f h w] of a video."""
        return (
            self.channels,
            (num_frames - 1) // 4 + 1,
            height // self.stride,
            width // self.stride,
        )

    def num_tokens(self, num_frames: int, height: int, width: int) -> int:
        """Return how many tokens a video is to the transformer."""
        _, frames, rows, columns = self.latent_shape(num_frames, height, width)
        t, h, w = self.transformer["patch_size"]
        return int(frames // t * (rows // h) * (columns // w))

    def component(self, expert: Expert) -> str:
        """Return the folder of an expert; diffusers calls the low-noise one transformer_2."""
        return "transformer_2" if expert == "low" else "transformer"

    def digest(self, expert: Expert) -> str:
        """Name an expert's weights."""
        return self.folder.digest(self.component(expert))


def find_wan(name: str) -> WanBase:
    """Return a Wan model; RecipeError says why it cannot be lifted with or trained on."""
    folder = find_pipeline(
        name,
        purpose="video in context",
        kinds=("WanPipeline", "WanImageToVideoPipeline"),
        components=_COMPONENTS,
        extra=EXTRA,
    )
    base = WanBase(folder)
    if "transformer_2" in folder:
        folder.config("transformer_2")
        folder.weights("transformer_2")
        if not isinstance(folder.index.get("boundary_ratio"), float):
            raise RecipeError(
                folder.path / "model_index.json",
                f"has two experts and boundary_ratio {folder.index.get('boundary_ratio')!r}",
                allowed="a number between 0 and 1; Wan2.2 T2V-A14B has 0.875",
            )
    if found := _unfit(base):
        raise RecipeError(
            folder.path / "transformer" / "config.json",
            found,
            allowed="Wan2.1-T2V, Wan2.2-T2V-A14B, Wan2.2-I2V-A14B, Wan2.2-TI2V-5B",
        )
    return base


def _unfit(base: WanBase) -> str:
    """Return why a transformer takes other channels than a latent and what may stand beside it."""
    if base.transformer.get("image_dim") is not None:
        return "is an image-to-video model that sees its image through CLIP"
    taken = int(base.transformer["in_channels"])
    if taken == base.channels or base.image_to_video:
        return ""
    return f"takes {taken} channels for latents of {base.channels}"
