"""Recordings as networks of transformers hear them that read the samples themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from srmm.data.audio import Audio, resample
from srmm.encoders.base import pick_device, weights_digest
from srmm.encoders.hub import load_pretrained
from srmm.encoders.network import Network

if TYPE_CHECKING:
    import torch
    from torch import nn

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


class WaveformEncoder:
    """What encoders of samples share: all but the network, the embedding's size and its name.

    Parameters
    ----------
    name : str
        The model, at the hub or a folder: its feature extractor makes the samples.
    model : nn.Module
    forward : callable
        (model, samples of shape (n, length)) → embeddings of shape (n, d).
    """

    embedding_dim: int

    def __init__(
        self,
        name: str,
        model: nn.Module,
        forward: Callable[..., torch.Tensor],
        *,
        kind: str,
        device: str | None,
    ) -> None:
        self.kind = kind
        device = device or pick_device()
        self.network = Network(model.to(device), forward, device=device)
        self._waveforms = Waveforms(name)
        self.limit = self._waveforms.limit
        self.batch_size = 4 if device == "cpu" else 32
        self.settings: dict[str, Any] = {
            "weights": weights_digest(model),
            "preprocessing": self._waveforms.settings,
        }

    def prepare(self, item: Audio) -> np.ndarray:
        """A recording → the samples that the model hears, float32 of shape (n,)."""
        return self._waveforms(item)

    def is_cut(self, item: Audio) -> bool:
        """Whether only the middle of the recording is heard."""
        return self._waveforms.is_cut(item)

    def encode(self, prepared: Sequence[np.ndarray]) -> np.ndarray:
        """n recordings of any lengths → float32 of shape (n, embedding_dim).

        Only recordings of one length share a batch: padding would change the embedding.
        """
        embeddings = np.empty((len(prepared), self.embedding_dim), dtype=np.float32)
        lengths = np.array([len(samples) for samples in prepared])
        for length in np.unique(lengths):
            places = np.flatnonzero(lengths == length).tolist()
            embeddings[places] = self.network(samples=np.stack([prepared[i] for i in places]))
        return embeddings


def _load_extractor(name: str, local: bool) -> Any:
    from transformers import AutoFeatureExtractor

    return AutoFeatureExtractor.from_pretrained(name, local_files_only=local)
