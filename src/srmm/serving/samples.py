"""A picture and a sound that any encoder reads: for examples, and to load encoders by."""

from __future__ import annotations

import io
import wave

import numpy as np


def picture(side: int) -> bytes:
    """A square picture of one colour, as a PNG."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (side, side), (90, 120, 160)).save(buffer, "PNG")
    return buffer.getvalue()


def tone(seconds: float, rate: int) -> bytes:
    """A tone of 440 Hz, as a WAV of 8 bits."""
    time = np.arange(int(seconds * rate)) / rate
    samples = 128 + 60 * np.sin(time * 2 * np.pi * 440)
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(rate)
        file.writeframes(samples.astype(np.uint8).tobytes())
    return buffer.getvalue()
