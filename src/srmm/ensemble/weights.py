"""How much each stream counts when these modalities are there, learnt from out-of-fold outputs.

For a presence pattern P the output is softmax(Σ w_e · log p_e) over its *experts*: each item of P
alone, as the networks and as a linear discriminant see it, and the fused stream of all of P. The
sum of the weights is an inverse temperature, so they make probabilities honest, too. A pattern that
few training instances have is pulled to what its modalities are worth alone; that is all that
hierarchy means here. A discriminant is pulled to silence.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp, softmax

from srmm.fusion import pattern_codes

LEAST_LOG = -30.0
"""A log-probability below this says "impossible" all the same."""
FUSED_SHARE = 0.2
_PULL = 30.0  # strength of the pull, in instances
_ALL_PATTERNS = 5  # modalities up to which every pattern has weights of its own
_MOST_SEEN = 100  # patterns that training instances have, beyond that many modalities
_MOST_KEPT = 10_000  # patterns whose weights are not made again
_MOST_ROWS = 5_000  # instances a pattern's few weights are learnt from

LogOutputs = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(rows, modalities of a pattern P) → log-probabilities (len(rows), 2·|P| + 1, C).

Of each item as the networks see it, then as its discriminant does; fused last.
"""


@dataclass(frozen=True)
class PatternWeights:
    """Weights of each modality alone, of its discriminant, and of the fused stream, by pattern."""

    codes: np.ndarray
    """(n_patterns,), ascending: integers whose bits are the modalities."""
    weights: np.ndarray
    """(n_patterns, 2·M + 1)."""
    fused_share: float = FUSED_SHARE
    """Of the fused stream, in a pattern of several modalities without weights of its own."""

    @classmethod
    def fit(
        cls,
        outputs: LogOutputs,
        y: np.ndarray,
        counts: np.ndarray,
        present: np.ndarray,
        items: np.ndarray,
    ) -> PatternWeights:
        """From out-of-fold outputs of instances of classes `y` (n,), which count `counts` times.

        `items` (M,) is how many of each modality the networks have learnt from.
        """
        M = present.shape[1]
        alone = np.zeros((2, M))

        def fitted(members: np.ndarray, start: np.ndarray) -> np.ndarray:
            rows = np.flatnonzero(present[:, members].all(axis=1))[:_MOST_ROWS]
            if not len(rows):
                return start
            logs = outputs(rows, members)[:, : len(start)]  # of one item there is no fused stream
            return _fit_pattern(logs, y[rows], counts[rows], start)

        for m in range(M):
            # Of few items the network knows little: the pull is towards silence.
            n = items[m] / (items[m] + _PULL)
            alone[:, m] = fitted(np.array([m]), np.array([n, 0.0]))
        weights = {1 << m: prior(np.array([m]), alone) for m in range(M)}
        for members in _patterns(present):
            start = prior(members, alone)
            own = experts_of(members, M)
            start[own] = fitted(members, start[own])
            weights[int((1 << members).sum())] = start
        codes = np.array(sorted(weights))
        return cls(codes, np.stack([weights[code] for code in codes]))

    def score(
        self, outputs: LogOutputs, y: np.ndarray, counts: np.ndarray, present: np.ndarray
    ) -> dict[str, float]:
        """The accuracy and the log loss of the instances as they are, under these names."""
        codes = pattern_codes(present)
        loss, right = np.zeros(len(y)), np.zeros(len(y))
        for code in np.unique(codes):
            rows = np.flatnonzero(codes == code)
            members = np.flatnonzero(present[rows[0]])
            weights = self._of_code(int(code))[experts_of(members, present.shape[1])]
            logs = np.maximum(outputs(rows, members), LEAST_LOG)
            scores = np.einsum("nec,e->nc", logs, weights)
            loss[rows] = logsumexp(scores, axis=1) - scores[np.arange(len(rows)), y[rows]]
            right[rows] = scores.argmax(axis=1) == y[rows]
        return {
            "accuracy": float(np.average(right, weights=counts)),
            "log_loss": float(np.average(loss, weights=counts)),
        }

    def of(self, present: np.ndarray) -> np.ndarray:
        """Each instance's weights (n, 2·M + 1); those of a pattern without any follow the pull."""
        codes = pattern_codes(present)
        wanted = sorted({*codes.tolist()})
        of_each = np.array([self._of_code(code) for code in wanted])
        return of_each[np.searchsorted(wanted, codes)]

    @cached_property
    def _known(self) -> dict[int, np.ndarray]:
        """What was asked for before, by pattern."""
        return {}

    def _of_code(self, code: int) -> np.ndarray:
        if len(self._known) > _MOST_KEPT:
            self._known.clear()
        if code not in self._known:
            self._known[code] = self._made(code)
        return self._known[code]

    def _made(self, code: int) -> np.ndarray:
        at = int(np.searchsorted(self.codes, code))
        if at < len(self.codes) and self.codes[at] == code:
            return self.weights[at]
        M = self.weights.shape[1] // 2
        alone = np.array([self._of_code(1 << m)[[m, M + m]] for m in range(M)]).T
        members = np.flatnonzero([code >> m & 1 for m in range(M)])
        return prior(members, alone, self.fused_share)


