"""Check that depth, moved by the clip's own camera, meets the depth of later frames.

The share of still pixels that meets is compared with the shares under other conventions: distance
along the ray, other units, another direction or other axes of the pose, rows from below, a camera
that comes late. Only what explains the frames clearly better is named.
"""

from collections.abc import Callable, Iterator

import cv2
import numpy as np

from simlift.core.layers import Array, Layer
from simlift.core.window import Window
from simlift.evaluation.agreement.conventions import (
    Convention,
    Geometry,
    conventions,
    inverse_depth,
    other_lenses,
)
from simlift.evaluation.agreement.evidence import Evidence, still
from simlift.evaluation.agreement.findings import Finding, Verdict

CHECK = "depth and camera"
_TOLERANCES = (0.02, 0.005)  # of inverse depth: what counts as met; the finer for slow cameras
_LEAST_INSIDE = 0.3  # of the points: fewer that land inside the picture count as if they were
_POINTS = 8000  # of a frame
_GAIN = 0.15  # of all points: by so much must another convention meet more often
_LEAST_GAIN = 0.03  # over the same depth without motion
_GOOD = 0.6  # share at which depth and camera agree
_POOR = 0.35  # share below which they contradict each other, whatever the reason
_LENS_GAIN = 0.06  # of a lens, which is never more than a doubt
_SPREAD = 0.04  # between all conventions: less tells nothing


def check_motion(evidence: Evidence) -> list[Finding]:
    """Compare depth with later depth under the clip's own camera; says where nothing can be said.

    Needs metric depth; without a camera, or with one that stands still, there is no evidence.
    """
    clip = evidence.clip
    if not clip.metric_depth:
        return []
    if clip.camera is None:
        return [Finding(CHECK, Verdict.NO_EVIDENCE, "the clip has no camera")]
    if not clip.camera.moves:
        return [Finding(CHECK, Verdict.NO_EVIDENCE, "the camera stands still")]
    stated = _shares(evidence, lambda g: g)
    if not stated:
        return [Finding(CHECK, Verdict.NO_EVIDENCE, "no frame has depth that can be compared")]
    worst = min(stated, key=lambda item: float(item[1][0]))[0]
    own, fixed = _mean(stated), _mean(_shares(evidence, _without_motion))
    rivals = [(c, _mean(_shares(evidence, c.read))) for c in conventions(evidence)]
    rivals += _late_cameras(evidence)
    everything = np.stack([own, fixed, *(share for _, share in rivals)])
    if (np.ptp(everything, axis=0) < _SPREAD).all():
        return [Finding(CHECK, Verdict.NO_EVIDENCE, "the camera hardly moves between frames")]
    return [_judge(evidence, own, fixed, rivals, worst)]


def _judge(
    evidence: Evidence, own: Array, fixed: Array, rivals: list[tuple[Convention, Array]], worst: int
) -> Finding:
    """Say whether another convention explains the frames better, at the tolerance that tells."""
    text = f"{own[0]:.0%} of still pixels meet the depth of a later frame"
    ranked = sorted(
        ((k, level) for k in range(len(rivals)) for level in range(len(_TOLERANCES))),
        key=lambda at: -float(rivals[at[0]][1][at[1]] - own[at[1]]),
    )
    for k, level in ranked:
        convention, share = rivals[k]
        if share[level] < own[level] + _GAIN or share[level] < _GOOD:
            continue
        # What makes a scene so large that no motion shows in it explains nothing.
        without = _mean(_shares(evidence, _unmoved(convention)))
        if share[level] < without[level] + _LEAST_GAIN:
            continue
        if level:
            text = f"{own[level]:.0%} of still pixels meet a later frame's depth to 0.5 %"
        words = f"{text}, {share[level]:.0%} would"
        return Finding(
            CHECK, Verdict.CONTRADICTS, words, convention.cause, convention.statement, worst
        )
    if own[0] < _POOR and fixed[0] > own[0] + _GAIN:
        words = f"{text}, {fixed[0]:.0%} would if the camera stood still"
        cause = "a camera that does not belong to these frames"
        return Finding(CHECK, Verdict.CONTRADICTS, words, cause, "", worst)
    lenses = [(c, _mean(_shares(evidence, c.read))) for c in other_lenses(evidence)]
    lens, share = max(lenses, key=lambda item: float(item[1].min() - own.min()))
    if (share > own + _LENS_GAIN).all() and share[0] >= _GOOD:
        words = f"{text}, {share[0]:.0%} would"
        return Finding(CHECK, Verdict.DOUBT, words, lens.cause, lens.statement, worst)
    verdict = Verdict.AGREES if own[0] >= _GOOD else Verdict.DOUBT
    return Finding(CHECK, verdict, text, frame=worst)


