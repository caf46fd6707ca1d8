"""Measure a take against its render: (Window, frames) -> Score."""

from pathlib import Path

from simlift.core.layers import Layer
from simlift.core.protocols import Metric
from simlift.evaluation.metrics.colour import Clipping, ColourShift
from simlift.evaluation.metrics.decoder_faults import DecoderFaults
from simlift.evaluation.metrics.definitions import DEFINITIONS, Definition
from simlift.evaluation.metrics.edges import EdgeAgreement
from simlift.evaluation.metrics.first_frame import FirstFrameDrift
from simlift.evaluation.metrics.flicker import Flicker
from simlift.evaluation.metrics.motion import flow_source
from simlift.evaluation.metrics.release import ObjectTracking
from simlift.evaluation.metrics.robot_alignment import RobotAlignment
from simlift.evaluation.metrics.structure import BlurSsim
from simlift.evaluation.metrics.twin import Lpips, TwinDistance, gap_closed, gaps_closed
from simlift.evaluation.metrics.window_jumps import WindowJumps
from simlift.evaluation.objects import Followed


def standard(
    window_starts: tuple[int, ...] = (),
    *,
    layers: frozenset[Layer] = frozenset({Layer.RGB}),
    lpips: Path | None = None,
    followed: tuple[Followed, ...] = (),
    first: FirstFrameDrift | None = None,
) -> tuple[Metric, ...]:
    """Return the metrics of a take of a clip that has some layers.

    `window_starts` are the frames at which an engine began a new window; `lpips` is the folder of
    LPIPS's weights; `followed` are the moving objects, as they look in
    this take; `first` knows the first frame of render and take.
    """
    every: tuple[Metric, ...] = (
        EdgeAgreement(),
        BlurSsim(),
        Flicker(),
        WindowJumps(window_starts),
        ColourShift(),
        Clipping(),
        DecoderFaults(),
        RobotAlignment(),
        TwinDistance(),
        *((Lpips(lpips),) if lpips else ()),
        *((first,) if first else ()),
        *((ObjectTracking(followed),) if followed else ()),
    )
    return tuple(metric for metric in every if metric.needs() <= layers)


__all__ = [
    "DEFINITIONS",
    "BlurSsim",
    "Clipping",
    "ColourShift",
    "DecoderFaults",
    "Definition",
    "EdgeAgreement",
    "FirstFrameDrift",
    "Flicker",
    "Lpips",
    "ObjectTracking",
    "RobotAlignment",
    "TwinDistance",
    "WindowJumps",
    "flow_source",
    "gap_closed",
    "gaps_closed",
    "standard",
]
