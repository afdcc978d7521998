"""What encoders of sound tell apart: spoken digits of speakers that were not trained on.

    python benchmarks/speech.py FOLDER [ENCODER …]

FOLDER holds the Free Spoken Digit Dataset (see `srmm datasets`). Each of the six speakers is left
out in turn; a logistic regression of standardised embeddings learns from the other five. Beside the
encoders stands what needs none: mean and deviation over time of 80 log-mel bands.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import LeaveOneGroupOut, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from srmm.data.audio import Audio, resample
from srmm.datasets import load_dataset
from srmm.encoders.spectrograms import mel_filters, spectrogram
from srmm.encoding.encode import encode


class LogMels:
    """The bands alone, without a network."""

    kind, embedding_dim, batch_size = "audio", 160, 64

    def __init__(self) -> None:
        self.settings: dict[str, Any] = {"spec": None, "weights": "none", "output": "log-mels"}

    def prepare(self, item: Audio) -> np.ndarray:
        samples = resample(item, 16_000)
        magnitudes = spectrogram(samples, fft=400, window=400, hop=160, padding="reflect")
        logs = np.log(np.square(magnitudes) @ mel_filters(16_000, 400, 80) + 1e-10)
        return np.concatenate([logs.mean(axis=0), logs.std(axis=0)])

    def encode(self, prepared: list[np.ndarray]) -> np.ndarray:
        return np.stack(prepared).astype(np.float32)


def main(folder: str, names: list[str]) -> None:
    table = load_dataset("av_digits", folder)
    table = replace(table, items={"audio": table.items["audio"]}, kinds={"audio": "audio"})
    for name in names:
        result = encode(table, {"audio": LogMels() if name == "log-mels" else name}, progress=True)
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=500))
        right = cross_val_score(
            model,
            result.embeddings.to_array("audio"),
            table.labels.astype(str),
            groups=table.groups,
            cv=LeaveOneGroupOut(),
        )
        by_speaker = " ".join(f"{100 * share:.1f}" for share in right)
        print(f"{name}: {100 * right.mean():.1f} % (by speaker: {by_speaker})", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:] or ["log-mels", "resemblyzer", "whisper-tiny.en"])
