"""Turn decoded frames into upright 8-bit sRGB, by the matrix, range and curve they state.

Sources: ITU-T H.273 (code points), BT.709, BT.2020, BT.2100 (PQ, HLG), BT.2408 (reference white).
"""

from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
from av.video.reformatter import ColorRange, VideoReformatter
from jaxtyping import Float, UInt8, UInt16

from simlift.core.errors import ClipError
from simlift.media.video.info import Orientation, VideoInfo

MatrixName = Literal["bt601", "bt709", "bt2020"]
RangeName = Literal["limited", "full"]

_RGB, _BT709, _UNTAGGED, _BT601, _YCGCO, _BT2020 = 0, 1, 2, 5, 8, 9
_MATRICES = {"bt601": _BT601, "bt709": _BT709, "bt2020": _BT2020}
_SUPPORTED = frozenset({_RGB, _BT709, _UNTAGGED, 3, 4, _BT601, 6, 7, _YCGCO, _BT2020})
_RANGES = {"limited": int(ColorRange.MPEG), "full": int(ColorRange.JPEG)}
_LINEAR, _PQ, _HLG = 8, 16, 18
# These are shown as they are: their curves differ from sRGB by less than screens do.
_LIKE_SRGB = frozenset({0, 1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 14, 15})
_CURVES = {9: "logarithmic", 10: "logarithmic", 17: "SMPTE ST 428"}
_WIDE = {9: "BT.2020", 11: "DCI-P3", 12: "Display P3"}

_REFERENCE_WHITE = 203.0  # cd/m2 of diffuse white in HDR (BT.2408)
_PEAK = 1000.0 / _REFERENCE_WHITE  # what HDR is graded to where nothing else is said
_KNEE = 0.85  # linear light up to which HDR is shown unchanged; above, highlights roll off


@dataclass(frozen=True)
class ColourReading:
    """How the colours of one file are read: what it states, or what the user states instead."""

    matrix: int
    colour_range: int
    primaries: int
    transfer: int
    guessed: bool  # nothing states the matrix

    @property
    def linear_steps(self) -> bool:
        """Whether colours pass through linear light."""
        return self.transfer in (_PQ, _HLG, _LINEAR) or self.primaries in _WIDE


def read_colour(
    info: VideoInfo, matrix: MatrixName | None = None, colour_range: RangeName | None = None
) -> ColourReading:
    """Decide how colours are read; ClipError for a matrix that cannot be."""
    tags = info.colour
    code, guessed = tags.matrix, False
    if matrix is not None:
        code = _MATRICES[matrix]
    elif info.is_rgb:
        code = _RGB
    elif code in (_UNTAGGED, 3, _RGB):  # 0 is RGB, which a format of luma and chroma is not
        if tags.primaries == 9:
            code = _BT2020
        else:
            guessed, code = True, _BT709 if info.stored_height >= 720 else _BT601
    if code not in _SUPPORTED:
        raise ClipError(
            info.path,
            f"its colour matrix is number {code} of ITU-T H.273",
            allowed="BT.601, BT.709, BT.2020 (not of constant luminance), YCgCo, RGB",
            way_out="convert it with ffmpeg -vf scale=out_color_matrix=bt709",
        )
    stated = _RANGES[colour_range] if colour_range else tags.colour_range
    return ColourReading(code, stated, tags.primaries, tags.transfer, guessed)


