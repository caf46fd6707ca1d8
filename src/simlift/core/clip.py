"""Describe a rendered sequence on disk: layers, camera, bodies, robot, names; not pixels."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np

from simlift.core.bad_pixels import check_frames, replace_bad
from simlift.core.camera import Camera, Objects, Robot, check_length
from simlift.core.dataset import Origin
from simlift.core.errors import ClipError
from simlift.core.layers import Array, FrameReader, Layer, StoredLayer, Unit
from simlift.core.read_options import ReadOptions
from simlift.core.window import Motion, Window


@dataclass(frozen=True)
class Label:
    """What a segmentation id is: its own name, and the class it belongs to."""

    name: str
    category: str


@dataclass(frozen=True, eq=False)
class Clip:
    """A clip as its source describes it; `timestamps` [t] in seconds, `path` names the source."""

    name: str
    path: Path
    fps: Fraction
    num_frames: int
    height: int
    width: int
    layers: tuple[StoredLayer, ...]
    timestamps: tuple[Fraction, ...] | None = None  # only where the frame rate varies
    camera: Camera | None = None
    objects: Objects | None = None
    robot: Robot | None = None
    labels: Mapping[int, Label] = field(default_factory=dict)
    caption: str = ""
    audio: Path | None = None
    actions: Path | None = None
    scene: Path | None = None  # its geometry as binary glTF
    notes: tuple[str, ...] = ()  # what the source assumed, dropped or could not know
    read_options: ReadOptions = ReadOptions()  # what the user stated when it was opened
    origin: Origin | None = None  # the episode of a dataset that it is
    lead: "Clip | None" = None  # the camera that decides what all cameras of its episode share
    trusted: tuple[str, ...] = ()  # contradictions between layers that the user overrode

    def __post_init__(self) -> None:
        if self.num_frames < 1:
            raise ClipError(self.path, "the clip holds no frames", allowed="at least 1 frame")
        if self.fps <= 0:
            raise ClipError(self.path, f"fps is {self.fps}", allowed="a rate above 0")
        if Layer.RGB not in self:
            raise ClipError(
                self.path, "no rgb layer was found", way_out="name a clip with colour frames"
            )
        for stored in self.layers:
            self._check_layer(stored)
            if stored.to_camera is not None and self.camera is None:
                raise ClipError(
                    self._place(stored),
                    f"layer {stored.layer.value} is stored in a form that needs the camera to read",
                    allowed="a clip with a camera",
                    way_out="state the camera in clip.json",
                )
        if self.camera is not None:
            check_length(self.path, "camera", len(self.camera.intrinsics), self.num_frames)
        if self.objects is not None:
            check_length(self.path, "objects", len(self.objects.poses), self.num_frames)
        if self.robot is not None:
            check_length(self.path, "robot", len(self.robot.joint_positions), self.num_frames)

    def _check_layer(self, stored: StoredLayer) -> None:
        store, layer = stored.store, stored.layer
        # Flow leads from a frame to the next, so the last frame may have none.
        short = 1 if layer is Layer.FLOW else 0
        if not self.num_frames - short <= store.num_frames <= self.num_frames:
            raise ClipError(
                self._place(stored),
                f"layer {layer.value} holds {store.num_frames} frames, the clip {self.num_frames}",
                allowed="one frame of every layer for each frame of rgb",
                way_out="record the layer again, or remove it from the clip",
            )
        if (store.height, store.width) != (self.height, self.width):
            raise ClipError(
                self._place(stored),
                f"layer {layer.value} is {store.width}x{store.height}, "
                f"rgb {self.width}x{self.height}",
                allowed="the same size in every layer",
                way_out="render all layers at one resolution",
            )

    def _place(self, stored: StoredLayer) -> Path:
        files = stored.store.files
        return Path(files[0]) if len(files) == 1 else self.path

    def __contains__(self, layer: Layer) -> bool:
        return any(stored.layer is layer for stored in self.layers)

    def stored(self, layer: Layer) -> StoredLayer:
        """Return how a layer is stored; ClipError lists what the clip has instead."""
        for stored in self.layers:
            if stored.layer is layer:
                return stored
        found = ", ".join(s.layer.value for s in self.layers)
        raise ClipError(self.path, f"no layer {layer.value}", allowed=f"the clip has {found}")

    @property
    def group(self) -> str:
        """What shares looks and seeds: the episode of which this is a camera, or the clip alone."""
        return self.origin.episode_name if self.origin else self.name

    @property
    def metric_depth(self) -> bool:
        """Whether depth is there, in metres."""
        return Layer.DEPTH in self and self.stored(Layer.DEPTH).unit is Unit.METRES

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file that decides the pixels of takes, sorted, each once.

        The twin decides none, so that it may be rendered after takes were made.
        """
        deciding = [stored for stored in self.layers if stored.layer is not Layer.TWIN]
        named = {Path(f) for stored in deciding for f in stored.store.files}
        return tuple(sorted(named))

    @property
    def categories(self) -> frozenset[str]:
        """The classes that the segmentation names."""
        return frozenset(label.category for label in self.labels.values())

    def ids_of(self, categories: Iterable[str]) -> frozenset[int]:
        """Return the segmentation ids of some classes; ClipError lists the classes there are."""
        known, wanted = self.categories, set(categories)
        if missing := wanted - known:
            raise ClipError(
                self.path,
                f"no class {', '.join(sorted(missing))}",
                allowed=", ".join(sorted(known)) or "the clip names no classes",
            )
        return frozenset(i for i, label in self.labels.items() if label.category in wanted)

    @contextmanager
    def open(self, layers: Iterable[Layer]) -> Iterator["ClipReader"]:
        """Open some layers for reading; layers that the clip lacks are left out."""
        wanted = frozenset(layers)
        # Ids that guide another layer are read for it whoever asks: it may not depend on that.
        guided = any(stored.guided for stored in self.layers if stored.layer in wanted)
        opened = wanted | {Layer.SEGMENTATION} if guided else wanted
        with ExitStack() as stack:
            readers = {
                stored.layer: stack.enter_context(stored.store.open())
                for stored in self.layers
                if stored.layer in opened
            }
            yield ClipReader(self, readers, opened - wanted)


