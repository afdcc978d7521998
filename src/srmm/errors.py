"""Errors a user can cause. Each says the name, the value, what was expected, and what to do."""

from __future__ import annotations

import difflib
import functools
import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

_NAMED = 50
"""So many names a message lists; a table may have thousands of columns."""

# As libraries of Rust and of C++ end their own messages.
_WORDED = re.compile(r"\(os error (\d+)\)|\[errno (\d+)\]", re.IGNORECASE)

Reader = TypeVar("Reader", bound=Callable[..., Any])


class SrmmError(Exception):
    """Base class of every error this package raises on purpose."""


class InputError(SrmmError, ValueError):
    """A value given by the user does not fit: a column, a path, an option, an array."""


class StoreError(InputError):
    """A folder that should hold an embedding store or a model does not, or holds a damaged one."""


class MissingExtraError(SrmmError, ImportError):
    """An optional dependency is not installed."""

    def __init__(self, package: str, extra: str, purpose: str, instead: str = "") -> None:
        install = f"Install it with: pip install 'srmm[{extra}]'"
        super().__init__(f"{purpose} needs {package}. {install}" + (instead and f". {instead}"))
        self._given = package, extra, purpose, instead

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str, str, str]]:
        """By what it was made of, or a worker that raises it would pass for one that died."""
        return type(self), self._given


@contextmanager
def damage_explained(what: object, remedy: str) -> Iterator[None]:
    """Around the reading of a file of ours: whatever its damage makes a reader raise is said.

    Damaged archives, columns and configs make the libraries that read them raise nearly anything;
    it becomes a `StoreError` that names `what`, the reason, and what to do, as a sentence. Errors
    of ours come through as they are.
    """
    try:
        yield
    except SrmmError:
        raise
    except OSError as error:
        if error.errno is None:  # as Arrow says that a file is not one
            raise StoreError(_damage(what, error, remedy)) from error
        reason = error.strerror or type(error).__name__
        raise StoreError(f"{what} cannot be read ({reason}). {remedy}") from error
    except UnicodeEncodeError as error:
        if is_text(str(what)):
            raise StoreError(_damage(what, error, remedy)) from error
        raise StoreError(no_text(what)) from error
    except Exception as error:
        raise StoreError(_damage(what, error, remedy)) from error


def explains_damage(remedy: str) -> Callable[[Reader], Reader]:
    """`damage_explained` around a function, of the file or folder that is its first path."""

    def decorate(read: Reader) -> Reader:
        @functools.wraps(read)
        def reading(*given: Any, **more: Any) -> Any:
            named = [*given, *more.values()]
            path = next((one for one in named if isinstance(one, str | os.PathLike)), "It")
            with damage_explained(path, remedy):
                return read(*given, **more)

        return reading  # type: ignore[return-value]

    return decorate


def _damage(what: object, error: Exception, remedy: str) -> str:
    said = " ".join(str(error).split())
    said = said if len(said) <= 200 else f"{said[:200]}…"
    kind = type(error).__name__
    if type(error) is not ValueError or not said:  # which checks of ours raise, with a sentence
        said = f"{kind}: {said}" if said else kind
    return f"{what} cannot be read, or is damaged ({said}). {remedy}"


