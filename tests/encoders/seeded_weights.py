"""Weights and sounds that are the same everywhere, to compare our networks with the originals."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np


def seeded_weights(shapes: Mapping[str, Iterable[int]]) -> dict[str, np.ndarray]:
    """float32 arrays for the names of a state dict, from nothing but the names and shapes.

    Of the size that keeps signals alive through ReLUs. `RandomState` never changes its numbers.
    """
    weights = {}
    for name, shape in shapes.items():
        shape = tuple(shape)
        random = np.random.RandomState(zlib.crc32(name.encode()))
        if name.endswith("running_var") or (name.endswith("weight") and len(shape) == 1):
            array = random.uniform(0.5, 1.5, shape)
        elif len(shape) == 1:
            array = 0.1 * random.standard_normal(shape)
        else:
            array = random.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))
        weights[name] = array.astype(np.float32)
    return weights


def seeded_keras_weights(shapes: dict[str, list[int]]) -> dict[str, np.ndarray]:
    """As `seeded_weights`, for Keras' names and order of axes."""
    kinds = {"gamma": "weight", "moving_variance": "running_var", "kernel": "kernel"}
    found = {}
    for name, shape in shapes.items():
        kind = name.rpartition("/")[2].partition(":")[0]
        turned = shape[::-1] if kind == "kernel" else shape  # the outputs in front
        key = f"{name}.{kinds.get(kind, kind)}"
        array = seeded_weights({key: turned})[key]
        found[name] = array.T if kind == "kernel" else array
    return found


def shapes_of(network: Any) -> dict[str, tuple[int, ...]]:
    """The names and shapes of a PyTorch network's numbers, without the counters of batch norm."""
    return {
        name: tuple(tensor.shape)
        for name, tensor in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }


def digest(shapes: Mapping[str, Iterable[int]]) -> str:
    """Equal for networks whose state dicts have the same names and shapes in the same order."""
    text = json.dumps([[name, list(shape)] for name, shape in shapes.items()])
    return hashlib.sha256(text.encode()).hexdigest()


def seeded_faces() -> np.ndarray:
    """Two blobs of noise as pictures, uint8 of shape (2, 160, 160, 3)."""
    random = np.random.RandomState(1)
    coarse = random.randint(0, 256, (2, 10, 10, 3))
    return coarse.repeat(16, axis=1).repeat(16, axis=2).astype(np.uint8)


def seeded_spectrograms() -> np.ndarray:
    """A quiet and a loud stretch of noise, float32 of shape (2, 257, 133)."""
    random = np.random.RandomState(2)
    noise = random.standard_normal((2, 257, 133))
    noise[1, ::3] *= 4
    return noise.astype(np.float32)


def sung_vowels(rate: int = 16_000) -> np.ndarray:
    """Four seconds of a voice-like tone in syllables, with a pause of a second; float32 (4·rate,).

    WebRTC's voice detector takes it for a voice.
    """
    time = np.arange(4 * rate) / rate
    pitch = 120 * (1 + 0.03 * np.sin(2 * np.pi * 5 * time))
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    tone = np.zeros_like(time)
    for harmonic in range(1, 30):
        hz = 120 * harmonic
        formants = sum(np.exp(-(((hz - f) / 150) ** 2)) for f in (600, 1200, 2500))
        tone += (0.05 + formants) * np.sin(harmonic * phase) / harmonic**0.5
    syllables = np.clip(np.sin(2 * np.pi * 3 * time), 0, None) ** 0.5
    syllables[(time > 1.5) & (time < 2.5)] = 0
    voice = tone * syllables
    return (0.3 * voice / np.abs(voice).max()).astype(np.float32)
