"""What the classifiers share whose modalities each give an output of their own (paper III-B)."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from srmm.data.embeddings import Embeddings
from srmm.errors import InputError
from srmm.learning.base import EmbeddingClassifier, Scorer
from srmm.learning.probabilities import check_probabilities, rows_at_once

_KEPT = 50_000_000  # outputs that a scorer keeps (0.2 GB)


class LateFusionClassifier(EmbeddingClassifier):
    """`predict_per_modality` and `fuse`, from which evaluation gets every pattern in one pass.

    A subclass implements `_outputs`, probabilities (n, M, C) with NaN where an item is absent, and
    `_fuse`.
    """

    def predict_per_modality(self, X: Any) -> np.ndarray:
        """What each modality alone says: (n_instances, n_modalities, n_classes) probabilities.

        NaN where the item is absent. Everything else is computed from this one pass.
        """
        return self._outputs(self._matched(X)).astype(np.float64, copy=False)

    def fuse(self, outputs: np.ndarray, present: np.ndarray) -> np.ndarray:
        """Late fusion of `predict_per_modality` outputs under a mask (paper III-B).

        The mask (n_instances, n_modalities) may hide items that `outputs` has, which is how any
        presence pattern is evaluated without another forward pass. Rows with nothing present are
        treated as in `predict_proba`. Raises `InputError` for outputs of another shape, and where
        the mask shows an item that they lack.
        """
        check_is_fitted(self)
        outputs, present = np.asarray(outputs), np.asarray(present, dtype=bool)
        shape = (len(present), len(self.modalities_))
        if present.shape != shape or outputs.shape != (*shape, len(self.classes_)):
            raise InputError(
                f"fuse takes outputs of shape (n, {shape[1]}, {len(self.classes_)}), as "
                f"predict_per_modality gives them, and a mask (n, {shape[1]}); got "
                f"{outputs.shape} and {present.shape}."
            )
        lacking = np.argwhere(present & np.isnan(outputs).any(axis=2))
        if len(lacking):
            row, m = lacking[0].tolist()
            raise InputError(
                f"The mask shows {self.modalities_[m]!r} of row {row}, of which outputs hold NaN: "
                "it was absent. A mask can hide items, and show none that were not there."
            )
        something = self._something(present)
        fused = self._fuse(outputs, present)
        fused[something] = check_probabilities(self, fused[something], np.flatnonzero(something))
        fused[~something] = self.class_prior_
        return fused

    def _probabilities(self, embeddings: Embeddings) -> np.ndarray:
        fused = np.empty((len(embeddings), len(self.classes_)))
        for rows, some in embeddings.in_blocks(rows_at_once(len(self.classes_))):
            fused[rows] = self._fuse(self._outputs(some), some.present)
        return fused

    def _scorer(self, embeddings: Embeddings) -> Scorer:
        there = np.asarray(embeddings.present)
        if there.size * len(self.classes_) > _KEPT:
            return _OfABlock(self, embeddings)
        outputs = self._outputs(embeddings)
        return lambda rows, present: self._fuse(outputs[rows], present & there[rows])

    def _outputs(self, embeddings: Embeddings) -> np.ndarray:
        raise NotImplementedError

    def _fuse(self, outputs: np.ndarray, present: np.ndarray) -> np.ndarray:
        raise NotImplementedError


class _OfABlock:
    """A scorer of too many outputs to keep: it keeps those of the block of rows asked for last.

    Who asks for every pattern of a block (`rows_at_once`) before the next has one pass in all.
    """

    def __init__(self, model: LateFusionClassifier, embeddings: Embeddings) -> None:
        self.model, self.embeddings = model, embeddings
        self.there = np.asarray(embeddings.present)
        self.step = rows_at_once(len(model.classes_))
        self.start, self.outputs = -1, np.zeros(0)

    def __call__(self, rows: np.ndarray, present: np.ndarray) -> np.ndarray:
        start = int(rows[0]) // self.step * self.step if len(rows) else 0
        if not len(rows) or (rows // self.step * self.step != start).any():
            return self.model._probabilities(self.embeddings[rows].mask(present))
        if start != self.start:
            self.outputs = self.model._outputs(self.embeddings[start : start + self.step])
            self.start = start
        return self.model._fuse(self.outputs[rows - start], present & self.there[rows])
