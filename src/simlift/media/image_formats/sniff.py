"""Tell the format of an image by its first bytes and read its header: suffixes may lie."""

from simlift.media.image_formats.bmp import bmp_header
from simlift.media.image_formats.gif import gif_header
from simlift.media.image_formats.header import Buffer, ImageHeader, UnreadableImage
from simlift.media.image_formats.icc import profile_name
from simlift.media.image_formats.jpeg import jpeg_header, jpeg_profile
from simlift.media.image_formats.png import SIGNATURE, png_colours, png_header
from simlift.media.image_formats.tiff import tiff_header, tiff_profile
from simlift.media.image_formats.webp import webp_header, webp_profile

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_FOREIGN = {
    b"\0\0\0\x0cjP  ": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cJXL ": "JPEG XL",
    b"v/1\x01": "OpenEXR",
    b"#?": "Radiance HDR",
    b"8BPS": "Photoshop",
    b"%PDF": "PDF",
    b"\0\x05\x16\x07": "AppleDouble (metadata of macOS)",
    b"version https://git-lfs": "a pointer of Git LFS, no picture",
}


def read_header(data: Buffer) -> ImageHeader:
    """Read the header of PNG, JPEG, WebP, TIFF, BMP or GIF.

    DamagedImage where the file is not whole, UnreadableImage where it is of another kind.
    """
    head = data[:32]
    if head[:8] == SIGNATURE:
        return png_header(data)
    if head[:3] == b"\xff\xd8\xff":
        return jpeg_header(data)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return webp_header(data)
    if head[:4] in _TIFF:
        return tiff_header(data)
    if head[:2] == b"BM":
        return bmp_header(data)
    if head[:4] == b"GIF8":
        return gif_header(data)
    raise UnreadableImage(f"is {_foreign(head)}")


def colour_profile(data: Buffer) -> str:
    """Return what a file says of its colours where that is not sRGB, or ""."""
    head = data[:12]
    words, profile = "", b""
    if head[:8] == SIGNATURE:
        profile, words = png_colours(data)
    elif head[:3] == b"\xff\xd8\xff":
        profile = jpeg_profile(data)
    elif head[:4] == b"RIFF":
        profile = webp_profile(data)
    elif head[:4] in _TIFF:
        profile = tiff_profile(data)
    if not profile:
        return words
    name = profile_name(profile)
    return "" if "srgb" in name.lower() else f"the colour profile {name!r}"


def _foreign(head: bytes) -> str:
    if head[4:8] == b"ftyp":
        brand = head[8:12].decode("ascii", "replace")
        known = {"avif": "AVIF", "avis": "AVIF", "heic": "HEIC", "heix": "HEIC", "mif1": "HEIF"}
        return f"{known.get(brand, 'a media file')} (brand {brand})"
    for start, name in _FOREIGN.items():
        if head.startswith(start):
            return name
    if not any(head):
        return "a file that begins with zeros"
    return f"no image that is known (it begins with {head[:4].hex()})"
