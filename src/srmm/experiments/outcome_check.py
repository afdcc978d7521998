"""Whether a kept training is one: its arrays fit together, and it says what tables ask it for."""

from __future__ import annotations

from typing import Any

import numpy as np


def check_outcome(outcome: Any) -> None:
    """Raise `ValueError` for an `Outcome` whose arrays have other shapes than it promises."""
    y, present, outputs = outcome.y, outcome.present, outcome.outputs
    if y.ndim != 1 or y.dtype.kind not in "iu" or present.ndim != 2 or len(present) != len(y):
        raise ValueError(f"it has labels of shape {y.shape}, and presence of {present.shape}")
    patterns = 2 ** min(present.shape[1], 40)
    if outputs.ndim != 3 or outputs.shape[:2] != (patterns, len(y)):
        raise ValueError(f"it has outputs of shape {outputs.shape} for {patterns} patterns")
    if not np.isfinite(outputs).all():
        raise ValueError("its outputs are not all numbers")
    inner = outcome.embeddings
    if inner is not None and (inner.ndim != 3 or inner.shape[:2] != (patterns - 1, len(y))):
        raise ValueError(f"it has embeddings of shape {inner.shape}")
    about = outcome.about
    if not isinstance(about, dict) or not isinstance(about.get("model"), dict):
        raise ValueError("it says nothing of its model")
