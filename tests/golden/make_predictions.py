"""What every method predicts on one small problem with holes: tests/golden/predictions.json.

    python tests/golden/make_predictions.py OUTPUT.json [MODELS]

With MODELS, some fitted models are saved there, and what they predict. Either is made again only
where predictions (or files) are meant to change; most of the first is of the commit before the
house was rebuilt.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

import srmm
from srmm.methods import make_method

SMALL = {"max_epochs": 4, "hidden_dim": 24, "batch_size": 32}
TRANSFORMERS = ("vilt-tokens", "ma2022", "lee2023-input", "lee2023-attention")
NO_NETWORK = ("logreg", "logreg-concat", "extratrees", "hist-gradient-boosting")
NETWORKS = (
    "srmm", "srmm-paper", "unimodal:b", "router", "tbn-early", "tbn-mid", "tbn-late",
    "tbn-early-zeros", "tbn-mid-zeros", "tbn-late-zeros", "tbn-early-opl", "modality-dropout",
    "kim2024", "shaspec", "smil", *TRANSFORMERS,
)  # fmt: skip
CASES = (*NETWORKS, *NO_NETWORK)
SAVED = ("srmm", "srmm-paper")
PRETRAINED = ("tabicl",)
"""Left out here and in tests/methods/test_methods.py: their weights are a download, with random
ones they learn nothing, and they refuse sample weights. Each has a test file of its own."""


def problem() -> tuple[srmm.Embeddings, np.ndarray, np.ndarray]:
    """150 instances of three modalities of which a quarter is missing, labels, sample weights."""
    rng = np.random.default_rng(20261125)
    y = rng.integers(4, size=150)
    arrays = {}
    for name, size in (("a", 12), ("b", 7), ("c", 12)):
        centres = rng.normal(size=(4, size))
        arrays[name] = centres[y] + rng.normal(size=(150, size))
    present = rng.random((150, 3)) > 0.25
    present[~present.any(axis=1), 0] = True
    weight = rng.integers(1, 4, size=150) / 2
    return srmm.Embeddings.from_arrays(arrays, present=present), y, weight


def fitted(name: str) -> Any:
    """The method of that name, trained on the first 100 instances."""
    X, y, weight = problem()
    settings = dict(SMALL) if name in NETWORKS else None
    model = make_method(
        name, None, settings, random_state=3, when_nothing_present="prior",
        class_weight="balanced",
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(X[:100], y[:100], weight[:100])


def predictions() -> dict[str, list[list[float]]]:
    """Method → probabilities (50, 4) of the other instances, as they are."""
    X, _, _ = problem()
    torch.set_num_threads(1)
    return {name: fitted(name).predict_proba(X[100:]).tolist() for name in CASES}


if __name__ == "__main__":
    torch.set_num_threads(1)
    Path(sys.argv[1]).write_text(json.dumps(predictions()) + "\n", encoding="utf-8")
    if len(sys.argv) > 2:
        models = Path(sys.argv[2])
        for name in SAVED:
            fitted(name).save_pretrained(models / name)
        said = {name: fitted(name).predict_proba(problem()[0][100:]).tolist() for name in SAVED}
        (models / "predictions.json").write_text(json.dumps(said) + "\n", encoding="utf-8")
