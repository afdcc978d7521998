"""Resemblyzer: utterances → 256 numbers, with weights that come in a Python package."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from srmm.data.audio import Audio, resample
from srmm.encoders.base import EncoderAbout, pick_device, weights_digest
from srmm.encoders.network import Network
from srmm.encoders.spectrograms import mel_filters, spectrogram
from srmm.encoders.weights import fill, read_weights
from srmm.errors import MissingExtraError

if TYPE_CHECKING:
    import torch
    from torch import nn

RATE = 16_000
_BANDS, _WINDOW, _HOP = 40, 400, 160
_PARTIAL = 160
"""Frames that the network sees at once: 1.6 seconds."""

_STEP = 77
"""Frames from one partial utterance to the next: 1.3 of them in a second."""

_COVERAGE = 0.75
"""A last partial utterance with less than this share of sound in it is left out."""

_LOUDNESS = -30.0
"""Quieter utterances are raised to this level, in dB of full scale."""

_VOICE_WINDOW = 480
"""Samples that the voice detector judges at once: 30 ms."""

_VOICE_MODE = 3
"""The detector's strictest."""

_SMOOTHED, _KEPT_PAUSE = 8, 6
"""Windows over which its judgement is averaged, and of a pause that stays in."""

_CHUNK = 128
"""Partial utterances per call of the network: a long recording has hundreds."""


