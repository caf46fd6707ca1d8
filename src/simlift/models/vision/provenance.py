"""Record what is estimated by which model, as values that are stored as JSON."""

from dataclasses import dataclass

from simlift.core.errors import RecipeError


@dataclass(frozen=True)
class Estimate:
    """What is to be estimated: models by folder or Hub name, metres, degrees across the image."""

    depth: str | None = None
    segmentation: str | None = None
    near: float | None = None
    far: float | None = None
    fov: float | None = None

    def __post_init__(self) -> None:
        if self.depth is None and self.segmentation is None:
            raise RecipeError("estimate", "no model was named", allowed="--depth, --segmentation")
        if (self.near is None) != (self.far is None):
            raise RecipeError("--near, --far", f"found {self.near}, {self.far}", allowed="both")
        if self.near is not None and self.far is not None and not 0 < self.near < self.far < 1e5:
            raise RecipeError(
                "--near, --far", f"found {self.near}, {self.far}", allowed="0 < near < far, metres"
            )
        if self.near is not None and self.depth is None:
            raise RecipeError("--near, --far", "found without --depth", allowed="with --depth")
        if self.fov is not None and not 5 <= self.fov <= 170:
            raise RecipeError("--fov", f"found {self.fov}", allowed="5 to 170 degrees")


@dataclass(frozen=True)
class Origin:
    """Which model made a layer: as it was named, its family, a hash of its files, the unit."""

    model: str
    kind: str
    digest: str
    unit: str

    def __str__(self) -> str:
        return f"estimated by {self.model} ({self.kind}, {self.digest}), {self.unit}"


@dataclass(frozen=True)
class Provenance:
    """estimates.json: it holds nothing that differs between two equal estimates."""

    source: str
    source_digest: str
    settings: Estimate
    layers: dict[str, Origin]
    versions: dict[str, str]


def advice(provenance: Provenance) -> tuple[str, ...]:
    """Say what an estimated clip still lacks, and how to get it."""
    depth = provenance.layers.get("depth")
    if depth is None:
        return ("no depth was estimated, so light stays off; name a model with --depth",)
    words = []
    if depth.unit == "relative":
        words.append(
            "depth is relative, so light, shadows and occlusion stay off; give --near and --far in "
            "metres (the model need not run again), or name a model that gives metres"
        )
    if "segmentation" not in provenance.layers:
        words.append("nothing tells the sky; for outdoor clips name a model with --segmentation")
    return tuple(words)
