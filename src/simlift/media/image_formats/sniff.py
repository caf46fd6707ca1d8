"""Tell the format of an image by its first bytes and read its header: suffixes may lie."""

from simlift.media.image_formats.bmp import bmp_header
from simlift.media.image_formats.gif import gif_header
from simlift.media.image_formats.header import Buffer, ImageHeader, UnreadableImage
from simlift.media.image_formats.icc import conversion_to_srgb, profile_name
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


def icc_profile(data: Buffer) -> bytes:
    """Return the ICC profile of a file, or nothing."""
    head = data[:12]
    if head[:8] == SIGNATURE:
        return png_colours(data)[0]
    if head[:3] == b"\xff\xd8\xff":
        return jpeg_profile(data)
    if head[:4] == b"RIFF":
        return webp_profile(data)
    return tiff_profile(data) if head[:4] in _TIFF else b""


def colour_words(data: Buffer) -> str:
    """Say what becomes of the colours of a file that does not state sRGB, or ""."""
    if profile := icc_profile(data):
        name = profile_name(profile)
        if conversion_to_srgb(profile) is not None:
            return f"colours are converted from the profile {name!r} to sRGB"
        known = "srgb" in name.lower()
        return "" if known else f"the colour profile {name!r} is not heeded: read as sRGB"
    words = png_colours(data)[1] if data[:8] == SIGNATURE else ""
    return f"the images state {words}, which is not heeded: read as sRGB" if words else ""


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