def colour_notes(
    info: VideoInfo, matrix: MatrixName | None = None, colour_range: RangeName | None = None
) -> tuple[str, ...]:
    """Say what was assumed of the colours, and what is lost when they are shown as sRGB."""
    reading = read_colour(info, matrix, colour_range)
    notes = []
    if reading.guessed and (info.stored_height >= 720 or info.stored_width >= 1280):
        guess = "BT.709 is assumed, as players do, but imageio, OpenCV and ffmpeg write BT.601"
        if reading.matrix == _BT601:
            guess = "BT.601 is assumed, as ffmpeg does, but some players take it for BT.709"
        notes.append(
            f"the file does not say its colour matrix: {guess}; if colours look wrong, state "
            '"matrix" for the layer in a clip.json'
        )
    if reading.transfer in (_PQ, _HLG):
        curve = "PQ" if reading.transfer == _PQ else "HLG"
        notes.append(
            f"HDR video ({curve}) is read as sRGB: {_REFERENCE_WHITE:.0f} cd/m2 is white, "
            "highlights above it are rolled off"
        )
    elif reading.transfer == _LINEAR:
        notes.append("linear light is read as sRGB: values above 1 are cut")
    elif reading.transfer not in _LIKE_SRGB:
        curve = _CURVES.get(reading.transfer, f"number {reading.transfer} of ITU-T H.273")
        notes.append(f"its transfer curve ({curve}) is not undone: colours are read as if sRGB")
    if reading.primaries in _WIDE:
        wide = _WIDE[reading.primaries]
        notes.append(f"colours of {wide} are read as sRGB: those beyond it are cut")
    return tuple(notes)


class FrameConverter:
    """Converts the frames of one file to upright 8-bit sRGB."""

    def __init__(self, reading: ColourReading, orientation: Orientation) -> None:
        self._reading, self._orientation = reading, orientation
        self._reformatter = VideoReformatter()  # kept: setting one up costs as much as using it

    def rgb(self, frame: Any) -> UInt8[np.ndarray, "h w 3"]:
        """Return the colours of a frame."""
        reading = self._reading
        if reading.matrix == _YCGCO:
            codes = _from_ycgco(self._reformat(frame, "yuv444p16le"), reading)
            found = linear_to_srgb8(self._light(codes)) if reading.linear_steps else to_8_bit(codes)
        elif reading.linear_steps:
            found = linear_to_srgb8(self._light(self._reformat(frame, "rgb48le").to_ndarray()))
        else:
            found = self._reformat(frame, "rgb24").to_ndarray()
        return upright(found, self._orientation)

    def _reformat(self, frame: Any, form: str) -> Any:
        matrix, stated = self._reading.matrix, self._reading.colour_range
        yuv = form.startswith("yuv")
        given: dict[str, Any] = {"src_color_range": stated} if stated else {}
        return self._reformatter.reformat(
            frame,
            format=form,
            # YCgCo only changes its depth: any matrix will do, where both sides have the same.
            src_colorspace=_BT709 if matrix in (_RGB, _YCGCO) else matrix,
            dst_color_range=(stated or ColorRange.MPEG) if yuv else ColorRange.JPEG,
            threads=1,
            **given,
            **({"dst_colorspace": _BT709} if yuv else {}),
        )

    def _light(self, codes: UInt16[np.ndarray, "h w 3"]) -> Float[np.ndarray, "h w 3"]:
        reading = self._reading
        light = linear_light(codes, reading.transfer)
        if reading.primaries in _WIDE:
            light = light @ to_bt709(reading.primaries).T
        return roll_off(light) if reading.transfer in (_PQ, _HLG) else light


def upright(frame: np.ndarray, orientation: Orientation) -> np.ndarray:
    """Return a stored frame [h w ...] as it is to be seen."""
    if not orientation:
        return frame
    if orientation.transpose:
        frame = frame.swapaxes(0, 1)
    if orientation.flip_y:
        frame = frame[::-1]
    if orientation.flip_x:
        frame = frame[:, ::-1]
    return np.ascontiguousarray(frame)


