"""Pictures: decoded to 8-bit RGB, upright, on white, or refused with a reason.

JPEG, PNG and GIF of ordinary size are decoded in this process, whatever else in one apart
(`srmm.data.apart`): its decoders are larger and less tried.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from srmm.data.apart import decoded_apart
from srmm.data.broken import UnreadableItem, check_size, refuse_stand_in
from srmm.data.limits import limit, raised_by
from srmm.data.svg import checked_svg
from srmm.errors import one_line

SVG_PIXELS = 224
"""Longest side of a rendered SVG, which has no size of its own: what image encoders look at."""

_HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_CONVERT = "convert it to JPEG or PNG"
_OTHERS = {
    b"\xff\x0a": f"is a JPEG XL picture, which Pillow does not read: {_CONVERT}",
    b"\0\0\0\x0cJXL ": f"is a JPEG XL picture, which Pillow does not read: {_CONVERT}",
    b"%PDF": "is a PDF document: save the picture in it as JPEG or PNG",
    b"\x1f\x8b": "is compressed by gzip (an .svgz?): unpack it",
    b"PK\x03\x04": "is a zip: unpack it, or name a picture in it, e.g. photos.zip/1.jpg",
    b"\x1aE\xdf\xa3": "is a video (Matroska, WebM): take a frame of it",
}
"""How files begin that people take for pictures, and what to do about them."""

_RAW = (b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FOVb")
_CAMERA = f"is a camera's RAW file: develop it, i.e. {_CONVERT}"
_JPEG, _SCAN = b"\xff\xd8\xff", b"\xff\xda"
_IN_PROCESS = (_JPEG, b"\x89PNG\r\n\x1a\n", b"GIF8")
_ORDINARY_BYTES, _ORDINARY_SCANS = 16 << 20, 100
"""Each scan of a JPEG goes over all its pixels, and takes a few bytes: usual are 1 to 10."""

_POSTSCRIPT = (b"%!PS", b"\xc5\xd0\xd3\xc6")
_HEAD = 4096
"""Where an SVG's first element begins, after what it says of itself."""

_SVG = (b"<svg", b"<?xml", b"<!--", b"<!doctype svg")
_REDUCED, _DNG_VERSION, _SUBFILE_TYPE = 1, 0xC612, 0xFE
_PHOTOMETRIC, _WHITE_IS_ZERO, _SAMPLE_FORMAT, _SIGNED = 0x106, 0, 0x153, 2
_BITS, _WHITE, _TWELVE_BITS = 0x102, 65_535, 4095
_NEARLY_BLACK = (
    "has 16-bit pixels that are all below 4,096, as cameras of 12 bits give them: beside the white "
    "of 16 bits it is nearly black. Save it with 8 bits"
)


def decode_picture(data: bytes) -> Image.Image:
    """The content of a file that Pillow reads, or of an SVG, as RGB.

    Raises `UnreadableItem` with the reason, which names a remedy for formats that are well known
    but not read.
    """
    check_size(len(data))
    head = refuse_stand_in(data, "an image")
    if _is_ordinary(data):
        try:
            return decode_here(data)
        except MemoryError:
            raise UnreadableItem("needs more memory to decode than there is") from None
    if data.startswith(_POSTSCRIPT):  # Pillow would run Ghostscript, and that the file's program
        raise UnreadableItem(f"is a PostScript program, which is not run: {_CONVERT}")
    if _is_raw(data):
        raise UnreadableItem(_CAMERA)
    if data.startswith(tuple(_OTHERS)):
        raise UnreadableItem(_named(data))
    _check_installed(data, head)
    return decoded_apart("image", data, pixels=pixel_limit())


def _is_ordinary(data: bytes) -> bool:
    """Whether it is decoded in this process: nothing unusual, and nothing that takes long."""
    if not data.startswith(_IN_PROCESS) or len(data) > _ORDINARY_BYTES:
        return False
    return not data.startswith(_JPEG) or data.count(_SCAN) <= _ORDINARY_SCANS


def decode_here(data: bytes) -> Image.Image:
    """`decode_picture` in this very process, by whichever decoder the content asks for."""
    Image.MAX_IMAGE_PIXELS = pixel_limit()
    if refuse_stand_in(data, "an image").startswith(_SVG):
        data = _render_svg(data)
    try:
        return _decode(data)
    except UnidentifiedImageError:
        if _is_heic(data):
            return _decode_heic(data)
        raise UnreadableItem(_named(data)) from None


