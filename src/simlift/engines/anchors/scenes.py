"""Draw the places that first frames show, and put them into words: a frozen table, no model.

A place brings the backgrounds and the things that are found in it, so that a kitchen has no
forklift in it. The light is drawn beside it.
"""

import re
from dataclasses import dataclass

from simlift.core.errors import RecipeError
from simlift.core.recipe import derive_seed

_WORDS = ("caption", "environment", "background", "objects", "light")


@dataclass(frozen=True)
class Scene:
    """One place in words: where it is, what stands behind, what things look like, the light."""

    environment: str
    background: str
    objects: str
    light: str


@dataclass(frozen=True)
class _Place:
    environment: str
    backgrounds: tuple[str, ...]
    objects: tuple[str, ...]


_PLACES = (
    _Place(
        "a warehouse",
        ("steel racks with cardboard boxes", "pallets wrapped in film", "a loading bay"),
        ("cardboard parcels with labels", "bread rolls in paper bags", "plastic totes"),
    ),
    _Place(
        "a factory hall beside a conveyor belt",
        ("a moving conveyor belt with rails", "machines behind a yellow fence", "control cabinets"),
        ("bags of crisps in printed foil", "machined metal parts", "sealed cartons"),
    ),
    _Place(
        "a home kitchen",
        ("cupboards and a refrigerator", "a tiled wall with a stove", "a window over a sink"),
        ("fresh vegetables", "ceramic cups and bowls", "tins and jars with paper labels"),
    ),
    _Place(
        "a restaurant kitchen",
        ("stainless steel shelves", "a row of gas burners", "white tiles and a pass"),
        ("bread rolls", "metal pans and ladles", "cut vegetables in trays"),
    ),
    _Place(
        "a workshop",
        ("a board with hand tools", "a drill press and shelves", "a brick wall with pipes"),
        ("wooden blocks with visible grain", "screws and steel brackets", "worn hand tools"),
    ),
    _Place(
        "a research laboratory",
        ("white benches with instruments", "a glass partition", "shelves with bottles"),
        ("glass vials with caps", "plastic racks", "small coloured boxes"),
    ),
    _Place(
        "an office",
        ("a desk with monitors", "a bookcase", "a whiteboard with writing"),
        ("pens and a notebook", "a paper cup and a mouse", "staplers and tape"),
    ),
    _Place(
        "a living room",
        ("a sofa and curtains", "a wooden shelf with plants", "a fireplace"),
        ("toys of painted wood", "books and magazines", "fruit in a bowl"),
    ),
    _Place(
        "a supermarket",
        ("shelves full of packages", "a refrigerated counter", "a checkout"),
        ("cereal boxes", "plastic bottles with labels", "fresh fruit"),
    ),
    _Place(
        "a greenhouse",
        ("rows of tomato plants", "benches with seedlings", "glass walls with dew"),
        ("ripe tomatoes", "clay pots", "bunches of herbs"),
    ),
)
_LIGHTS = (
    "soft daylight from a window",
    "bright ceiling lights",
    "warm lamps in the evening",
    "low sun through a window",
    "cool fluorescent tubes",
    "overcast daylight",
    "a single work lamp from the left",
    "a single work lamp from the right",
)


def draw_scene(seed: int) -> Scene:
    """Draw a place by a seed; the same on every machine."""

    def pick(name: str, options: tuple[str, ...]) -> str:
        return options[derive_seed(seed, "scene", name) % len(options)]

    place = _PLACES[derive_seed(seed, "scene", "environment") % len(_PLACES)]
    return Scene(
        place.environment,
        pick("background", place.backgrounds),
        pick("objects", place.objects),
        pick("light", _LIGHTS),
    )


def check_template(name: str, template: str) -> None:
    """Raise RecipeError for a template that names a word which there is none for."""
    unknown = set(re.findall(r"\{(\w*)\}", template)) - set(_WORDS)
    if unknown:
        raise RecipeError(
            name,
            f"found {{{sorted(unknown)[0]}}}",
            allowed=", ".join(f"{{{word}}}" for word in _WORDS),
        )


def fill_template(template: str, caption: str, scene: Scene) -> str:
    """Put a scene and the clip's caption into a template; without a caption its sentence goes."""
    words = {
        "caption": caption.strip().rstrip("."),
        "environment": scene.environment,
        "background": scene.background,
        "objects": scene.objects,
        "light": scene.light,
    }
    text = re.sub(r"\{(\w+)\}", lambda found: words[found[1]], template)
    return re.sub(r"\s+", " ", re.sub(r"(^|\.)\s*\.", r"\1", text)).strip()
