"""Read the name of an ICC colour profile. Source: ICC.1:2022, "desc" tag."""

_HEADER = 128  # bytes before the table of tags


def profile_name(profile: bytes) -> str:
    """Return the description of an ICC profile, or "without a name"."""
    count = int.from_bytes(profile[_HEADER : _HEADER + 4], "big")
    for at in range(_HEADER + 4, _HEADER + 4 + 12 * min(count, 100), 12):
        if profile[at : at + 4] == b"desc":
            start = int.from_bytes(profile[at + 4 : at + 8], "big")
            size = int.from_bytes(profile[at + 8 : at + 12], "big")
            return _text(profile[start : start + size]) or "without a name"
    return "without a name"


def _text(tag: bytes) -> str:
    if tag[:4] == b"desc":  # version 2: ASCII
        size = int.from_bytes(tag[8:12], "big")
        return tag[12 : 12 + size].decode("ascii", "replace").strip("\0 ")
    if tag[:4] == b"mluc":  # version 4: UTF-16, the first of its languages
        size, start = (int.from_bytes(tag[at : at + 4], "big") for at in (20, 24))
        return tag[start : start + size].decode("utf-16-be", "replace").strip("\0 ")
    return ""
