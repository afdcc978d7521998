"""Late fusion: the outputs of an instance's present modalities become one (paper III-B).

The branch gives every present item a distribution of its own; here they become the instance's. An
absent item has no output and no share, so any subset of modalities is legal input, also one that
training never saw. Averaging with equal shares is the paper's; where one modality says little it
outvotes a good one (MOSI), which is what weights are for.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp, softmax

from srmm.errors import one_of

FUSIONS = ("mean", "log-mean", "weighted")
_SMALLEST = 1e-12
_SILENT = 1e-3  # weights that sum to less say nothing at all
_MOST_PATTERNS = 5  # modalities; a set of weights for each of 2^M patterns grows out of hand
_PULL = 1.0  # strength, in validation instances, of the pull of fitted weights to equal ones


def fuse(
    outputs: np.ndarray,
    present: np.ndarray,
    fusion: str = "mean",
    weights: np.ndarray | None = None,
) -> np.ndarray:
    """Combine per-modality class probabilities into one distribution per instance.

    Parameters
    ----------
    outputs : array of shape (n_instances, n_modalities, n_classes)
        Softmax outputs; what stands where `present` is False is never looked at.
    present : bool array of shape (n_instances, n_modalities)
    fusion : "mean", "log-mean" or "weighted"
        "mean": the mean of the probabilities (the paper). "log-mean": the normalised mean of the
        log-probabilities. "weighted": as "log-mean", with `weights` of the presence pattern. One
        modality alone is its own output in all three.
    weights : array of shape (2 ** n_modalities, n_modalities), for "weighted"
        From `fit_weights`; row k belongs to the pattern whose bits make up k. A single row serves
        every pattern.

    Returns
    -------
    array of shape (n_instances, n_classes); rows with nothing present are NaN.
    """
    one_of("fusion", fusion, FUSIONS)
    outputs = np.where(present[..., None], outputs, 1.0)
    count = present.sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = present / count  # (n, M): equal weights; NaN where nothing is present
    if fusion == "mean":  # III-B: "average of the logits obtained from the softmax layer"
        return np.einsum("nm,nmc->nc", share, outputs)
    if fusion == "weighted" and weights is not None:
        share = np.where(count > 0, _weights_of(weights, present), np.nan)
    return softmax(np.einsum("nm,nmc->nc", share, _log(outputs)), axis=1)


def fit_weights(
    outputs: np.ndarray,
    present: np.ndarray,
    y: np.ndarray,
    sample_weight: np.ndarray | None = None,
) -> np.ndarray:
    """Fusion weights of every presence pattern, fitted on held-out outputs.

    For a pattern P the fused output is softmax(Σ_{m∈P} w_m · log p_m). The weights (≥ 0) minimise
    its cross entropy over the instances that have all of P, a convex problem in a few numbers, with
    a weak pull towards equal ones. A weak modality gets a small weight instead of a full vote. Of
    more than five modalities there is one set of weights for all patterns.

    Parameters
    ----------
    outputs, present : as in `fuse`, of instances the branch was not trained on
    y : int array of shape (n_instances,)
        Class indices.
    sample_weight : array of shape (n_instances,), optional

    Returns
    -------
    array of shape (2 ** n_modalities, n_modalities), or (1, n_modalities), for `fuse`
    """
    n_modalities = present.shape[1]
    logs = _log(np.where(present[..., None], outputs, 1.0))
    counts = np.ones(len(y)) if sample_weight is None else sample_weight
    if n_modalities > _MOST_PATTERNS:
        return _fit_pattern(logs, y, counts)[None]
    weights = np.zeros((2**n_modalities, n_modalities))
    for code in range(1, 2**n_modalities):
        members = np.flatnonzero(code & (1 << np.arange(n_modalities)))
        rows = present[:, members].all(axis=1)
        weights[code, members] = _fit_pattern(logs[rows][:, members], y[rows], counts[rows])
    return weights


def pattern_codes(present: np.ndarray) -> np.ndarray:
    """Each row of `present` as the integer whose bits it is.

    >>> pattern_codes(np.array([[True, False], [True, True]]))
    array([1, 3])
    """
    return present @ (1 << np.arange(present.shape[1]))


def _weights_of(weights: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Each instance's weights (n, M): 1 for a lone modality, equal ones where all would be 0."""
    chosen = (weights[pattern_codes(present)] if len(weights) > 1 else weights) * present
    equal = present / np.maximum(present.sum(axis=1, keepdims=True), 1)
    alone = present.sum(axis=1, keepdims=True) == 1
    return np.where(alone | (chosen.sum(axis=1, keepdims=True) < _SILENT), equal, chosen)


def _fit_pattern(logs: np.ndarray, y: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Weights (|P|,) for log outputs of shape (n, |P|, C); an instance counts `counts` times."""
    size = logs.shape[1]
    equal = np.full(size, 1 / size)
    if not len(y):
        return equal
    own = logs[np.arange(len(y)), :, y]  # (n, |P|): log-probability of the true class

    def loss_and_gradient(w: np.ndarray) -> tuple[float, np.ndarray]:
        fused = np.einsum("m,nmc->nc", w, logs)
        total = logsumexp(fused, axis=1)
        loss = counts @ (total - own @ w) + _PULL * ((w - equal) ** 2).sum()
        expected = np.einsum("n,nc,nmc->m", counts, np.exp(fused - total[:, None]), logs)
        return loss, expected - counts @ own + 2 * _PULL * (w - equal)

    found = minimize(loss_and_gradient, equal, jac=True, method="L-BFGS-B", bounds=[(0, 20)] * size)
    return found.x


def _log(probabilities: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(probabilities, _SMALLEST))
