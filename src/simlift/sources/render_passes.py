"""Describe the colour passes of a renderer as layers: linear light in EXR, sRGB in pictures."""

from collections.abc import Mapping

from simlift.core.layers import FrameStore, Layer, StoredLayer, Unit
from simlift.media.decodings import Colour, LinearColour
from simlift.media.exr import ExrStore
from simlift.media.images import ImageStore


def colour_layers(
    stores: Mapping[str, FrameStore], of_linear: str
) -> tuple[list[StoredLayer], list[str]]:
    """Return rgb and albedo, where they are there, and notes; `of_linear` is said of EXR colour."""
    layers = []
    for layer in (Layer.RGB, Layer.ALBEDO):
        store = stores.get(layer.value)
        if store is not None:
            decode = LinearColour() if isinstance(store, ExrStore) else Colour()
            layers.append(StoredLayer(layer, store, decode, Unit.SRGB))
    rgb = stores[Layer.RGB.value]
    if isinstance(rgb, ExrStore):
        return layers, [of_linear]
    return layers, list(rgb.notes) if isinstance(rgb, ImageStore) else []
