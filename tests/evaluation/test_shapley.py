from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from srmm.errors import InputError
from srmm.evaluation.outputs import Remembered
from srmm.evaluation.shapley import shapley_shares
from srmm.fusion import pattern_codes

RNG = np.random.default_rng(0)
TABLE = RNG.dirichlet([1, 1, 1], size=(8, 6))  # code of a pattern, row: probabilities
PRIOR = np.array([0.5, 0.3, 0.2])


def scorer(rows: np.ndarray, present: np.ndarray) -> np.ndarray:
    return TABLE[pattern_codes(present), rows]


def test_shares_are_the_mean_over_all_orders_of_those_who_are_there() -> None:
    present = np.array([[1, 1, 1], [1, 0, 1], [0, 1, 0], [1, 1, 0], [1, 1, 1], [0, 1, 1]], bool)
    found = shapley_shares(scorer, np.arange(6), present, PRIOR)
    for row in range(6):
        players = np.flatnonzero(present[row])
        c = scorer(np.array([row]), present[row][None])[0].argmax()
        expected = np.zeros(3)
        orders = list(permutations(players))
        for order in orders:
            shown, before = np.zeros(3, bool), PRIOR[c]
            for m in order:
                shown[m] = True
                after = scorer(np.array([row]), shown[None])[0, c]
                expected[m] += (after - before) / len(orders)
                before = after
        assert found.classes[row] == c
        np.testing.assert_allclose(found.shares[row, players], expected[players])
        assert np.isnan(found.shares[row, ~present[row]]).all()
    total = found.prior + np.nansum(found.shares, axis=1)
    np.testing.assert_allclose(total, found.probability)


def test_what_does_nothing_has_no_share() -> None:
    def deaf(rows: np.ndarray, present: np.ndarray) -> np.ndarray:
        return np.where(present[:, :1], [[0.9, 0.1]], [[0.5, 0.5]])

    found = shapley_shares(deaf, np.arange(2), np.ones((2, 2), bool), np.array([0.5, 0.5]))
    np.testing.assert_allclose(found.shares, [[0.4, 0.0]] * 2)


def test_many_modalities_are_refused() -> None:
    with pytest.raises(InputError, match="9 modalities have 512"):
        shapley_shares(scorer, np.arange(1), np.ones((1, 9), bool), PRIOR)


def test_outputs_are_computed_once_for_each_row_and_pattern() -> None:
    asked: list[int] = []

    def counting(rows: np.ndarray, present: np.ndarray) -> np.ndarray:
        asked.append(len(rows))
        return scorer(rows, present)

    remembered = Remembered(counting, 6)
    present = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1], [1, 0, 1]], bool)
    rows = np.array([0, 1, 2, 3])
    first = remembered(rows, present)
    np.testing.assert_array_equal(first, scorer(rows, present))
    np.testing.assert_array_equal(remembered(rows[::-1], present[::-1]), first[::-1])
    assert sum(asked) == 4
    remembered(np.array([0, 5, 0]), present[[0, 0, 0]])
    assert sum(asked) == 5
