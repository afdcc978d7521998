"""Late fusion: the outputs of an instance's present modalities become one (paper III-B).

The branch gives every present item a distribution of its own; here they become the instance's. An
absent item has no output and no share, so any subset of modalities is legal input, also one that
training never saw. Averaging with equal shares is the paper's; where one modality says little it
outvotes a good one (MOSI), which is what the learnt weights of `srmm.ensemble` are for.
"""

from __future__ import annotations

import numpy as np
from scipy.special import softmax

from srmm.errors import one_of

FUSIONS = ("mean", "log-mean")
MOST_MODALITIES = 63
"""Whose presence patterns are whole numbers of 64 bits, a bit each and one for the sign."""
SMALLEST = 1e-12
"""What stands for a probability of 0 where its logarithm is taken."""


def fuse(outputs: np.ndarray, present: np.ndarray, fusion: str = "mean") -> np.ndarray:
    """Combine per-modality class probabilities into one distribution per instance.

    Parameters
    ----------
    outputs : array of shape (n_instances, n_modalities, n_classes)
        Softmax outputs; what stands where `present` is False is never looked at.
    present : bool array of shape (n_instances, n_modalities)
    fusion : "mean" or "log-mean"
        "mean": the mean of the probabilities (the paper). "log-mean": the normalised mean of the
        log-probabilities. One modality alone is its own output in both.

    Returns
    -------
    array of shape (n_instances, n_classes); rows with nothing present are NaN.
    """
    one_of("fusion", fusion, FUSIONS)
    count = present.sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = present / count  # (n, M): equal weights; NaN where nothing is present
    whole, total = present.all(), np.zeros((outputs.shape[0], outputs.shape[2]))
    for m in range(present.shape[1]):
        each = outputs[:, m] if whole else np.where(present[:, m, None], outputs[:, m], 1.0)
        # III-B: "average of the logits obtained from the softmax layer"
        total += share[:, m, None] * (each if fusion == "mean" else _log(each))
    return total if fusion == "mean" else softmax(total, axis=1)


def pattern_codes(present: np.ndarray) -> np.ndarray:
    """Each row of `present` as the integer whose bits it is.

    >>> pattern_codes(np.array([[True, False], [True, True]]))
    array([1, 3])
    """
    return present @ (1 << np.arange(present.shape[1]))


def pattern_counts(present: np.ndarray) -> dict[str, int]:
    """How many rows of `present` have each pattern, by its code, as JSON keeps it.

    >>> pattern_counts(np.array([[True, False], [True, True], [True, True]]))
    {'1': 1, '3': 2}
    """
    return {str(code): n for code, n in codes_of(present).items()}


def codes_of(present: np.ndarray) -> dict[int, int]:
    """How many rows of `present` have each pattern, by its code."""
    codes, counts = np.unique(pattern_codes(present), return_counts=True)
    return dict(zip(codes.tolist(), counts.tolist(), strict=True))


def _log(probabilities: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(probabilities, SMALLEST, dtype=np.float64))
