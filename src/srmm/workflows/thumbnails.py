"""Small pictures of raw items, for a report to show."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from srmm.data.broken import AbsentFile, UnreadableItem
from srmm.data.items import ItemReader
from srmm.data.modality import PICTURE_KINDS
from srmm.workflows.shown import NotShown

_SIDE = 160


class Thumbnails:
    """A callable `(modality, raw) → JPEG bytes or None` over what an `ItemReader` can open."""

    def __init__(self, reader: ItemReader, kinds: Mapping[str, str]) -> None:
        self.reader = reader
        self.kinds = kinds

    def __call__(self, modality: str, raw: Any) -> bytes | None:
        if self.kinds.get(modality) not in PICTURE_KINDS or isinstance(raw, NotShown | None):
            return None
        try:
            image = self.reader.image(raw)
        except (AbsentFile, UnreadableItem):
            return None
        image.thumbnail((_SIDE, _SIDE))
        buffer = io.BytesIO()
        image.save(buffer, format="JPEG", quality=85)
        return buffer.getvalue()
