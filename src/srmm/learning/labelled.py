"""Instances to learn from: what is left once labels, items and weights are checked."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from srmm.data.embeddings import Embeddings, concatenate
from srmm.data.labels import as_groups, as_labels, check_label_types, known_labels
from srmm.data.split import held_out_split, repeated
from srmm.errors import InputError, first_few, shown
from srmm.fusion import MOST_MODALITIES
from srmm.learning.weighing import sample_weights


class Labelled(NamedTuple):
    """Instances to learn from, none of them empty."""

    embeddings: Embeddings
    y: np.ndarray
    """Class indices (n,)."""
    weight: np.ndarray
    """Sample times class weights (n,), of mean 1 over the training instances."""
    groups: np.ndarray | None = None
    """Who belongs together (n,), where that is known: none of a group judges the others."""

    def joined(self, other: Labelled) -> Labelled:
        """These instances and the `other` ones."""
        return Labelled(
            concatenate(self.embeddings, other.embeddings),
            np.concatenate([self.y, other.y]),
            np.concatenate([self.weight, other.weight]),
            _joined_groups(self, other),
        )

    def of(
        self, classes: np.ndarray, train: Labelled
    ) -> tuple[Embeddings, np.ndarray, np.ndarray] | None:
        """These instances as `validation` of another classifier, which learns from `train`.

        Those with one of its modalities and of one of its classes; None if there are none, so that
        it holds some out itself.
        """
        seen = self.embeddings.select(train.embeddings.modalities)
        known = train.y[train.embeddings.present.any(axis=1) & (train.weight > 0)]
        rows = np.asarray(seen.present.any(axis=1)) & np.isin(self.y, known)
        return (seen[rows], classes[self.y[rows]], self.weight[rows]) if rows.any() else None


def parts_of(validation: Any) -> tuple[Any, Any, Any]:
    """X, y and sample_weight, the latter two None if not there, of what is given as `validation`.

    Raises `InputError` for a tuple of other parts, and for a share of the training instances.
    """
    parts = validation if isinstance(validation, tuple) else (validation,)
    if not 1 <= len(parts) <= 3 or np.isscalar(validation):
        found = f"a tuple of {len(parts)}" if parts is validation else shown(validation)[:80]
        raise InputError(
            "validation must be Embeddings, (X, y) or (X, y, sample_weight), got "
            f"{found}. The share to hold out is validation_fraction."
        )
    X, y, sample_weight = (*parts, None, None)[:3]
    return X, y, sample_weight


def with_items(embeddings: Embeddings) -> Embeddings:
    """The modalities that some training instance has; a warning names the others.

    Raises `InputError` if there are more than have a code for each presence pattern.
    What is left out here is left out of later data by `without_left_out`.
    """
    there = np.asarray(embeddings.present.any(axis=0))
    if there.sum() > MOST_MODALITIES:
        raise InputError(
            f"There are {there.sum()} modalities, expected {MOST_MODALITIES} at most. Put some of "
            "them together: numbers that are there or absent at once are one modality."
        )
    if there.all():
        return embeddings
    kept = [name for name, some in zip(embeddings.modalities, there, strict=True) if some]
    gone = [name for name in embeddings.modalities if name not in kept]
    warnings.warn(
        f"No labelled training instance has {', '.join(map(repr, gone))}: left out of the model, "
        "in prediction, too.",
        stacklevel=3,
    )
    return embeddings.select(kept)


def without_left_out(embeddings: Embeddings, left_out: Sequence[str]) -> Embeddings:
    """Without the modalities that no training instance had; a warning names them, if one has."""
    gone = [name for name in embeddings.modalities if name in left_out]
    if not gone:
        return embeddings
    if any(embeddings.present[:, embeddings.modalities.index(name)].any() for name in gone):
        warnings.warn(
            f"No training instance had {', '.join(map(repr, gone))}: left out here, too.",
            stacklevel=4,
        )
    return embeddings.select([name for name in embeddings.modalities if name not in gone])


def labelled(
    embeddings: Embeddings,
    y: Any,
    sample_weight: Any,
    groups: Any = None,
    *,
    weightless: bool = False,
    aim: str = "learn from",
) -> tuple[Embeddings, np.ndarray, np.ndarray, np.ndarray | None]:
    """The instances that have a label and an item, their labels, weights and groups.

    Those of weight 0 only if `weightless`. `aim` is what an `InputError` says they are there to do.
    """
    if y is None:
        y = embeddings.labels
        if y is None:
            raise InputError("There are no labels: pass y, or embeddings that have labels.")
        known = known_labels(y)
    else:
        y = as_labels("y", y)
        assert y is not None
        if len(y) != len(embeddings):
            raise InputError(f"y has {len(y)} labels for {len(embeddings)} instances.")
        known = known_labels(y)
        if not known.all():
            warnings.warn(
                f"{(~known).sum()} of {len(y)} labels in y are unknown (None, NaN or masked): "
                "these instances are left out.",
                stacklevel=4,
            )
    if not len(y):
        raise InputError(f"There is no instance to {aim}: X has 0 rows.")
    weight = sample_weights(sample_weight, len(y))
    kept = known & embeddings.present.any(axis=1)
    counts = kept & (weight > 0)
    if not counts.any():
        raise InputError("No instance has a label, at least one item and a weight above 0.")
    labels = check_label_types(y[kept if weightless else counts])
    if weightless and kept.sum() < known.sum():
        _say_lost(y[known], y[kept])
    kept = kept if weightless else counts
    groups = as_groups(groups, len(y)) if groups is not None else embeddings.groups
    return embeddings[kept], labels, weight[kept], None if groups is None else groups[kept]


def checked_labels(y: np.ndarray, sample_weight: Any) -> tuple[np.ndarray, np.ndarray | None]:
    """Known labels and what is given as their weights, None if nothing, as `labelled` has them."""
    weight = None if sample_weight is None else sample_weights(sample_weight, len(y))
    return check_label_types(y), weight


def _say_lost(labels: np.ndarray, kept: np.ndarray) -> None:
    """Warn of classes that go with the instances that have no item."""
    there = set(kept.tolist())
    lost = [label for label in dict.fromkeys(labels.tolist()) if label not in there]
    if lost:
        warnings.warn(
            f"No instance of {first_few(map(shown, lost), 5, 'more classes')} has an item: the "
            "model does not know that class.",
            stacklevel=5,
        )


def held_out(data: Labelled, share: float, seed: int) -> tuple[Labelled, Labelled]:
    """(kept, held out): `share` of the instances; a warning says where groups allow for none."""
    alike = repeated(data.embeddings) if share and data.groups is None else None
    rng = np.random.default_rng(seed)
    kept, out = held_out_split(data.y, share, data.groups, rng, alike)
    if share and data.groups is not None and not len(out):
        warnings.warn(
            "No group could be held out, since none would leave another of its classes to learn "
            "from: nothing is chosen or stopped early on instances that were not learnt from. "
            "Groups are what belongs together, such as a speaker; pass validation=, or leave them "
            "out if these say no more than the class.",
            stacklevel=4,
        )
    return rows_of(kept, *data), rows_of(out, *data)


def rows_of(
    rows: np.ndarray,
    embeddings: Embeddings,
    y: np.ndarray,
    weight: np.ndarray,
    groups: np.ndarray | None,
) -> Labelled:
    """Some of the instances, by their numbers or a mask."""
    return Labelled(
        embeddings[rows], y[rows], weight[rows], None if groups is None else groups[rows]
    )


def _joined_groups(first: Labelled, second: Labelled) -> np.ndarray | None:
    """Those of both; an instance of a part without any stands alone."""
    if first.groups is None and second.groups is None:
        return None
    parts = []
    for part in (first, second):
        alone = np.full(len(part.y), None, dtype=object)
        parts.append(alone if part.groups is None else part.groups)
    return np.concatenate(parts)
