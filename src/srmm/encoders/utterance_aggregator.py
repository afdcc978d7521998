"""The utterance-level aggregator: utterances → 512 numbers, the paper's voice encoder (IV-B)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from srmm.data.audio import Audio, resample
from srmm.encoders.base import EncoderAbout, pick_device, weights_digest
from srmm.encoders.network import Network
from srmm.encoders.networks.keras_weights import read_keras_weights
from srmm.encoders.spectrograms import spectrogram
from srmm.encoders.weights import fill, read_weights, weights_file

RATE = 16_000
CROP_FRAMES = 250
"""2.5 seconds, what the network sees of an utterance while it is trained."""

_REMEDY = (
    "The published weights are linked from https://github.com/WeidiXie/VGG-Speaker-Recognition, "
    "under 'Model': download weights.h5 of resnet34_vlad8_ghost2_bdim512_deploy and name it: "
    "'utterance-aggregator:FOLDER/weights.h5'. srmm downloads only from the Hugging Face hub, "
    "which does not have them, so HF_HUB_OFFLINE makes no difference."
)

_FFT, _WINDOW, _HOP = 512, 400, 160
_REVERSED_SHARE = 0.3


class UtteranceAggregatorEncoder:
    """Embeddings of unit length, of the whole utterance followed by its reverse, as published.

    The input is a linear magnitude spectrogram at 16 kHz: 257 frequencies (512-point FFT), a Hann
    window of 25 ms every 10 ms, each frame normalised by its own mean and standard deviation over
    frequency. Its ends are mirrored, as in the librosa of the time.

    Parameters
    ----------
    name : str
        The file with the weights: the published "weights.h5" (needs h5py), or a state dict of
        `UtteranceAggregator` as .pt or .safetensors.
    """

    embedding_dim = 512

    def __init__(self, name: str, *, kind: str = "audio", device: str | None = None) -> None:
        self.kind = kind
        from srmm.encoders.networks.utterance_aggregator import (
            UtteranceAggregator,
            columns_in_pieces,
        )

        path = weights_file(name, _REMEDY)
        is_keras = path.suffix in (".h5", ".hdf5")
        network = UtteranceAggregator().eval().requires_grad_(False)
        fill(network, read_keras_weights(path) if is_keras else read_weights(path), path)
        device = device or pick_device()
        self.batch_size = 8
        self.settings: dict[str, Any] = {
            "spec": f"utterance-aggregator:{path}",
            "weights": weights_digest(network),
            "preprocessing": {
                "rate": RATE,
                "input": "utterance and its reverse",
                "spectrogram": "linear magnitude",
                "fft": _FFT,
                "window": _WINDOW,
                "hop": _HOP,
                "normalised": "each frame over frequency",
            },
            "output": "unit length",
        }
        network = network.to(device)
        self._columns = Network(network, UtteranceAggregator.columns, device=device)
        self._aggregate = Network(network, UtteranceAggregator.aggregate, device=device)
        self._in_pieces = columns_in_pieces

    def prepare(self, item: Audio) -> np.ndarray:
        """An utterance of n seconds → its spectrogram, float32 of shape (257, about 200 · n)."""
        samples = resample(item, RATE)
        return _normalised(_magnitudes(np.concatenate([samples, samples[::-1]])))

    def encode(self, prepared: Sequence[np.ndarray]) -> np.ndarray:
        """n spectrograms of any lengths → float32 of shape (n, 512)."""
        # One at a time: padding to one length would change the embedding.
        columns = (self._in_pieces(self._columns, spectrogram) for spectrogram in prepared)
        return np.concatenate([self._aggregate(columns=one) for one in columns])


ABOUT = EncoderAbout(
    name="utterance-aggregator:FILE",
    good_for="speakers",
    embedding_dim="512",
    description="thin ResNet-34 and GhostVLAD (Xie et al. 2019): the paper's for voices",
    preprocessing="16 kHz, utterance and its reverse, 257 linear frequencies every 10 ms",
    source="weights.h5 as linked from https://github.com/WeidiXie/VGG-Speaker-Recognition "
    "(resnet34_vlad8_ghost2_bdim512_deploy)",
    licence="Apache-2.0 (code), CC BY-SA 4.0 (weights)",
    needs_network="once, to download the weights by hand",
    classes={
        "audio": UtteranceAggregatorEncoder,
        "voice": partial(UtteranceAggregatorEncoder, kind="voice"),
    },
)


def training_spectrogram(item: Audio, generator: np.random.Generator) -> np.ndarray:
    """A random 2.5 s crop of an utterance, to train the network on: float32 of shape (257, 250).

    As published, the utterance is repeated once, played backwards three times in ten, and followed
    by silence where even twice of it is too short (paper, section IV-B).
    """
    samples = resample(item, RATE)
    samples = np.concatenate([samples, samples])
    if generator.random() < _REVERSED_SHARE:
        samples = samples[::-1]
    magnitudes = _magnitudes(samples)
    missing = CROP_FRAMES - len(magnitudes)
    if missing >= 0:
        magnitudes = np.pad(magnitudes, ((0, missing), (0, 0)))
    else:
        start = generator.integers(-missing)
        magnitudes = magnitudes[start : start + CROP_FRAMES]
    return _normalised(magnitudes)


def _magnitudes(samples: np.ndarray) -> np.ndarray:
    return spectrogram(samples, fft=_FFT, window=_WINDOW, hop=_HOP, padding="reflect")


def _normalised(magnitudes: np.ndarray) -> np.ndarray:
    """(frames, 257) → (257, frames)."""
    mean = magnitudes.mean(axis=1, keepdims=True)
    deviation = magnitudes.std(axis=1, keepdims=True)
    return np.ascontiguousarray(((magnitudes - mean) / (deviation + 1e-5)).T)
