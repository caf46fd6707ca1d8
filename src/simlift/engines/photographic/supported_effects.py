"""Select the optics and the weather of a look that a clip has the layers for.

Whether a clip may lack something is decided when a run is planned: looks of simlift's own leave it
out and say so, a look that the user wrote is refused (`Photographic.check`).
"""

from simlift.core.clip import Clip
from simlift.core.layers import Layer
from simlift.core.window import Window
from simlift.engines.photographic.camera import optics
from simlift.engines.photographic.camera.optics import Optics
from simlift.engines.photographic.looks.look import Look
from simlift.engines.photographic.weather.effects import Weather


def has_metric_depth(clip: Clip | Window) -> bool:
    """Whether there is depth in metres."""
    return Layer.DEPTH in clip and clip.metric_depth


def supported_optics(look: Look, clip: Clip | Window) -> Optics:
    """Return the look's optics, without what the clip does not carry."""
    return optics.supported(look.optics, clip)


def supported_weather(look: Look, clip: Clip | Window, *, outdoors: bool) -> Weather:
    """Return the look's weather: none without depth, nor indoors where it is optional."""
    if not has_metric_depth(clip) or ("weather" in look.optional and not outdoors):
        return Weather()
    return look.weather