def experts_of(members: np.ndarray, n_modalities: int) -> np.ndarray:
    """Where the weights (2·|P| + 1,) of a pattern's experts stand among all.

    >>> experts_of(np.array([0, 2]), 3)
    array([0, 2, 3, 5, 6])
    """
    return np.concatenate([members, n_modalities + members, [2 * n_modalities]])


def prior(members: np.ndarray, alone: np.ndarray, fused_share: float = FUSED_SHARE) -> np.ndarray:
    """Weights (2·M + 1,) of the pattern `members` that those `alone` (2, M) suggest.

    >>> prior(np.array([0, 2]), np.array([[1.0, 1.0, 0.5], [0.0, 0.0, 1.0]]))
    array([0.4, 0. , 0.2, 0. , 0. , 0.4, 0.2])
    """
    M = alone.shape[1]
    weights = np.zeros((2, M))
    several = len(members) > 1
    weights[:, members] = alone[:, members] * ((1 - fused_share) / len(members) if several else 1)
    return np.append(weights, fused_share * several)


def _patterns(present: np.ndarray) -> list[np.ndarray]:
    """The patterns of two modalities or more that get weights of their own.

    All of them up to five modalities; of more, pairs, the whole, and what training instances have.
    """
    M = present.shape[1]
    if M <= _ALL_PATTERNS:
        chosen = {p for size in range(2, M + 1) for p in combinations(range(M), size)}
    else:
        chosen = {*combinations(range(M), 2), tuple(range(M))}
        seen, counts = np.unique(present, axis=0, return_counts=True)
        usual = seen[np.argsort(-counts, kind="stable")][:_MOST_SEEN]
        chosen |= {tuple(np.flatnonzero(row).tolist()) for row in usual if row.sum() > 1}
    return [np.array(members) for members in sorted(chosen)]


def _fit_pattern(
    logs: np.ndarray, y: np.ndarray, counts: np.ndarray, start: np.ndarray
) -> np.ndarray:
    """Weights (E,) ≥ 0 for log-probabilities (n, E, C).

    They minimise the cross entropy of softmax(Σ w_e · log p_e), in which an instance counts
    `counts` times, plus a quadratic pull of 30 instances' strength to `start` (E,).
    """
    logs = np.maximum(logs, LEAST_LOG)
    own = np.take_along_axis(logs, y[:, None, None], axis=2)[:, :, 0]  # (n, E)

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        scores = np.einsum("nec,e->nc", logs, weights)
        cross_entropy = counts @ (logsumexp(scores, axis=1) - own @ weights)
        expected = np.einsum("nec,nc->ne", logs, softmax(scores, axis=1))
        gap = weights - start
        gradient = counts @ (expected - own) + 2 * _PULL * gap
        return float(cross_entropy + _PULL * gap @ gap), gradient

    found = minimize(loss, start, jac=True, bounds=[(0, None)] * len(start), method="L-BFGS-B")
    return np.asarray(found.x)
