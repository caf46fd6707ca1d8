"""Colours of videos by what they state: matrix, range, HDR curves, wide primaries, alpha."""

import json

import av
import numpy as np
import pytest
from tiny import clips as builders

import simlift
from simlift.core.errors import ClipError
from simlift.core.layers import Layer
from simlift.media.video import VideoStore, probe_video
from simlift.media.video.colour import linear_light, linear_to_srgb8, roll_off, to_bt709
from simlift.sources.video import video_notes

PATCHES = np.array(
    [[190, 30, 30], [30, 190, 30], [30, 30, 190], [190, 190, 30], [120, 120, 120], [235, 200, 170]],
    np.uint8,
)
SIZE = 8 * len(PATCHES)


def picture(height=32):
    columns = np.arange(SIZE) * len(PATCHES) // SIZE
    return np.broadcast_to(PATCHES[columns], (height, SIZE, 3)).copy()


def coded(path, planes, pixel_format, *, matrix=2, reach=0, primaries=2, transfer=2):
    """Store planes as they are, without loss, tagged by code points of H.273."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("ffv1", rate=24)
        stream.height, stream.width, stream.pix_fmt = (
            planes.shape[-2],
            planes.shape[-1],
            pixel_format,
        )
        context = stream.codec_context
        context.colorspace, context.color_range = matrix, reach
        context.color_primaries, context.color_trc = primaries, transfer
        frame = av.VideoFrame(planes.shape[2], planes.shape[1], pixel_format)
        for target, plane in zip(frame.planes, planes, strict=True):
            rows = np.zeros((plane.shape[0], target.line_size // plane.itemsize), plane.dtype)
            rows[:, : plane.shape[1]] = plane
            target.update(rows)
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def ycc16(codes, red, blue, *, full=False):
    """Luma and chroma of 16-bit RGB codes in 0..1, by the weights of red and blue (BT.601, 709)."""
    r, g, b = np.moveaxis(codes, -1, 0)
    y = red * r + (1 - red - blue) * g + blue * b
    pb, pr = (b - y) / (2 - 2 * blue), (r - y) / (2 - 2 * red)
    if full:
        planes = np.stack([y, pb + 0.5, pr + 0.5]) * 65535
    else:
        planes = np.stack([219 * y + 16, 224 * pb + 128, 224 * pr + 128]) * 256
    return np.rint(np.clip(planes, 0, 65535)).astype(np.uint16)


def patches_of(frame):
    middle = np.arange(len(PATCHES)) * 8 + 4
    return frame[frame.shape[0] // 2, middle].astype(int)


def srgb_light(codes):
    code = codes / 255
    return np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)


def pq(nits):
    """BT.2100: the code of a luminance in cd/m2."""
    y = (nits / 10_000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * y) / (1 + 18.6875 * y)) ** 78.84375


def hlg(light):
    """BT.2100: the code of display light, 1 at 1000 cd/m2, linear light of BT.2020 [... 3]."""
    luminance = light @ np.array([0.2627, 0.6780, 0.0593])
    scene = light * np.maximum(luminance, 1e-9)[..., None] ** (1 / 1.2 - 1)
    root, high = np.sqrt(3 * scene), 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9))
    return np.where(scene <= 1 / 12, root, high + 0.55991073)


WIDE = np.linalg.inv(to_bt709(9).astype(float))  # BT.709 -> BT.2020
CURVES = {
    "pq": (16, 9, lambda light: pq(203 * np.maximum(light @ WIDE.T, 0))),
    "hlg": (18, 9, lambda light: hlg(0.203 * np.maximum(light @ WIDE.T, 0))),
    "linear": (8, 1, lambda light: light),
}


@pytest.mark.parametrize("name", CURVES)
def test_other_curves_are_read_as_srgb(tmp_path, name):
    transfer, primaries, curve = CURVES[name]
    codes = curve(srgb_light(picture()))
    red, blue, matrix = (0.2627, 0.0593, 9) if primaries == 9 else (0.2126, 0.0722, 1)
    path = coded(
        tmp_path / "hdr.mkv",
        ycc16(codes, red, blue),
        "yuv444p16le",
        matrix=matrix,
        reach=1,
        primaries=primaries,
        transfer=transfer,
    )
    clip = simlift.open_clip(path)
    expected = PATCHES.astype(int)
    found = patches_of(builders.read(clip, Layer.RGB, [0])[0])
    assert np.abs(found - expected).max() <= 3
    assert any("read as sRGB" in note for note in clip.notes)


def test_highlights_roll_off_and_keep_their_order():
    """Diffuse white stays near white; brighter stays distinct, up to the peak of 1000 cd/m2."""
    nits = np.array([50, 100, 150, 203, 300, 500, 1000, 4000])
    codes = np.rint(pq(nits) * 65535).astype(np.uint16)[None, :, None].repeat(3, -1)
    shown = linear_to_srgb8(roll_off(linear_light(codes, 16)))[0, :, 0].astype(int)
    exact = linear_to_srgb8((nits / 203).astype(np.float32)[None, :, None].repeat(3, -1))[0, :, 0]
    np.testing.assert_array_equal(shown[:3], exact[:3])
    assert 244 <= shown[3] < shown[4] < shown[5] < shown[6] == shown[7] == 255


def test_primaries_keep_white_and_undo_each_other():
    for primaries in (9, 11, 12):
        np.testing.assert_allclose(to_bt709(primaries).sum(axis=1), 1, atol=1e-5)
    # BT.2087 states this matrix for BT.2020.
    stated = [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]]
    np.testing.assert_allclose(to_bt709(9), stated, atol=2e-3)


@pytest.mark.parametrize("reach", [1, 2], ids=["limited", "full"])
def test_ycgco(tmp_path, reach):
    r, g, b = np.moveaxis(picture() / 255, -1, 0)
    y, cg, co = r / 4 + g / 2 + b / 4, -r / 4 + g / 2 - b / 4, r / 2 - b / 2
    if reach == 2:
        planes = np.stack([255 * y, 255 * cg + 128, 255 * co + 128])
    else:
        planes = np.stack([219 * y + 16, 224 * cg + 128, 224 * co + 128])
    planes = np.rint(np.clip(planes, 0, 255)).astype(np.uint8)
    path = coded(tmp_path / "a.mkv", planes, "yuv444p", matrix=8, reach=reach)
    found = builders.read(simlift.open_clip(path), Layer.RGB, [0])[0]
    assert np.abs(found.astype(int) - picture()).max() <= 3


def test_a_matrix_that_cannot_be_undone_is_refused(tmp_path):
    planes = np.full((3, 32, SIZE), 128, np.uint8)
    path = coded(tmp_path / "a.mkv", planes, "yuv444p", matrix=10, reach=1)
    with pytest.raises(ClipError, match=r"a\.mkv.*matrix is number 10.*BT\.709.*ffmpeg"):
        simlift.open_clip(path)


@pytest.mark.parametrize(
    ("height", "stated", "noted"),
    [(720, None, "BT.709"), (720, "bt601", ""), (720, "bt709", ""), (32, None, "")],
)
def test_an_unstated_matrix_is_a_guess_until_it_is_stated(tmp_path, height, stated, noted):
    planes = np.rint(ycc16(picture(height) / 255, 0.299, 0.114) / 257).astype(np.uint8)
    info = probe_video(coded(tmp_path / "a.mkv", planes, "yuv444p"))
    said = [note for note in video_notes(info, stated) if "matrix" in note]
    assert bool(said) == bool(noted)
    assert all(noted in note for note in said)
    with VideoStore(info, matrix=stated).open() as reader:
        error = np.abs(patches_of(reader.read([0])[0]) - PATCHES).max()
    right = stated == "bt601" or height < 720
    assert (error <= 3) == right


@pytest.mark.parametrize("stated", ["full", "limited"])
@pytest.mark.parametrize("pixel_format", ["yuv444p", "yuvj444p"])
def test_a_stated_range_is_what_counts(tmp_path, stated, pixel_format):
    planes = np.rint(ycc16(picture() / 255, 0.299, 0.114, full=stated == "full") / 257)
    tag = {"yuv444p": 0, "yuvj444p": 2}[pixel_format]
    path = coded(tmp_path / "a.mkv", planes.astype(np.uint8), "yuv444p", matrix=5, reach=tag)
    with VideoStore(probe_video(path), colour_range=stated).open() as reader:
        assert np.abs(patches_of(reader.read([0])[0]) - PATCHES).max() <= 4


def test_alpha_beside_the_colours_is_stated(tmp_path):
    """VP9 in WebM keeps alpha in a second picture, which a metadata entry announces."""
    path = tmp_path / "a.webm"
    frames = builders.flat_frames(3, 64, 96)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libvpx-vp9", rate=24, options={"deadline": "realtime"})
        stream.height, stream.width, stream.pix_fmt = 64, 96, "yuv420p"
        stream.metadata["alpha_mode"] = "1"
        for frame in frames:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
        out.mux(stream.encode(None))
    clip = simlift.open_clip(path)
    assert any("alpha" in note for note in clip.notes)
    assert builders.indices_of(builders.read(clip, Layer.RGB, range(3)), 3) == [0, 1, 2]


def test_clip_json_states_the_matrix(tmp_path):
    planes = np.rint(ycc16(picture(720) / 255, 0.299, 0.114) / 257).astype(np.uint8)
    coded(tmp_path / "rgb.mkv", planes, "yuv444p")
    for matrix, right in (("bt601", True), ("bt709", False)):
        layers = {"rgb": {"file": "rgb.mkv", "matrix": matrix}}
        size = {"num_frames": 1, "height": 720, "width": SIZE, "fps": "24"}
        manifest = {"format": "simlift-clip/1", "name": "a", **size, "layers": layers}
        (tmp_path / "clip.json").write_text(json.dumps(manifest))
        clip = simlift.open_clip(tmp_path)
        assert not any("matrix" in note for note in clip.notes)
        error = np.abs(patches_of(builders.read(clip, Layer.RGB, [0])[0]) - PATCHES).max()
        assert (error <= 3) == right
