"""Select the optics and the weather of a look that a clip has the layers for.

A look says which of these may be left out; what else a clip cannot carry is refused when it is
planned.
"""

from dataclasses import replace

from simlift.core.clip import Clip
from simlift.core.layers import Layer
from simlift.core.window import Window
from simlift.engines.photographic.camera.optics import Optics
from simlift.engines.photographic.looks.look import Look
from simlift.engines.photographic.weather.effects import Weather


def has_metric_depth(clip: Clip | Window) -> bool:
    """Whether there is depth in metres."""
    return Layer.DEPTH in clip and clip.metric_depth


def supported_optics(look: Look, clip: Clip | Window) -> Optics:
    """Return the look's optics, without what the clip does not carry where that is optional."""
    optics = look.optics
    if "optics" not in look.optional:
        return optics
    if not has_metric_depth(clip):
        optics = replace(optics, f_number=None)
    if Layer.FLOW not in clip and not (has_metric_depth(clip) and _motion_known(clip)):
        optics = replace(optics, shutter=0.0)
    return optics


def _motion_known(clip: Clip | Window) -> bool:
    return (clip.motion if isinstance(clip, Window) else clip.camera) is not None


def supported_weather(look: Look, clip: Clip | Window, *, outdoors: bool) -> Weather:
    """Return the look's weather; where it is optional, none indoors and none without depth."""
    if "weather" in look.optional and not (outdoors and has_metric_depth(clip)):
        return Weather()
    return look.weather
