"""What a report needs of a model's probabilities: a few numbers a row, however many classes."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

COVERAGES = (0.8, 0.9, 0.95)
"""What prediction sets are tried at."""
_ROUNDING = 1e-6  # as in `Calibration.sets`


@dataclass(frozen=True)
class Said:
    """What a model said of n rows, without the probability of each class.

    With 10,000 classes the probabilities of 20,000 rows are 1.6 GB; these are 1 MB.
    """

    n_classes: int
    predicted: np.ndarray
    """Class indices (n,)."""
    confidence: np.ndarray
    """Probability of the predicted class (n,)."""
    positive: np.ndarray
    """Probability of the second class (n,), what AUROC ranks by where there are two."""
    own: np.ndarray
    """Probability of the row's class (n,); NaN where it is −1, which is none of the model's."""
    sizes: np.ndarray
    """Classes (n, 3) in the prediction set of each of `COVERAGES`; (n, 0) without calibration."""
    hits: np.ndarray
    """Whether the row's class is in that set: boolean like `sizes`."""

    def __len__(self) -> int:
        return len(self.predicted)

    def __getitem__(self, rows: Any) -> Said:
        return Said(self.n_classes, *(column[rows] for column in self._columns()))

    def _columns(self) -> list[np.ndarray]:
        return [getattr(self, one.name) for one in fields(self)[1:]]

    def where(self, here: np.ndarray, other: Said) -> Said:
        """The rows (n,) of this where `here` is True, those of `other` elsewhere."""
        pairs = zip(self._columns(), other._columns(), strict=True)
        chosen = (np.where(here if a.ndim == 1 else here[:, None], a, b) for a, b in pairs)
        return Said(self.n_classes, *chosen)

    def put(self, rows: np.ndarray, other: Said) -> None:
        """Write `other` over these rows."""
        for column, new in zip(self._columns(), other._columns(), strict=True):
            column[rows] = new

    def empty(self, n: int) -> Said:
        """As many rows as asked for, nothing said yet."""
        like = (np.empty((n, *column.shape[1:]), column.dtype) for column in self._columns())
        return Said(self.n_classes, *like)


def said(y: np.ndarray, outputs: Said | np.ndarray) -> Said:
    """Probabilities (n, C) of rows of classes `y` (n,) in short; what is so already, as it is."""
    return outputs if isinstance(outputs, Said) else in_short(outputs, y)


def in_short(
    probabilities: np.ndarray,
    y: np.ndarray | None = None,
    present: np.ndarray | None = None,
    calibration: Any = None,
) -> Said:
    """Probabilities (n, C) of rows of classes `y` (n,), by default unknown, in short.

    With `calibration`, also the prediction sets of rows with these items `present` (n, M).
    """
    n, n_classes = probabilities.shape
    y, each = np.full(n, -1) if y is None else y, np.arange(n)
    predicted = probabilities.argmax(axis=1)
    confidence = probabilities[each, predicted]
    positive = probabilities[:, 1] if n_classes > 1 else np.zeros(n)
    own = np.where(y >= 0, probabilities[each, y], np.nan)
    sizes, hits = np.zeros((n, 0), np.int32), np.zeros((n, 0), bool)
    if calibration is not None:
        assert present is not None
        sizes, hits = np.empty((n, len(COVERAGES)), np.int32), np.empty((n, len(COVERAGES)), bool)
        against = 1 - probabilities
        for k, coverage in enumerate(COVERAGES):
            most = calibration.limits(present, coverage) + _ROUNDING
            # The most probable class is in the set in any case.
            forced = 1 - confidence > most
            sizes[:, k] = np.count_nonzero(against <= most[:, None], axis=1) + forced
            hits[:, k] = (y >= 0) & ((1 - own <= most) | (predicted == y))
    return Said(n_classes, predicted, confidence, positive, own, sizes, hits)
