"""Pictures that are arrays of pixels in a table's cells."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from srmm.data.broken import UnreadableItem, refuse_mask


def picture_of_array(item: Any) -> Image.Image:
    """The picture whose pixels an array (height, width) or (height, width, 1, 3 or 4) holds.

    uint8 as it is, uint16 as 16 bits of grey, booleans as black and white; other whole numbers and
    nested lists must lie in 0 … 255. Raises `UnreadableItem` for numbers whose range is unknown.
    """
    try:
        pixels = np.asanyarray(item)  # a mask must not be lost
    except ValueError:
        pixels = np.empty(0)
    if pixels.dtype == object and pixels.ndim == 1:  # rows of rows, as Parquet gives them
        pixels = _stacked(pixels)
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    if not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in (3, 4))):
        raise UnreadableItem(
            "is no picture: expected a path, bytes, a PIL image or an array (height, width) or "
            f"(height, width, 3), got {type(item).__name__} of shape {pixels.shape}"
        )
    if 0 in pixels.shape:
        raise UnreadableItem("is an array without pixels")
    return Image.fromarray(_eight_bits(pixels))


def _eight_bits(pixels: np.ndarray) -> np.ndarray:
    refuse_mask(pixels)
    if pixels.dtype == bool:
        return pixels.astype(np.uint8) * 255
    if pixels.dtype.kind in "iu":  # of another byte order it is no other type
        pixels = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
    if pixels.dtype == np.uint8 or (pixels.dtype == np.uint16 and pixels.ndim == 2):
        return np.ascontiguousarray(pixels)
    if pixels.dtype.kind not in "iu":
        raise UnreadableItem(
            f"has pixels of type {pixels.dtype}, of unknown range; make them 0 … 255 (uint8)"
        )
    if pixels.min() < 0 or pixels.max() > 255:
        raise UnreadableItem(f"has {pixels.dtype} pixels beyond 0 … 255; make them uint8")
    return pixels.astype(np.uint8)


def _stacked(rows: Any) -> np.ndarray:
    try:
        return np.array([[np.asarray(cell).tolist() for cell in row] for row in rows])
    except (TypeError, ValueError):
        return np.empty(0)
