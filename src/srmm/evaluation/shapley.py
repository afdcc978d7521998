"""How much each modality of an instance has to do with its prediction: exact Shapley shares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from srmm.data.embeddings import Embeddings
from srmm.errors import InputError
from srmm.fusion import pattern_codes
from srmm.learning.base import Scorer

MOST = 8
"""Modalities up to which every coalition is asked: 2^8 passes."""
_ROWS = 1_000


class Shapley(NamedTuple):
    """Shares in n predictions. `prior` + the sum of an instance's shares = its `probability`."""

    classes: np.ndarray
    """(n,): index of the predicted class, whose probability is shared out."""
    probability: np.ndarray
    """(n,): of that class, from all that is present."""
    prior: np.ndarray
    """(n,): of that class, where nothing is known."""
    shares: np.ndarray
    """(n, M): each modality's share, NaN where it is absent."""


def shapley_shares(
    scorer: Scorer, rows: np.ndarray, present: np.ndarray, prior: np.ndarray
) -> Shapley:
    """Share out the probability of each predicted class among the modalities that are there.

    The players are the present modalities; a coalition is worth the probability of the class when
    just these are shown, and the empty one the class's prior. A share is the mean of what the
    modality adds over all orders in which they can come (Shapley, A Value for n-Person Games,
    1953): exact, from 2^M − 1 outputs.

    Parameters
    ----------
    scorer : callable
        Row numbers, and which of their items count (len(rows), M) → probabilities (len(rows), C).
        `model.scorer(X)`.
    rows : int array of shape (n,)
    present : bool array of shape (n, M)
        What each instance shows; at least one modality of each.
    prior : array of shape (C,)
        `model.class_prior_`.

    Raises
    ------
    InputError
        If there are more than eight modalities.
    """
    n, M = present.shape
    check_players(range(M))
    outputs = scorer(rows, present)
    classes, each = outputs.argmax(axis=1), np.arange(n)
    codes, bits = pattern_codes(present), 1 << np.arange(M)
    worth = np.zeros((2**M, n))
    worth[0] = prior[classes]
    for code in range(1, 2**M):
        inside = np.flatnonzero(codes & code == code)
        if len(inside):
            shown = np.tile((code & bits) > 0, (len(inside), 1))
            found = scorer(rows[inside], shown)
            worth[code, inside] = found[np.arange(len(inside)), classes[inside]]
    shares = np.full((n, M), np.nan)
    weight = _weights(M)
    size = present.sum(axis=1)
    for m in range(M):
        mine = np.flatnonzero(present[:, m])
        total = np.zeros(len(mine))
        for code in range(2**M):
            if code & bits[m]:
                continue
            among = codes[mine] & code == code
            added = worth[code | bits[m], mine] - worth[code, mine]
            total += among * weight[size[mine], code.bit_count()] * added
        shares[mine, m] = total
    return Shapley(classes, outputs[each, classes], prior[classes], shares)


def check_players(modalities: Sequence[Any]) -> None:
    """Raise `InputError` if these are too many modalities to ask for every coalition of them."""
    M = len(modalities)
    if M > MOST:
        raise InputError(
            f"Exact Shapley shares ask for every coalition, and {M} modalities have {2**M:,}: at "
            f"most {MOST} are shared out. Select fewer of them (Embeddings.select)."
        )


def average_shares(
    scorer: Scorer, test: Embeddings, prior: np.ndarray, seed: int
) -> dict[str, Any] | None:
    """Mean share of each modality over test rows that have it; None beyond eight modalities.

    Returns
    -------
    {"n" (rows asked), "of", "prior" (mean), "probability" (mean), "modalities": a list of
    {"modality", "n", "mean", "against"}}; "against" is the share of rows where it speaks against
    what was predicted.
    """
    if len(test.modalities) > MOST:
        return None
    rows = np.sort(np.random.default_rng([seed, 5]).permutation(len(test))[:_ROWS])
    found = shapley_shares(scorer, rows, np.asarray(test.present)[rows], prior)
    entries = []
    for m, name in enumerate(test.modalities):
        own = found.shares[:, m][~np.isnan(found.shares[:, m])]
        mean, against = (own.mean(), (own < 0).mean()) if len(own) else (None, None)
        entries.append({"modality": name, "n": len(own), "mean": mean, "against": against})
    return {
        "n": len(rows),
        "of": len(test),
        "prior": found.prior.mean(),
        "probability": found.probability.mean(),
        "modalities": entries,
    }


def _weights(M: int) -> np.ndarray:
    """(M + 1, M + 1): [s, k] is the share of orders of s players in which just k come before."""
    weights = np.zeros((M + 1, M + 1))
    for s in range(1, M + 1):
        weights[s, 0] = 1 / s
        for k in range(1, s):  # k! (s − 1 − k)! / s!
            weights[s, k] = weights[s, k - 1] * k / (s - k)
    return weights
