"""Values and arrays read from a file that anybody may have written: as they should be, or an error.

Each check names the value by its place in the file, and returns it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, TypeVar

import numpy as np

from srmm.errors import InputError, did_you_mean

V = TypeVar("V")

_DEEPEST = 100  # levels of lists and mappings; a file of ours has a dozen
_SHOWN = 60  # letters of a value


def whole(name: str, value: Any, least: int = 0, most: int | None = None) -> int:
    """A whole number from `least` to `most`, Python's or NumPy's, as Python's.

    >>> whole("state.seed", True)
    Traceback (most recent call last):
    srmm.errors.InputError: state.seed is True, expected a whole number, at least 0.
    """
    fits = isinstance(value, int | np.integer) and not isinstance(value, bool) and value >= least
    if not fits or (most is not None and value > most):
        up_to = "" if most is None else f" and at most {most:,}"
        raise _wrong(name, value, f"a whole number, at least {least:,}{up_to}")
    return int(value)


def number(name: str, value: Any, low: float = -math.inf, high: float = math.inf) -> float:
    """A finite number in [low, high]."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise _wrong(name, value, _range("a finite number", low, high))
    if not math.isfinite(value):
        raise _wrong(name, value, _range("a finite number", low, high))
    return value


def text(name: str, value: Any) -> str:
    """A text."""
    if not isinstance(value, str):
        raise _wrong(name, value, "a text")
    return value


def texts(name: str, value: Any) -> list[str]:
    """A list of texts."""
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise _wrong(name, value, "a list of texts")
    return value


def mapping(name: str, value: Any, keys: Iterable[str] | None = None) -> dict[str, Any]:
    """A mapping, with just these keys if any are given."""
    if not isinstance(value, dict):
        raise _wrong(name, value, "names with a value each")
    if keys is not None and set(value) != set(keys):
        raise _wrong(f"the names in {name}", sorted(value), f"{sorted(keys)}")
    return value


def known_only(name: str, value: dict[str, V], known: Iterable[str]) -> dict[str, V]:
    """A mapping whose keys are all known."""
    more = sorted(set(value).difference(known))
    if more:
        raise InputError(f"{name} names {more[0]!r}. {did_you_mean(more[0], known)}")
    return value


def array(
    name: str,
    found: Any,
    shape: tuple[int | None, ...],
    dtype: str = "float64",
    *,
    low: float = -math.inf,
    high: float = math.inf,
) -> np.ndarray:
    """An array of that shape, in which None is any length, and of that dtype or one of its kinds.

    Its numbers are in [low, high]; NaN passes only where no bound is given.
    """
    fits = isinstance(found, np.ndarray) and found.ndim == len(shape)
    if not fits or any(n not in (None, m) for n, m in zip(shape, found.shape, strict=True)):
        wanted = ", ".join("any" if n is None else f"{n:,}" for n in shape)
        raise InputError(
            f"{name} has the shape {getattr(found, 'shape', None)}, expected ({wanted})."
        )
    if str(found.dtype) != dtype and found.dtype.kind not in _KINDS.get(dtype, ""):
        raise InputError(f"{name} holds {found.dtype}, expected {dtype}.")
    if (low > -math.inf or high < math.inf) and not ((found >= low) & (found <= high)).all():
        first = found[~((found >= low) & (found <= high))][0]
        raise InputError(f"{name} holds {first}, expected {_range('numbers', low, high)}.")
    return found


def finite(name: str, found: np.ndarray) -> np.ndarray:
    """An array in which no number is NaN or infinite."""
    if found.dtype.kind in "fc" and not np.isfinite(found).all():
        wrong = ~np.isfinite(found)
        raise InputError(
            f"{name} holds {found[wrong][0]} ({wrong.sum():,} of {found.size:,} numbers are not "
            "finite), expected finite numbers."
        )
    return found


def plain(name: str, value: Any, depth: int = _DEEPEST) -> None:
    """Raise `InputError` for a NaN or an infinity anywhere in JSON values, or too many levels."""
    if not depth:
        raise InputError(f"{name} has more than {_DEEPEST} levels of lists and names.")
    if isinstance(value, float) and not math.isfinite(value):
        raise _wrong(name, value, "a finite number")
    if isinstance(value, dict):
        for key, one in value.items():
            plain(f"{name}.{key}" if name else key, one, depth - 1)
    elif isinstance(value, list):
        for one in value:
            plain(name, one, depth - 1)


_KINDS = {"real numbers": "f", "whole numbers": "iu", "whole numbers or truth values": "iub"}
"""Where several dtypes mean the same."""


def _range(what: str, low: float, high: float) -> str:
    if low > -math.inf and high < math.inf:
        return f"{what} from {low:g} to {high:g}"
    if low > -math.inf:
        return f"{what}, at least {low:g}"
    return f"{what}, at most {high:g}" if high < math.inf else what


def _wrong(name: str, value: Any, expected: str) -> InputError:
    # No repr of the whole: it may be as large as the file.
    shown = repr(value[:_SHOWN] if isinstance(value, str | list) else value)
    shown = shown if len(shown) <= _SHOWN else shown[:_SHOWN] + "…"
    return InputError(f"{name} is {shown}, expected {expected}.")
