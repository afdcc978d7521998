"""Opening raw items: a path, bytes or a picture becomes an RGB image, a text, sound, a vector.

Two things can happen to an item that is not fine, and a job must tell them apart: its file does
not exist (`AbsentFile`: absent, like an empty cell), or it is there and broken
(`UnreadableItem`: counted as absent, and listed with the reason).
"""

from __future__ import annotations

import errno
import io
import os
import re
import stat
import threading
import zipfile
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from srmm.data.audio import Audio, audio_from_samples, decode_audio
from srmm.data.blocks import Cells
from srmm.data.broken import AbsentFile, UnreadableItem

MAX_FILE_BYTES = 1 << 30
"""Larger files, and members of archives that unpack to more, are not read into memory."""

MAX_TEXT_BYTES = 1_000_000
"""Longer texts are no titles or descriptions, but files in the wrong place."""

MIN_FACE_PIXELS = 16
"""A face with a shorter side cannot be told from another."""

SVG_PIXELS = 224
"""Longest side of a rendered SVG, which has no size of its own: what image encoders look at."""

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]+://|data:")
_REASONS = {
    errno.ELOOP: "is a symbolic link that leads back to itself",
    errno.EACCES: "may not be read (permission denied)",
    errno.EPERM: "may not be read (permission denied)",
    errno.ENAMETOOLONG: "has a name too long for a file; is it a text?",
}


