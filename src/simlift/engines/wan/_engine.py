"""Lift rendered windows with a Wan model and its in-context adapter: the opened wan engine."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import numpy as np
import torch
from diffusers import AutoencoderKLWan

from simlift.core.protocols import Engine
from simlift.core.recipe import derive_seed
from simlift.core.window import ClipSample, Frames, PreviousFrames, Window
from simlift.engines.wan._denoiser import Denoiser, Model, SharedDenoiser, open_denoiser
from simlift.engines.wan._sampler import Conditions, fused_parts
from simlift.engines.wan.settings import WanSettings
from simlift.models.hub._device import open_device
from simlift.models.wan._offload import on_device
from simlift.models.wan._parts import (
    DTYPES,
    TextEncoder,
    decode_latents,
    encode_frames,
    given_frames,
    load_vae,
    padded_text,
)
from simlift.models.wan.adapter import Adapter
from simlift.models.wan.base_model import WanBase
from simlift.pixels.colour.drift_correction import apply_colour_correction, colour_correction
from simlift.pixels.image.letterbox import Letterbox, box_downsample, pad_frames, padded_length


@contextmanager
def open_engine(
    spec: WanSettings, base: WanBase, adapter: Adapter | None, device: str
) -> Iterator["WanEngine"]:
    """Load what the spec names."""
    place = open_device(device)
    with ExitStack() as stack:
        denoiser = stack.enter_context(open_denoiser(Model(spec, base, adapter), device))
        first = spec.first_frame_spec(adapter)
        maker = None if first is None else stack.enter_context(first.open("cpu"))
        vae = load_vae(base.folder, spec.vae)
        yield WanEngine(spec, base, adapter, place, denoiser, vae, maker)
    if place.type == "cuda":
        torch.cuda.empty_cache()


class WanEngine:
    """An opened Wan model with its adapter."""

    def __init__(
        self,
        spec: WanSettings,
        base: WanBase,
        adapter: Adapter | None,
        device: torch.device,
        denoiser: Denoiser | SharedDenoiser,
        vae: AutoencoderKLWan,
        first_frame: Engine | None = None,
    ) -> None:
        self.spec, self.base, self.adapter = spec, base, adapter
        self._device = device
        self._denoiser = denoiser
        self._vae = vae
        self._first_frame = first_frame
        self._control = spec.control(adapter)
        self._stay = spec.offload == "none"
        self._texts: dict[str, torch.Tensor] = {}

    def lift(
        self, window: Window, *, sample: ClipSample, previous: PreviousFrames | None, seed: int
    ) -> Frames:
        """Return the lifted frames of a window, less the overlap given in `previous`."""
        place = self.spec.letterbox(*window.size, self.base, self.adapter)
        length = padded_length(max(len(window), 5))
        texts = self._embed(window.caption)
        begin = previous
        if begin is None and self._first_frame is not None:
            begin = self._first_frame.lift(window.frame(0), sample=sample, previous=None, seed=seed)
        shown = window.rgb if self._control is None else self._control.draw(window)
        with on_device(self._vae, self._device, stay=self._stay):
            reference = self._encode_reference(pad_frames(place.apply(shown), length))
            render = pad_frames(place.apply(window.rgb), length)
            start = self._encode(render) if self.spec.strength < 1 else None
            prefix = given = None
            if self.base.image_to_video:
                known = render[:0] if begin is None else place.apply(begin)
                given = given_frames(self._vae, known, length)
            elif begin is not None:
                prefix = self._encode(place.apply(begin))
        conditions = Conditions(
            reference=reference,
            prompt=texts[0],
            negative=texts[1],
            empty=texts[2],
            prefix=prefix,
            parts=self._parts((length - 1) // 4 + 1),
            given=given,
        )
        levels = self.spec.levels()
        noise = self._noise(window, place, length, seed)
        if start is not None:
            noise = (1 - levels[0]) * start + levels[0] * noise
        latents = self._denoiser(noise, levels, conditions)
        frames = self._frames(latents, len(window), place, previous)
        if previous is None and begin is not None:
            frames[: len(begin)] = begin  # as it was given, not as it was coded
        return frames

    def _embed(self, caption: str) -> list[torch.Tensor]:
        """Return the texts [1 T D] of the prompt, the negative prompt and no prompt."""
        prompt = ", ".join(part for part in (caption, self.spec.prompt) if part)
        if self.adapter is not None:
            prompt = self.adapter.card.prompt_template.replace("{caption}", prompt)
        prompts = [prompt, self.spec.negative_prompt, ""]
        if missing := [prompt for prompt in prompts if prompt not in self._texts]:
            encoder = TextEncoder(self.base.folder, DTYPES[self.spec.dtype], self._device)
            self._texts |= {prompt: encoder(prompt) for prompt in missing}
        dtype = DTYPES[self.spec.dtype]
        return [padded_text(self._texts[prompt], self._device, dtype) for prompt in prompts]

    def _encode(self, frames: Frames) -> torch.Tensor:
        return encode_frames(self._vae, frames)

    def _encode_reference(self, render: Frames) -> torch.Tensor | None:
        if self.adapter is None:
            return None
        return self._encode(box_downsample(render, self.spec.incontext(self.adapter).downscale))

    def _parts(self, latent_frames: int) -> tuple[slice, ...]:
        window = (self.spec.frames - 1) // 4 + 1
        return fused_parts(latent_frames, window, (self.spec.overlap - 1) // 4 + 1)

    def _noise(self, window: Window, place: Letterbox, length: int, seed: int) -> torch.Tensor:
        shape = self.base.latent_shape(length, place.padded_height, place.padded_width)
        number = derive_seed(seed, "noise", str(int(window.indices[0]))) % 2**63
        generator = torch.Generator("cpu").manual_seed(number)
        return torch.randn(1, *shape, generator=generator).to(self._device)

    def _frames(
        self,
        latents: torch.Tensor,
        num_frames: int,
        place: Letterbox,
        previous: PreviousFrames | None,
    ) -> Frames:
        with on_device(self._vae, self._device, stay=self._stay):
            parts = [place.undo(part) for part in decode_latents(self._vae, latents)]
        frames = np.concatenate(parts)[:num_frames]
        if previous is None:
            return frames
        made = frames[len(previous) :]
        if not self.spec.hold_colour:
            return made
        return apply_colour_correction(made, colour_correction(frames[: len(previous)], previous))
