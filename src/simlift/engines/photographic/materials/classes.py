"""Map class names to materials, and materials to pattern, roughness and metalness."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Material:
    """A built-in material: the pattern that varies it, and what it is on average.

    `roughness` is perceptual (GGX alpha = roughness^2); `stain` is the contrast of wear at large
    scale, `smear` what hands and dust do to the gloss. The values follow the ranges of Burley,
    "Physically based shading at Disney", SIGGRAPH 2012.
    """

    pattern: str
    roughness: float
    metallic: float = 0.0
    stain: float = 0.0
    smear: float = 0.0
    structured: bool = False  # photos of it are never cut and shuffled
    grain: bool = False  # runs along a body


MATERIALS: dict[str, Material] = {
    "asphalt": Material("asphalt", 0.82, stain=0.07, smear=0.02),
    "brick": Material("brick", 0.85, stain=0.05, structured=True),
    "car-paint": Material("none", 0.22, stain=0.008, smear=0.025),
    "ceramic": Material("none", 0.18, smear=0.02),
    "concrete": Material("concrete", 0.80, stain=0.06, smear=0.02),
    "fabric": Material("fabric", 0.92, stain=0.02, structured=True),
    "foliage": Material("foliage", 0.62, stain=0.06),
    "glass": Material("none", 0.10, smear=0.01),
    "grain": Material("grain", 0.55, stain=0.02),
    "grass": Material("grass", 0.85, stain=0.09),
    "leather": Material("leather", 0.48, stain=0.03),
    "metal": Material("metal", 0.34, metallic=1.0, smear=0.03, grain=True),
    "none": Material("none", 0.50),
    "paint": Material("none", 0.40, stain=0.02, smear=0.04),
    "paper": Material("none", 0.70, stain=0.015, smear=0.02),
    "plaster": Material("plaster", 0.88, stain=0.03),
    "plastic": Material("none", 0.36, stain=0.012, smear=0.045),
    "rubber": Material("grain", 0.78, stain=0.03),
    "soil": Material("soil", 0.92, stain=0.08),
    "wood": Material("wood", 0.48, stain=0.04, structured=True, grain=True),
}

UNKNOWN = "grain"  # for ids without a class that is known

# Words of simulators' classes: CARLA, Cityscapes, ADE20K, Isaac Sim and the shipped episodes.
_WORDS: dict[str, str] = {
    "asphalt": "road street lane parking highway",
    "brick": "brick bricks chimney",
    "car-paint": "car truck bus van train tram motorcycle bicycle vehicle caravan trailer",
    "ceramic": "mug cup bowl plate vase sink toilet bathtub tile tiles",
    "concrete": "sidewalk pavement curb bridge tunnel stairs stair pillar column ground"
    " static ramp foundation",
    "fabric": "rug carpet curtain sofa couch bed pillow cushion towel cloth chair armchair person"
    " pedestrian rider human blanket shirt clothes mattress awning flag backpack bag",
    "foliage": "tree vegetation bush plant leaves foliage hedge shrub",
    "glass": "window glass screen monitor tv mirror windshield display picture",
    "grass": "grass terrain lawn field",
    "leather": "leather wallet shoe boot ball",
    "metal": "metal steel aluminum aluminium iron chrome",
    "none": "sky skin face hand hair animal water fire unlabeled nothing",
    "paint": "pole rail fence sign light lamp bin bench mount"
    " track pipe door cabinet machine fridge refrigerator drawer oven gate manhole"
    " radiator heater can tool line marking",
    "paper": "book books notebook box carton cardboard package poster paper parcel crate magazine",
    "plaster": "wall building house ceiling plaster facade skyscraper",
    "plastic": "robot gripper arm plastic bottle toy block cube bucket keyboard mouse phone remote"
    " globe container fruit lemon orange apple banana food mat",
    "rubber": "tire tyre wheel rubber belt",
    "soil": "soil dirt sand gravel mud earth rock stone",
    "wood": "wood wooden table desk shelf bookcase bookshelf floor plank pallet cupboard wardrobe"
    " furniture counter countertop stool board parquet pencil frame pine",
}
_MATERIAL_OF = {word: name for name, words in _WORDS.items() for word in words.split()}

# Bodies of these classes move; without their poses a texture would swim over them.
_MOVERS = frozenset(
    "car truck bus van train tram motorcycle bicycle vehicle person pedestrian rider human robot"
    " gripper arm animal dynamic".split()
)


def words_of(category: str) -> tuple[str, ...]:
    """Return the names to look a class up by: the whole, then its words from last to first.

    A class is named after what it is, and before that what it is of: a street lamp is a lamp.
    """
    name = re.sub(r"[^a-z0-9]+", "_", category.lower()).strip("_")
    words = [name, *reversed([w for w in name.split("_") if not w.isdigit()])]
    return tuple(dict.fromkeys(w for word in words for w in (word, word.removesuffix("s"))))


def material_of(category: str) -> str | None:
    """Return the material that a class is usually made of; None where no word is known."""
    for word in words_of(category):
        if word.replace("_", "-") in MATERIALS:
            return word.replace("_", "-")
        if word in _MATERIAL_OF:
            return _MATERIAL_OF[word]
    return None


def moves(category: str) -> bool:
    """Whether bodies of a class are known to move."""
    return any(word in _MOVERS for word in words_of(category))


def known_words() -> frozenset[str]:
    """Return the names that a photo may bear in any clip: materials and usual classes."""
    return frozenset(words_of(name)[0] for name in MATERIALS) | frozenset(_MATERIAL_OF)
