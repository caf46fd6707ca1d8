"""Find coded pictures in which zeros stand where data was: full disks, bad sectors, sparse copies.

Decoders make a picture of them, often without a word, so that it is found before any is decoded.
"""

# H.264 and HEVC allow no three zeros inside a picture: an emulation prevention byte breaks them.
_NAL = frozenset({"h264", "hevc", "vvc"})
_NAL_RUN = bytes(8)  # a few may stand between units
# Arithmetic coders write a run of this length by chance once in 2**512 packets.
_ARITHMETIC = frozenset({"vp8", "vp9", "av1"})
_RUN = bytes(64)


def unwritten(data: bytes, codec: str) -> bool:
    """Whether the data of one coded picture has a hole of zeros."""
    if len(data) >= 8 and not any(data[:8]) and not any(data):
        return True
    if codec in _NAL:
        at = data.find(_NAL_RUN)
        while at >= 0:
            rest = data[at:].lstrip(b"\0")
            # Zeros may fill up in front of a start code, and at the end of a picture.
            if rest and rest[0] != 1:
                return True
            at = data.find(_NAL_RUN, len(data) - len(rest)) if rest else -1
        return False
    return codec in _ARITHMETIC and _RUN in data
