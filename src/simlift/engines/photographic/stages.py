"""List which stages of light and camera run on a clip under a look, and why others do not."""

from simlift.core.clip import Clip
from simlift.core.layers import Layer
from simlift.core.protocols import Stage
from simlift.engines.photographic.camera.colour_transfer import check_reference_photos
from simlift.engines.photographic.light.environments import environment_notes
from simlift.engines.photographic.looks.look import Look
from simlift.engines.photographic.scene.stored_scene import open_scene


def light_stages(look: Look, clip: Clip) -> tuple[Stage, ...]:
    """Return the stages up to the light before the camera."""
    depth = clip.metric_depth
    lit = is_lit(clip)
    unlit = "depth is relative" if Layer.DEPTH in clip else "neither depth nor normals"
    albedo = "given" if Layer.ALBEDO in clip else "estimated by dividing out fitted shading"
    normals = "given" if Layer.NORMALS in clip else "from depth"
    return (
        Stage("albedo", lit, albedo if lit else unlit),
        Stage("normals", lit, normals if lit else unlit),
        Stage("light", lit, _environment(look) if lit else unlit),
        Stage(
            "occlusion and shadows", depth, "from depth in metres" if depth else "no metric depth"
        ),
        _indirect_light_stage(look, clip),
        _backdrop(look, clip, unlit),
    )


def _environment(look: Look) -> str:
    notes = environment_notes(look.light.environment)
    return f"environment {look.light.environment}" + (f" ({'; '.join(notes)})" if notes else "")


def _indirect_light_stage(look: Look, clip: Clip) -> Stage:
    name = "light among surfaces"
    if not look.light.bounces:
        return Stage(name, False, "turned off")
    if not clip.metric_depth or clip.camera is None:
        return Stage(name, False, "no camera" if clip.metric_depth else "no metric depth")
    known = open_scene(clip) is not None
    return Stage(name, True, "of the scene it carries" if known else "of what the images show")


def is_lit(clip: Clip) -> bool:
    """Whether a clip's surfaces can be lit."""
    return Layer.NORMALS in clip or clip.metric_depth


def _backdrop(look: Look, clip: Clip, unlit: str) -> Stage:
    sky = Layer.SEGMENTATION in clip and "sky" in clip.categories
    # A photo can stand behind what is not lit; an environment would not match its light.
    shown = is_lit(clip) or look.backdrop.kind == "photos"
    if not shown:
        return Stage("backdrop", False, unlit)
    if not (clip.metric_depth or sky or look.backdrop.classes):
        return Stage("backdrop", False, "nothing tells the sky")
    kind = look.backdrop.kind
    return Stage("backdrop", kind != "keep", f"{kind} where nothing was hit")


def camera_stages(look: Look, clip: Clip) -> tuple[Stage, ...]:
    """Return the stages from exposure on; InputError for photos that cannot be matched."""
    metered = "metered over the clip" if is_lit(clip) else "close to the render's own"
    grade = "saturation, warmth"
    if look.grade.like is not None:
        grade = check_reference_photos(look.grade.like, clip)
    return (
        Stage("exposure", True, metered if look.exposure.manual is None else "set by hand"),
        Stage("lens", True, "vignette and softness"),
        Stage("sensor", look.sensor.bayer, "Bayer mosaic with shot and read noise"),
        Stage("film", True, "sigmoid in log exposure"),
        Stage("grade", True, grade),
    )