def is_text(name: str) -> bool:
    """Whether a name can be written as UTF-8; a file's may be of any bytes."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def no_text(path: object) -> str:
    """The message for a file or folder to read whose name `is_text` finds none."""
    return (
        f"{str(path)!r} is no name in UTF-8, and files under it are not read by all that has to "
        "read them. Nothing says that it is damaged: rename it."
    )


def did_you_mean(name: object, options: Iterable[object]) -> str:
    """A remedy to end an error with: the closest option if one is close, and all of them.

    Several that differ only in case, blanks or ways to write a letter are all named.

    >>> did_you_mean("lable", ["label", "title"])
    "Did you mean 'label'? Available: 'label', 'title'."
    """
    names = [str(option) for option in options]
    if not names:
        return "None are available."
    alike: dict[str, dict[str, None]] = {}  # each once, in their order
    for option in names:
        alike.setdefault(alike_key(option), {})[option] = None
    close = difflib.get_close_matches(alike_key(name), alike, n=1, cutoff=0.6)
    found = [_told_apart(option, name) for option in alike[close[0]]] if close else []
    hint = f"Did you mean {' or '.join(found)}? " if found else ""
    return f"{hint}Available: {first_few(map(repr, names), _NAMED)}."


def spelt_otherwise(names: Iterable[str], options: Iterable[str]) -> str:
    """A question after those of the names that options differ from only in case, blanks or ways
    to write a letter; "" if there are none.

    >>> spelt_otherwise(["Width", "Height", "x"], ["width", "height "])
    "Did you mean 'width' (for 'Width'), 'height ' (for 'Height')?"
    """
    options = list(options)
    pairs = [
        f"{_told_apart(option, name)} (for {name!r})"
        for name in names
        for option in options
        if alike_key(option) == alike_key(name) and option != name
    ]
    return f"Did you mean {first_few(pairs, _NAMED)}?" if pairs else ""


def _told_apart(option: str, name: object) -> str:
    """The option as a message quotes it: what looks the same is shown by its code points."""
    same = unicodedata.normalize("NFC", option) == unicodedata.normalize("NFC", str(name))
    return ascii(option) if same else repr(option)


def alike_key(name: object) -> str:
    """By which names are compared: without case, blanks around them, and ways to write a letter."""
    return unicodedata.normalize("NFC", str(name)).strip().lower()


def shown(value: Any) -> str:
    """A user's value as a message shows it: repr, but NumPy's scalars as Python's.

    >>> import numpy as np
    >>> shown(np.str_("a"))
    "'a'"
    """
    plain = type(value).__module__ == "numpy" and not getattr(value, "ndim", 1)
    return repr(value.item() if plain else value)


def several(n: int, one: str, many: str = "") -> str:
    """So many of something, as a sentence has it.

    >>> several(1, "row"), several(1200, "row"), several(1, "row is", "rows are")
    ('1 row', '1,200 rows', '1 row is')
    """
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def first_few(parts: Iterable[str], most: int, more: str = "more") -> str:
    """The first of some texts, and how many there are besides.

    >>> first_few(["'a'", "'b'", "'c'"], 2), first_few(["'a'"], 2)
    ("'a', 'b' and 1 more", "'a'")
    """
    parts = list(parts)
    rest = len(parts) - most
    return ", ".join(parts[:most]) + (f" and {rest:,} {more}" if rest > 0 else "")


def some_of(parts: Iterable[object], most: int) -> str:
    """The first of some things, and a sign that there are others.

    >>> some_of([3, 5, 8], 2), some_of(["'a'"], 2)
    ('3, 5, …', "'a'")
    """
    texts = list(map(str, parts))
    return ", ".join(texts[:most]) + ", …" * (len(texts) > most)


def one_line(error: object) -> str:
    """The message of an error on one line, or its type if it has none."""
    return " ".join(str(error).split()) or type(error).__name__


def first_line(error: BaseException) -> str:
    """The first line of an error's message that says something, or its type if none does."""
    lines = (line.strip() for line in str(error).splitlines())
    return next(filter(None, lines), type(error).__name__)


def system_code(error: BaseException) -> int | None:
    """The number of the system's error, also where a library words it anew; None of any other.

    >>> system_code(OSError(28, "No space left")), system_code(ValueError("full (os error 28)"))
    (28, 28)
    """
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    found = _WORDED.search(str(error))
    return int(found[1] or found[2]) if found else None


def one_of(name: str, value: object, options: Iterable[str]) -> str:
    """Return `value` if it is one of `options`; raise `InputError` naming `name` otherwise."""
    options = list(options)
    if value in options:
        return str(value)
    raise InputError(f"{name} is {value!r}, which is unknown. {did_you_mean(str(value), options)}")


def fraction(name: str, value: float, *, closed: bool = True) -> float:
    """Return `value` as a float if it lies in [0, 1] (in (0, 1) unless `closed`); raise otherwise.

    >>> fraction("missing_rate", 30)
    Traceback (most recent call last):
    srmm.errors.InputError: missing_rate must be in [0, 1], got 30; did you mean 0.3?
    """
    interval = "[0, 1]" if closed else "(0, 1)"
    try:
        inside = 0 <= value <= 1 if closed else 0 < value < 1
    except TypeError:
        raise InputError(f"{name} must be a number in {interval}, got {value!r}.") from None
    if inside:
        return float(value)
    hint = f"; did you mean {value / 100:g}?" if 1 < value <= 100 else "."
    raise InputError(f"{name} must be in {interval}, got {value!r}{hint}")
