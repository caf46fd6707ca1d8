"""Check depth by the planes in it, and normals by depth: what needs one frame alone.

The inverse depth of a plane is linear in the picture. Distance along the ray, a z-buffer that is
taken for metres, or inverse depth bend the floors and walls of a scene, which tells them apart
although the camera stands still.
"""

import numpy as np

from simlift.core.layers import Array, Layer
from simlift.core.window import Window
from simlift.evaluation.agreement.evidence import Evidence
from simlift.evaluation.agreement.findings import Finding, Verdict
from simlift.media.coded_depth import along_ray
from simlift.media.geometry_decodings import ray_lengths
from simlift.pixels.geometry.projection import normals_from_depth

PLANES, NORMALS = "depth and straight surfaces", "normals and depth"
_STEP = 12  # pixels of a small frame: over it a bend shows
_STRAIGHT = 1e-3  # second difference of inverse depth, relative, of a plane
_SMOOTH = 0.05  # relative first difference within one surface
_LEAST = 0.2  # share of straight pixels of the better convention: less is no scene of planes
_TWICE = 2.0  # how much straighter another convention must be
_ALIKE = 0.85  # median cosine of normals that agree with depth
_CHOICE = 0.1
_NEAR_COSINE = 0.95
_MORE = 0.05  # share of normals that come near those of depth, by which other axes are better
_UNLIKE = 0.6  # median cosine below which they contradict it

_OTHER_AXES: dict[str, Array] = {
    "OpenGL axes (y up, z towards the viewer)": np.diag([1.0, -1.0, -1.0]),
    "axes of a left-handed camera (y up, z forward)": np.diag([1.0, -1.0, 1.0]),
    "the opposite sign": -np.eye(3),
    "mirrored x": np.diag([-1.0, 1.0, 1.0]),
    "the order blue, green, red": np.eye(3)[::-1],
}
_STATEMENTS = {
    "OpenGL axes (y up, z towards the viewer)": '"axes": "opengl" of normals',
    "axes of a left-handed camera (y up, z forward)": '"axes": "unity" of normals',
    "world axes": '"axes": "world" of normals',
    "numbers from 0 to 1 whose middle is 0": '"range": "0..1" of normals',
}


