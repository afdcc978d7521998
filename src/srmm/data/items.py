"""Opening raw items: a path, bytes or a picture becomes an RGB image, a text, sound, a vector.

Two things can happen to an item that is not fine, and a job must tell them apart: its file does
not exist (`AbsentFile`: absent, like an empty cell), or it is there and broken
(`UnreadableItem`: counted as absent, and listed with the reason).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from srmm.data.addresses import is_url, open_url
from srmm.data.audio import Audio, audio_from_samples, decode_audio
from srmm.data.blocks import Cells
from srmm.data.broken import AbsentFile, UnreadableItem, check_size, refuse_mask, refuse_stand_in
from srmm.data.limits import limit, raised_by
from srmm.data.paths import FileReader
from srmm.data.pictures import as_rgb, decode_picture
from srmm.data.pixels import picture_of_array

__all__ = ["AbsentFile", "ItemReader", "UnreadableItem"]

MIN_FACE_PIXELS = 16
"""A face with a shorter side cannot be told from another."""


class ItemReader:
    """Opens the items of one table; safe to use from several threads.

    Relative paths resolve against `folder` (None: the current folder), first to a file, then to a
    member of a zip: `photos.zip/1.jpg` names it outright, and `photos/1.jpg` finds `photos/1.jpg`
    or `1.jpg` inside `photos.zip`. Where neither exists, the one file or member is read whose name
    differs only in the case of letters, in how accents are composed, in backslashes for slashes,
    or in a zip's old code page. Archives stay open until `close` or the end of a `with` block.

    With `within`, only files are read that lie in one of these folders, symbolic links followed.
    """

    def __init__(
        self, folder: str | Path | None = None, *, within: Sequence[Path] | None = None
    ) -> None:
        self.folder = None if folder is None else Path(folder)
        self._files = FileReader(self.folder, within)

    def __enter__(self) -> ItemReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, tuple[Path | None]]:
        return partial(ItemReader, within=self._files.within), (self.folder,)

    def close(self) -> None:
        """Close the archives; reading another item opens them again."""
        self._files.close()

    def read_bytes(self, path: str | Path) -> bytes:
        """The content of a file or of a zip's member.

        Raises `AbsentFile` if there is none, `UnreadableItem` if it cannot be read or is empty, or
        if several names differ from `path` only in their spelling.
        """
        path = os.fspath(path)
        if is_url(path):
            content = open_url(path)
            if isinstance(content, bytes):
                return content
            path = content
        return self._files.read(path)

    def image(self, item: Any) -> Image.Image:
        """The picture as RGB: a path, bytes, a PIL image, an array of pixels (height, width) or
        (height, width, 3), or the dict {"bytes", "path"} in which Hugging Face datasets store
        images.

        The first frame of an animation, turned upright as its EXIF orientation says, transparent
        parts over white. SVG works where resvg-py is installed (`srmm[demo]`), HEIC where
        pillow-heif is.
        """
        if isinstance(item, dict):
            item = item.get("bytes") or item.get("path")
        if isinstance(item, (str, Path)):
            item = self.read_bytes(item)
        if isinstance(item, (bytes, bytearray, memoryview)):
            return decode_picture(bytes(item))
        if isinstance(item, (np.ndarray, list)):
            item = picture_of_array(item)
        if isinstance(item, Image.Image):
            return as_rgb(item)
        raise UnreadableItem(
            f"is no picture: expected a path, bytes, an array or a PIL image, got "
            f"{type(item).__name__}"
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
            check_size(len(data))
            refuse_stand_in(data, "audio")
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
        most = limit("SRMM_MAX_TEXT_BYTES")  # longer ones are files in the wrong place
        if size > most:
            raise UnreadableItem(
                f"is a text of {size / 1e6:.1f} MB, more than the limit of {most / 1e6:g} MB "
                f"{raised_by('SRMM_MAX_TEXT_BYTES')}"
            )
        return item

    def vector(self, item: Any) -> np.ndarray | Cells:
        """The vector as a float32 array of shape (d,), all of it finite; `Cells` as they are."""
        if isinstance(item, Cells):
            return item
        refuse_mask(item)
        try:
            vector = np.asarray(item, dtype=np.float32)
        except (TypeError, ValueError):
            raise UnreadableItem("is not a list of numbers") from None
        if vector.ndim != 1 or not len(vector):
            raise UnreadableItem(f"is not a vector: its shape is {vector.shape}")
        if not np.isfinite(vector).all():
            raise UnreadableItem("is partly NaN or infinite")
        return vector
