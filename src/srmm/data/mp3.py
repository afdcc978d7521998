"""MP3 files, frame by frame: how long one is, and where another begins that was appended to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

_KBITS = {
    1: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
"""By the two bits of the version: MPEG 1, 2, 2.5."""

_SEARCHED = 1 << 16
"""Bytes between two frames that are skipped: a broken frame, a lyrics tag."""


class _Frame(NamedTuple):
    start: int
    length: int
    rate: int
    samples: int
    announced: int | None
    """Frames that follow, where it is the header of a file and no sound; 0 if it does not say."""


@dataclass
class Mp3:
    """One MP3 inside `data[start:end]`.

    Parameters
    ----------
    seconds : float
        What its frames add up to, or those that its header announces.
    announced : bool
        Whether its header does.
    """

    start: int
    end: int
    seconds: float
    announced: bool


def mp3s(data: bytes) -> list[Mp3]:
    """The MP3s that are in `data` one after the other; empty if it is none (or of layer I or II).

    Another one begins where there is another header frame, or another ID3 tag before a frame, or
    after all frames that the header announced.
    """
    found: list[Mp3] = []
    announced: int | None = None
    frames, rate, end = 0, 0, 0
    for frame in _frames(data):
        begins = frame.announced is not None or b"ID3" in data[end : frame.start]
        full = announced is not None and announced > 0 and frames >= announced
        if not found or begins or full or frame.rate != rate:
            if found:
                found[-1].end = end if b"ID3" in data[end : frame.start] else frame.start
            start = found[-1].end if found else 0
            announced, frames, rate = frame.announced, 0, frame.rate
            found.append(Mp3(start, len(data), 0.0, bool(announced)))
            if announced:
                found[-1].seconds = announced * frame.samples / rate
        if frame.announced is None:
            frames += 1
            if not announced:
                found[-1].seconds += frame.samples / rate
        end = frame.start + frame.length
    return found


def _frames(data: bytes) -> Iterator[_Frame]:
    """The frames of layer III, past whatever stands between them."""
    at = _after_tag(data, 0)
    rate = 0  # 0: after something that was no frame
    while at + 4 <= len(data):
        frame = _frame(data, at)
        # What is unlike the frame before is one if another begins where it ends.
        if frame is None or (frame.rate != rate and _frame(data, at + frame.length) is None):
            rate, at = 0, _next_sync(data, at + 1)
            if at < 0:
                return
            continue
        rate = frame.rate
        yield frame
        at = _after_tag(data, at + frame.length)


def _next_sync(data: bytes, start: int) -> int:
    at = start
    while True:
        at = data.find(b"\xff", at, start + _SEARCHED)
        if at < 0 or (_frame(data, at) is not None):
            return at
        at += 1


def _after_tag(data: bytes, at: int) -> int:
    """Past the ID3 tags that begin here: one of version 2, or the 128 bytes of one of version 1."""
    while True:
        if data[at : at + 3] == b"ID3" and len(data) >= at + 10:
            size = 0
            for byte in data[at + 6 : at + 10]:
                size = size << 7 | byte & 0x7F
            at += 10 + size
        elif data[at : at + 3] == b"TAG":
            at += 128
        else:
            return at


def _frame(data: bytes, at: int) -> _Frame | None:
    head = data[at : at + 4]
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    bits, pitch = head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or layer != 1 or bits in (0, 15) or pitch == 3:
        return None
    rate, kbits = _RATES[version][pitch], _KBITS[1 if version == 3 else 2][bits]
    samples = 1152 if version == 3 else 576
    length = samples * kbits * 125 // rate + (head[2] >> 1 & 1)
    return _Frame(at, length, rate, samples, _announced(data[at : at + length], version, head[3]))


def _announced(frame: bytes, version: int, last: int) -> int | None:
    """The number of frames in a header of Xing or Fraunhofer; None of a frame of sound."""
    mono = last >> 6 == 3
    place = (21 if mono else 36) if version == 3 else (13 if mono else 21)
    if frame[place : place + 4] in (b"Xing", b"Info"):
        known = frame[place + 7 : place + 8]
        if known and known[0] & 1:
            return int.from_bytes(frame[place + 8 : place + 12], "big")
        return 0
    if frame[36:40] == b"VBRI":
        return int.from_bytes(frame[50:54], "big")
    return None