class ItemReader:
    """Opens the items of one table; safe to use from several threads.

    Relative paths resolve against `folder` (None: the current folder), first to a file, then to a
    member of a zip: `photos.zip/1.jpg` names it outright, and `photos/1.jpg` finds `photos/1.jpg`
    or `1.jpg` inside `photos.zip`. Archives stay open until `close` or the end of a `with` block.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        self.folder = None if folder is None else Path(folder)
        self._archives: dict[str, zipfile.ZipFile] = {}
        self._lock = threading.Lock()  # around the archives: ZipFile is not safe between threads

    def __enter__(self) -> ItemReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[type[ItemReader], tuple[Path | None]]:
        return ItemReader, (self.folder,)

    def close(self) -> None:
        """Close the archives; reading another item opens them again."""
        with self._lock:
            for archive in self._archives.values():
                archive.close()
            self._archives.clear()

    def read_bytes(self, path: str | Path) -> bytes:
        """The content of a file or of a zip's member.

        Raises `AbsentFile` if there is none, `UnreadableItem` if it cannot be read or is empty.
        """
        path = os.fspath(path)
        if _URL.match(path):
            raise UnreadableItem("is a URL; download it first and give the path of the file")
        if "\0" in path:
            raise UnreadableItem("has a NUL character in its name")
        full = (self.folder or Path()) / path
        try:
            status = full.stat()
            if stat.S_ISDIR(status.st_mode):
                raise UnreadableItem("is a folder")
            if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
                raise UnreadableItem("is not a file but a device, pipe or socket")
            _check_size(status.st_size)
            return full.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return self._read_member(path)
        except UnicodeEncodeError:
            raise UnreadableItem("has a name that no file can have (invalid Unicode)") from None
        except OSError as error:
            raise UnreadableItem(_os_reason(error)) from None

    def image(self, item: Any) -> Image.Image:
        """The picture as RGB: a path, bytes, a PIL image, or the dict {"bytes", "path"} in which
        Hugging Face datasets store images.

        The first frame of an animation, turned upright as its EXIF orientation says, transparent
        parts over white. SVG works where resvg-py is installed (`srmm[demo]`).
        """
        if isinstance(item, dict):
            item = item.get("bytes") or item.get("path")
        if isinstance(item, (str, Path)):
            item = self.read_bytes(item)
        if isinstance(item, (bytes, bytearray, memoryview)):
            return _decode(bytes(item))
        if isinstance(item, Image.Image):
            return _guarded_rgb(item)
        raise UnreadableItem(
            f"is no picture: expected a path, bytes or a PIL image, got {type(item).__name__}"
        )

    def face(self, item: Any) -> Image.Image:
        """The picture of a face, as `image` reads it, if it has 16 × 16 pixels or more."""
        image = self.image(item)
        if min(image.size) < MIN_FACE_PIXELS:
            raise UnreadableItem(f"has {image.width} × {image.height} pixels, too few for a face")
        return image

    def audio(self, item: Any) -> Audio:
        """The sound, mixed to one channel: a path, bytes, (samples, rate in Hz), or one of the
        dicts of Hugging Face datasets, {"array", "sampling_rate"} and {"bytes", "path"}.

        WAV, FLAC, OGG, MP3 and whatever else libsndfile reads; needs soundfile (`srmm[voices]`).
        Silence, clips under 0.1 s and recordings over ten minutes are unreadable.
        """
        if isinstance(item, dict) and item.get("array") is not None:
            item = (item["array"], item.get("sampling_rate"))
        if isinstance(item, dict):
            item = item.get("bytes") or item.get("path")
        if isinstance(item, (str, Path)):
            item = self.read_bytes(item)
        if isinstance(item, (bytes, bytearray, memoryview)):
            data = bytes(item)
            _check_size(len(data))
            _refuse_web_page(data, "audio")
            return decode_audio(data)
        if isinstance(item, (tuple, list)) and len(item) == 2:
            return audio_from_samples(*item)
        raise UnreadableItem(
            f"is no sound: expected a path, bytes or (samples, rate), got {type(item).__name__}"
        )

    def text(self, item: Any) -> str:
        """The text, if it is one that a tokenizer can take (valid Unicode, at most 1 MB)."""
        try:
            if isinstance(item, bytes):
                item = item.decode("utf-8")
            if not isinstance(item, str):
                raise UnreadableItem(f"is not text but {type(item).__name__}")
            size = len(item.encode("utf-8"))
        except UnicodeError:
            raise UnreadableItem("is not valid Unicode text") from None
        if size > MAX_TEXT_BYTES:
            raise UnreadableItem(
                f"is a text of {size / 1e6:.1f} MB, more than the limit of "
                f"{MAX_TEXT_BYTES / 1e6:g} MB"
            )
        return item

    def vector(self, item: Any) -> np.ndarray | Cells:
        """The vector as a float32 array of shape (d,), all of it finite; `Cells` as they are."""
        if isinstance(item, Cells):
            return item
        try:
            vector = np.asarray(item, dtype=np.float32)
        except (TypeError, ValueError):
            raise UnreadableItem("is not a list of numbers") from None
        if vector.ndim != 1 or not len(vector):
            raise UnreadableItem(f"is not a vector: its shape is {vector.shape}")
        if not np.isfinite(vector).all():
            raise UnreadableItem("is partly NaN or infinite")
        return vector

    def _read_member(self, path: str) -> bytes:
        parts = PurePath(path).parts
        for end in range(1, len(parts)):
            parent = PurePath(*parts[:end])
            # Beside a folder's place, the archive's members may start at any level above it.
            within = {f"{parent}.zip": ["/".join(parts[start:]) for start in range(end + 1)]}
            if parent.suffix.lower() == ".zip":
                within = {str(parent): ["/".join(parts[end:])]} | within
            for place, members in within.items():
                data = self._read_first_member(self.folder or Path(), place, members)
                if data is not None:
                    return data
        raise AbsentFile(f"{path!r} does not exist")

    def _read_first_member(self, folder: Path, place: str, members: list[str]) -> bytes | None:
        """The first of `members` that the zip at `place` has; None if it has none or is none."""
        file = str(folder / place)
        with self._lock:
            try:
                archive = self._archives.get(file)
                if archive is None:
                    if not Path(file).is_file():
                        return None
                    archive = self._archives[file] = zipfile.ZipFile(file)
                for member in members:
                    info = archive.NameToInfo.get(member)
                    if info is not None:
                        _check_size(info.file_size)
                        return archive.read(info)
                    if f"{member}/" in archive.NameToInfo:
                        raise UnreadableItem("is a folder")
            except OSError as error:
                raise UnreadableItem(
                    f"is in {PurePath(file).name}, which {_os_reason(error)}"
                ) from None
            except UnreadableItem:
                raise
            except Exception as error:  # a damaged archive makes zipfile and zlib raise anything
                raise UnreadableItem(
                    f"is in {PurePath(file).name}, where it cannot be read ({_one_line(error)})"
                ) from None
        return None


def _check_size(size: int) -> None:
    if size == 0:
        raise UnreadableItem("is empty (0 bytes)")
    if size > MAX_FILE_BYTES:
        raise UnreadableItem(
            f"has {size / 1e9:.1f} GB, more than the limit of {MAX_FILE_BYTES / 1e9:.1f}"
        )


def _decode(data: bytes) -> Image.Image:
    _check_size(len(data))
    head = _refuse_web_page(data, "an image")
    if head.startswith((b"<svg", b"<?xml", b"<!--", b"<!doctype svg")):
        data = _render_svg(data)
    try:
        with Image.open(io.BytesIO(data)) as image:
            return _guarded_rgb(image)
    except UnidentifiedImageError:
        raise UnreadableItem("is not an image that Pillow can read") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        pixels = re.search(r"\d+", str(error))
        raise UnreadableItem(_too_large(int(pixels[0]) if pixels else 0)) from None
    except UnreadableItem:
        raise
    except Exception as error:  # a decoder given damaged bytes raises anything
        raise UnreadableItem(f"is not a readable image ({_one_line(error)})") from None


def _refuse_web_page(data: bytes, expected: str) -> bytes:
    """The first bytes in small letters. What a server says of a lost file may have its name."""
    head = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head.startswith((b"<!doctype html", b"<html")):
        raise UnreadableItem(f"is not {expected} but a web page")
    return head


def _guarded_rgb(image: Image.Image) -> Image.Image:
    """`image` as RGB, or `UnreadableItem`: pixels are decoded here, and may turn out broken."""
    limit = Image.MAX_IMAGE_PIXELS  # where Pillow starts to warn; raising it there works here too
    if limit is not None and image.width * image.height > limit:
        raise UnreadableItem(_too_large(image.width * image.height))
    try:
        image.load()
        return _to_rgb(_upright(image))
    except UnreadableItem:
        raise
    except Exception as error:  # as in _decode
        truncated = "truncated" in str(error)
        reason = "is truncated" if truncated else "is not a readable image"
        raise UnreadableItem(f"{reason} ({_one_line(error)})") from None


def _too_large(pixels: int) -> str:
    limit = (Image.MAX_IMAGE_PIXELS or 0) / 1e6
    return f"has {pixels / 1e6:.0f} megapixels, more than the limit of {limit:.0f}"


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # damaged EXIF: the picture itself is fine
        return image


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "F":
        raise UnreadableItem("has floating-point pixels of unknown range; save it with 8 bits")
    if image.mode.startswith("I"):
        # 16-bit grey. Pillow's own conversion clips at 255, which leaves a white picture.
        grey = np.asarray(image).astype(np.int64)
        if grey.min() < 0 or grey.max() > 65535:
            raise UnreadableItem("has 32-bit pixels of unknown range; save it with 8 or 16 bits")
        image = Image.fromarray(np.rint(grey / 257).astype(np.uint8))
    if image.has_transparency_data:
        # Transparent pixels have an arbitrary colour, often black, that nobody ever saw. Pictures
        # cut out like this (emoji, products) are drawn to stand on white.
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image.convert("RGB")


def _render_svg(data: bytes) -> bytes:
    try:
        import resvg_py
    except ImportError:
        raise UnreadableItem(
            "is an SVG picture, which needs resvg-py: pip install 'srmm[demo]'"
        ) from None
    try:
        return resvg_py.svg_to_bytes(
            svg_string=data.decode("utf-8-sig"),
            width=SVG_PIXELS,
            height=SVG_PIXELS,
            # Looking for fonts costs more than drawing, on machines that have many.
            skip_system_fonts=b"<text" not in data,
        )
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a panic in the Rust library is no Exception
        raise UnreadableItem(f"is not an SVG that can be drawn ({_one_line(error)})") from None


def _os_reason(error: OSError) -> str:
    known = _REASONS.get(error.errno or 0)
    return known or f"cannot be read ({_one_line(error.strerror or error)})"


def _one_line(error: object) -> str:
    return " ".join(str(error).split()) or type(error).__name__