def check_planes(evidence: Evidence) -> list[Finding]:
    """Compare how straight surfaces are under the stated measure of depth and under others."""
    clip = evidence.clip
    if not clip.metric_depth:
        return []
    stated_ray = along_ray(clip.stored(Layer.DEPTH))
    counts: dict[str, list[float]] = {}
    for run in evidence.runs:
        depth = run[Layer.DEPTH][len(run) // 2]
        for name, inverse in _inverses(run, depth, stated_ray).items():
            counts.setdefault(name, []).append(_straight_share(inverse))
    shares = {name: float(np.mean(found)) for name, found in counts.items()}
    own = shares.pop("")
    name, best = max(shares.items(), key=lambda item: item[1])
    if max(own, best) < _LEAST:
        return [Finding(PLANES, Verdict.NO_EVIDENCE, "hardly a surface is straight")]
    text = f"{own:.0%} of surfaces are straight"
    if best > _TWICE * own and best > own + _LEAST:
        if _coarse(evidence):
            reason = "the steps of depth are coarser than the bends that would tell"
            return [Finding(PLANES, Verdict.NO_EVIDENCE, reason)]
        cause, statement = _MEASURES[name]
        return [
            Finding(PLANES, Verdict.CONTRADICTS, f"{text}, {best:.0%} would be", cause, statement)
        ]
    return [Finding(PLANES, Verdict.AGREES, text)]


def _coarse(evidence: Evidence) -> bool:
    """Whether depth was rounded: equal steps of depth are straight, those of its inverse not."""
    gaps = []
    for run in evidence.runs:
        depth = run[Layer.DEPTH][len(run) // 2]
        levels = np.unique(depth[np.isfinite(depth) & (depth > 0)])
        if len(levels) > 1:
            gaps.append(float(np.median(np.diff(levels) / levels[1:])))
    return bool(gaps) and float(np.median(gaps)) > _STRAIGHT


_MEASURES = {
    "ray": (
        "distance along the ray (radial), not along the optical axis",
        '"measure": "ray" of depth',
    ),
    "z": ("depth along the optical axis, not along the ray", '"measure": "z" of depth'),
    "linear": (
        "a z-buffer or inverse depth, whose numbers are linear on a plane",
        '"measure": "z-buffer" (or "inverse") with "near" and "far" of depth',
    ),
}


def straight_share(evidence: Evidence) -> float:
    """Return the share of smooth pixels that lie on straight surfaces, as depth is stated."""
    found = []
    for run in evidence.runs:
        depth = run[Layer.DEPTH][len(run) // 2]
        found.append(_straight_share(_inverses(run, depth, stated_ray=False)[""]))
    return float(np.mean(found))


def median_cosine(evidence: Evidence) -> float:
    """Return the median cosine of stored normals with those of depth; 0 without a surface."""
    pairs = [_normal_pairs(*pair) for pair in zip(evidence.runs, evidence.normals, strict=True)]
    stored, computed = (np.concatenate([pair[k] for pair in pairs]) for k in (0, 1))
    return _median_cosine(stored, computed) if len(stored) else 0.0


def _inverses(run: Window, depth: Array, stated_ray: bool) -> dict[str, Array]:
    """Return the inverse depth under the stated measure (named "") and under others."""
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = np.where(np.isfinite(depth) & (depth > 0), 1 / depth, np.nan)
    found = {"": inverse, "linear": np.where(np.isfinite(inverse), depth, np.nan)}
    if run.camera is not None:
        lengths = ray_lengths(run.camera.intrinsics[:1], *depth.shape)[0]
        name, power = ("z", -1) if stated_ray else ("ray", 1)
        found[name] = inverse * lengths**power
    return found


def _straight_share(values: Array) -> float:
    """Return the share of smooth pixels whose second differences vanish, across and down."""
    smooth = straight = 0
    for axis in (0, 1):
        x = np.moveaxis(values, axis, 0)
        before, here, after = x[: -2 * _STEP], x[_STEP:-_STEP], x[2 * _STEP :]
        with np.errstate(invalid="ignore", divide="ignore"):
            bend = np.abs(before - 2 * here + after) / np.abs(here)
            steps = np.maximum(np.abs(before - here), np.abs(here - after)) / np.abs(here)
            # A surface that faces the camera is straight under every measure: it tells nothing.
            tells = (steps < _SMOOTH * _STEP / 4) & (steps > 4 * _STRAIGHT)
        smooth += int(tells.sum())
        straight += int((tells & (bend < _STRAIGHT)).sum())
    return straight / smooth if smooth > 200 else 0.0


def check_normals(evidence: Evidence) -> list[Finding]:
    """Compare stored normals with those of depth, as stated and in the axes of others."""
    clip = evidence.clip
    if Layer.NORMALS not in clip:
        return []
    if not clip.metric_depth or clip.camera is None:
        reason = "the clip has no depth in metres" if not clip.metric_depth else "it has no camera"
        return [Finding(NORMALS, Verdict.NO_EVIDENCE, reason)]
    pairs = [_normal_pairs(*pair) for pair in zip(evidence.runs, evidence.normals, strict=True)]
    stored, computed = (np.concatenate([pair[k] for pair in pairs]) for k in (0, 1))
    if len(stored) < 200:
        return [Finding(NORMALS, Verdict.NO_EVIDENCE, "depth has hardly a surface")]
    cosine = _median_cosine(stored, computed)
    worst = _worst_frame(evidence, pairs)
    text = f"the median cosine with the normals of depth is {cosine:.2f}"
    if cosine >= _ALIKE:
        return [_rare_normals(stored, computed, text, worst)]
    rivals = {name: _median_cosine(stored @ m.T, computed) for name, m in _OTHER_AXES.items()}
    rivals["world axes"] = _median_cosine(np.concatenate([pair[2] for pair in pairs]), computed)
    # Choosing between two lengths gains a little for any normals.
    rivals["numbers from 0 to 1 whose middle is 0"] = (
        _median_cosine(np.concatenate([pair[3] for pair in pairs]), computed) - _CHOICE
    )
    name, best = max(rivals.items(), key=lambda item: item[1])
    if best > cosine + 0.1 and best >= _ALIKE:
        text = f"{text}, {best:.2f} with {name}"
        statement = _STATEMENTS.get(name, "")
        return [Finding(NORMALS, Verdict.CONTRADICTS, text, name, statement, worst)]
    verdict = Verdict.CONTRADICTS if cosine < _UNLIKE else Verdict.DOUBT
    return [Finding(NORMALS, verdict, text, frame=worst)]


def _rare_normals(stored: Array, computed: Array, text: str, worst: int) -> Finding:
    """Judge normals whose median agrees: a floor alone may look the same in other axes."""
    own = _near_share(stored, computed)
    shares = {name: _near_share(stored @ m.T, computed) for name, m in _OTHER_AXES.items()}
    name, best = max(shares.items(), key=lambda item: item[1])
    if best < own + _MORE:
        return Finding(NORMALS, Verdict.AGREES, text, frame=worst)
    words = f"{text}, but {own:.0%} come near, {best:.0%} with {name}"
    return Finding(NORMALS, Verdict.DOUBT, words, name, _STATEMENTS.get(name, ""), worst)


def _near_share(stored: Array, computed: Array) -> float:
    return float(((stored * computed).sum(-1) > _NEAR_COSINE).mean())


def _normal_pairs(run: Window, normals: Array) -> tuple[Array, Array, Array, Array]:
    """Return stored and computed normals of smooth pixels of one frame [n 3].

    After them the stored ones turned from world axes, and stretched from 0..1 to -1..1.
    """
    assert run.camera is not None
    k = len(run) // 2
    depth, stored = run[Layer.DEPTH][k], normals.astype(np.float32)
    computed = normals_from_depth(depth, run.camera.intrinsics[k])
    smooth = np.isfinite(depth) & (depth > 0) & np.isfinite(stored).all(-1)
    for axis in (0, 1):  # where neighbours agree, a normal of depth can be trusted
        for step in (-1, 1):
            beside = np.roll(computed, step, axis)
            smooth &= (computed * beside).sum(-1) > 0.98
    smooth[[0, -1]] = smooth[:, [0, -1]] = False
    stored, computed = stored[smooth], computed[smooth]
    rotation = run.camera.world_to_camera[k, :3, :3].astype(np.float32)
    return stored, computed, stored @ rotation.T, _stretched(stored, computed)


def _stretched(stored: Array, computed: Array) -> Array:
    """Return the normals of which half plus one half, made a unit vector, is stored [n 3].

    Two lengths s make 2 s d - 1 a unit vector: the one that is nearer to the normal of depth.
    """
    unit = stored / np.maximum(np.linalg.norm(stored, axis=-1, keepdims=True), 1e-6)
    total = unit.sum(-1)
    root = np.sqrt(np.maximum(total**2 - 2, 0))
    ways = [(total + sign * root)[:, None] * unit - 1 for sign in (1, -1)]
    nearer = (ways[0] * computed).sum(-1) > (ways[1] * computed).sum(-1)
    return np.where(nearer[:, None], *ways)


def _median_cosine(stored: Array, computed: Array) -> float:
    return float(np.median((stored * computed).sum(-1)))


def _worst_frame(evidence: Evidence, pairs: list[tuple[Array, Array, Array, Array]]) -> int:
    cosines = [_median_cosine(p[0], p[1]) if len(p[0]) else 1.0 for p in pairs]
    k = int(np.argmin(cosines))
    run = evidence.runs[k]
    return int(run.indices[len(run) // 2])
