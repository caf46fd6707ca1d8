"""(Window, frames) -> Score: what stayed true, and the gate that decides."""

from simlift.core.seams import Metric
from simlift.metrics.colour import Clipping, ColourShift
from simlift.metrics.definitions import DEFINITIONS, Definition
from simlift.metrics.edges import EdgeAgreement
from simlift.metrics.flicker import Flicker
from simlift.metrics.joins import SeamRatio
from simlift.metrics.motion import flow_source
from simlift.metrics.structure import BlurSsim


def standard(seams: tuple[int, ...] = ()) -> tuple[Metric, ...]:
    """Return the metrics of every take; `seams` are the frames at which it was joined."""
    return (
        EdgeAgreement(),
        BlurSsim(),
        Flicker(),
        SeamRatio(seams),
        ColourShift(),
        Clipping(),
    )


__all__ = [
    "DEFINITIONS",
    "BlurSsim",
    "Clipping",
    "ColourShift",
    "Definition",
    "EdgeAgreement",
    "Flicker",
    "SeamRatio",
    "flow_source",
    "standard",
]
