"""Define the wan engine as a frozen value: what it needs, what a clip will cost, how it opens."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec

from simlift.core.clip import Clip
from simlift.core.errors import MissingLibrary, RecipeError
from simlift.core.layers import Layer
from simlift.core.protocols import Cost, Engine, Stage
from simlift.engines.wan.settings import WanSettings
from simlift.models.wan.base_model import EXTRA, WanBase
from simlift.models.wan.cost import Shape, forward_cost
from simlift.pixels.image.letterbox import padded_length


@dataclass(frozen=True)
class Wan(WanSettings):
    """Lift by a Wan model under an in-context adapter, in one pass without anchors."""

    def needs(self) -> frozenset[Layer]:
        return frozenset({Layer.RGB})

    def uses(self) -> frozenset[Layer]:
        """What the first frame is made from, and what the control of an adapter is drawn from."""
        if self.adapter is None:
            return frozenset()
        try:
            _, adapter = self.find()
        except RecipeError:  # `check` says what is wrong with it, before anything is opened
            return frozenset()
        control, first = self.control(adapter), self.first_frame_spec(adapter)
        if control is None or first is None:
            return frozenset()
        return control.needs() | first.needs() | first.uses()

    def check(self, clip: Clip) -> tuple[Stage, ...]:
        """Say what will run; RecipeError where weights, adapter or libraries do not fit."""
        for library in ("torch", "diffusers", "transformers", "peft"):
            if find_spec(library) is None:
                raise MissingLibrary(library, "the engine wan", EXTRA)
        base, adapter = self.find()
        place = self.letterbox(clip.height, clip.width, base, adapter)
        windows = self._num_windows(clip.num_frames)
        size = f"{place.padded_width}x{place.padded_height}"
        trained = ""
        if adapter is not None:
            card = adapter.card
            trained = f"; trained at {card.width}x{card.height}, {card.num_frames} frames"
        long = "one window"
        if windows > 1:
            how = f"goes on from {self.overlap} frames" if self.overlap else "starts afresh"
            learned = adapter is not None and adapter.card.prefix_share > 0
            unseen = "" if learned or not self.overlap else "; the adapter has not learned to"
            long = f"{windows} windows, each {how}{unseen}"
        control, first = self.control(adapter), self.first_frame_spec(adapter)
        if control is not None and first is not None:
            # A clip that the control cannot be drawn of is refused before weights are loaded.
            with clip.open(Layer) as reader:
                control.draw(reader.window([0]))
            first.check(clip)
            made_by = type(first).__name__.lower()
        # The digests go into the provenance of a take: names alone do not say which weights.
        weights = ", ".join(f"{e} {base.digest(e)}" for e in base.experts.names)
        made = (
            f"none: from {self.strength:g}"
            if adapter is None
            else f"{self.adapter} {adapter.digest()}"
        )
        return (
            Stage("model", True, f"{base.folder.name}: {weights}"),
            Stage("adapter", adapter is not None, made),
            *(
                (
                    Stage("reference", True, f"the clip's {adapter.card.reference}"),
                    Stage("first frame", True, f"by {made_by}"),
                )
                if adapter is not None and control is not None
                else ()
            ),
            Stage("size", True, size + (", resized" if place.resizes else "") + trained),
            Stage("windows", True, long),
            Stage("steps", True, self._levels_in_words(base)),
        )

    def cost(self, clip: Clip) -> Cost:
        """Count tokens, operations and bytes of a clip; nothing is loaded."""
        base, adapter = self.find()
        settings, shape = self.incontext(adapter), Shape.of(base.transformer)
        place = self.letterbox(clip.height, clip.width, base, adapter)
        frames = padded_length(min(self.frames, clip.num_frames))
        target = base.num_tokens(frames, place.padded_height, place.padded_width)
        reference = target // settings.downscale**2 if adapter else 0
        cached = settings.attention == "self"
        one = forward_cost(shape, target, reference, settings, cached=cached)
        levels = self.levels()
        guided = sum(
            2 if self.guidance_of(base.experts.of(float(s))) != 1 else 1 for s in levels[:-1]
        )
        windows = self._num_windows(clip.num_frames) * self.fuse
        operations = windows * (guided * one.operations + len(base.experts.names) * one.once)
        bytes_each = 1 if self.fp8 else (4 if self.dtype == "float32" else 2)
        experts = len(base.experts.names) if self.offload == "none" else 1
        weights = shape.parameters * bytes_each * experts
        if self.offload == "layer":
            weights = 2 * shape.parameters * bytes_each // shape.layers
        width = 4 if self.dtype == "float32" else 2
        tokens = (target + reference) // self.parallel
        activations = tokens * (shape.width * (8 * width + 8) + shape.ffn * width)
        cache = one.cache_bytes if self.keep == "device" else one.cache_bytes // shape.layers
        return Cost(
            tokens=target + reference,
            forwards=windows * guided,
            operations=operations / self.parallel,
            memory_bytes=weights + activations + cache * len(base.experts.names) // self.parallel,
        )

    def _num_windows(self, num_frames: int) -> int:
        window_size = self.window_size()
        return 1 + max(
            0, -(-(num_frames - window_size.frames) // (window_size.frames - window_size.overlap))
        )

    def _levels_in_words(self, base: WanBase) -> str:
        levels = self.levels()[:-1]
        counts = {e: sum(base.experts.of(s) == e for s in levels) for e in base.experts.names}
        shares = ", ".join(f"{count} {expert}" for expert, count in counts.items())
        return f"{len(levels)} steps ({shares}), shift {self.shift:g}, guidance {self.guidance}"

    @contextmanager
    def open(self, device: str) -> Iterator[Engine]:
        """Load the weights; leaving the block frees them."""
        base, adapter = self.find()
        from simlift.engines.wan._engine import open_engine

        with open_engine(self, base, adapter, device) as engine:
            yield engine
