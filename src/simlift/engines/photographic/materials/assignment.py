"""Assign materials to segment ids and apply their textures, roughness and metalness.

Textures are laid out in the axes of each body, or of the world, so that they do
not slide; the material of an id is chosen once for a clip, from its clip sample.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Bool, Float, Int

from simlift.core.layers import Layer
from simlift.core.window import ClipSample, Window
from simlift.engines.photographic.materials.classes import (
    MATERIALS,
    UNKNOWN,
    material_of,
    moves,
    words_of,
)
from simlift.engines.photographic.materials.photos import read_textures
from simlift.engines.photographic.materials.settings import Materials
from simlift.engines.photographic.scene import frame_geometry
from simlift.engines.photographic.scene.surface import Surface
from simlift.pixels.colour import spaces
from simlift.pixels.geometry import projection
from simlift.pixels.materials.patterns import built_in
from simlift.pixels.materials.photo_texture import texture_from_photo
from simlift.pixels.materials.textures import (
    STAIN_TILES,
    Atlas,
    MaterialTable,
    Texture,
    apply_textures,
    build_atlas,
)

_BUSY = 0.05  # log contrast of detail in the clip's albedo that halves what a texture adds
_BIN, _BINS = 0.004, 80  # of the histogram that this contrast is read from
_DETAIL = 2.0  # pixels of a sampled frame; what varies more slowly is no detail
_FEWEST_PIXELS = 12  # sampled pixels; what is seen in fewer is taken as it is


@dataclass(frozen=True, eq=False)
class MaterialAssignment:
    """The material of every id of a clip: slot k + 1 is for `known[k]`, slot 0 for all others.

    `layout` [s 3 3] turns the axes of a body so that the grain runs along it, `offset` [s 3] moves
    its texture by some tiles, so that equal bodies differ.
    """

    known: Int[np.ndarray, "k"]
    slot_materials: MaterialTable
    layout: Float[np.ndarray, "s 3 3"]
    offset: Float[np.ndarray, "s 3"]
    textures: Atlas


def apply_materials(
    surface: Surface, frame: Window, material_assignment: MaterialAssignment
) -> Surface:
    """Return the surface in its materials.

    Where the clip has a material layer, its roughness and metal are kept and only varied. Without
    a camera, grain would slide over what the camera passes, and only gloss changes.
    """
    slot_materials = material_assignment.slot_materials
    if not slot_materials.share.any():
        return surface
    still = np.zeros_like(slot_materials.share)
    if Layer.MATERIAL in frame:
        slot_materials = replace(slot_materials, share=still)
    if frame.camera is None:
        slot_materials = replace(
            slot_materials, colour=still, relief=still, gloss=still, stain=still, smear=still
        )
    depth = frame[Layer.DEPTH][0]
    ids = np.zeros(depth.shape, np.int32)
    if Layer.SEGMENTATION in frame:
        ids = frame[Layer.SEGMENTATION][0]
    return Surface(
        *apply_textures(
            surface.albedo,
            surface.normals,
            surface.roughness,
            surface.metallic,
            depth,
            ids,
            frame_geometry.pinhole_of(frame),
            material_assignment.known,
            texture_frames(frame, material_assignment),
            slot_materials,
            material_assignment.textures,
        )
    )


def texture_frames(
    frame: Window, material_assignment: MaterialAssignment
) -> Float[np.ndarray, "s 3 4"]:
    """Return the way from camera axes to the axes of every slot's texture, its origin in tiles."""
    to_world = np.eye(4)
    if frame.camera is not None:
        to_world = np.linalg.inv(frame.camera.world_to_camera[0])
    whole = np.repeat(to_world[None], len(material_assignment.offset), 0)
    if frame.objects is not None:
        slots = np.searchsorted(material_assignment.known, frame.objects.ids) + 1
        poses = frame.objects.poses[0]
        # Whatever scale a pose has, metres stay metres.
        turn = poses[:, :3, :3] / np.linalg.norm(poses[:, :3, :3], axis=1, keepdims=True)
        whole[slots, :3, :3] = np.einsum("oji,jk->oik", turn, to_world[:3, :3])
        whole[slots, :3, 3] = np.einsum("oji,oj->oi", turn, to_world[:3, 3] - poses[:, :3, 3])
    out = np.einsum("sij,sjk->sik", material_assignment.layout, whole[:, :3])
    tiles = (
        out[..., 3] * material_assignment.slot_materials.tiles[:, None] + material_assignment.offset
    )
    out[..., 3] = tiles % STAIN_TILES  # so that single precision does far from the origin
    return out