def pixel_limit() -> int | None:
    """The most pixels of a picture: what the environment says, or else where Pillow warns."""
    return limit("SRMM_MAX_PIXELS") if os.environ.get("SRMM_MAX_PIXELS") else Image.MAX_IMAGE_PIXELS


def as_rgb(image: Image.Image) -> Image.Image:
    """`image` as RGB, or `UnreadableItem`: pixels are decoded here, and may turn out broken."""
    most = pixel_limit()
    if most is not None and image.width * image.height > most:
        raise UnreadableItem(_too_large(image.width * image.height))
    transparent = _scaled_transparency(image)  # known until the pixels are decoded
    of_16_bits = transparent is None and _has_colours_of_16_bits(image)
    tags = _tiff_tags(image)
    if image.mode == "L" and _SIGNED in tags.get(_SAMPLE_FORMAT, ()):  # Pillow takes -1 for 255
        raise UnreadableItem("has signed pixels of unknown range; save it with 8 bits, unsigned")
    # Pillow turns the colours of such a picture round if it has 8 bits or fewer, alone.
    negative = tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO
    white = _TWELVE_BITS if tags.get(_BITS) == (12,) else _WHITE
    try:
        image.load()
        if transparent is not None:
            image.info["transparency"] = transparent
        if of_16_bits and _is_nearly_black(np.asarray(image)[..., :3]):
            raise UnreadableItem(_NEARLY_BLACK)
        return _to_rgb(_upright(image), white, negative=negative)
    except (UnreadableItem, MemoryError):
        raise
    except Exception as error:  # as in _decode
        truncated = "truncated" in str(error)
        reason = "is truncated" if truncated else "is not a readable image"
        raise UnreadableItem(f"{reason} ({one_line(error)})") from None


