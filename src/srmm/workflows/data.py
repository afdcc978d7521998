"""The data of a workflow: a path, a data set's name, or what a model was made from."""

from __future__ import annotations

import copy
import hashlib
import os
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from srmm.data.embeddings import Embeddings
from srmm.data.labels import name_of, written_as
from srmm.data.rare import relabelled, with_labels
from srmm.data.sources import kept_name, names_a_table, object_array, open_source
from srmm.data.store import is_store, load_embeddings
from srmm.data.table import Table, read_table
from srmm.data.targets import check_targets
from srmm.data.there import is_dir
from srmm.encoding.encode import EncodingSummary, encode
from srmm.errors import InputError, StoreError, did_you_mean
from srmm.workflows.reading import reading_of


class OpenedData(NamedTuple):
    """The data of a workflow; table and summary are None if it was embeddings already."""

    embeddings: Embeddings
    name: str
    table: Table | None = None
    summary: EncodingSummary | None = None


_ROWS = 4096  # instances whose digests are made at once


def open_data(
    source: Path | str,
    columns: Mapping[str, Any] | None = None,
    *,
    root: Path | str | None = None,
    options: Mapping[str, Any] | None = None,
    as_cells: Collection[str] = (),
) -> Table | Embeddings:
    """Whatever `source` names: an embedding store, a table, or a data set of `srmm datasets`.

    A table is whatever `read_table` reads by a name: a file, a folder, a database.

    `columns` are the keyword arguments of `read_table`; `root` is where the relative paths of a
    table start (by default its folder), or a data set lies; `options` go to `load_dataset`, and
    `as_cells` to `read_table`.
    """
    from srmm.datasets import DATASETS, load_dataset

    source = os.fspath(source)
    path = Path(source)
    if options and source not in DATASETS:
        raise InputError(
            f"{kept_name(source)} is no data set of `srmm datasets`, whose options --set sets: "
            f"{', '.join(options)} would change nothing. A method's parameters take --setting."
        )
    if is_dir(path) and is_store(path):
        check_no_columns(source, columns)
        return load_embeddings(path, check=True)
    if is_table(source):
        chosen = {key: value for key, value in (columns or {}).items() if value}
        chosen["as_cells"] = [*as_cells, *chosen.get("as_cells", ())]
        return read_table(source, folder=root, **chosen)
    if source in DATASETS:
        check_no_columns(source, columns)
        return load_dataset(source, root, **(options or {}))
    raise InputError(
        f"There is no file or folder {source}, and no data set of that name. "
        f"{did_you_mean(source, DATASETS)}"
    )


def check_no_columns(source: str, columns: Mapping[str, Any] | None) -> None:
    """Raise `InputError` for choices of columns of what is no table, but has its own roles."""
    chosen = [key for key, value in (columns or {}).items() if value]
    if chosen:
        raise InputError(
            f"{source} is no table but embeddings or a data set, whose modalities, labels and "
            f"split are known: {', '.join(chosen)} would change nothing. Leave it out, or name "
            "the table."
        )


def is_table(source: str) -> bool:
    """Whether `source` is a table: a file, a database, a folder that is nothing else."""
    from srmm.datasets import DATASETS

    path = Path(source)
    if is_dir(path) and (source in DATASETS or is_store(path)):
        return False
    return names_a_table(source)


def embeddings_for(
    config: Mapping[str, Any],
    source: str,
    columns: Mapping[str, Any] | None,
    root: Path | None,
    options: Mapping[str, Any] | None,
    progress: Any,
    *,
    engine: str = "auto",
    strict: bool = False,
) -> OpenedData:
    """`source`, read and encoded as the model's training data was."""
    chosen = {key: value for key, value in (columns or {}).items() if value}
    notes: list[str] = []
    if is_table(source):
        there = open_source(source, query=chosen.get("query")).columns
        chosen, notes = reading_of(config, there, chosen, kept_name(source))
    data = open_data(source, chosen, root=root, options=options)
    if isinstance(data, Embeddings):
        return OpenedData(as_learnt(data, config), source)
    inputs = config["inputs"].items()
    encoders = {name: about["encoder"] for name, about in inputs if name in data.items}
    result = encode(
        data,
        encoders,
        engine=engine,
        precision=precision_of(config),
        strict=strict,
        progress=progress,
    )
    data = replace(data, notes=(*data.notes, *notes, *result.summary.notes))
    return OpenedData(as_learnt(result.embeddings, config), data.name, data, result.summary)


