"""Recordings as networks of transformers hear them that read the samples themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from srmm.data.audio import Audio, resample
from srmm.encoders.hub import load_pretrained

MIN_SECONDS = 0.5
"""The last layers look at a third of a second at once; shorter clips are repeated."""

MAX_SECONDS = 30
"""Of longer recordings the middle is used: attention's memory grows with the square of time."""


class Waveforms:
    """Recordings → samples as the model's own feature extractor makes them.

    Parameters
    ----------
    name : str
        A model at the hub, or a folder.

    Attributes
    ----------
    limit : str
        How much of a recording is heard.
    settings : dict
        JSON values: all that decides the samples.
    """

    limit = f"{MAX_SECONDS} seconds"

    def __init__(self, name: str) -> None:
        self._extractor = load_pretrained(name, lambda local: _load_extractor(name, local))
        self.rate = int(self._extractor.sampling_rate)
        self.settings: dict[str, Any] = {
            "rate": self.rate,
            "normalised": bool(self._extractor.do_normalize),
            "min_seconds": MIN_SECONDS,
            "max_seconds": MAX_SECONDS,
        }

    def __call__(self, item: Audio) -> np.ndarray:
        """A recording → float32 of shape (n,)."""
        samples = resample(item, self.rate)
        surplus = len(samples) - MAX_SECONDS * self.rate
        if surplus > 0:
            samples = samples[surplus // 2 :][: MAX_SECONDS * self.rate]
        times = -(-int(MIN_SECONDS * self.rate) // len(samples))
        heard = self._extractor(
            np.tile(samples, times), sampling_rate=self.rate, return_tensors="np"
        )
        return np.asarray(heard["input_values"][0], dtype=np.float32)

    @staticmethod
    def is_cut(item: Audio) -> bool:
        """Whether only the middle of the recording is heard."""
        return item.seconds > MAX_SECONDS


def by_length(
    network: Callable[..., np.ndarray], prepared: Sequence[np.ndarray], dim: int
) -> np.ndarray:
    """n recordings of any lengths → float32 of shape (n, dim), by `network(samples=…)`.

    Only recordings of one length share a batch: padding would change the embedding.
    """
    embeddings = np.empty((len(prepared), dim), dtype=np.float32)
    lengths = np.array([len(samples) for samples in prepared])
    for length in np.unique(lengths):
        places = np.flatnonzero(lengths == length).tolist()
        embeddings[places] = network(samples=np.stack([prepared[i] for i in places]))
    return embeddings


def _load_extractor(name: str, local: bool) -> Any:
    from transformers import AutoFeatureExtractor

    return AutoFeatureExtractor.from_pretrained(name, local_files_only=local)
