"""Check that the layers of a clip agree with each other, before anything rests on them."""

import numpy as np

from simlift.core.clip import Clip
from simlift.core.layers import Layer
from simlift.evaluation.agreement.bodies import check_bodies, check_flow
from simlift.evaluation.agreement.borders import check_borders
from simlift.evaluation.agreement.evidence import Evidence, gather
from simlift.evaluation.agreement.findings import Agreement, Finding, Verdict
from simlift.evaluation.agreement.motion import check_motion
from simlift.evaluation.agreement.ranges import check_lens, check_range
from simlift.evaluation.agreement.surfaces import check_normals, check_planes

VERSION = 3  # of the checks: what an older one found is found again

__all__ = ["VERSION", "Agreement", "Finding", "Verdict", "check_layers"]

_ORDER = (Verdict.CONTRADICTS, Verdict.DOUBT, Verdict.AGREES)


def check_layers(clip: Clip) -> Agreement:
    """Compare depth, camera, normals, ids, bodies and flow of some frames with each other."""
    if not any(layer in clip for layer in Layer if layer not in (Layer.RGB, Layer.TWIN)):
        return Agreement(tuple(check_lens(clip)))
    return judge(gather(clip))


def judge(evidence: Evidence) -> Agreement:
    """Return what the gathered frames say."""
    findings = (
        *check_range(evidence),
        *check_lens(evidence.clip),
        *check_planes(evidence),
        *check_motion(evidence),
        *check_normals(evidence),
        *check_borders(evidence),
        *check_bodies(evidence),
        *check_flow(evidence),
    )
    marked = [f for v in _ORDER for f in findings if f.verdict is v and f.frame is not None]
    limits, sky = None, None
    if evidence.clip.metric_depth:
        depth = evidence.frames(Layer.DEPTH)
        known = np.isfinite(depth) & (depth > 0)
        sky = float(1 - known.mean())
        if known.any():
            low, high = np.quantile(depth[known], [0.01, 0.99])
            limits = (float(low), float(high))
    return Agreement(findings, limits, sky, marked[0].frame if marked else None)