def to_8_bit(codes: UInt16[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w 3"]:
    """Round 16-bit codes to 8 bits."""
    return ((codes.astype(np.uint32) + 128) // 257).astype(np.uint8)


def linear_light(codes: UInt16[np.ndarray, "h w 3"], transfer: int) -> Float[np.ndarray, "h w 3"]:
    """Undo a transfer curve; 1 is white, or diffuse white in HDR."""
    light = _curve(transfer)[codes]
    if transfer == _HLG:
        # The light of a scene becomes that of a screen of 1000 cd/m2 (BT.2100, gamma 1.2).
        luminance = light @ np.array([0.2627, 0.6780, 0.0593], np.float32)
        light = light * luminance[..., None] ** np.float32(0.2) * np.float32(_PEAK)
    return light


def roll_off(light: Float[np.ndarray, "h w 3"]) -> Float[np.ndarray, "h w 3"]:
    """Bring highlights up to the peak below 1 and keep their hue; what is below the knee stays."""
    brightest = light.max(axis=-1, keepdims=True)
    over = np.maximum(brightest - _KNEE, 0) / np.float32(1 - _KNEE)
    whole = np.float32((_PEAK - _KNEE) / (1 - _KNEE))
    # Reinhard's curve with a white point: slope 1 at the knee, 1 at the peak.
    rolled = _KNEE + (1 - _KNEE) * over * (1 + over / whole**2) / (1 + over)
    return np.where(brightest > _KNEE, light * (rolled / np.maximum(brightest, _KNEE)), light)


def linear_to_srgb8(light: Float[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w 3"]:
    """Encode linear light as 8-bit sRGB (IEC 61966-2-1); what lies outside 0..1 is cut."""
    steps = np.rint(np.clip(light, 0, 1) * np.float32(65535)).astype(np.uint16)
    return _srgb8()[steps]


@cache
def _srgb8() -> UInt8[np.ndarray, "65536"]:
    light = np.arange(65536) / 65535
    code = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.rint(code * 255).astype(np.uint8)


@cache
def _curve(transfer: int) -> Float[np.ndarray, "65536"]:
    """Tabulate the light of 16-bit codes; that of HLG is the light of the scene."""
    code = np.arange(65536) / 65535
    if transfer == _PQ:  # BT.2100, table 4
        m1, m2, c1, c2, c3 = 0.1593017578125, 78.84375, 0.8359375, 18.8515625, 18.6875
        root = code ** (1 / m2)
        light = (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1)
        light = light * (10_000 / _REFERENCE_WHITE)
    elif transfer == _HLG:  # BT.2100, table 5
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        light = np.where(code <= 0.5, code**2 / 3, (np.exp((code - c) / a) + b) / 12)
    elif transfer == _LINEAR:
        light = code
    else:
        light = np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)
    return light.astype(np.float32)


@cache
def to_bt709(primaries: int) -> Float[np.ndarray, "3 3"]:
    """Compute the matrix from linear light of some primaries to that of BT.709."""
    d65, dci = (0.3127, 0.3290), (0.314, 0.351)
    wide = {
        9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), d65),
        11: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), dci),
        12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), d65),
    }[primaries]
    narrow = ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060), d65)
    # White stays white, whichever white it is: the balance of the file is kept.
    return (np.linalg.inv(_to_xyz(*narrow)) @ _to_xyz(*wide[:3], d65)).astype(np.float32)


def _to_xyz(*points: tuple[float, float]) -> np.ndarray:
    xyz = np.array([[x / y, 1, (1 - x - y) / y] for x, y in points]).T
    return xyz[:, :3] * np.linalg.solve(xyz[:, :3], xyz[:, 3])


def _from_ycgco(frame: Any, reading: ColourReading) -> UInt16[np.ndarray, "h w 3"]:
    """Undo YCgCo (H.273, matrix 8): r = y - cg + co, g = y + cg, b = y - cg - co."""
    luma, green, orange = (
        np.frombuffer(plane, np.uint16)
        .reshape(plane.height, -1)[:, : plane.width]
        .astype(np.float32)
        for plane in frame.planes
    )
    if reading.colour_range == int(ColorRange.JPEG):
        scale, black, chroma = 1.0, 0.0, 1.0
    else:
        scale, black, chroma = 65535 / (219 * 256), 16 * 256.0, 65535 / (224 * 256)
    y = (luma - black) * np.float32(scale)
    cg, co = (green - 32768) * np.float32(chroma), (orange - 32768) * np.float32(chroma)
    rgb = np.stack([y - cg + co, y + cg, y - cg - co], axis=-1)
    return np.rint(np.clip(rgb, 0, 65535)).astype(np.uint16)
