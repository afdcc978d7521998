"""How long a sound file says it is, beside what is there of it."""

from __future__ import annotations

import re
from typing import Literal

from srmm.data.broken import UnreadableItem

UNKNOWN_LENGTH = 0x7FFFF000
"""What a program writes for the length if it pipes a WAV, not knowing its end yet; or more. SoX and
eSpeak write this one."""

_CUT_CHUNK = re.compile(
    r"^\s*(?:data|SSND|BODY|Data Size|riff|Riff size) +: (\d+) \(should be (\d+)\)", re.MULTILINE
)
"""What holds the samples in WAV, AIFF, SVX and AU; of W64 and RF64 the whole file is told of."""
_CUT = re.compile(r"seems to be (?:a )?truncated|Data length \d+ should be \d+", re.IGNORECASE)
"""The same of VOC, MAT and WVE."""
_FRAMES = re.compile(r"^\s*Frames +: (\d+)$", re.MULTILINE)
_SPHERE = re.compile(rb"^sample_count -i (\d+)", re.MULTILINE)
_SPHERE_HEADER = 1024
_TAGS = (b"TAG", b"ID3", b"APETAGEX", b"LYRICSBEGIN")
_SHORTEST = 0.1
"""Seconds of sound, as which fewer bytes behind the samples are not taken."""


def refuse_cut(log: str) -> None:
    """libsndfile plays what is left of a WAV and the like without an error, but its log says so."""
    for announced, there in _CUT_CHUNK.findall(log):
        if int(there) < int(announced) < UNKNOWN_LENGTH:
            raise UnreadableItem(f"is cut off: {int(there):,} of {int(announced):,} bytes are left")
    if _CUT.search(log):
        raise UnreadableItem("is cut off: its header announces more than is left")


def announced_frames(data: bytes, log: str) -> int:
    """How many samples a channel has by a header that libsndfile does not go by; 0 if none has."""
    counts: list[bytes | str] = [*_FRAMES.findall(log)]
    if data.startswith(b"NIST_1A"):
        counts += _SPHERE.findall(data[:_SPHERE_HEADER])
    return max(map(int, counts), default=0)


def refuse_rest(data: bytes, seconds: float) -> None:
    """A header that was not brought up to date has the end of a WAV, AIFF, AU or CAF unplayed."""
    held, rest = _behind_samples(data)
    if rest.startswith(_TAGS) or not rest.strip(b"\0"):
        return
    if held and len(rest) * seconds / held >= _SHORTEST:
        raise UnreadableItem(
            f"says that it lasts {seconds:.2f} s, and {len(rest):,} bytes follow that are nothing "
            "known: what recorded it was ended before it wrote how many samples there are. Save it "
            "again"
        )


def _behind_samples(data: bytes) -> tuple[int, bytes]:
    """(bytes of samples, what stands behind them and is no chunk)."""
    if data.startswith(b".snd"):
        start, size = (int.from_bytes(data[at : at + 4], "big") for at in (4, 8))
        return (size, data[start + size :]) if size < UNKNOWN_LENGTH else (0, b"")
    if not data.startswith((b"RIFF", b"RF64", b"FORM", b"caff")):
        return 0, b""
    order: Literal["little", "big"] = "little" if data.startswith(b"R") else "big"
    at, width = (8, 8) if data.startswith(b"caff") else (12, 4)
    held, long = 0, 0
    while at + 4 + width <= len(data):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 4 + width], order)
        if name == b"ds64":  # of what is longer than 32 bits can say
            long = int.from_bytes(data[at + 16 : at + 24], "little")
        elif name == b"data" and size == 0xFFFFFFFF and long:
            size = long
        end = at + 4 + width + size
        if end > len(data) or not all(32 <= letter < 127 for letter in name):
            break
        held += size if name in (b"data", b"SSND") else 0
        at = end + (size % 2 and data[end : end + 1] == b"\0")  # not all write that byte
    return held, data[at:]
