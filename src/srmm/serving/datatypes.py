"""The datatypes of the Open Inference Protocol, and which values a tensor of each may hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from srmm.errors import shown

_WHOLE = {
    f"{sign}INT{bits}": np.iinfo(f"{sign.lower()}int{bits}")
    for sign in ("", "U")
    for bits in (64, 32, 16, 8)
}
_FLOATS = {f"FP{bits}": float(np.finfo(f"float{bits}").max) for bits in (64, 32, 16)}

_SHOWN = 60

TYPES = (*_FLOATS, *_WHOLE, "BOOL", "BYTES")


def wrong_value(values: Sequence[Any], kind: str) -> str | None:
    """What is wrong with a row of a tensor, in a sentence: the first value that its datatype cannot
    hold. None is absent in any.

    >>> wrong_value([1, 300], "UINT8")
    '300 is no UINT8, expected a whole number from 0 to 255.'
    """
    if kind in _FLOATS and set(map(type, values)) == {float}:  # all at once: embeddings are long
        values = [min(values), max(values)]
    for value in values:
        if value is not None and not _fits(value, kind):
            said = shown(value)
            said = said if len(said) <= _SHOWN else said[:_SHOWN] + "…"
            return f"{said} is no {kind}, expected {_expected(kind)}."
    return None


def _fits(value: Any, kind: str) -> bool:
    if kind == "BYTES":
        return isinstance(value, str)
    if kind == "BOOL":
        return isinstance(value, bool) or (isinstance(value, int) and value in (0, 1))
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    if kind in _FLOATS:
        return abs(value) <= _FLOATS[kind]
    if isinstance(value, float) and not value.is_integer():
        return False
    return bool(_WHOLE[kind].min <= value <= _WHOLE[kind].max)


def _expected(kind: str) -> str:
    if kind == "BYTES":
        return "a text (base64 of a file)"
    if kind == "BOOL":
        return "true or false"
    if kind in _FLOATS:
        return f"a number from {-_FLOATS[kind]:g} to {_FLOATS[kind]:g}"
    return f"a whole number from {_WHOLE[kind].min} to {_WHOLE[kind].max}"
