"""How much of a stranger's file is read: each limit once, with the variable that changes it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

from srmm.errors import InputError

UNPACKS_TO = 100
"""Texts and workbooks unpack to 3 to 50 times their size; bombs to 1,000 times and more."""


class Limit(NamedTuple):
    """What is limited, the usual value, and its unit; an environment variable changes it."""

    what: str
    usual: int
    unit: str


LIMITS: Mapping[str, Limit] = {
    "SRMM_MAX_FILE_BYTES": Limit("a picture, a sound, a member of a zip", 1 << 30, "bytes"),
    "SRMM_MAX_PIXELS": Limit("a picture", 89_478_485, "pixels"),
    "SRMM_MAX_SECONDS": Limit("a recording", 600, "seconds"),
    "SRMM_MAX_TEXT_BYTES": Limit("a text", 1_000_000, "bytes"),
    "SRMM_MAX_SVG_BYTES": Limit("an SVG", 32 << 20, "bytes"),
    "SRMM_MAX_SVG_ELEMENTS": Limit("what an SVG draws, references counted", 200_000, "elements"),
    "SRMM_MAX_SVG_DEPTH": Limit("how deep an SVG is nested, references counted", 100, "levels"),
    "SRMM_MAX_DECODE_SECONDS": Limit("decoding an item apart", 20, "seconds of processor time"),
    "SRMM_MAX_DECODE_BYTES": Limit("the process that decodes items apart", 4 << 30, "bytes"),
    "SRMM_MAX_UNPACKED_BYTES": Limit(
        f"a table that unpacks to more than {UNPACKS_TO} times its size", 256 << 20, "bytes"
    ),
    "SRMM_MAX_CELLS": Limit("a sheet of a workbook", 100_000_000, "cells"),
}


def limit(variable: str) -> int:
    """The limit that is in force; `InputError` if the variable holds no whole number above 0."""
    text = os.environ.get(variable, "").strip()
    if not text:
        return LIMITS[variable].usual
    try:
        value = int(text.replace("_", "").replace(",", ""))
    except ValueError:
        value = 0
    if value <= 0:
        about = LIMITS[variable]
        raise InputError(
            f"The environment variable {variable} is {text!r}: expected a whole number above 0, "
            f"the most {about.unit} of {about.what} ({about.usual:,} without it)."
        )
    return value


def changed_limits() -> dict[str, str]:
    """The variables that are set, as they are: another process is to keep the same limits."""
    return {variable: os.environ[variable] for variable in LIMITS if os.environ.get(variable)}


def notes_on_limits() -> tuple[str, ...]:
    """A sentence for each limit that is not the usual one: it decides what counts as absent."""
    return tuple(
        f"{variable} is {limit(variable):,} {LIMITS[variable].unit}, usually "
        f"{LIMITS[variable].usual:,}: items beyond it are unreadable."
        for variable in changed_limits()
        if limit(variable) != LIMITS[variable].usual
    )


def raised_by(variable: str) -> str:
    """How a message ends that names a limit.

    >>> raised_by("SRMM_MAX_SECONDS")
    '(the environment variable SRMM_MAX_SECONDS changes it)'
    """
    assert variable in LIMITS
    return f"(the environment variable {variable} changes it)"


def is_too_much(unpacked: int, packed: int) -> bool:
    """Whether so many bytes come from so few that it is taken for a bomb."""
    return unpacked > limit("SRMM_MAX_UNPACKED_BYTES") and unpacked > UNPACKS_TO * packed


def check_unpacked(name: str, unpacked: int, packed: int) -> None:
    """Raise `InputError` if a table unpacks to far more than texts and numbers do."""
    if is_too_much(unpacked, packed):
        most = limit("SRMM_MAX_UNPACKED_BYTES")
        raise InputError(
            f"{name} has {packed:,} bytes and unpacks to more than {most:,}: it is taken for a "
            f"decompression bomb. If it is none, raise that limit: SRMM_MAX_UNPACKED_BYTES is the "
            "environment variable that holds it."
        )
