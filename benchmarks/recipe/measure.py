"""What is measured of a fitted model: every presence pattern, on the rows that have all of it."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import srmm
from srmm.data.modality import pattern_mask, usable_patterns
from srmm.evaluation.corrupt import add_noise
from srmm.evaluation.reliability import error_by_chance
from srmm.experiments.measure import calibration

_FEWEST = 20  # rows of a pattern


def measured(model: Any, train: srmm.Embeddings, test: srmm.Embeddings) -> dict[str, Any]:
    """{"seconds", "processor", "patterns", "noise", "megabytes", "rows_per_second"}.

    "seconds" and "processor" (of all threads) are of the fit, "megabytes" of the saved model,
    "rows_per_second" of predicting the test rows from their embeddings; "patterns" is
    `figures` by "image+text" and the like.
    """
    start, used = time.perf_counter(), time.process_time()
    model.fit(train)
    seconds, used = time.perf_counter() - start, time.process_time() - used
    scorer, y = model.scorer(test), np.searchsorted(model.classes_, test.labels)
    patterns = {}
    for pattern in usable_patterns(test.modalities):
        mask = pattern_mask(pattern, test.modalities)
        rows = np.flatnonzero(test.present[:, mask].all(axis=1))
        if len(rows) >= _FEWEST:
            probabilities = scorer(rows, np.tile(mask, (len(rows), 1)))
            patterns["+".join(pattern)] = figures(y[rows], probabilities)
    start = time.perf_counter()
    model.predict_proba(test)
    rate = len(test) / (time.perf_counter() - start)
    return {
        "seconds": seconds,
        "processor": used,
        "patterns": patterns,
        "noise": _noise(model, test, y),
        "megabytes": _megabytes(model),
        "rows_per_second": rate,
    }


def _megabytes(model: Any) -> float:
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(Path(folder) / "model")
        return sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file()) / 1e6


def figures(y: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """Accuracy and expected calibration error (15 bins) in %, log loss, and of how many rows.

    "ece_by_chance" is about what honest probabilities of as many rows would show.
    """
    own = probabilities[np.arange(len(y)), y]
    return {
        "accuracy": 100 * float((probabilities.argmax(axis=1) == y).mean()),
        "ece": 100 * calibration(probabilities, y)["ece"],
        "ece_by_chance": 100 * error_by_chance(probabilities.max(axis=1), 15),
        "log_loss": float(-np.log(np.maximum(own, 1e-12)).mean()),
        "n": len(y),
    }


def _noise(model: Any, test: srmm.Embeddings, y: np.ndarray) -> dict[str, float]:
    """Accuracy in % with noise of a feature's standard deviation, on one modality or all."""
    if not hasattr(model, "feature_std_") or len(test.modalities) < 2:
        return {}
    whole = np.flatnonzero(test.present.all(axis=1))
    clean = test[whole]
    noisy = add_noise(clean, 1.0, np.random.default_rng(5), feature_std=model.feature_std_)
    out = {}
    for name in (*clean.modalities, "all"):
        mixed = {m: (noisy if name in (m, "all") else clean).to_array(m) for m in clean.modalities}
        predicted = model.predict(srmm.Embeddings.from_arrays(mixed))
        out[name] = 100 * float((predicted == clean.labels).mean())
    return out
