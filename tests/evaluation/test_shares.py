"""Intervals of shares hold as often as they say, near 1 and of few rows, too."""

from __future__ import annotations

import numpy as np
import pytest

from srmm.evaluation.metrics import scores_with_intervals
from srmm.evaluation.paired import paired_difference
from srmm.evaluation.shares import weighted_interval, wilson


@pytest.mark.parametrize("weights", [(1.0, 0.0), (0.3, 0.7), (1, -1)])
@pytest.mark.parametrize(("n", "first", "second"), [(20, 0.97, 0.9), (100, 0.99, 0.97)])
def test_nineteen_of_twenty_intervals_hold_the_truth(n, first, second, weights):
    rng = np.random.default_rng(0)
    truth, held = weights[0] * first + weights[1] * second, 0
    for _ in range(400):
        luck = rng.random(n)  # the same rows are hard for both
        low, high = weighted_interval(luck < first, luck < second, weights)
        held += low <= truth <= high
    assert held / 400 > 0.91


def test_the_ends_of_a_mixture_are_wilsons():
    rng = np.random.default_rng(1)
    with_it, without = rng.random(40) < 0.9, rng.random(40) < 0.6
    found = weighted_interval(with_it, without, (1.0, 0.0))
    assert found == pytest.approx(wilson(int(with_it.sum()), 40)[1])
    found = weighted_interval(with_it, without, (0.0, 1.0))
    assert found == pytest.approx(wilson(int(without.sum()), 40)[1])


def test_newcombes_paired_interval_is_his():
    """Newcombe 1998, Statistics in Medicine 17, 2635: 36 rows both right, 12 and 2 only one."""
    ours, theirs = np.arange(50) < 48, np.arange(50) < 36
    theirs[48:] = True
    found = paired_difference(ours, theirs)["difference_ci"]
    assert found == pytest.approx([0.0569, 0.3404], abs=1e-4)
    low, high = paired_difference(theirs, ours)["difference_ci"]
    assert [-high, -low] == pytest.approx(found)


def test_five_right_answers_do_not_promise_a_hundred_percent():
    y = np.zeros(5, dtype=int)
    found = scores_with_intervals(y, np.eye(2)[y])
    low, high = found["accuracy_ci"]
    assert low == pytest.approx(0.5655, abs=1e-4)
    assert high == pytest.approx(1)
    assert found["macro_f1_ci"] is None  # a bootstrap has no mistake to draw


def test_means_that_differ_alike_in_every_row_have_no_interval():
    found = paired_difference(np.full(4, 0.75), np.full(4, 0.25))
    assert found == {"difference": 0.5, "difference_ci": None}
