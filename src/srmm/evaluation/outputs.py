"""Outputs that were computed once: what patterns, trust and shares all ask for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from srmm.evaluation.said import Said, in_short
from srmm.fusion import pattern_codes
from srmm.learning.base import Scorer
from srmm.learning.probabilities import rows_at_once

_MOST = 25_000_000  # probabilities kept (0.2 GB)


class Remembered:
    """A scorer that keeps what another gave, by row and presence pattern.

    A method without late fusion then runs once per pattern, however many parts of a report ask.
    What was said is kept in short (`Said`); all probabilities only where they are few enough.

    Parameters
    ----------
    scorer : callable (rows, present) → probabilities (len(rows), C)
    n_rows : int
    y : array of shape (n_rows,), optional
        The rows' classes, −1 for one that the model does not know.
    n_classes : int, optional
        How many probabilities a row has; with it, many rows are asked for in blocks.
    calibration : Calibration, optional
        What prediction sets are made with.
    sees : bool array of shape (M,), optional
        The modalities that make a difference to the scorer; by default all.
    """

    def __init__(
        self,
        scorer: Scorer,
        n_rows: int,
        y: np.ndarray | None = None,
        *,
        n_classes: int | None = None,
        calibration: Any = None,
        sees: np.ndarray | None = None,
    ) -> None:
        self.scorer, self.n_rows = scorer, n_rows
        self.y, self.calibration, self.sees = y, calibration, sees
        self._step = max(1, n_rows) if n_classes is None else rows_at_once(n_classes)
        self._said: dict[int, tuple[np.ndarray, Said]] = {}
        self._kept: dict[int, np.ndarray] = {}

    def __call__(self, rows: np.ndarray, present: np.ndarray) -> np.ndarray:
        """Probabilities (len(rows), n_classes), as of the other."""
        found: np.ndarray | None = None
        for code, mine, present_here in self._by_pattern(present):
            here = rows[mine]
            self._ask(code, here, present_here)
            kept = self._kept.get(code)
            part = self.scorer(here, present_here) if kept is None else kept[here]
            if found is None:
                found = np.empty((len(rows), part.shape[1]))
            found[mine] = part
        return self.scorer(rows, present) if found is None else found

    def ahead(self, there: np.ndarray, masks: Iterable[np.ndarray]) -> None:
        """Ask for all rows as they are (n_rows, M), and with just each mask (M,) if they have it.

        Block by block: a method with late fusion then runs once for all patterns of a block.
        """
        masks = list(masks)
        for start in range(0, self.n_rows, self._step):
            rows = np.arange(start, min(start + self._step, self.n_rows))
            self.said(rows, there[rows])
            for mask in masks:
                mine = rows[there[rows][:, mask].all(axis=1)]
                if len(mine):
                    self.said(mine, mask)

    def said(self, rows: np.ndarray, present: np.ndarray) -> Said:
        """The same in short; `present` may be one mask (M,) for all rows."""
        present = np.broadcast_to(present, (len(rows), present.shape[-1]))
        found: Said | None = None
        for code, mine, present_here in self._by_pattern(present):
            self._ask(code, rows[mine], present_here)
            part = self._said[code][1][rows[mine]]
            found = part.empty(len(rows)) if found is None else found
            found.put(mine, part)
        if found is None:
            return in_short(np.zeros((0, 1)), calibration=self.calibration, present=present)
        return found

    def _by_pattern(self, present: np.ndarray) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        present = present if self.sees is None else present & self.sees
        codes = pattern_codes(present)
        for code in np.unique(codes).tolist():
            mine = np.flatnonzero(codes == code)
            yield code, mine, present[mine]

    def _ask(self, code: int, rows: np.ndarray, present: np.ndarray) -> None:
        """Have what the scorer gives these rows, all of one pattern."""
        known = self._said[code][0] if code in self._said else np.zeros(self.n_rows, dtype=bool)
        new = ~known[rows]
        if not new.any():
            return
        fresh, first = np.unique(rows[new], return_index=True)
        shown = present[new][first]
        for start in range(0, len(fresh), self._step):
            some = slice(start, start + self._step)
            self._keep(code, known, fresh[some], shown[some])

    def _keep(self, code: int, known: np.ndarray, rows: np.ndarray, shown: np.ndarray) -> None:
        outputs = self.scorer(rows, shown)
        own = None if self.y is None else self.y[rows]
        part = in_short(outputs, own, shown, self.calibration)
        if code not in self._said:
            self._said[code] = known, part.empty(self.n_rows)
            size = self.n_rows * outputs.shape[1]
            if (len(self._kept) + 1) * size <= _MOST:
                self._kept[code] = np.empty((self.n_rows, outputs.shape[1]))
        self._said[code][1].put(rows, part)
        known[rows] = True
        if code in self._kept:
            self._kept[code][rows] = outputs


def remembering(scorer: Scorer, n_rows: int, y: np.ndarray, calibration: Any = None) -> Remembered:
    """The scorer, if it remembers (sets too, given a calibration); else one that does."""
    if isinstance(scorer, Remembered) and (
        calibration is None or calibration is scorer.calibration
    ):
        return scorer
    return Remembered(scorer, n_rows, y, calibration=calibration)