def assign_materials(sample: ClipSample, materials: Materials, seed: int) -> MaterialAssignment:
    """Choose the material of every id of a clip, and how much texture to add to its own."""
    # What the leading camera of an episode has seen enough of is made by what it saw.
    windows = (sample.leading.window, *((sample.window,) if sample.lead else ()))
    window = sample.window
    bodies = frozenset() if window.objects is None else frozenset(map(int, window.objects.ids))
    seen = set(window.categories) | bodies
    for each in windows:
        if Layer.SEGMENTATION in each:
            seen |= set(np.unique(each[Layer.SEGMENTATION]).tolist())
    known = np.array(sorted(seen), np.int64)
    names = ["", *(window.categories.get(int(i), "") for i in known)]
    chosen = dict(materials.by_class)
    material_names = [chosen.get(name) or material_of(name) or UNKNOWN for name in names]
    textures, which = _choose_textures(names, material_names, materials)
    # What may move and has no pose keeps its gloss and gets no grain, which would slide.
    textured = [i in bodies or not moves(name) for i, name in zip([-1, *known], names, strict=True)]
    strength = materials.strength * np.array(textured, float)
    colour_room = strength * _first_seen([_texture_room(each, known) for each in windows], 1.0)
    kinds = [MATERIALS[name] for name in material_names]
    slot_materials = MaterialTable(
        texture=which,
        tiles=1 / (materials.scale * np.array([cloth.metres for cloth in textures])[which]),
        colour=colour_room,
        relief=strength * materials.detail,
        gloss=strength,
        stain=colour_room * np.array([kind.stain for kind in kinds]),
        smear=strength * np.array([kind.smear for kind in kinds]),
        roughness=np.array([kind.roughness for kind in kinds]),
        metallic=np.array([kind.metallic for kind in kinds]),
        share=np.full(len(kinds), float(materials.strength)),
    )
    offset = np.zeros((len(kinds), 3))
    for slot in [k for k, i in enumerate(known, start=1) if int(i) in bodies]:
        draw = np.random.default_rng((seed, int(known[slot - 1]) & 0xFFFFFFFF))
        offset[slot] = draw.random(3) * STAIN_TILES
    plain = MaterialAssignment(
        known, slot_materials, np.repeat(np.eye(3)[None], len(kinds), 0), offset, _atlas(textures)
    )
    grain = np.array([kind.grain for kind in kinds])
    layouts = [_layouts(each, plain, grain) for each in windows]
    return replace(plain, layout=_first_seen(layouts, plain.layout))


def _first_seen(
    found: Sequence[Float[np.ndarray, "s *n"]], otherwise: Float[np.ndarray, "s *n"] | float
) -> Float[np.ndarray, "s *n"]:
    """Return for each slot what the first camera found that saw it; NaN is what none saw."""
    out = np.array(found[0])
    for other in (*found[1:], np.broadcast_to(otherwise, out.shape)):
        out = np.where(np.isnan(out), other, out)
    return out


def _choose_textures(
    names: list[str], material_names: list[str], materials: Materials
) -> tuple[tuple[Texture, ...], Int[np.ndarray, "s"]]:
    """Return the distinct textures in use, and the index of the texture of every slot."""
    photos = {} if materials.textures is None else read_textures(materials.textures, names)
    keys = []
    for name, material in zip(names, material_names, strict=True):
        own = (words_of(name)[0], words_of(material)[0])
        photo = next((key for key in own if key in photos), None)
        keys.append((photo, material if photo else MATERIALS[material].pattern))
    used = list(dict.fromkeys(keys))
    textures = []
    for photo, name in used:
        if photo is None:
            textures.append(built_in(name))
            continue
        like = built_in(MATERIALS[name].pattern)
        steepness = float(np.sqrt((like.slope**2).mean()))
        shuffle = not MATERIALS[name].structured
        textures.append(
            texture_from_photo(photos[photo], like.metres, steepness=steepness, shuffle=shuffle)
        )
    return tuple(textures), np.array([used.index(key) for key in keys])


