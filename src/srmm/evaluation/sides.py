"""The two sides of a watch: what is kept of new rows, and what is known of training."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from srmm.data.embeddings import Embeddings, taken
from srmm.data.modality import ABSENT
from srmm.encoding.summary import EncodingSummary
from srmm.evaluation.answers import Answers, Judged


@dataclass
class Sample:
    """Items of one modality, drawn so that each that passed had the same chance."""

    size: int
    keys: np.ndarray = field(default_factory=lambda: np.empty(0))
    rows: list[int] = field(default_factory=list)
    ids: list[Any] = field(default_factory=list)
    raw: list[Any] = field(default_factory=list)
    vectors: np.ndarray | None = None

    def add(
        self, keys: np.ndarray, rows: list[int], ids: list[Any], raw: list[Any], vectors: np.ndarray
    ) -> None:
        """Keep the items of the lowest keys, of these (n,) and those before."""
        keys = np.concatenate([self.keys, keys])
        both = vectors if self.vectors is None else np.concatenate([self.vectors, vectors])
        kept = np.sort(np.argsort(keys, kind="stable")[: self.size])
        self.keys, self.vectors = keys[kept], both[kept]
        for name, more in (("rows", rows), ("ids", ids), ("raw", raw)):
            joined = [*getattr(self, name), *more]
            setattr(self, name, [joined[place] for place in kept.tolist()])


@dataclass
class NewRows:
    """What was kept of the rows."""

    modalities: tuple[str, ...]
    n: int = 0
    present: dict[str, int] = field(default_factory=dict)
    patterns: Counter[int] = field(default_factory=Counter)
    samples: dict[str, Sample] = field(default_factory=dict)
    answers: Answers | None = None
    labelled: int = 0
    """Rows with a label, an item, and that were not trained on."""
    hits: int = 0
    unknown_labels: Counter[str] = field(default_factory=Counter)
    repeated: int = 0
    """Rows equal to an earlier one."""
    trained_on: int = 0
    """Rows that the model was trained on."""
    folder: Path | None = None
    """Where the paths of raw items start."""
    summary: EncodingSummary | None = None
    notes: tuple[str, ...] = ()


@dataclass
class Reference:
    """The training side of a comparison; what is None is not known, and `reasons` say why."""

    modalities: tuple[str, ...]
    n: int
    """Rows whose presence is known."""
    present: dict[str, int]
    patterns: dict[int, int] | None
    source: str
    """Where presence is known from: "store" or "model"."""
    items: Embeddings | None = None
    judged: Judged | None = None
    answers: Answers | None = None
    hits: int = 0
    """How many of the judged rows the model is right on, as they are."""
    judged_by: str | None = None
    reasons: list[str] = field(default_factory=list)
    nothing: int | None = None
    """Rows without any item beside these `n`, which training leaves out; None: nobody knows."""

    def vectors(self, name: str, size: int, seed: int = 0) -> np.ndarray | None:
        """At most `size` training items (n, d) of a modality; None if they are not known.

        Drawn before they are read: a store may be larger than memory.
        """
        if self.items is None:
            return None
        position = self.items.position[:, self.items.modalities.index(name)]
        places = position[position != ABSENT]
        if len(places) > size:
            places = np.sort(np.random.default_rng([seed, 16]).permutation(places)[:size])
        return np.asarray(taken(self.items.values[name], places))
