"""Choose conventions by trying them: the frames' own agreement decides what names leave open."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from simlift.core.clip import Clip
from simlift.core.errors import ClipError, RecipeError
from simlift.core.layers import Layer
from simlift.evaluation.agreement import Verdict
from simlift.evaluation.agreement.bodies import flow_errors
from simlift.evaluation.agreement.evidence import gather
from simlift.evaluation.agreement.motion import agreement_share
from simlift.evaluation.agreement.surfaces import median_cosine, straight_share
from simlift.media.geometry_decodings import Measure
from simlift.media.manifest import NativeCamera, NativeLayer
from simlift.passes.agreement import examine
from simlift.passes.init.propose import Proposal
from simlift.sources.native import build

_CLEARLY = 0.03  # share of pixels by which a convention must be better than the first guess
_POOR = 0.4  # share below which positions in other units are tried too
_UNITS = (1.0, 0.001, 0.01, 0.0002, 0.0001)  # metres: m, mm, cm, 1/5000 (TUM), 0.1 mm
_FLOAT_UNITS = (1.0, 0.001, 0.01)
_CODED: tuple[Measure, ...] = ("z-buffer", "reversed z-buffer", "linear", "inverse")
_AXES = ("opencv", "opengl", "world", "unity")


def choose(proposal: Proposal) -> Proposal:
    """Return the proposal in the conventions under which its frames agree best."""
    proposal = _readable_camera(proposal)
    if Layer.DEPTH.value in proposal.manifest.layers and _is_metric(proposal):
        proposal = _nothing(proposal)
        proposal = _geometry(proposal)
    if Layer.NORMALS.value in proposal.manifest.layers:
        proposal = _normals(proposal)
    if Layer.FLOW.value in proposal.manifest.layers:
        proposal = _flow(proposal)
    return _rows(proposal)


def built(proposal: Proposal) -> Clip:
    """Return the clip that the proposal describes."""
    return build(proposal.folder, proposal.manifest)


def _is_metric(proposal: Proposal) -> bool:
    return proposal.manifest.layers["depth"].unit != "relative"


def _tried(proposal: Proposal) -> Clip | None:
    try:
        return built(proposal)
    except (ClipError, RecipeError):
        return None


def _readable_camera(proposal: Proposal) -> Proposal:
    """Return the proposal with the first camera that is a rigid motion; without one, none."""
    if proposal.manifest.camera is None:
        return proposal
    first: Exception | None = None
    for camera in (proposal.manifest.camera, *proposal.rivals):
        assert not isinstance(camera, str)
        changed = proposal.with_camera(camera)
        try:
            built(replace(changed, manifest=replace(changed.manifest, layers=_rgb(changed))))
            return changed
        except (ClipError, RecipeError) as error:
            first = first or error
    line = f"the camera cannot be read ({first}): correct it, or state it in clip.json"
    return proposal.with_camera(None).saying(untold=[line])


def _rgb(proposal: Proposal) -> dict[str, NativeLayer]:
    return {"rgb": proposal.manifest.layers["rgb"]}


def _nothing(proposal: Proposal) -> Proposal:
    """State the number that stands where nothing was hit, if there is one."""
    entry = proposal.manifest.layers["depth"]
    first = proposal.firsts[Layer.DEPTH]
    if entry.sky is not None or entry.measure != "z":
        return proposal
    values = first[np.isfinite(first)]
    values = values[values > 0]
    if not values.size:
        return proposal
    top = float(values.max())
    at_top = values >= top * 0.9999
    rest = values[~at_top]
    if at_top.mean() > 0.003 and rest.size and top > 4 * float(rest.max()):
        line = f"nothing was hit where depth is {top:.6g}, far from all else: {at_top.mean():.1%}"
        return proposal.with_layer(Layer.DEPTH, sky=top).saying(found=[line])
    return proposal


def _geometry(proposal: Proposal) -> Proposal:
    """Choose the measure and unit of depth and the convention of the camera together."""
    scored = _scored(_guesses(proposal))
    if not scored:
        return proposal
    if max(share for _, share, *_ in scored) < _POOR:
        scored += _scored(_other_units(proposal))
    best = max(scored, key=lambda item: item[0])
    if best[0] < scored[0][0] + _CLEARLY:
        best = scored[0]
    score, share, kind, guess, words = best
    rest = [item for item in scored if item[4] != words]
    ties = [item[4] for item in rest if item[0] > score - _CLEARLY]
    evidence = f"{words}: {share:.0%} of {kind}"
    if ties:
        more = " and others" if len(ties) > 2 else ""
        return guess.saying(assumed=[f"{evidence}; as well with {', '.join(ties[:2])}{more}"])
    against = f", at most {max(item[1] for item in rest):.0%} otherwise" if rest else ""
    return guess.saying(found=[f"{evidence}{against}"])


def _scored(
    guesses: Iterator[tuple[Proposal, str]],
) -> list[tuple[float, float, str, Proposal, str]]:
    """Return (score, share, of what, proposal, words) of the guesses that can be read."""
    return [(*s, guess, words) for guess, words in guesses if (s := _score(guess)) is not None]


def _other_units(proposal: Proposal) -> Iterator[tuple[Proposal, str]]:
    """Return the guesses with positions of the camera in other units than metres."""
    for unit, name in ((0.01, "centimetres"), (0.001, "millimetres")):
        for guess, words in _guesses(proposal):
            camera = guess.manifest.camera
            if isinstance(camera, NativeCamera):
                changed = guess.with_camera(replace(camera, metres_per_unit=unit))
                yield changed, f"{words}, positions in {name}"


def _guesses(proposal: Proposal) -> Iterator[tuple[Proposal, str]]:
    """Return the proposal under every convention, the likeliest first, each with its words."""
    entry = proposal.manifest.layers["depth"]
    stated = proposal.manifest.camera
    cameras = [stated, *(c for c in proposal.rivals if c != stated)]
    measures: tuple[Measure, ...] = ("z", "ray") if stated is not None else ("z",)
    if "camera" in str(entry.file):
        measures = measures[::-1]
    whole = proposal.firsts[Layer.DEPTH].dtype.kind in "ui"
    units: tuple[float | None, ...] = tuple(u for u in _UNITS if u < 1) if whole else _FLOAT_UNITS
    if entry.near is not None:
        measures = (entry.measure, *(m for m in _CODED if m != entry.measure))
        units = (None,)
    for unit in units:
        for measure in measures:
            for camera in cameras:
                changed = proposal.with_camera(camera).with_layer(  # type: ignore[arg-type]
                    Layer.DEPTH, measure=measure, metres_per_unit=unit
                )
                yield changed, _words(measure, unit, camera)


def _words(measure: str, unit: float | None, camera: object) -> str:
    depth = {"z": "depth along the axis", "ray": "distance along the ray"}.get(measure, measure)
    scale = "" if unit is None else f" in units of {unit:g} m"
    convention = getattr(camera, "convention", None)
    if convention is None or not getattr(camera, "file", ""):
        return f"{depth}{scale}"
    way = "from the camera" if getattr(camera, "direction", "") == "camera_to_world" else "to it"
    return f"{depth}{scale}, {convention} poses {way}"


def _score(proposal: Proposal) -> tuple[float, float, str] | None:
    """Return how well frames agree, the share that is counted, and of what."""
    clip = _tried(proposal)
    if clip is None:
        return None
    evidence = gather(clip, (Layer.RGB, Layer.DEPTH, Layer.SEGMENTATION))
    depth = evidence.frames(Layer.DEPTH)
    known = depth[np.isfinite(depth) & (depth > 0)]
    if not known.size:
        return None
    middle = float(np.median(known))
    plausible = 0.0 if 0.05 < middle < 500 else -0.5
    if clip.camera is not None and clip.camera.moves:
        led, fixed = agreement_share(evidence)
        # What makes a scene so large that no motion shows in it explains nothing.
        return 2 * led - fixed + plausible, led, "still pixels meet the next frames"
    straight = straight_share(evidence)
    return straight + plausible, straight, "surfaces are straight"


def _normals(proposal: Proposal) -> Proposal:
    """Choose the axes of normals that agree with depth."""
    clip = _tried(proposal)
    if clip is None or not clip.metric_depth or clip.camera is None:
        line = "normals are in the axes of an OpenCV camera: depth and a camera would tell"
        return proposal.saying(assumed=[line])
    floats = proposal.firsts[Layer.NORMALS].dtype.kind == "f"
    cosines: dict[tuple[str, str], float] = {}
    for axes in _AXES:
        for span in ("-1..1", "0..1") if floats else ("-1..1",):
            changed = _tried(proposal.with_layer(Layer.NORMALS, axes=axes, range=span))
            if changed is not None:
                cosines[axes, span] = median_cosine(gather(changed))
    (axes, span), best = max(cosines.items(), key=lambda item: item[1])
    if best < 0.8:
        line = f"normals agree with depth in no axes that are known (cosine {best:.2f}): left out"
        layers = {k: v for k, v in proposal.manifest.layers.items() if k != "normals"}
        without = replace(proposal, manifest=replace(proposal.manifest, layers=layers))
        return without.saying(untold=[line])
    line = f"normals in {axes} axes: cosine {best:.2f} with the normals of depth"
    return proposal.with_layer(Layer.NORMALS, axes=axes, range=span).saying(found=[line])


def _flow(proposal: Proposal) -> Proposal:
    """Choose the signs of flow under which the next frame is brought back best."""
    clip = _tried(proposal)
    errors = flow_errors(gather(clip, (Layer.RGB, Layer.FLOW))) if clip is not None else {}
    if not errors:
        return proposal.saying(assumed=["flow leads right and down, to the next frame"])
    signs, best = min(errors.items(), key=lambda item: item[1])
    if not any(signs):
        line = "flow brings no frame nearer to the one before it: left out"
        layers = {k: v for k, v in proposal.manifest.layers.items() if k != "flow"}
        without = replace(proposal, manifest=replace(proposal.manifest, layers=layers))
        return without.saying(untold=[line])
    line = (
        f"flow with the signs {signs[0]:+g} right, {signs[1]:+g} down: frames differ by {best:.1f}"
    )
    found = f"{line} codes, by {max(errors.values()):.1f} at most otherwise"
    return proposal.with_layer(Layer.FLOW, pixels_per_unit=signs).saying(found=[found])


def _rows(proposal: Proposal) -> Proposal:
    """State layers whose first row is the lowest, where borders say so."""
    clip = _tried(proposal)
    if clip is None:
        return proposal
    for finding in examine(clip).findings:
        if finding.verdict is Verdict.CONTRADICTS and "bottom-up" in finding.statement:
            name = finding.statement.rpartition(" ")[2]
            if name in proposal.manifest.layers:
                line = f"{name}: its first row is the lowest ({finding.evidence})"
                proposal = proposal.with_layer(Layer(name), rows="bottom-up").saying(found=[line])
    return proposal
