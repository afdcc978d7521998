"""Outputs that were computed once: what patterns, trust and shares all ask for."""

from __future__ import annotations

import numpy as np

from srmm.fusion import pattern_codes
from srmm.learning.base import Scorer

_MOST = 100_000_000  # numbers kept (0.8 GB)


class Remembered:
    """A scorer that keeps what another gave, by row and presence pattern.

    A method without late fusion then runs once per pattern, however many parts of a report ask.
    """

    def __init__(self, scorer: Scorer, n_rows: int) -> None:
        self.scorer = scorer
        self.n_rows = n_rows
        self._kept: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def __call__(self, rows: np.ndarray, present: np.ndarray) -> np.ndarray:
        """Probabilities (len(rows), n_classes), as of the other."""
        codes = pattern_codes(present)
        found: np.ndarray | None = None
        for code in np.unique(codes):
            mine = codes == code
            part = self._of(int(code), rows[mine], present[mine])
            if found is None:
                found = np.empty((len(rows), part.shape[1]))
            found[mine] = part
        return self.scorer(rows, present) if found is None else found

    def _of(self, code: int, rows: np.ndarray, present: np.ndarray) -> np.ndarray:
        known, values = self._kept.get(code, (np.zeros(self.n_rows, dtype=bool), None))
        new = ~known[rows]
        if new.any():
            fresh, first = np.unique(rows[new], return_index=True)
            outputs = self.scorer(fresh, present[new][first])
            if values is None:
                values = np.empty((self.n_rows, outputs.shape[1]))
                if (len(self._kept) + 1) * values.size > _MOST:
                    self._kept.clear()
            values[fresh] = outputs
            known[fresh] = True
            self._kept[code] = known, values
        assert values is not None
        return values[rows]
