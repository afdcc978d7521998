"""New rows against those of training: intervals, tests and alarms against what is known of them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2_contingency

from srmm.data.embeddings import Embeddings
from srmm.evaluation.answers import (
    Answers,
    Judged,
    answer_tests,
    answers_of,
    expected_accuracy_test,
    mean_difference,
    pattern_accuracies,
)
from srmm.evaluation.domain import domain_test, moments, unlikeness
from srmm.evaluation.drift import (
    count_test,
    is_large,
    judge,
    pattern_tests,
    presence_tests,
    share_difference,
)
from srmm.evaluation.sides import Reference


def test_newcombes_interval_is_that_of_his_paper() -> None:
    """Newcombe 1998, Table II, method 10: 56/70 against 48/80."""
    low, high = share_difference(56, 70, 48, 80)["difference_ci"]
    assert (round(low, 4), round(high, 4)) == (0.0524, 0.3339)


def test_a_side_without_rows_is_not_tested() -> None:
    found = share_difference(0, 0, 3, 10)
    assert found["p"] is None
    assert found["share"] is None
    assert found["share_before"] == 0.3
    assert not found["large"]


def test_a_million_rows_do_not_alarm_for_a_point() -> None:
    tests = presence_tests({"a": 510_000}, 1_000_000, {"a": 500_000}, 1_000_000)
    judge(tests, 0.01)
    assert tests[0]["p_holm"] < 1e-9
    assert not tests[0]["alarm"]


def test_twenty_rows_do_not_alarm_for_chance() -> None:
    tests = presence_tests({"a": 14}, 20, {"a": 900}, 1_000)
    judge(tests, 0.01)
    assert tests[0]["large"]
    assert not tests[0]["alarm"]


def test_near_the_ends_less_is_large() -> None:
    assert is_large(0.95, 0.99)
    assert not is_large(0.46, 0.5)


def test_patterns_beyond_the_most_frequent_are_one() -> None:
    before = {code: 1_000 - code for code in range(1, 16)}
    tests = pattern_tests({1: 50, 16: 5}, before, ["a", "b", "c", "d", "e"])
    assert len(tests) == 13
    assert tests[-1]["present"] is None
    assert tests[-1]["patterns"] == 4
    assert sum(test["count"] for test in tests) == 55


def test_a_pattern_that_training_never_had_is_never() -> None:
    tests = pattern_tests({1: 90, 2: 10}, {1: 900, 3: 100}, ["a", "b"])
    by_present = {tuple(test["present"]): test for test in tests}
    judge(tests, 0.01)
    assert by_present["b",]["never"]
    assert by_present["b",]["alarm"]
    assert not by_present["a",]["never"]


def test_draws_of_counts_agree_with_chi_squared() -> None:
    now, before = np.array([30, 50, 20]), np.array([350, 450, 200])
    p = count_test(now, before)
    assert p == pytest.approx(chi2_contingency([now, before]).pvalue, abs=0.02)
    assert count_test(np.array([0, 0]), before[:2]) is None


def test_scores_look_only_at_what_they_tell_apart() -> None:
    now, before = np.array([0, 50, 50]), np.array([500, 0, 500])
    assert count_test(now, before) < 0.001
    assert count_test(now, before, np.array([0.8, 0.8, 0.9])) == 1.0


def test_holm_counts_only_what_was_tested() -> None:
    tests = [{"p": 0.004, "large": True}, {"p": None}, {"p": 0.03, "large": True}]
    assert judge(tests, 0.01) == 2
    assert [test["alarm"] for test in tests] == [True, False, False]
    assert tests[0]["p_holm"] == 0.008


def test_the_same_items_are_not_told_apart() -> None:
    """Equal ones of both sides are left out together, or the AUC would fall below a half."""
    x = np.random.default_rng(0).normal(size=(200, 20)).astype(np.float32)
    found = domain_test(x, x)
    assert 0.35 < found["auc"] < 0.65
    assert found["p"] > 0.05


def test_a_spread_that_changed_is_seen_too() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(600, 60)).astype(np.float32)
    found = domain_test(1.4 * x[:200], x[200:])
    assert found["auc"] > 0.9
    assert found["auc_ci"][0] < found["auc"] <= found["auc_ci"][1]
    assert found["p"] < 1e-9


def test_an_item_in_many_rows_is_not_recognised() -> None:
    rng = np.random.default_rng(2)
    known, new = (rng.normal(size=(n, 8)).astype(np.float32) for n in (400, 100))
    assert domain_test(np.repeat(new, 2, axis=0), known)["n"] == 100


def test_repeated_items_are_left_out_of_both_sides_or_of_none() -> None:
    """Of flags that are mostly 0, about half of the rows are different ones."""
    rng = np.random.default_rng(0)
    alarms = 0
    for trial in range(20):
        flags = (rng.random((600, 30)) < 0.05).astype(float)
        found = domain_test(flags[:300], flags[300:], seed=trial)
        alarms += found["p"] < 0.01 and found["large"]
    assert alarms == 0
    few = rng.integers(2, size=(100, 8)).astype(np.float32)[:, :2]  # categories are no repetition
    assert domain_test(few, few)["n"] == 100


def test_few_items_are_not_tested() -> None:
    x = np.zeros((9, 3), dtype=np.float32)
    found = domain_test(x, np.random.default_rng(0).normal(size=(50, 3)))
    assert found["p"] is None
    assert "too few" in found["reason"]


def test_items_that_never_vary() -> None:
    found = domain_test(np.zeros((30, 3), dtype=np.float32), np.zeros((30, 3), dtype=np.float32))
    assert found["auc"] == 0.5
    assert not found["large"]


def test_far_items_are_strange_and_copies_are_not() -> None:
    rng = np.random.default_rng(3)
    known = rng.normal(size=(500, 10))
    far = unlikeness(np.stack([known[0], known[0] + 8, rng.normal(size=10)]), known)
    assert far[0] == pytest.approx(0, abs=1e-6)
    assert far[1] > 3
    assert far[2] < 1.5


def test_moments_of_new_items() -> None:
    rng = np.random.default_rng(4)
    found = moments(rng.normal(2, 3, size=(400, 5)), np.full(5, 2.0), np.full(5, 3.0))
    assert found["mean_shift"] < 3 * found["mean_shift_by_chance"]
    assert found["spread"] == pytest.approx(1, abs=0.1)
    assert moments(np.zeros((3, 2)), np.zeros(2), np.zeros(2))["mean_shift"] is None


def test_training_items_kept_in_half_precision_are_read_as_single() -> None:
    values = np.full((50, 3), 300, dtype=np.float16)  # whose squares it does not have
    items = Embeddings({"a": values}, np.arange(50)[:, None])
    before = Reference(("a",), 50, {"a": 50}, None, "store", items)
    for size in (10, 100):
        assert np.isfinite(before.vectors("a", size) ** 2).all()


def one_hot(classes: list[int], sure: float = 0.9) -> np.ndarray:
    found = np.full((len(classes), 3), (1 - sure) / 2)
    found[np.arange(len(classes)), classes] = sure
    return found


def scorer(rows: np.ndarray, present: np.ndarray) -> np.ndarray:
    """With the first modality class 0, with the second alone class 1."""
    return one_hot([0 if first else 1 for first in present[:, 0].tolist()])


def test_answers_say_where_modalities_disagree() -> None:
    present = np.array([[True, True], [True, False], [False, False], [False, True]])
    found = answers_of(scorer, present)
    assert found.predicted.tolist() == [0, 0, 1]
    assert found.agree[0] == 0
    assert np.isnan(found.agree[1:]).all()
    assert found.confidence.tolist() == pytest.approx([0.9] * 3)
    assert len(answers_of(scorer, np.zeros((2, 2), dtype=bool)).predicted) == 0


def test_the_accuracy_of_a_mix_is_the_mix_of_accuracies() -> None:
    y = np.array([0] * 80 + [1] * 20)
    judged = Judged(scorer, np.ones((100, 2), dtype=bool), y, np.array([0.1, 0.2, 0.7]))
    known = pattern_accuracies(judged, {3: 1, 1: 1, 2: 1, 0: 1})
    assert {code: found["hits"] for code, found in known.items()} == {3: 80, 1: 80, 2: 20, 0: 0}
    assert [known[code]["hidden"] for code in (3, 1)] == [False, True]
    found = expected_accuracy_test({2: 50, 3: 50}, {3: 1_000}, known)
    assert found["expected"] == pytest.approx(0.5)
    assert found["before"] == pytest.approx(0.8)
    assert found["p"] < 0.001
    assert found["large"]
    low, high = found["difference_ci"]
    assert low < -0.3 < high


@pytest.mark.parametrize("hits", [0, 50])
def test_an_interval_holds_its_figure_where_all_or_none_are_right(hits: int) -> None:
    known = {1: {"n": 50, "hits": hits, "hidden": False}}
    found = expected_accuracy_test({1: 60}, {1: 100}, known)
    for figure in ("expected", "before", "difference"):
        low, high = found[f"{figure}_ci"]
        assert low <= found[figure] <= high


def test_patterns_without_a_figure_are_said() -> None:
    known = {1: {"n": 50, "hits": 40, "hidden": False}}
    found = expected_accuracy_test({1: 60, 2: 40}, {1: 100}, known)
    assert found["without"] == pytest.approx(0.4)
    assert found["expected"] == pytest.approx(0.8)
    assert expected_accuracy_test({2: 40}, {1: 100}, known)["expected"] is None


def test_answers_beside_held_out_ones() -> None:
    rng = np.random.default_rng(5)

    def answers(n: int, sure: float) -> Answers:
        return Answers(
            rng.integers(3, size=n), np.clip(rng.normal(sure, 0.05, n), 0, 1), rng.random(n), None,
            (rng.random(n) < sure).astype(float),
        )  # fmt: skip

    found = answer_tests(answers(300, 0.7), answers(300, 0.9), ["a", "b", "c"])
    assert found["confidence"]["p"] < 1e-6
    assert found["confidence"]["large"]
    assert found["agreement"]["difference"] == pytest.approx(-0.2, abs=0.08)
    assert not found["classes"]["large"]
    assert found["set_size"] is None


def test_one_row_has_a_mean_and_no_interval() -> None:
    found = mean_difference(np.array([0.5]), np.array([0.1, 0.3]))
    assert found["difference"] == pytest.approx(0.3)
    assert found["difference_ci"] is None
