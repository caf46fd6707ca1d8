"""Find lost reference pictures of H.264 from the frame numbers in its slice headers.

Source: ITU-T H.264, sections 7.3.2.1 (sequence parameters), 7.3.3 and 7.4.3 (slice header).
A decoder fills such a gap with the picture before, without an error.
"""

from simlift.media.video.parameter_sets import nal_units

_SLICE, _IDR, _SEQUENCE = 1, 5, 7
_HEAD = 1 << 16  # bytes in which the header of the first slice is looked for
# Profiles whose sequence parameters state the chroma format.
_HIGH = frozenset({44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244})


class FrameNumbers:
    """Follows the frame numbers of one stream, packet by packet in decoding order."""

    def __init__(self, extradata: bytes) -> None:
        self._extradata = extradata
        self._bits: int | None = None  # of a frame number; None where gaps are allowed or unknown
        self._planes = False
        self._last: int | None = None  # that of the last picture that others may refer to
        if extradata[:1] == b"\x01":
            size = int.from_bytes(extradata[6:8], "big")
            self._sequence(extradata[8 : 8 + size])
        else:
            self._look_for_sequence(extradata)

    def misses_one(self, data: bytes, key: bool) -> bool:
        """Whether a picture that others need is missing in front of this one."""
        for unit in nal_units(data[:_HEAD], "h264", self._extradata):
            kind = unit[0] & 31
            if kind == _SEQUENCE:
                self._sequence(unit)
            elif kind in (_SLICE, _IDR):
                return self._picture(unit, key or kind == _IDR)
        return False

    def _picture(self, unit: bytes, key: bool) -> bool:
        if self._bits is None:
            return False
        bits = _Bits(unit[1:])
        for _ in range(3):  # first macroblock, type of slice, picture parameter set
            bits.unsigned()
        if self._planes:
            bits.read(2)
        number, before = bits.read(self._bits), self._last
        if unit[0] & 0x60:  # others may refer to it
            self._last = number
        if key or before is None:
            return False
        # A picture may set the numbers back to 0 (memory management operation 5).
        return number > 1 and number not in (before, (before + 1) % (1 << self._bits))

    def _look_for_sequence(self, data: bytes) -> None:
        for unit in nal_units(data, "h264", b""):
            if unit[0] & 31 == _SEQUENCE:
                self._sequence(unit)

    def _sequence(self, unit: bytes) -> None:
        bits = _Bits(unit[1:])
        profile = bits.read(8)
        bits.read(16)
        bits.unsigned()
        self._planes = False
        if profile in _HIGH:
            chroma = bits.unsigned()
            self._planes = chroma == 3 and bool(bits.read(1))
            bits.unsigned(), bits.unsigned(), bits.read(1)
            if bits.read(1):
                for k in range(12 if chroma == 3 else 8):
                    if bits.read(1):
                        bits.scaling_list(16 if k < 6 else 64)
        length = bits.unsigned() + 4
        order = bits.unsigned()
        if order == 0:
            bits.unsigned()
        elif order == 1:
            bits.read(1)
            for _ in range(2):
                bits.unsigned()
            for _ in range(bits.unsigned()):
                bits.unsigned()
        bits.unsigned()
        self._bits = None if bits.read(1) else length


class _Bits:
    """Reads the bits of a NAL unit, and its Exp-Golomb numbers; beyond its end they are 0."""

    def __init__(self, data: bytes) -> None:
        whole = data[:512].replace(b"\0\0\3", b"\0\0") + bytes(16)
        self._value, self._left = int.from_bytes(whole, "big"), 8 * len(whole)

    def read(self, count: int) -> int:
        self._left = max(self._left - count, 0)
        return (self._value >> self._left) & ((1 << count) - 1)

    def unsigned(self) -> int:
        zeros = 0
        while zeros < 32 and not self.read(1):
            zeros += 1
        return (1 << zeros) - 1 + self.read(zeros)

    def scaling_list(self, size: int) -> None:
        last = following = 8
        for _ in range(size):
            if following:
                code = self.unsigned()
                step = (code + 1) // 2 if code % 2 else -(code // 2)
                following = (last + step) % 256
            last = following or last