def as_learnt(data: Embeddings, config: Mapping[str, Any]) -> Embeddings:
    """The data with labels as the model has them: of its types, rare ones merged or left out."""
    if data.labels is None:
        return data
    changed = copy.copy(data)
    changed.labels = labels_as_learnt(data.labels, config)
    return changed


def labels_as_learnt(labels: np.ndarray, config: Mapping[str, Any]) -> np.ndarray:
    """Labels (n,) as objects, "3" or 3.0 as 3 where that is a class, rare ones as in training."""
    rare = (config.get("origin") or {}).get("rare") or {"names": (), "to": None}
    check_targets([label for label in labels if not isinstance(label, str)])
    as_class = written_as([*config["classes"], *rare["names"]])
    return relabelled(object_array(list(map(as_class, labels.tolist()))), rare)


def precision_of(config: Mapping[str, Any]) -> str:
    """The precision of `encode` that made the model's training embeddings."""
    trained_on = [settings or {} for settings in config["encoders"].values()]
    half = any(settings.get("precision") == "half" for settings in trained_on)
    return "half" if half else "full"


def own_store(model_folder: Path, origin: Mapping[str, Any]) -> Path | None:
    """Where the store lies that a model was made from, as its config says; None if it names none.

    The config's path starts where the model's folder lies: both may be moved together.
    """
    store = origin.get("store")
    return Path(os.path.normpath(model_folder.resolve().parent / store)) if store else None


def own_embeddings(
    model_folder: Path, origin: Mapping[str, Any], rows: pd.DataFrame | None
) -> Embeddings | None:
    """The embeddings a model was made from, None if they are not there any more.

    Raises `StoreError` if the store's rows are no longer those that `rows` (id, split, digest)
    says were trained on: what was held out could not be told any more.
    """
    store = own_store(model_folder, origin)
    if store is not None:
        if not is_store(store):
            return None
        own = load_embeddings(store, check=True)
        if rows is not None:
            now = dict(zip(own.ids.tolist(), row_digests(own), strict=True))
            pairs = zip(rows["id"].tolist(), rows["digest"].tolist(), strict=True)
            changed = sum(now.get(id) != digest for id, digest in pairs)
            if changed:
                raise StoreError(
                    f"{changed:,} of the {len(rows):,} rows that {model_folder} was made from "
                    f"have changed in {store} since. Fit again, or name data to evaluate on."
                )
        return with_labels(own, origin.get("rare"))
    if not origin.get("dataset"):
        return None
    options = dict(origin["dataset"])
    from srmm.datasets import load_dataset

    data = load_dataset(options.pop("name"), options.pop("root"), **options)
    assert isinstance(data, Embeddings)  # a table would have been encoded to a store
    return with_labels(data, origin.get("rare"))


def split_column(embeddings: Embeddings, rows: pd.DataFrame | None) -> np.ndarray:
    """The split `fit_workflow` gave each instance, by id; None where it has never seen it."""
    splits = {} if rows is None else dict(zip(rows["id"], rows["split"], strict=True))
    return np.array([splits.get(id) for id in embeddings.ids.tolist()], dtype=object)


def group_names(groups: np.ndarray) -> np.ndarray:
    """What each instance belongs to, as text, None of one that stands alone."""
    return np.array([None if pd.isna(g) else name_of(g) for g in groups.tolist()], dtype=object)


def row_digests(embeddings: Embeddings) -> list[str]:
    """What each instance is, by its content: its texts and paths, or else its vectors."""
    return [digest for _, block in embeddings.in_blocks(_ROWS) for digest in _digests(block)]


def _digests(embeddings: Embeddings) -> list[str]:
    digests = [hashlib.blake2b(digest_size=16) for _ in range(len(embeddings))]
    for name in embeddings.modalities:
        rows, _ = embeddings.places(name)
        raw = embeddings.raw.get(name)
        shown = np.full(len(rows), None) if raw is None else raw[rows]
        unseen = pd.isna(shown)  # features, and bytes beside paths: their vectors say what they are
        vectors = embeddings.items(name)[1] if unseen.any() else shown
        for row, hidden, text, vector in zip(rows, unseen, shown, vectors, strict=True):
            item = vector.tobytes() if hidden else str(text).encode("utf-8", "surrogatepass")
            digests[row].update(name.encode() + b"\0" + len(item).to_bytes(8, "little") + item)
    return [digest.hexdigest() for digest in digests]
