"""Audio files that were appended to one another, told apart: players hear the first one only."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import NamedTuple

from srmm.data.mp3 import mp3s

_FLAC_START = re.compile(rb"fLaC[\x00\x80]\x00\x00\x22")
_FIRST_PAGE = 2
_UNKNOWN_LENGTH = 0x7FFFFFFF
"""What a program writes for the length if it pipes a WAV, not knowing its end yet; or more."""

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
        if size >= _UNKNOWN_LENGTH or data[at : at + 4] != form:
            return starts
        starts.append(at)


def _ogg_starts(data: bytes) -> list[int]:
    """Where a stream begins after pages of another; streams side by side begin together."""
    starts, at, beginning = [0], 0, True
    while data[at : at + 4] == b"OggS" and at + 27 <= len(data):
        first = bool(data[at + 5] & _FIRST_PAGE)
        if first and not beginning:
            starts.append(at)
        beginning = first
        lacing = data[at + 27 : at + 27 + data[at + 26]]
        at += 27 + len(lacing) + sum(lacing)
    return starts
