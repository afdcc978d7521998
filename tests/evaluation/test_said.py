"""What a report keeps of probabilities says the same as the probabilities."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, log_loss, roc_auc_score

from srmm.evaluation.describe import describe_confusion
from srmm.evaluation.metrics import point_scores
from srmm.evaluation.outputs import Remembered
from srmm.evaluation.reliability import reliability
from srmm.evaluation.said import COVERAGES, in_short, said
from srmm.learning.calibration import Calibration
from srmm.report.findings import confused_pairs

N, C = 90, 4
RNG = np.random.default_rng(0)
PROBABILITIES = RNG.dirichlet(np.ones(C), N)
Y = RNG.integers(-1, C, size=N)  # −1: a class that the model does not know
PRESENT = np.ones((N, 2), dtype=bool)
PRESENT[::3, 1] = False
CALIBRATION = Calibration({1: np.linspace(0.1, 0.9, 40), 3: np.linspace(0.2, 0.7, 40)})


def scorer(rows: np.ndarray, present: np.ndarray) -> np.ndarray:
    assert present.shape == (len(rows), 2)
    return PROBABILITIES[rows]


def test_figures_in_short_are_those_of_the_probabilities() -> None:
    short = in_short(PROBABILITIES, Y)
    assert said(Y, short) is short
    known, predicted = Y >= 0, PROBABILITIES.argmax(axis=1)
    labels = np.union1d(Y, predicted)
    scores = point_scores(Y, short)
    assert scores["accuracy"] == pytest.approx(accuracy_score(Y, predicted))
    assert scores["macro_f1"] == pytest.approx(
        f1_score(Y, predicted, labels=labels, average="macro", zero_division=0)
    )
    expected = log_loss(Y[known], PROBABILITIES[known], labels=range(C))
    assert reliability(Y, short)["log_loss"] == pytest.approx(expected)
    np.testing.assert_array_equal(short.confidence, PROBABILITIES.max(axis=1))
    two = PROBABILITIES[:, :2] / PROBABILITIES[:, :2].sum(axis=1, keepdims=True)
    wanted = roc_auc_score(Y > 0, two[:, 1])
    assert point_scores((Y > 0).astype(int), two)["auroc"] == pytest.approx(wanted)


def test_sets_in_short_are_those_of_the_calibration() -> None:
    short = in_short(PROBABILITIES, Y, PRESENT, CALIBRATION)
    for k, coverage in enumerate(COVERAGES):
        inside = CALIBRATION.sets(PROBABILITIES, PRESENT, coverage)
        np.testing.assert_array_equal(short.sizes[:, k], inside.sum(axis=1))
        hits = inside[np.arange(N), Y] & (Y >= 0)
        np.testing.assert_array_equal(short.hits[:, k], hits)
        assert 0 < hits.mean() < 1


def test_blocks_and_what_is_not_kept_change_nothing(monkeypatch) -> None:
    monkeypatch.setattr("srmm.learning.probabilities._AT_ONCE", 5 * C)  # five rows at once
    monkeypatch.setattr("srmm.evaluation.outputs._MOST", 0)  # nothing in full
    asked: list[int] = []

    def counting(rows: np.ndarray, present: np.ndarray) -> np.ndarray:
        asked.append(len(rows))
        return scorer(rows, present)

    remembered = Remembered(counting, N, Y, n_classes=C, calibration=CALIBRATION)
    rows = np.arange(N)[::-1]
    found = remembered.said(rows, PRESENT[rows])
    assert max(asked) <= 5
    assert sum(asked) == N
    wanted = in_short(PROBABILITIES[rows], Y[rows], PRESENT[rows], CALIBRATION)
    for column in ("predicted", "confidence", "positive", "own", "sizes", "hits"):
        np.testing.assert_array_equal(getattr(found, column), getattr(wanted, column))
    np.testing.assert_array_equal(remembered(rows, PRESENT[rows]), PROBABILITIES[rows])


def test_a_scorer_is_not_asked_again_for_what_it_cannot_see() -> None:
    asked: list[int] = []

    def deaf(rows: np.ndarray, present: np.ndarray) -> np.ndarray:
        asked.append(len(rows))
        return scorer(rows, present)

    remembered = Remembered(deaf, N, Y, sees=np.array([True, False]))
    remembered.said(np.arange(N), np.ones((N, 2), dtype=bool))
    remembered.said(np.arange(N), np.tile([True, False], (N, 1)))
    assert sum(asked) == N


def test_many_classes_have_cells_that_say_what_the_matrix_would(monkeypatch) -> None:
    predicted, classes = PROBABILITIES.argmax(axis=1), list("abcd")
    matrix = describe_confusion(Y, predicted, classes)
    monkeypatch.setattr("srmm.evaluation.describe._DRAWN_CLASSES", 3)
    cells = describe_confusion(Y, predicted, classes)
    again = np.zeros((C, C), dtype=int)
    for row, column, count in cells["cells"]:
        again[row, column] = count
    assert again.tolist() == matrix["matrix"]
    assert confused_pairs(cells) == confused_pairs(matrix)
