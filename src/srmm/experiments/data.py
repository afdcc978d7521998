"""The data of an experiment: a store, its rows, and one split per seed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from srmm.data.duplicates import held_out_rows, repeated_rows
from srmm.data.embeddings import Embeddings, same_settings
from srmm.data.labels import check_label_types, known_labels
from srmm.data.split import held_out_split
from srmm.data.store import load_embeddings
from srmm.data.table import Table
from srmm.errors import InputError, shown
from srmm.evaluation.missing import draw_missing

TEST_SHARE = 0.25  # where a data set has no split of its own; Food-101's is 75/25 (paper IV-A)
_MOST_MODALITIES = 6  # the outputs of all 2^M − 1 patterns are kept


@dataclass(frozen=True)
class ExperimentData:
    """Labelled instances that have something present, and where they come from.

    Parameters
    ----------
    name : str
        For headings: "openmoji", "fashion-season".
    key : str
        A digest of everything that a result depends on: embeddings, labels, split.
    repeated : object array of shape (n,) or None
        Which instances have the same items, as `srmm.data.duplicates.repeated_rows`.
    """

    name: str
    store: Path
    limit: int | None
    embeddings: Embeddings
    classes: np.ndarray
    y: np.ndarray
    key: str
    repeated: np.ndarray | None = None


class Part(NamedTuple):
    """One split for one seed, as row indices; `validation` is None where none is fixed."""

    train: np.ndarray
    validation: np.ndarray | None
    test: np.ndarray


def open_experiment_data(
    store: str | Path, name: str | None = None, limit: int | None = None
) -> ExperimentData:
    """Open a store for experiments; `limit` takes a fixed stratified subset of so many instances.

    Raises `InputError` as `check_experiment_data`.
    """
    embeddings = load_embeddings(store, check=True)
    embeddings = embeddings[check_experiment_data(embeddings, store, limit)]
    assert embeddings.labels is not None
    classes, y = np.unique(check_label_types(embeddings.labels), return_inverse=True)
    if limit is not None and limit < len(y):
        _, rows = held_out_split(y, limit / len(y), None, np.random.default_rng(0))
        embeddings = embeddings[rows]
        classes, y = np.unique(classes[y[rows]], return_inverse=True)
    digest = hashlib.sha256(np.ascontiguousarray(embeddings.present).tobytes())
    for modality in embeddings.modalities:
        digest.update(embeddings.items(modality)[1].tobytes())
    about = {
        "encoders": {m: same_settings(s) for m, s in sorted(embeddings.encoders.items())},
        "dims": embeddings.embedding_dims,
        "labels": classes[y].tolist(),
        "split": None if embeddings.split is None else embeddings.split.tolist(),
    }
    if embeddings.groups is not None:
        about["groups"] = embeddings.groups.tolist()
    repeated = repeated_rows(embeddings)
    if repeated is not None and embeddings.groups is None and not _is_split(embeddings.split):
        about["repeated"] = repeated.tolist()
    digest.update(json.dumps(about, sort_keys=True, default=str).encode())
    return ExperimentData(
        name or Path(store).name, Path(store), limit, embeddings, classes, y,
        digest.hexdigest()[:16], repeated,
    )  # fmt: skip


def check_experiment_data(
    data: Table | Embeddings, what: object, limit: int | None = None
) -> np.ndarray:
    """Raise `InputError` unless experiments can learn from `data`, encoded or not.

    Returns a boolean array (n,): the rows that have a label and an item.
    """
    names = tuple(np.array(data.modalities)[data.present.any(axis=0)].tolist())
    empty = [name for name in data.modalities if name not in names]
    if not 2 <= len(names) <= _MOST_MODALITIES:
        only = f"the modality {names[0]!r} only" if len(names) == 1 else f"{len(names)} modalities"
        only += f" ({', '.join(map(repr, empty))} in no row)" if empty else ""
        raise InputError(
            f"{what} has {only}; experiments on missing modalities take 2 to {_MOST_MODALITIES}. "
            + ("Name columns of another one." if len(names) == 1 else "Leave some out.")
        )
    if data.labels is None:
        raise InputError(
            f"{what} has no labels: name the column they are in (label=…, --label). A store has "
            "those of the table that it was encoded from."
        )
    known = known_labels(data.labels) & data.present.any(axis=1)
    if not known.any():
        raise InputError(f"No row of {what} has both a label and an item to learn from.")
    classes = np.unique(check_label_types(data.labels[known]))
    if len(classes) < 2:
        raise InputError(
            f"All labelled rows of {what} have the one class {shown(classes[0])}; a classifier "
            "needs at least two."
        )
    if limit is not None and limit < min(2 * len(classes), int(known.sum())):
        raise InputError(
            f"limit is {limit}: a subset of {what}, which has {len(classes)} classes, needs at "
            f"least {2 * len(classes)} instances (--limit)."
        )
    return known


def split_for(data: ExperimentData, seed: int) -> Part:
    """The data set's own split where it has one, else a stratified 75/25 one, groups whole.

    Where there are no groups, instances with the same items are on one side. Raises `InputError` if
    none can be held out.
    """
    split = data.embeddings.split
    if split is not None and has_own_split(data):
        validation = np.flatnonzero(split == "validation")
        return Part(
            np.flatnonzero(split == "train"),
            validation if len(validation) else None,
            np.flatnonzero(split == "test"),
        )
    rng, groups = np.random.default_rng([seed, 75]), data.embeddings.groups
    train, test = held_out_rows(data.y, TEST_SHARE, groups, data.repeated, rng)
    if not len(test):
        raise InputError(
            f"No row of {data.name} can be held out for a test without tearing a group or emptying "
            "a class. Leave the groups out, or name another column of them (--group)."
        )
    return Part(train, None, test)


def has_own_split(data: ExperimentData) -> bool:
    """Whether the data says itself which instances are for training and which for test."""
    return _is_split(data.embeddings.split)


def _is_split(split: np.ndarray | None) -> bool:
    return split is not None and {"train", "test"} <= set(split.tolist())


def draw_mask(
    present: np.ndarray,
    modalities: tuple[str, ...],
    rates: Mapping[str, float],
    split: str,
    seed: int,
) -> np.ndarray:
    """What is left of `present` (n, M) when those shares of modalities are missing (Table VIII).

    By exact count, and one mask per (split, modality, rate, seed), whatever else is drawn. An
    instance may lose everything; it then teaches nothing.
    """
    left = present
    for name, rate in sorted(rates.items()):
        rng = np.random.default_rng([seed, *f"{split}/{name}/{rate:.6f}".encode()])
        left = left & draw_missing(present, modalities.index(name), rate, rng)
    return left


def mask_digest(mask: np.ndarray) -> str:
    """SHA-256 of a mask's shape and bits, shortened."""
    content = repr(mask.shape).encode() + np.packbits(mask).tobytes()
    return hashlib.sha256(content).hexdigest()[:16]