class ResemblyzerEncoder:
    """The voice encoder of Resemblyzer, trained to tell speakers apart (GE2E loss; mostly English).

    At 16 kHz, quiet utterances are made louder, and long pauses cut out by WebRTC's voice
    detector. Three LSTM layers read mel spectrograms (40 bands) of 1.6 s that overlap by half; the
    mean of their outputs is brought to unit length. An utterance in which the detector hears no
    voice at all is kept whole: of very short clips, such as spoken digits, one in a hundred.

    The result is the library's for sound at 16 kHz, to 1e-6; at other rates, srmm resamples with
    a filter of its own. Code and weights: Apache-2.0, from the package resemblyzer, which is not
    imported (it needs librosa and a setuptools of before 81).
    """

    embedding_dim = 256

    def __init__(self, *, kind: str = "audio", device: str | None = None) -> None:
        self.kind = kind
        network = _network()
        self._detector = _voice_detector()
        device = device or pick_device()
        self.batch_size = 16
        self.settings: dict[str, Any] = {
            "spec": "resemblyzer",
            "weights": weights_digest(network),
            "preprocessing": {
                "rate": RATE,
                "loudness": f"at least {_LOUDNESS:g} dB",
                "pauses": f"cut out by WebRTC's voice detector, mode {_VOICE_MODE}",
                "mel_bands": _BANDS,
                "frames": _PARTIAL,
                "step": _STEP,
            },
            "output": "mean over partial utterances, unit length",
        }
        self.network = Network(network.to(device), _embedded, device=device)

    def prepare(self, item: Audio) -> np.ndarray:
        """An utterance → mel spectrograms of its parts: float32 of shape (parts, 160, 40)."""
        samples = _louder(resample(item, RATE))
        voiced = samples[: len(samples) // _VOICE_WINDOW * _VOICE_WINDOW]
        voiced = voiced[self._is_voice(voiced)]
        return _partial_mels(voiced if len(voiced) else samples)

    def encode(self, prepared: Sequence[np.ndarray]) -> np.ndarray:
        """n utterances of (parts, 160, 40), with any number of parts → float32 (n, 256)."""
        parts = np.concatenate(prepared)
        chunks = [parts[start : start + _CHUNK] for start in range(0, len(parts), _CHUNK)]
        embeddings = np.concatenate([self.network(parts=chunk) for chunk in chunks])
        ends = np.cumsum([len(mels) for mels in prepared])
        means = np.stack([part.mean(axis=0) for part in np.split(embeddings, ends[:-1])])
        return means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)

    def _is_voice(self, samples: np.ndarray) -> np.ndarray:
        """The samples to keep: voice, and the pauses around it up to 90 ms; bool (n,)."""
        from scipy.ndimage import binary_dilation

        pcm = np.round(np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()
        size = 2 * _VOICE_WINDOW
        # A detector adapts to what it has heard, so every utterance has a fresh one.
        detector = self._detector.create()
        self._detector.init(detector)
        self._detector.set_mode(detector, _VOICE_MODE)
        flags = [
            self._detector.process(detector, RATE, pcm[start : start + size], _VOICE_WINDOW)
            for start in range(0, len(pcm), size)
        ]
        before, after = (_SMOOTHED - 1) // 2, _SMOOTHED // 2
        padded = np.pad(np.array(flags, dtype=float), (before, after))
        smooth = np.convolve(padded, np.ones(_SMOOTHED), mode="valid") > _SMOOTHED / 2
        return np.repeat(binary_dilation(smooth, np.ones(_KEPT_PAUSE + 1)), _VOICE_WINDOW)


ABOUT = EncoderAbout(
    name="resemblyzer",
    good_for="speakers",
    embedding_dim="256",
    description="voice encoder (LSTM)",
    preprocessing="16 kHz, at least −30 dB, pauses cut out, 40 mel bands, 1.6 s at once",
    source="package resemblyzer: pip install 'srmm[voices]'",
    licence="Apache-2.0 (code and weights)",
    needs_network="no",
    classes={"audio": ResemblyzerEncoder, "voice": partial(ResemblyzerEncoder, kind="voice")},
    default=("voice",),
)


def _louder(samples: np.ndarray) -> np.ndarray:
    level = 10 * np.log10(np.mean(np.square(samples, dtype=np.float64)))
    gain = 10 ** ((_LOUDNESS - level) / 20)
    return samples * np.float32(gain) if gain > 1 else samples


def _partial_mels(samples: np.ndarray) -> np.ndarray:
    frames = -(-(len(samples) + 1) // _HOP)
    starts = list(range(0, max(1, frames - _PARTIAL + _STEP + 1), _STEP))
    covered = (len(samples) - starts[-1] * _HOP) / (_PARTIAL * _HOP)
    if covered < _COVERAGE and len(starts) > 1:
        starts.pop()
    missing = (starts[-1] + _PARTIAL) * _HOP - len(samples)
    samples = np.pad(samples, (0, max(0, missing)))
    magnitudes = spectrogram(samples, fft=_WINDOW, window=_WINDOW, hop=_HOP, padding="constant")
    mels = np.square(magnitudes) @ mel_filters(RATE, _WINDOW, _BANDS)  # (frames, 40)
    return np.stack([mels[start : start + _PARTIAL] for start in starts])


def _embedded(network: Any, parts: torch.Tensor) -> torch.Tensor:
    """(n, 160, 40) → (n, 256), each row of length 1."""
    _, (hidden, _) = network["lstm"](parts)
    from torch.nn import functional as F

    return F.normalize(network["linear"](hidden[-1]).relu(), dim=1)


def _network() -> nn.ModuleDict:
    """The network with its published weights, in evaluation mode."""
    from torch import nn

    found = importlib.util.find_spec("resemblyzer")
    if found is None or not found.submodule_search_locations:
        raise MissingExtraError("resemblyzer", "voices", "The voice encoder 'resemblyzer'")
    path = Path(found.submodule_search_locations[0]) / "pretrained.pt"
    network = nn.ModuleDict(
        {
            "lstm": nn.LSTM(_BANDS, 256, num_layers=3, batch_first=True),
            "linear": nn.Linear(256, 256),
        }
    )
    # What is left out scaled similarities while it was trained.
    fill(network, read_weights(path), path, ignored="similarity_")
    return network.eval().requires_grad_(False)


def _voice_detector() -> Any:
    """WebRTC's voice detector, without the Python around it that needs an old setuptools."""
    try:
        return importlib.import_module("_webrtcvad")
    except ImportError:
        raise MissingExtraError("webrtcvad", "voices", "The voice encoder 'resemblyzer'") from None
