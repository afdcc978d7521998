from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from srmm import PaperClassifier, SingleBranchClassifier, from_pretrained, make_method
from srmm.errors import InputError
from srmm.evaluation.sets import label_sets, set_scores
from srmm.learning.calibration import Calibration
from tests.test_classifier import DEFAULT, SMALL, problem


def outputs(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Classes (n,) and honest probabilities (n, 4) of them."""
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.ones(4), size=n)
    return (rng.random(n)[:, None] > p.cumsum(axis=1)).sum(axis=1), p


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.95])
def test_sets_keep_what_they_promise(coverage: float) -> None:
    y, p = outputs(2000, 0)
    there = np.ones((2000, 1), bool)
    calibration = Calibration.fit(lambda rows, present: p[rows], y, there)
    y, p = outputs(5000, 1)
    inside = calibration.sets(p, np.ones((5000, 1), bool), coverage)
    found = inside[np.arange(5000), y].mean()
    assert coverage - 0.03 < found
    assert inside[np.arange(5000), p.argmax(axis=1)].all()
    # The most probable class is always in: at low promises that is more than was asked for.
    assert found < max(coverage, (p.argmax(axis=1) == y).mean()) + 0.04


def test_each_pattern_keeps_its_own_promise() -> None:
    y, p = outputs(3000, 0)
    blind = np.full_like(p, 0.25)

    def output(rows: np.ndarray, present: np.ndarray) -> np.ndarray:
        return np.where(present[:, :1], p[rows], blind[rows])

    there = np.ones((3000, 2), bool)
    calibration = Calibration.fit(output, y, there)
    only = np.tile([False, True], (3000, 1))
    assert calibration.sets(blind, only, 0.9).all()  # what knows nothing rules nothing out
    assert calibration.sets(p, there, 0.9).sum(axis=1).mean() < 3.5


def test_too_few_held_out_rule_nothing_out_and_unknown_patterns_borrow() -> None:
    y, p = outputs(8, 0)
    there = np.ones((8, 3), bool)
    calibration = Calibration.fit(lambda rows, present: p[rows], y, there)
    assert calibration.sets(p, there, 0.95).all()
    assert np.isinf(calibration.limits(np.zeros((1, 3), bool), 0.5)).all()
    lone = Calibration({1: np.arange(1, 10, dtype=np.float32) / 10})
    both = lone.limits(np.array([[True, True, False]]), 0.8)
    assert both[0] == pytest.approx(0.8)


def test_a_table_sorted_by_class_is_shuffled_before_it_is_cut() -> None:
    n = 5000
    y = np.sort(np.random.default_rng(0).integers(2, size=n))
    p = np.column_stack([np.full(n, 0.6), np.full(n, 0.4)])
    calibration = Calibration.fit(lambda rows, present: p[rows], y, np.ones((n, 1), bool))
    share = (calibration.scores[1] > 0.5).mean()
    assert share == pytest.approx((y == 1).mean(), abs=0.04)


@pytest.fixture(scope="module")
def default() -> SingleBranchClassifier:
    return SingleBranchClassifier(**DEFAULT).fit(problem())


def test_the_default_keeps_out_of_fold_scores_and_saves_them(
    default: SingleBranchClassifier, tmp_path: Path
) -> None:
    test = problem(200, seed=4)
    inside = default.predict_set(test, coverage=0.9)
    assert inside.shape == (200, 3)
    truth = np.searchsorted(default.classes_, test.labels.astype(str))
    assert inside[np.arange(200), truth].mean() > 0.84
    again = from_pretrained(default.save_pretrained(tmp_path / "m"))
    np.testing.assert_array_equal(again.predict_set(test, coverage=0.9), inside)
    labels = label_sets(default, test, 0.9)
    assert [len(one) for one in labels] == inside.sum(axis=1).tolist()
    assert [one[0] for one in labels] == default.predict(test).tolist()


def test_found_coverage_says_which_rows_it_is_of(default: SingleBranchClassifier) -> None:
    test = problem(200, seed=4)
    y = np.searchsorted(default.classes_, test.labels.astype(str))
    patterns = [("image", "text", "audio"), ("audio",)]
    scores = set_scores(default, default.scorer(test), test, y, patterns)
    assert [entry["present"] for entry in scores] == [None, [*patterns[0]], ["audio"]]
    assert [entry["hidden"] for entry in scores] == [False, False, True]
    assert scores[0]["n"] == 200
    sizes = [c["mean_size"] for c in scores[0]["coverages"]]
    assert sizes == sorted(sizes)


def test_what_holds_nothing_out_says_so_until_it_is_calibrated() -> None:
    model = make_method("logreg", random_state=0)
    with pytest.raises(NotFittedError):
        model.predict_set(problem(5, seed=1))
    model.fit(problem())
    with pytest.raises(InputError, match="Call calibrate"):
        model.predict_set(problem(5, seed=1))
    model.calibrate(problem(150, seed=2))
    assert model.predict_set(problem(5, seed=1)).shape == (5, 3)
    with pytest.raises(InputError, match=r"coverage must be in \(0, 1\)"):
        model.predict_set(problem(5, seed=1), coverage=1)
    model.fit(problem())
    assert model.calibration_ is None  # another model: the old promise is void


def test_a_network_is_calibrated_on_what_it_held_out() -> None:
    model = PaperClassifier(**SMALL).fit(problem())
    assert model.calibration_ is not None
    assert len(model.calibration_.scores) == 7