def _decode(data: bytes) -> Image.Image:
    try:
        with Image.open(io.BytesIO(data)) as image:
            _refuse_preview(image)
            return as_rgb(image)
    except (UnidentifiedImageError, UnreadableItem, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        pixels = re.search(r"\d+", str(error))
        raise UnreadableItem(_too_large(int(pixels[0]) if pixels else 0)) from None
    except Exception as error:  # a decoder given damaged bytes raises anything
        raise UnreadableItem(f"is not a readable image ({one_line(error)})") from None


def _scaled_transparency(image: Image.Image) -> Any:
    """A PNG's transparent colour in the scale of the pixels that Pillow gives; None: as it is.

    Pillow spreads 2 and 4 bits of grey over 8, and of 16 bits of a colour keeps the upper 8.
    """
    colour = image.info.get("transparency")
    mode = image.tile[0][3] if image.format == "PNG" and image.tile else None  # type: ignore[attr-defined]
    if mode == "L;2" and isinstance(colour, int):
        return colour * 85
    if mode == "L;4" and isinstance(colour, int):
        return colour * 17
    if mode == "RGB;16B" and isinstance(colour, tuple):
        return tuple(part >> 8 for part in colour)
    return None


def _has_colours_of_16_bits(image: Image.Image) -> bool:
    """Whether it has colours of 16 bits each, of which Pillow keeps the upper 8."""
    for tile in getattr(image, "tile", ()):
        mode = tile[3][0] if isinstance(tile[3], tuple) and tile[3] else tile[3]
        if isinstance(mode, str) and mode.startswith("RGB") and ";16" in mode:
            return True
    return False


def _is_nearly_black(upper: np.ndarray) -> bool:
    """Whether there is a picture in the upper 8 bits, of which the upper 4 are 0 everywhere."""
    return bool(upper.max() <= _TWELVE_BITS >> 8 and np.ptp(upper))


def _too_large(pixels: int) -> str:
    most = (pixel_limit() or 0) / 1e6
    return (
        f"has {pixels / 1e6:.0f} megapixels, more than the limit of {most:.0f} "
        f"{raised_by('SRMM_MAX_PIXELS')}"
    )


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # damaged EXIF: the picture itself is fine
        return image


def _to_rgb(image: Image.Image, white: int, *, negative: bool) -> Image.Image:
    if image.mode == "F":
        raise UnreadableItem("has floating-point pixels of unknown range; save it with 8 bits")
    if image.mode.startswith("I"):
        image = _grey_of_16_bits(image, white, negative=negative)
    if image.has_transparency_data:
        # Transparent pixels have an arbitrary colour, often black, that nobody ever saw. Pictures
        # cut out like this (emoji, products) are drawn to stand on white.
        image = image.convert("RGBA")
        ground = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(ground, image)
    return image.convert("RGB")


def _grey_of_16_bits(image: Image.Image, white: int, *, negative: bool) -> Image.Image:
    """Scaled to 8 bits. Pillow's own conversion clips at 255, which leaves a white picture."""
    grey = np.asarray(image).astype(np.int64)
    if grey.min() < 0 or grey.max() > _WHITE:
        raise UnreadableItem("has 32-bit pixels of unknown range; save it with 8 or 16 bits")
    if 0 < grey.max() <= 255 and white == _WHITE:  # as 16 bits it would be black
        bits = 32 if image.mode == "I" else 16
        raise UnreadableItem(f"has {bits}-bit pixels that are all below 256; save it with 8 bits")
    if grey.max() <= _TWELVE_BITS and np.ptp(grey) > 255 and white == _WHITE:
        raise UnreadableItem(_NEARLY_BLACK)
    scaled = np.rint((white - grey if negative else grey) * (255 / white)).astype(np.uint8)
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        scaled[grey == transparent] = 255
    return Image.fromarray(scaled)


def _is_raw(data: bytes) -> bool:
    return (
        data.startswith(_RAW)
        or (data.startswith(b"II*\0") and data[8:10] == b"CR")
        or (data[4:8] == b"ftyp" and data[8:12] == b"crx ")
    )


def _refuse_preview(image: Image.Image) -> None:
    """Most RAW files are TIFFs of several pictures, whose first is a small preview."""
    tags = _tiff_tags(image)
    if _DNG_VERSION in tags or tags.get(_SUBFILE_TYPE, 0) & _REDUCED:
        raise UnreadableItem(_CAMERA)


def _tiff_tags(image: Image.Image) -> Mapping[int, Any]:
    return getattr(image, "tag_v2", {}) if image.format == "TIFF" else {}


def _check_installed(data: bytes, head: bytes) -> None:
    """Raise `UnreadableItem` for a format whose package is missing."""
    try:
        if head.startswith(_SVG):
            import resvg_py  # noqa: F401
        elif _is_heic(data):
            import pillow_heif  # noqa: F401
    except ImportError:
        raise UnreadableItem(
            "is an SVG picture, which needs resvg-py: pip install 'srmm[demo]'"
            if head.startswith(_SVG)
            else "is a HEIC picture, as iPhones take them: `pip install 'srmm[heic]'` reads them, "
            f"or {_CONVERT}"
        ) from None


def _is_heic(data: bytes) -> bool:
    return data[4:8] == b"ftyp" and data[8:12] in _HEIC


def _decode_heic(data: bytes) -> Image.Image:
    import pillow_heif

    pillow_heif.register_heif_opener()
    try:
        return _decode(data)
    except UnidentifiedImageError:
        raise UnreadableItem(f"is a HEIC picture that is damaged or unusual: {_CONVERT}") from None


def _named(data: bytes) -> str:
    """What the file is, if that is known."""
    for start, what in _OTHERS.items():
        if data.startswith(start):
            return what
    if any("<svg".encode(wide) in data[:_HEAD] for wide in ("utf-16-le", "utf-16-be")):
        return "is an SVG in UTF-16: save it in UTF-8"
    if data[4:8] == b"ftyp":
        avif = data[8:12] in (b"avif", b"avis")
        return "is a damaged AVIF picture" if avif else "is a video: take a frame of it"
    return "is not an image that Pillow can read"


def _render_svg(data: bytes) -> bytes:
    import resvg_py

    text = checked_svg(data)
    try:
        return resvg_py.svg_to_bytes(
            svg_string=text,
            width=SVG_PIXELS,
            height=SVG_PIXELS,
            # Looking for fonts costs more than drawing, on machines that have many.
            skip_system_fonts=b"<text" not in data,
        )
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a panic in the Rust library is no Exception
        raise UnreadableItem(f"is not an SVG that can be drawn ({one_line(error)})") from None