@dataclass(frozen=True, eq=False)
class ClipReader:
    """Reads windows from the opened layers of a clip."""

    clip: Clip
    readers: Mapping[Layer, FrameReader]
    guides: frozenset[Layer] = frozenset()  # read for other layers alone

    def window(self, indices: Sequence[int]) -> Window:
        """Read the frames at increasing `indices` of every opened layer."""
        clip, wanted = self.clip, np.asarray(indices, dtype=np.int64)
        camera = clip.camera.at(wanted) if clip.camera else None
        arrays: dict[Layer, Array] = {}
        bad: dict[Layer, Array] = {}
        # Ids come first: they guide others.
        for layer in sorted(self.readers, key=lambda layer: layer is not Layer.SEGMENTATION):
            reader = self.readers[layer]
            stored = clip.stored(layer)
            # The last frame has no forward flow; it is read as the flow of the frame before.
            inside = np.minimum(wanted, stored.store.num_frames - 1)
            raw = reader.read(inside.tolist())
            with np.errstate(all="ignore"):  # numbers that cannot be are replaced below
                array = stored.decode(raw)
                if stored.to_camera is not None and camera is not None:
                    array = stored.to_camera(array, camera)
                if stored.guided is not None:
                    array = stored.guided(array, camera, arrays.get(Layer.SEGMENTATION))
            arrays[layer], mask = replace_bad(layer, array, metric=clip.metric_depth)
            if mask is not None:
                check_frames(clip.path, layer, wanted, array, mask)
                bad[layer] = mask
        return Window(
            indices=wanted,
            arrays={layer: array for layer, array in arrays.items() if layer not in self.guides},
            num_frames=clip.num_frames,
            fps=float(clip.fps),
            metric_depth=clip.metric_depth,
            camera=camera,
            objects=clip.objects.at(wanted) if clip.objects else None,
            robot=clip.robot.at(wanted) if clip.robot else None,
            categories={i: label.category for i, label in clip.labels.items()},
            scene=clip.scene,
            motion=Motion(clip.camera, clip.objects) if clip.camera else None,
            caption=clip.caption,
            bad={layer: mask for layer, mask in bad.items() if layer not in self.guides},
        )
