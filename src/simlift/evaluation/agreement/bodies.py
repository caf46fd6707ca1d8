"""Check that the poses of bodies move their ids, and that flow leads to where pixels go."""

import cv2
import numpy as np

from simlift.core.layers import Array, Layer
from simlift.core.window import Window
from simlift.evaluation.agreement.evidence import Evidence
from simlift.evaluation.agreement.findings import Finding, Verdict
from simlift.pixels.geometry.projection import backward_warp, rigid_flow

BODIES, FLOW = "bodies and ids", "flow and picture"
_GAIN = 0.1
_LEAST_MOVED = 1.0  # pixels
_LEAST_PIXELS = 30
_LEAST_CODES = 2.0  # of 255: noise that stays in its place differs by as much along true flow
_CLEAR = 0.75  # error of another reading of flow, over that of the stated one

# By signs of the numbers that lead right and down: what is wrong, and how it is stated.
_READINGS: dict[tuple[float, float], tuple[str, str]] = {
    (1, -1): ("it leads up where it should lead down", '"axes": "opengl" of flow'),
    (-1, -1): (
        "it leads from a frame to the one before",
        '"pixels_per_unit": [-1, -1] of flow',
    ),
    (-1, 1): ("it leads left where it should lead right", '"pixels_per_unit": [-1, 1] of flow'),
    (0, 0): ("it stands still", ""),
}


def check_bodies(evidence: Evidence) -> list[Finding]:
    """Compare where poses lead the pixels of bodies with where their ids are."""
    clip = evidence.clip
    if clip.objects is None or Layer.SEGMENTATION not in clip:
        return []
    if clip.camera is None or not clip.metric_depth:
        return [Finding(BODIES, Verdict.NO_EVIDENCE, "needs a camera and depth in metres")]
    led, stayed, frames = [], [], []
    for run in evidence.runs:
        for one in sorted({0, len(run) // 2 - 1, len(run) - 2} & set(range(len(run) - 1))):
            if overlap := _overlaps(run, one):
                led.append(overlap[0])
                stayed.append(overlap[1])
                frames.append(int(run.indices[one]))
    if not led:
        return [Finding(BODIES, Verdict.NO_EVIDENCE, "no body moves in the frames looked at")]
    own, fixed = float(np.mean(led)), float(np.mean(stayed))
    worst = frames[int(np.argmin(led))]
    text = f"{own:.0%} of moved pixels land on their own id, {fixed:.0%} if they stood still"
    if own < fixed - _GAIN and own < 0.5:
        cause = "poses of other frames, other axes, or of the world to the body"
        return [Finding(BODIES, Verdict.CONTRADICTS, text, cause, "", worst)]
    verdict = Verdict.AGREES if own >= 0.5 else Verdict.DOUBT
    return [Finding(BODIES, verdict, text, frame=worst)]


def _overlaps(run: Window, one: int) -> tuple[float, float] | None:
    """Return the shares of moved bodies' pixels that find their id: led by poses, or staying."""
    assert run.camera is not None and run.objects is not None
    other = one + 1
    poses = run.objects.poses
    moved = np.abs(poses[one] - poses[other]).max((1, 2)) > 1e-6
    ids, ids_after = run[Layer.SEGMENTATION][one], run[Layer.SEGMENTATION][other]
    mask = np.isin(ids, run.objects.ids[moved])
    if mask.sum() < _LEAST_PIXELS:
        return None
    flow, _ = rigid_flow(
        run[Layer.DEPTH][one],
        ids,
        (run.camera.intrinsics[one], run.camera.intrinsics[other]),
        (run.camera.world_to_camera[one], run.camera.world_to_camera[other]),
        run.objects.ids,
        (poses[one], poses[other]),
    )
    size = np.hypot(flow[..., 0], flow[..., 1])
    mask &= np.isfinite(size) & (size > _LEAST_MOVED)
    if mask.sum() < _LEAST_PIXELS:
        return None
    there = backward_warp(ids_after.astype(np.float32), flow, nearest=True)
    return float((there == ids)[mask].mean()), float((ids_after == ids)[mask].mean())


def check_flow(evidence: Evidence) -> list[Finding]:
    """Compare rgb with the next frame brought back along flow: as stated, and read otherwise."""
    if Layer.FLOW not in evidence.clip:
        return []
    means = flow_errors(evidence)
    if not means:
        return [Finding(FLOW, Verdict.NO_EVIDENCE, "hardly anything moves in the frames looked at")]
    own = means.pop((1.0, 1.0))
    signs, best = min(means.items(), key=lambda item: item[1])
    text = f"frames differ by {own:.1f} codes from the next ones brought back along it"
    if best < min(_CLEAR * own, own - _LEAST_CODES):
        name, statement = _READINGS[signs]
        words = f"{text}, by {best:.1f} if {name}"
        return [Finding(FLOW, Verdict.CONTRADICTS, words, name, statement)]
    return [Finding(FLOW, Verdict.AGREES, text)]


def flow_errors(evidence: Evidence) -> dict[tuple[float, float], float]:
    """Return how far frames differ from the next ones brought back, for each pair of signs.

    Codes of 255. Empty where nothing moves.
    """
    errors: dict[tuple[float, float], list[float]] = {}
    for run in evidence.runs:
        for one in range(len(run) - 1):
            if run.indices[one + 1] != run.indices[one] + 1:
                continue
            flow = run[Layer.FLOW][one]
            if np.median(np.hypot(flow[..., 0], flow[..., 1])[np.isfinite(flow[..., 0])]) < 0.3:
                continue
            for signs in ((1.0, 1.0), *_READINGS):
                turned = flow * np.asarray(signs, dtype=np.float32)
                errors.setdefault(signs, []).append(_error(run, one, turned))
    return {signs: float(np.mean(values)) for signs, values in errors.items()}


def _error(run: Window, one: int, flow: Array) -> float:
    blurred = cv2.GaussianBlur(run.rgb[one + 1], (3, 3), 0).astype(np.float32)
    back = backward_warp(blurred, np.nan_to_num(flow.astype(np.float32)))
    here = cv2.GaussianBlur(run.rgb[one], (3, 3), 0).astype(np.float32)
    inside = back.sum(-1) > 0
    return float(np.abs(back - here).mean(-1)[inside].mean()) if inside.any() else 255.0
