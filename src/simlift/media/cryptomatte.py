"""Decode Cryptomatte channels of OpenEXR files to ids with names.

Each pixel holds a hash of the name of what covers it most, as the bits of a 32-bit float; the
header lists the names and their hashes. Ids are the names' places in sorted order, from 1.

Source: Friedman and Jones, "Cryptomatte specification", version 1.2.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from simlift.core.errors import ClipError
from simlift.core.layers import Array
from simlift.media.exr import ExrHeader

_KEY = "cryptomatte/"


@dataclass(frozen=True)
class Cryptomatte:
    """What a header says of one Cryptomatte: the channel of the first rank, and hashes to ids."""

    channel: str
    names: tuple[str, ...]
    hashes: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class CryptomatteIds:
    """The bits of floats [t h w] to ids; ClipError on a hash of no name. Nothing has the hash 0."""

    hashes: tuple[tuple[int, int], ...]

    def __call__(self, raw: Array) -> Array:
        bits = np.ascontiguousarray(raw.reshape(raw.shape[:3]), dtype=np.float32).view(np.uint32)
        known, ids = _arrays(self.hashes)
        at = np.minimum(np.searchsorted(known, bits), len(known) - 1)
        unnamed = known[at] != bits
        if unnamed.any():
            raise ClipError(
                "segmentation",
                f"{unnamed.mean():.1%} of a window holds Cryptomatte hashes of no name, such as "
                f"{int(bits[unnamed][0]):08x}",
                allowed="hashes that the manifest of the first frame names",
                way_out="render all frames in one run, as 32-bit floats",
            )
        return np.asarray(ids[at])


def cryptomattes(path: Path, header: ExrHeader) -> dict[str, Cryptomatte]:
    """Return the Cryptomattes of a file by their names, such as "ViewLayer.CryptoObject".

    One without a manifest, or whose first rank is not stored, is left out.
    """
    found = {}
    for key, name in header.texts.items():
        if not key.startswith(_KEY) or not key.endswith("/name"):
            continue
        manifest = header.texts.get(key.removesuffix("name") + "manifest")
        ranks = (f"{name}00.{letter}" for letter in ("r", "R", "red"))
        channel = next((rank for rank in ranks if rank in header.channels), None)
        if manifest is not None and channel is not None:
            found[name] = _named(path, channel, manifest)
    return found


def _named(path: Path, channel: str, manifest: str) -> Cryptomatte:
    try:
        listed: Mapping[str, str] = json.loads(manifest)
        hash_of = {str(name): int(code, 16) for name, code in listed.items()}
    except (ValueError, AttributeError, TypeError) as error:
        raise ClipError(
            path,
            f"holds a Cryptomatte manifest that cannot be read ({error})",
            allowed='names and hashes, such as {"table": "13851a76"}',
        ) from error
    names = tuple(sorted(hash_of))
    hashes = {hash_of[name]: k + 1 for k, name in enumerate(names)}
    if len(hashes) < len(names):
        raise ClipError(path, "two names of a Cryptomatte have one hash", allowed="one for each")
    # Renderers differ in whether the manifest lists what is nothing.
    hashes.setdefault(0, 0)
    return Cryptomatte(channel, names, tuple(sorted(hashes.items())))


@lru_cache(maxsize=8)
def _arrays(hashes: tuple[tuple[int, int], ...]) -> tuple[Array, Array]:
    known, ids = zip(*hashes, strict=True)
    return np.array(known, dtype=np.uint32), np.array(ids, dtype=np.int32)
