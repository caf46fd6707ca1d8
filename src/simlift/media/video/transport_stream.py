"""Find the places at which packets of an MPEG transport stream were lost (ISO 13818-1).

Every packet of a stream counts on by one, so that a gap is found without decoding.
"""

from pathlib import Path

import numpy as np

_SYNC, _CHUNK = 0x47, 1 << 15  # packets read at a time


def lost_before(path: Path, pid: int) -> list[int]:
    """Return the positions in a file in front of which packets of a stream are missing.

    A gap in front of the beginning of a picture is left out: parts joined byte by byte have it.
    """
    with path.open("rb") as file:
        length, start = _layout(file.read(4096))
        if not length:
            return []
        file.seek(0)
        found: list[int] = []
        last, base = -1, 0
        while data := file.read(_CHUNK * length):
            rows = np.frombuffer(data[: len(data) // length * length], np.uint8)
            rows = rows.reshape(-1, length)[:, start : start + 4].astype(np.int64)
            numbers = (rows[:, 1] & 31) << 8 | rows[:, 2]
            # Packets without data do not count.
            mine = np.flatnonzero((rows[:, 0] == _SYNC) & (numbers == pid) & (rows[:, 3] & 16 > 0))
            if len(mine):
                counts = rows[mine, 3] & 15
                before = np.concatenate([[last if last >= 0 else counts[0] - 1], counts[:-1]])
                step = (counts - before) % 16
                inside = rows[mine, 1] & 0x40 == 0
                found += (base + mine[(step > 1) & inside] * length).tolist()
                last = int(counts[-1])
            base += len(data)
        return found


def _layout(head: bytes) -> tuple[int, int]:
    """Return the length of a packet and where its header stands: 188 bytes, or 192 on discs."""
    for length, start in ((188, 0), (192, 4)):
        marks = head[start::length]
        if len(marks) > 1 and set(marks) == {_SYNC}:
            return length, start
    return 0, 0
