"""Audio files that were appended to one another, told apart: players hear the first one only."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from srmm.data.lengths import UNKNOWN_LENGTH
from srmm.data.mp3 import mp3s

_FLAC_START = re.compile(rb"fLaC[\x00\x80]\x00\x00\x22")
_FIRST_PAGE = 2
_PAGE_HEADER = 27
"""Bytes of a page of OGG before the sizes of its parts."""
_SHORTEST = 0.1
"""Seconds of frames beyond those that an MP3 announces that count as another one."""


class Recording(NamedTuple):
    """One file; `seconds` is how long it is at least, None where libsndfile knows that itself."""

    data: bytes
    seconds: float | None = None


def recordings(data: bytes) -> list[Recording]:
    """The files that `data` consists of: one or more WAV, AIFF, FLAC, OGG or MP3, else `data`."""
    if data.startswith((b"ID3", b"\xff")):
        found = [mp3 for mp3 in mp3s(data) if mp3.seconds >= _SHORTEST]
        if found:
            found[0].start, found[-1].end = 0, len(data)
            return [
                # A decoder needs a few frames to get going.
                Recording(
                    data[mp3.start : mp3.end], None if mp3.announced else mp3.seconds - _SHORTEST
                )
                for mp3 in found
            ]
    starts = [0]
    if data.startswith((b"RIFF", b"FORM")):
        starts = _chunk_starts(data)
    elif data.startswith(b"fLaC"):
        starts = [match.start() for match in _FLAC_START.finditer(data)] or [0]
    elif data.startswith(b"OggS"):
        starts = _ogg_starts(data)
    return [Recording(data[start:end]) for start, end in pairwise([*starts, len(data)])]


def _chunk_starts(data: bytes) -> list[int]:
    form = data[:4]
    starts, at = [0], 0
    while True:
        size = int.from_bytes(data[at + 4 : at + 8], "little" if form == b"RIFF" else "big")
        at += 8 + size + size % 2
        if size >= UNKNOWN_LENGTH or data[at : at + 4] != form:
            return starts
        starts.append(at)


def _ogg_starts(data: bytes) -> list[int]:
    """Where a stream begins after pages of another; streams side by side begin together."""
    starts, beginning = [0], True
    for at, _ in _ogg_pages(data):
        first = bool(data[at + 5] & _FIRST_PAGE)
        if first and not beginning:
            starts.append(at)
        beginning = first
    return starts


def cut_page(data: bytes) -> tuple[int, int] | None:
    """How many bytes of the last page of an OGG are there, and of how many; None if all are.

    OGG has no length at its start, and what is left of a file that was cut off plays.
    """
    if not data.startswith(b"OggS"):
        return None
    at, size = ([*_ogg_pages(data)] or [(0, _PAGE_HEADER)])[-1]
    if at + size == len(data):
        return None
    if at + size > len(data):
        return len(data) - at, size
    rest = data[at + size :]  # of a header that was cut off itself, or what is no page
    return (len(rest), _PAGE_HEADER) if rest[:4] == b"OggS"[: len(rest)] else None


def _ogg_pages(data: bytes) -> Iterator[tuple[int, int]]:
    """(start, size) of each page that has a header; the last one may reach beyond the end."""
    at = 0
    while data[at : at + 4] == b"OggS" and at + _PAGE_HEADER <= len(data):
        n = data[at + _PAGE_HEADER - 1]
        size = _PAGE_HEADER + n + sum(data[at + _PAGE_HEADER : at + _PAGE_HEADER + n])
        yield at, size
        at += size
