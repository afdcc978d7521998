"""Spectrograms as librosa computes them, with NumPy alone."""

from __future__ import annotations

import functools
from typing import Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


def spectrogram(
    samples: np.ndarray, *, fft: int, window: int, hop: int, padding: Literal["reflect", "constant"]
) -> np.ndarray:
    """Magnitudes of the short-time Fourier transform, float32 of shape (frames, fft // 2 + 1).

    Frame i is centred on sample i · hop: the signal (n,) is continued by fft // 2 samples on both
    sides, mirrored ("reflect") or silent ("constant"), which gives 1 + n // hop frames. The Hann
    window of `window` samples lies in the middle of the `fft` ones.
    """
    around = fft // 2
    padded = np.pad(samples.astype(np.float32), around, mode=padding)
    frames = sliding_window_view(padded, fft)[::hop]  # (frames, fft)
    return np.abs(np.fft.rfft(frames * _hann(window, fft), axis=1)).astype(np.float32, copy=False)


@functools.cache
def mel_filters(rate: int, fft: int, bands: int) -> np.ndarray:
    """Triangles over the frequencies from 0 to rate / 2, float32 of shape (fft // 2 + 1, bands).

    On Slaney's scale of pitch, linear below 1 kHz and logarithmic above; each has the same area.
    """
    corners = _hz(np.linspace(0, _mel(rate / 2), bands + 2))
    frequencies = np.fft.rfftfreq(fft, 1 / rate)[:, None]
    left, middle, right = corners[:-2], corners[1:-1], corners[2:]
    rising = (frequencies - left) / (middle - left)
    falling = (right - frequencies) / (right - middle)
    triangles = np.maximum(0, np.minimum(rising, falling))
    return (triangles * 2 / (right - left)).astype(np.float32)


_LINEAR = 3 / 200
"""Mels per Hz below 1 kHz."""

_OCTAVES = 27 / np.log(6.4)
"""Mels per factor e above."""


def _mel(hz: float) -> float:
    return hz * _LINEAR if hz < 1000 else 1000 * _LINEAR + _OCTAVES * np.log(hz / 1000)


def _hz(mel: np.ndarray) -> np.ndarray:
    above = 1000 * np.exp((mel - 1000 * _LINEAR) / _OCTAVES)
    return np.where(mel < 1000 * _LINEAR, mel / _LINEAR, above)


@functools.cache
def _hann(window: int, fft: int) -> np.ndarray:
    shape = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    before = (fft - window) // 2
    return np.pad(shape, (before, fft - window - before)).astype(np.float32)
