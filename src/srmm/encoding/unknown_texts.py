"""Texts in letters that an encoder does not know: to it they are all alike."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from srmm.encoders import Encoder
from srmm.errors import shown

_MANY = 0.02
"""A share of the different texts; fewer, such as some that are smileys alone, matter little."""
_SURROGATE = re.compile("[\ud800-\udfff]")


def unknown_texts_note(name: str, encoder: Encoder, items: Iterable[Any]) -> tuple[str, ...]:
    """A sentence where a modality has several such texts."""
    is_unknown = getattr(encoder, "is_unknown", None)
    if is_unknown is None:
        return ()
    texts = list(dict.fromkeys(item for item in items if _is_text(item)))
    unknown = [text for text in texts if is_unknown(text)]
    if len(unknown) < max(2, _MANY * len(texts)):
        return ()
    return (
        f"{len(unknown):,} of {len(texts):,} different texts of {name!r}, such as "
        f"{shown(unknown[0][:40])}, are for the most part of letters or signs that the encoder "
        "does not know: it can hardly tell them from one another. One of their language can: "
        f"fit with --encoder {name}=sentence:NAME.",
    )


def _is_text(item: Any) -> bool:
    """Not of what has lone surrogates, which is broken, and told of where it is read."""
    return isinstance(item, str) and not _SURROGATE.search(item)
