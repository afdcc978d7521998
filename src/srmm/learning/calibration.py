"""Prediction sets that hold the true class as often as promised, for every presence pattern.

Split conformal prediction (Vovk et al., Algorithmic Learning in a Random World, 2005), a group per
presence pattern: an instance's score is one minus the probability of its true class, and a class
is in the set if its own score is among the lowest of those that held-out instances had.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from srmm.data.checks import array, whole
from srmm.data.modality import pattern_mask, usable_patterns
from srmm.errors import InputError
from srmm.fusion import pattern_codes
from srmm.learning.state import Arrays, part

_MOST = 2_000  # scores kept per pattern: coverage is then within a point of the promise
_ENOUGH = 200  # instances of just this pattern, to be judged by these alone
_SLACK = 1e-3  # by which a stored score may lie outside of 0 to 1
_ROUNDING = 1e-6  # scores are kept as float32
_NAME = "calibration"

Output = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(rows, present (len(rows), M)) → probabilities (len(rows), C) of instances not learnt from."""


@dataclass(frozen=True)
class Calibration:
    """Scores of held-out instances by presence pattern: what prediction sets are made with."""

    scores: Mapping[int, np.ndarray]
    """Code of the pattern (its bits are the modalities) → scores, ascending."""

    @classmethod
    def fit(cls, output: Output, y: np.ndarray, present: np.ndarray) -> Calibration:
        """From outputs of instances of classes `y` (n,) with items `present` (n, M).

        A pattern's scores are of instances that are just so, or, where these are few, of all that
        have it, with their other items hidden.
        """
        order = np.random.default_rng(0).permutation(len(y))  # a table may be sorted by class
        scores = {}
        for code in _codes(present):
            mask = (code >> np.arange(present.shape[1]) & 1).astype(bool)
            rows = order[(present[order] == mask).all(axis=1)]
            if len(rows) < _ENOUGH:
                rows = order[present[order][:, mask].all(axis=1)]
            rows = rows[:_MOST]
            if len(rows):
                found = output(rows, np.tile(mask, (len(rows), 1)))
                own = found[np.arange(len(rows)), y[rows]]
                scores[code] = np.sort(1 - own).astype(np.float32)
        return cls(scores)

    def limits(self, present: np.ndarray, coverage: float) -> np.ndarray:
        """The highest score (n,) of a class in the set; infinite where too few were held out.

        A pattern without scores takes those of the largest pattern within it.
        """
        codes, inverse = np.unique(pattern_codes(present), return_inverse=True)
        return np.array([self._limit(int(code), coverage) for code in codes])[inverse]

    def sets(self, probabilities: np.ndarray, present: np.ndarray, coverage: float) -> np.ndarray:
        """Boolean (n, C): the classes in each set, the most probable one always."""
        limits = self.limits(present, coverage)
        inside = 1 - probabilities <= limits[:, None] + _ROUNDING
        inside[np.arange(len(inside)), probabilities.argmax(axis=1)] = True
        return inside

    def _limit(self, code: int, coverage: float) -> float:
        within = [known for known in self.scores if known and known & code == known]
        if not within:
            return math.inf
        scores = self.scores[max(within, key=lambda known: (known.bit_count(), -known))]
        place = math.ceil((len(scores) + 1) * coverage - 1e-9)
        return float(scores[place - 1]) if place <= len(scores) else math.inf


def calibration_arrays(model: Any) -> dict[str, np.ndarray]:
    """The arrays by which a saved model keeps its calibration; none if it has none."""
    calibration = getattr(model, "calibration_", None)
    scores = {} if calibration is None else calibration.scores
    return {f"{_NAME}.{code}": values for code, values in scores.items()}


def calibration_from(arrays: Arrays, n_modalities: int) -> Calibration | None:
    """What `calibration_arrays` gave; None for a model without."""
    scores = {}
    for code, found in part(_NAME, arrays).items():
        name = f"{_NAME}.{code}"
        known = whole(f"the pattern of {name}", int(code), 1, 2**n_modalities - 1)
        scores[known] = array(name, found, (None,), "float32", low=-_SLACK, high=1 + _SLACK)
        if not len(found) or (found[:-1] > found[1:]).any():
            raise InputError(f"{name} is expected to hold scores, ascending.")
    return Calibration(scores) if scores else None


def _codes(present: np.ndarray) -> list[int]:
    """The patterns to calibrate: the usable ones, and others that many instances have."""
    names = [str(m) for m in range(present.shape[1])]
    usable = np.array([pattern_mask(pattern, names) for pattern in usable_patterns(names)])
    seen, counts = np.unique(pattern_codes(present), return_counts=True)
    usual = seen[counts >= _ENOUGH]
    return sorted({int(code) for code in (*pattern_codes(usable), *usual) if code})
