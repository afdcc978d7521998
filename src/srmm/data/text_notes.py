"""Columns of texts that may not be what they look like: placeholders, and names of files."""

from __future__ import annotations

import re

import numpy as np

from srmm.data.missing import repeated_text_note
from srmm.errors import shown

_FILE = re.compile(
    r"[^\r\n<>\"|?*]{1,300}\."
    r"(?:txt|text|md|rst|html?|xml|json|pdf|docx?|odt|rtf|tex|srt|vtt|eml|jpe?g|png|gif|webp|tiff?|"
    r"bmp|svg|heic|wav|mp3|flac|ogg|m4a|mp4|csv)",
    re.IGNORECASE,
)
"""The name of a file of text, a picture or a sound."""
_FEWEST, _NEARLY_ALL = 3, 0.95


def text_notes(name: str, items: np.ndarray) -> list[str]:
    """Sentences on the texts (n,) of a modality, None where absent."""
    found = [repeated_text_note(name, items), _file_note(name, items)]
    return [note for note in found if note]


def _file_note(name: str, items: np.ndarray) -> str | None:
    """Where nearly all texts are names of files: what is in those is not read."""
    texts = [item.strip() for item in items if isinstance(item, str)]
    least = max(_FEWEST, _NEARLY_ALL * len(texts))
    if sum(map(_is_file, texts[: 10 * _FEWEST])) < min(_FEWEST, len(texts)):  # most need no more
        return None
    files = [text for text in texts if _is_file(text)]
    if len(files) < least:
        return None
    return (
        f"Text {name!r} is names of files, such as {shown(files[0][:60])}, in {len(files):,} of "
        f"{len(items):,} rows. The names themselves are read as texts, and not what is in the "
        "files: put texts into the column, or name it as what it is (--image, --audio)."
    )


def _is_file(text: str) -> bool:
    return bool(_FILE.fullmatch(text))