def agreement_share(evidence: Evidence) -> tuple[float, float]:
    """Return the share of still pixels that meet later frames, and without the camera's motion.

    Both are means over the tolerances.
    """
    led, fixed = (_mean(_shares(evidence, read)) for read in (lambda g: g, _without_motion))
    return float(led.mean()), float(fixed.mean())


def met_shares(geometry: Geometry, one: int, other: int, mask: Array) -> Array | None:
    """Return the share of points of frame `one` that lie where frame `other` sees a surface.

    There is one share for each tolerance; None where too few points are there to say anything.
    """
    height, width = geometry.depth.shape[1:]
    step = max(int(np.sqrt(height * width / _POINTS)), 1)
    rows, columns = np.mgrid[step // 2 : height : step, step // 2 : width : step]
    z = geometry.depth[one][rows, columns].astype(np.float64)
    seen = np.isfinite(z) & (z > 0) & mask[rows, columns]
    if seen.sum() < 50:
        return None
    k = geometry.intrinsics[one]
    z = z[seen]
    rays = [(columns[seen] + 0.5 - k[0, 2]) / k[0, 0], (rows[seen] + 0.5 - k[1, 2]) / k[1, 1]]
    points = np.stack([rays[0] * z, rays[1] * z, z, np.ones_like(z)])
    ahead = geometry.poses[other] @ np.linalg.inv(geometry.poses[one])
    x, y, depth = (ahead @ points)[:3]
    k = geometry.intrinsics[other]
    in_front = depth > 1e-9
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        u = np.where(in_front, k[0, 0] * x / depth + k[0, 2] - 0.5, -9)
        v = np.where(in_front, k[1, 1] * y / depth + k[1, 2] - 0.5, -9)
    inside = in_front & (u >= 0) & (u <= width - 1) & (v >= 0) & (v <= height - 1)
    # The inverse depth of a plane is linear in the picture, so that this interpolation is exact.
    seen_there = np.asarray(
        cv2.remap(
            inverse_depth(geometry.depth[other]),
            np.clip(u, -9, width).astype(np.float32)[None],
            np.clip(v, -9, height).astype(np.float32)[None],
            cv2.INTER_LINEAR,
        )
    )[0]
    apart = np.where(inside, np.abs(seen_there * depth - 1), np.inf)
    met = np.array([(apart < tolerance).sum() for tolerance in _TOLERANCES])
    return met / max(inside.sum(), _LEAST_INSIDE * len(z), 1)


def _shares(evidence: Evidence, read: Callable[[Geometry], Geometry]) -> list[tuple[int, Array]]:
    """Return (frame, shares that meet) of every pair of frames that is compared."""
    found = []
    for run in evidence.runs:
        geometry = read(geometry_of(run))
        for one, other in _pairs(run):
            share = met_shares(geometry, one, other, still(run, one, other))
            if share is not None:
                found.append((int(run.indices[one]), share))
    return found


def geometry_of(run: Window) -> Geometry:
    """Return the depth and the camera of a run."""
    assert run.camera is not None
    return Geometry(run[Layer.DEPTH], run.camera.intrinsics, run.camera.world_to_camera)


def _pairs(run: Window) -> Iterator[tuple[int, int]]:
    """Return the neighbours in the middle of a run, and the frames that lie farther apart."""
    count = len(run)
    if count > 1:
        middle = min(count // 2, count - 2)
        yield middle, middle + 1
    if count > 4:
        yield 0, min(6, count - 1)
    if count > 7:
        yield 3, count - 1


def _late_cameras(evidence: Evidence) -> list[tuple[Convention, Array]]:
    """Return the shares under a camera that is some frames early or late."""
    found = []
    camera = evidence.clip.camera
    assert camera is not None
    last = evidence.clip.num_frames - 1
    for lag in (-2, -1, 1, 2):
        shares = []
        for run in evidence.runs:
            moved = np.clip(run.indices + lag, 0, last)
            poses = camera.at(moved).world_to_camera
            geometry = geometry_of(run)
            geometry = Geometry(geometry.depth, geometry.intrinsics, poses)
            for one, other in _pairs(run):
                share = met_shares(geometry, one, other, still(run, one, other))
                if share is not None:
                    shares.append((one, share))
        way = "early" if lag > 0 else "late"
        words = f"a camera that is {abs(lag)} frame{'s' * (abs(lag) > 1)} {way}"
        found.append((Convention(words, "", lambda g: g), _mean(shares)))
    return found


def _unmoved(convention: Convention) -> Callable[[Geometry], Geometry]:
    return lambda geometry: _without_motion(convention.read(geometry))


def _without_motion(geometry: Geometry) -> Geometry:
    fixed = np.repeat(np.eye(4)[None], len(geometry.poses), 0)
    return Geometry(geometry.depth, geometry.intrinsics, fixed)


def _mean(shares: list[tuple[int, Array]]) -> Array:
    if not shares:
        return np.zeros(len(_TOLERANCES))
    return np.mean([share for _, share in shares], axis=0)
