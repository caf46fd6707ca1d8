"""Verify the checksums of FFV1 pictures (RFC 9043, section 4.9): decoders only log that they fail.

Depth and ids are stored as FFV1. A decoder that finds a damaged slice shows the one before instead.
"""

import zlib

_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_FOOTER = 8  # size (3 bytes), error status (1), checksum (4)
_STARTS = (0, 0x79408C7A)  # of versions 3 and 4


def checksum_fails(data: bytes) -> bool:
    """Whether a slice of a coded picture is damaged; False where it holds no checksums."""
    good = bad = False
    end = len(data)
    while end > 0:
        size = int.from_bytes(data[max(end - _FOOTER, 0) : end - 5], "big")
        start = end - _FOOTER - size
        if start < 0:
            # Slices without checksums, or the size of one is damaged.
            return good
        whole = any(_crc(data[start:end], word) == word for word in _STARTS)
        good, bad = good or whole, bad or not whole
        end = start
    return bad


def _crc(data: bytes, start: int) -> int:
    """Compute CRC-32 (0x04C11DB7), highest bit first; `start` for data that ends in its own."""
    found = zlib.crc32(data.translate(_REVERSED), _mirrored(start) ^ 0xFFFFFFFF) ^ 0xFFFFFFFF
    return _mirrored(found)


def _mirrored(word: int) -> int:
    return int(f"{word:032b}"[::-1], 2)
