from __future__ import annotations

import numpy as np
from scipy.special import log_softmax

from srmm.ensemble.weights import PatternWeights


def outputs_of(lone: np.ndarray, fused: np.ndarray):
    """(rows, modalities) → log-probabilities, as `OutOfFold.logs`, without discriminants."""
    alike = np.full_like(lone, -np.log(lone.shape[-1]))

    def logs(rows: np.ndarray, members: np.ndarray) -> np.ndarray:
        alone = lone[rows][:, members], alike[rows][:, members]
        return np.concatenate([*alone, fused[rows, None]], axis=1)

    return logs


def problem(n: int = 900, M: int = 3, seed: int = 0):
    """Modality 0 knows the class and says so with modesty; the others are sure and know nothing."""
    rng = np.random.default_rng(seed)
    y = rng.integers(3, size=n)
    lone = 4 * rng.normal(size=(n, M, 3))
    lone[:, 0] = 1.0 * np.eye(3)[y] + 0.3 * rng.normal(size=(n, 3))
    fused = rng.normal(size=(n, 3))
    return y, log_softmax(lone, axis=2), log_softmax(fused, axis=1)


def test_a_modality_that_knows_nothing_is_silenced() -> None:
    y, lone, fused = problem()
    present = np.ones((len(y), 3), dtype=bool)
    weights = PatternWeights.fit(
        outputs_of(lone, fused), y, np.ones(len(y)), present, present.sum(axis=0)
    )
    both = weights.of(np.array([[True, True, False]]))[0]
    assert both[0] > 1.5  # modesty is corrected
    assert both[1] < 0.05
    assert both[2] == 0
    score = weights.score(outputs_of(lone, fused), y, np.ones(len(y)), present)
    assert score["accuracy"] > 0.95
    assert score["log_loss"] < 0.3


def test_a_pattern_nobody_has_follows_what_its_modalities_are_worth_alone() -> None:
    y, lone, fused = problem()
    present = np.zeros((len(y), 3), dtype=bool)
    present[np.arange(len(y)), np.arange(len(y)) % 3] = True  # one item each
    weights = PatternWeights.fit(
        outputs_of(lone, fused), y, np.ones(len(y)), present, present.sum(axis=0)
    )
    alone = np.diag(weights.of(np.eye(3, dtype=bool)))
    assert weights.of(np.eye(3, dtype=bool))[:, 3:].max() < 1e-9  # what says nothing is not heard
    pair = weights.of(np.array([[True, False, True]]))[0]
    np.testing.assert_allclose(pair, [0.4 * alone[0], 0, 0.4 * alone[2], 0, 0, 0, 0.2], atol=1e-9)


def test_many_modalities_need_no_weights_for_every_pattern() -> None:
    y, lone, fused = problem(200, M=16)
    present = np.random.default_rng(1).random((200, 16)) < 0.5
    present[~present.any(axis=1), 0] = True
    weights = PatternWeights.fit(
        outputs_of(lone, fused), y, np.ones(200), present, present.sum(axis=0)
    )
    assert len(weights.codes) <= 16 + 120 + 1 + 100
    never = np.zeros((1, 16), dtype=bool)
    never[0, 3:12] = True
    assert np.isfinite(weights.of(never)).all()
    assert weights.of(never)[0, -1] == 0.2
