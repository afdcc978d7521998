"""Reliability, sets, paired tests, absence, near-duplicates: what a figure may be trusted with."""

from __future__ import annotations

import numpy as np
import pytest

from srmm import Embeddings
from srmm.evaluation.absence import _classes_differ, absence_scores
from srmm.evaluation.duplicates import near_duplicates
from srmm.evaluation.paired import mcnemar, paired_difference
from srmm.evaluation.reliability import calibration_error, error_by_chance, reliability, selective
from srmm.evaluation.suspects import Contradicted


def test_honest_probabilities_have_no_calibration_error() -> None:
    rng = np.random.default_rng(0)
    p = rng.uniform(0.5, 1, size=20_000)
    y = (rng.random(len(p)) > p).astype(int)
    honest = reliability(y, np.column_stack([p, 1 - p]))
    assert honest["calibration_error"] < 0.02
    assert sum(b["n"] for b in honest["bins"]) == honest["n"] == 20_000
    sure = np.clip(p + 0.2, 0, 0.99)
    assert reliability(y, np.column_stack([sure, 1 - sure]))["calibration_error"] > 0.1


@pytest.mark.parametrize("n", [20, 200, 5_000])
@pytest.mark.parametrize("least", [0.5, 0.9])
def test_the_error_of_honest_probabilities_by_chance_is_what_draws_say(
    n: int, least: float
) -> None:
    rng = np.random.default_rng(0)
    p = rng.uniform(least, 1, size=n)
    drawn = [calibration_error(p, rng.random(n) < p, 10) for _ in range(400)]
    assert error_by_chance(p, 10) == pytest.approx(np.mean(drawn), rel=0.15)


def test_log_loss_leaves_out_classes_that_nobody_knows() -> None:
    p = np.array([[0.8, 0.2], [0.5, 0.5]])
    found = reliability(np.array([0, -1]), p)
    assert found["log_loss"] == pytest.approx(-np.log(0.8))
    assert found["bins"][0]["accuracy"] == 0  # but they are wrong answers
    assert reliability(np.array([-1]), p[:1])["log_loss"] is None


def test_what_is_handed_over_is_what_is_least_sure() -> None:
    p = np.array([0.99, 0.9, 0.8, 0.7, 0.7])
    right = np.array([True, True, True, False, True])
    found = selective(np.where(right, 0, 1), np.column_stack([p, 1 - p]))
    goals = {goal["accuracy"]: goal for goal in found["targets"]}
    # The last two share a probability: no limit parts them.
    assert goals[0.99]["handed_over"] == pytest.approx(0.4)
    assert goals[0.99]["threshold"] == 0.8
    assert found["answered"][-1] == 1
    assert found["accuracy"][-1] == pytest.approx(0.8)
    never = selective(np.ones(5, int), np.column_stack([p, 1 - p]))
    assert all(goal["handed_over"] is None for goal in never["targets"])


def test_paired_tests_see_what_unpaired_ones_would_not() -> None:
    rng = np.random.default_rng(0)
    theirs = rng.random(500) < 0.7
    ours = theirs | (rng.random(500) < 0.05)  # never worse
    found = paired_difference(ours, theirs)
    assert found["difference"] == pytest.approx(ours.mean() - theirs.mean())
    assert found["difference_ci"][0] >= 0
    assert mcnemar(ours, theirs) < 0.05
    assert mcnemar(theirs, theirs) == 1


def holes(informative: bool) -> tuple[Embeddings, np.ndarray]:
    """400 rows, half without text; the scorer below is right where the image says 1."""
    rng = np.random.default_rng(1)
    right = rng.random(400) < 0.7
    lacks = rng.random(400) < (np.where(right, 0.3, 0.7) if informative else 0.5)
    dense = {"image": right[:, None].astype(float), "text": rng.normal(size=(400, 2))}
    present = np.column_stack([np.ones(400, bool), ~lacks])
    return Embeddings.from_arrays(dense, present=present), right


def test_rare_classes_do_not_make_absence_look_informative() -> None:
    rng = np.random.default_rng(0)
    found = []
    for _ in range(60):
        y = rng.choice(30, 1000, p=rng.dirichlet(np.full(30, 0.3)))
        lacks = rng.permutation(1000) < 30
        found.append(_classes_differ(lacks, y))
    assert np.mean([each["classes_p"] < 0.05 for each in found]) <= 0.1
    assert np.mean([each["cramers_v"] for each in found]) < 0.06
    of_one = _classes_differ(y == y[0], y)
    assert of_one["classes_p"] < 0.001
    assert of_one["cramers_v"] > 0.9


@pytest.mark.parametrize("informative", [True, False])
def test_absence_that_says_something_is_found(informative: bool) -> None:
    test, right = holes(informative)

    def scorer(rows: np.ndarray, present: np.ndarray) -> np.ndarray:
        return np.column_stack([right[rows], ~right[rows]]).astype(float)

    y = np.where(np.arange(400) % 2, 0, 0)
    (found,) = absence_scores(scorer, test, y)
    lacks = ~test.present[:, 1]
    assert found["modality"] == "text"
    assert found["accuracy_absent"] == pytest.approx(right[lacks].mean())
    assert found["accuracy_hidden"] == pytest.approx(right[~lacks].mean())
    assert (found["p_holm"] < 0.01) == informative
    assert found["classes_p"] is None  # one class
    whole = Embeddings.from_arrays({"image": np.ones((50, 1)), "text": np.ones((50, 1))})
    assert absence_scores(scorer, whole, y[:50]) == []


def test_near_duplicates_are_counted_and_others_are_not() -> None:
    rng = np.random.default_rng(0)
    train = rng.normal(size=(300, 64)) + 5
    test = rng.normal(size=(40, 64)) + 5
    test[:7] = train[:7] + 0.01 * rng.normal(size=(7, 64))
    right = np.arange(40) < 10
    found = near_duplicates(
        Embeddings.from_arrays({"a": train, "b": train[:, :3]}),
        Embeddings.from_arrays({"a": test, "b": test[:, :3]}),
        right,
    )
    assert found["modalities"]["a"] == {"n": 40, "near": 7}
    assert "too few" in found["modalities"]["b"]["reason"]
    assert found["rows"]["near"] == 7
    assert found["rows"]["accuracy_near"] == 1
    assert found["rows"]["accuracy_others"] == pytest.approx(3 / 33)


class OfTable:
    """A scorer of instances whose out-of-fold outputs `p` (n, C) are known."""

    def __init__(self, p: np.ndarray, y: np.ndarray) -> None:
        self.p, self.y, self.present = p, y, np.ones((len(y), 1), dtype=bool)
        self.judged = np.arange(len(y))

    def __call__(self, rows: np.ndarray, present: np.ndarray) -> np.ndarray:
        return self.p[rows]


@pytest.mark.parametrize(("at_once", "kept"), [(1_000_000, 1_000), (4, 1_000), (4, 0)])
def test_a_label_is_suspect_where_another_class_is_as_probable_as_usual(
    at_once: int, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("srmm.learning.probabilities._AT_ONCE", at_once)
    monkeypatch.setattr("srmm.evaluation.suspects._MOST", kept)
    p = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.2, 0.8], [0.05, 0.95], [0.55, 0.45]])
    y = np.array([0, 0, 1, 1, 0, 0])
    found = Contradicted(OfTable(p, y), 2)  # type: ignore[arg-type]
    assert found.suspect.tolist() == [False, False, False, False, True, False]
    assert found.own.tolist() == [0.9, 0.8, 0.9, 0.8, 0.05, 0.55]
    assert found.said.predicted.tolist() == [0, 0, 1, 1, 1, 0]