@lru_cache(maxsize=2)
def _atlas(textures: tuple[Texture, ...]) -> Atlas:
    """Keep the pyramids of the last clips, since all variants of a clip share them."""
    return build_atlas(textures)


def _texture_room(window: Window, known: Int[np.ndarray, "k"]) -> Float[np.ndarray, "s"]:
    """Return how much of a texture's colour each slot has room for, in (0, 1]; NaN where unseen.

    A body that the simulator painted with grain or bricks needs no other: its share falls with the
    median contrast of fine detail, which a few printed edges do not move.
    """
    out = np.full(len(known) + 1, np.nan)
    if Layer.SEGMENTATION not in window:
        return out
    counts = np.zeros((len(out), _BINS), np.int64)
    layer = Layer.ALBEDO if Layer.ALBEDO in window else Layer.RGB
    for picture, ids in zip(window[layer], window[Layer.SEGMENTATION], strict=True):
        light = np.log(np.maximum(spaces.luminance(spaces.decode_srgb(picture)), 0.01))
        detail = np.abs(light - cv2.GaussianBlur(light, (0, 0), _DETAIL))
        edge = projection.discontinuities(None, None, ids).astype(np.uint8)
        inside = cv2.dilate(edge, np.ones((4, 4), np.uint8)) == 0
        slots = np.searchsorted(known, ids[inside]) + 1
        bins = np.minimum(detail[inside] / _BIN, _BINS - 1).astype(np.int64)
        counts += np.bincount(slots * _BINS + bins, minlength=counts.size).reshape(counts.shape)
    total = counts.sum(1)
    median = (counts.cumsum(1) < 0.5 * total[:, None]).sum(1) * _BIN
    colour_room = 1 / (1 + (median / _BUSY) ** 2)
    return np.where(total >= _FEWEST_PIXELS, colour_room, out)


def _layouts(
    window: Window, material_assignment: MaterialAssignment, grain: Bool[np.ndarray, "s"]
) -> Float[np.ndarray, "s 3 3"]:
    """Return the axes of every slot in the order that its texture takes them; NaN where unseen.

    Grain runs along the longest side that the clip sample saw; what has courses keeps them level.
    """
    out = np.full_like(material_assignment.layout, np.nan)
    if not window.metric_depth or Layer.SEGMENTATION not in window:
        return out
    frames = window.derive(frame_geometry.split)
    frames_of_textures = [texture_frames(frame, material_assignment) for frame in frames]
    where, slots = [], []
    for frame, place in zip(frames, frames_of_textures, strict=True):
        depth, ids = frame[Layer.DEPTH][0], frame[Layer.SEGMENTATION][0]
        hit = np.isfinite(depth) & (depth > 0)
        slot = np.searchsorted(material_assignment.known, ids[hit]) + 1
        points = projection.unproject(np.where(hit, depth, 0), frame_geometry.intrinsics(frame))[
            hit
        ]
        local = np.einsum("nij,nj->ni", place[slot, :, :3], points)
        where.append(local)
        slots.append(slot)
    each, order = np.concatenate(slots), np.argsort(np.concatenate(slots), kind="stable")
    points = np.concatenate(where)[order]
    ends = np.searchsorted(each[order], np.arange(len(out) + 1))
    up = np.einsum("sij,j->si", frames_of_textures[0][..., :3], _up_in_camera(frames[0]))
    for slot in range(1, len(out)):
        seen = points[ends[slot] : ends[slot + 1]]
        if len(seen) < _FEWEST_PIXELS:
            continue
        extent = np.subtract(*np.percentile(seen, (95, 5), axis=0))
        if not grain[slot]:
            extent[np.abs(up[slot]).argmax()] = -1
        out[slot] = np.eye(3)[np.argsort(-extent, kind="stable")]
    return out


def _up_in_camera(frame: Window) -> Float[np.ndarray, "3"]:
    return frame_geometry.camera_to_world(frame).T @ frame_geometry.world_up(frame)
