"""Check the numbers of depth, and that the lens fits the size of the frames."""

import numpy as np

from simlift.core.clip import Clip
from simlift.core.layers import Array, Layer
from simlift.evaluation.agreement.evidence import Evidence
from simlift.evaluation.agreement.findings import Finding, Verdict

RANGE, LENS = "range of depth", "lens and size"
_MANY = 0.005  # share of pixels at one number that is then looked at
_APART = 4.0  # how far beyond all others a farthest number lies that means nothing was hit
_FAR, _VERY_FAR, _NEAR = 300.0, 1000.0, 0.02  # metres, of the median
_OFF_CENTRE, _FAR_OFF_CENTRE = 0.15, 0.45  # of half the size
_SQUARE = 0.1  # difference of the focal lengths across and down


def check_range(evidence: Evidence) -> list[Finding]:
    """Judge zeros, one farthest number, and the size of the scene."""
    if not evidence.clip.metric_depth:
        return []
    depth = evidence.frames(Layer.DEPTH)
    frames = np.concatenate([run.indices for run in evidence.runs])
    known = np.isfinite(depth) & (depth > 0)
    if not known.any():
        return [Finding(RANGE, Verdict.CONTRADICTS, "no pixel has a depth above 0")]
    found = []
    bad = np.concatenate(
        [run.bad.get(Layer.DEPTH, np.zeros(run[Layer.DEPTH].shape, bool)) for run in evidence.runs]
    )
    if bad.mean() >= _MANY:
        worst = int(frames[bad.mean((1, 2)).argmax()])
        text = f"{bad.mean():.1%} of pixels are 0, negative or NaN: they are read as nothing hit"
        found.append(Finding(RANGE, Verdict.DOUBT, text, frame=worst))
    return [*found, *_farthest(depth[known], known.mean(), frames), _size(depth, known)]


def _farthest(values: Array, share_known: float, frames: Array) -> list[Finding]:
    top = float(values.max())
    at_top = values >= top * 0.9999
    rest = values[~at_top]
    share = float(at_top.mean() * share_known)
    if share < _MANY or not rest.size or top < _APART * float(rest.max()):
        return []
    text = f"{share:.1%} of pixels are at {top:.6g} m, all others within {rest.max():.4g} m"
    cause = "the number that stands where nothing was hit"
    statement = f'"sky": {top:.9g} of depth'
    return [Finding(RANGE, Verdict.CONTRADICTS, text, cause, statement, int(frames[0]))]


def _size(depth: Array, known: Array) -> Finding:
    low, middle, high = np.quantile(depth[known], [0.01, 0.5, 0.99])
    text = f"{low:.3g} to {high:.4g} m, half of it within {middle:.3g} m"
    if middle > _VERY_FAR or middle < _NEAR:
        cause = "another unit, such as millimetres" if middle > 1 else "a z-buffer or another unit"
        return Finding(
            RANGE, Verdict.CONTRADICTS, text, cause, '"metres_per_unit" or "measure" of depth'
        )
    if high <= 1.0 + 1e-6 and middle > 0.9:
        return Finding(
            RANGE,
            Verdict.CONTRADICTS,
            text,
            "a z-buffer, whose numbers lie between 0 and 1",
            '"measure": "z-buffer", "near": ..., "far": ... of depth',
        )
    verdict = Verdict.DOUBT if middle > _FAR else Verdict.AGREES
    return Finding(RANGE, verdict, text)


def check_lens(clip: Clip) -> list[Finding]:
    """Judge the principal point, the shape of pixels and the field of view."""
    if clip.camera is None:
        return []
    k = clip.camera.intrinsics
    size = np.array([clip.width, clip.height])
    centre, focal = k[:, :2, 2], k[:, (0, 1), (0, 1)]
    off = np.abs(centre / (size / 2) - 1)
    frame = int(off.max(1).argmax())
    width, height = np.rint(2 * centre[frame]).astype(int)
    angle = float(np.degrees(2 * np.arctan(clip.width / (2 * focal[frame, 0]))))
    text = (
        f"{angle:.0f} degrees across, the principal point at {centre[frame, 0]:.0f}, "
        f"{centre[frame, 1]:.0f} of {clip.width}x{clip.height}"
    )
    if off.max() > _OFF_CENTRE:
        # A crop moves the principal point as well, but hardly by the same factor across and down.
        signed = centre[frame] / (size / 2) - 1
        both = bool((signed > _FAR_OFF_CENTRE).all() or (signed < -_FAR_OFF_CENTRE).all())
        same = height > 0 and abs(width / height / (clip.width / clip.height) - 1) < 0.02
        verdict = Verdict.CONTRADICTS if (both or same) and width > 0 else Verdict.DOUBT
        cause = f"intrinsics of pictures of {width}x{height}"
        return [Finding(LENS, verdict, text, cause, "intrinsics of the frames' size", frame)]
    if np.abs(focal[:, 0] / focal[:, 1] - 1).max() > _SQUARE:
        text = f"{text}, pixels {focal[frame, 0] / focal[frame, 1]:.2f} as wide as high"
        return [Finding(LENS, Verdict.DOUBT, text, "intrinsics of another shape", "", frame)]
    if not 3 < angle < 150:
        return [Finding(LENS, Verdict.DOUBT, text, "a focal length in other units", "", frame)]
    return [Finding(LENS, Verdict.AGREES, text)]
