"""The data of a workflow: a path, a data set's name, or what a model was made from."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase as fnmatch
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from srmm.data.embeddings import Embeddings
from srmm.data.modality import KINDS
from srmm.data.sources import open_source
from srmm.data.store import is_store, load_embeddings
from srmm.data.table import Table, read_table
from srmm.encoding.encode import EncodingSummary, encode
from srmm.errors import InputError, StoreError, did_you_mean
from srmm.learning.saving import ROWS_FILE


class OpenedData(NamedTuple):
    """The data of a workflow; table and summary are None if it was embeddings already."""

    embeddings: Embeddings
    name: str
    table: Table | None = None
    summary: EncodingSummary | None = None


def open_data(
    source: str,
    columns: Mapping[str, Any] | None = None,
    *,
    root: Path | None = None,
    options: Mapping[str, Any] | None = None,
) -> Table | Embeddings:
    """Whatever `source` names: an embedding store, a table file, or a data set of `srmm datasets`.

    `columns` are the keyword arguments of `read_table`; `root` is where the relative paths of a
    table start (by default its folder), or a data set lies; `options` go to `load_dataset`.
    """
    from srmm.datasets import DATASETS, load_dataset

    path = Path(source)
    if options and source not in DATASETS:
        raise InputError(
            f"{source} is no data set of `srmm datasets`, whose options --set sets: "
            f"{', '.join(options)} would change nothing. A method's parameters take --setting."
        )
    if path.is_dir() and is_store(path):
        return load_embeddings(path)
    if path.is_file():
        chosen = {key: value for key, value in (columns or {}).items() if value}
        return read_table(path, folder=root, **chosen)
    if source in DATASETS:
        return load_dataset(source, root, **(options or {}))
    if path.is_dir():
        raise InputError(
            f"{source} is a folder but no embedding store. Name a table in it, or make a store "
            "with `srmm encode`."
        )
    raise InputError(
        f"There is no file or folder {source}, and no data set of that name. "
        f"{did_you_mean(source, DATASETS)}"
    )


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
    inputs = config["inputs"]
    if Path(source).is_file():
        there = open_source(Path(source)).columns
        for role, column in ((config.get("origin") or {}).get("roles") or {}).items():
            if column in there:
                chosen.setdefault(role, column)
        if not any(kind in chosen for kind in KINDS):
            # A column the table lacks is a modality nobody in it has.
            for name, about in inputs.items():
                if about["column"] and readable(about["column"], there):
                    chosen.setdefault(about["kind"], []).append(f"{name}={about['column']}")
    data = open_data(source, chosen, root=root, options=options)
    if isinstance(data, Embeddings):
        return OpenedData(data, source)
    encoders = {name: about["encoder"] for name, about in inputs.items() if name in data.items}
    result = encode(
        data,
        encoders,
        engine=engine,
        precision=precision_of(config),
        strict=strict,
        progress=progress,
    )
    return OpenedData(result.embeddings, data.name, data, result.summary)


def precision_of(config: Mapping[str, Any]) -> str:
    """The precision of `encode` that made the model's training embeddings."""
    trained_on = [settings or {} for settings in config["encoders"].values()]
    half = any(settings.get("precision") == "half" for settings in trained_on)
    return "half" if half else "full"


def readable(choice: str, columns: Sequence[str]) -> bool:
    """Whether a column, template or pattern over columns can be read from these columns."""
    if choice in columns:
        return True
    used = re.findall(r"{(.*?)}", choice)
    if used:
        return all(column in columns for column in used)
    return all(any(fnmatch(c, part.strip()) for c in columns) for part in choice.split(","))


def own_embeddings(
    model_folder: Path, origin: Mapping[str, Any], rows: pd.DataFrame | None
) -> Embeddings | None:
    """The embeddings a model was made from, None if they are not there any more.

    Raises `StoreError` if the store's rows are no longer those that `rows` (id, split, digest)
    says were trained on: what was held out could not be told any more.
    """
    if origin.get("store"):
        store = model_folder.resolve().parent / origin["store"]
        if not is_store(store):
            return None
        own = load_embeddings(store)
        if rows is not None:
            now = dict(zip(own.ids.tolist(), row_digests(own), strict=True))
            pairs = zip(rows["id"].tolist(), rows["digest"].tolist(), strict=True)
            changed = sum(now.get(id) != digest for id, digest in pairs)
            if changed:
                raise StoreError(
                    f"{changed:,} of the {len(rows):,} rows that {model_folder} was made from "
                    f"have changed in {store} since. Fit again, or name data to evaluate on."
                )
        return own
    if not origin.get("dataset"):
        return None
    options = dict(origin["dataset"])
    from srmm.datasets import load_dataset

    data = load_dataset(options.pop("name"), options.pop("root"), **options)
    assert isinstance(data, Embeddings)  # a table would have been encoded to a store
    return data


def known_rows(model_folder: Path) -> pd.DataFrame | None:
    """The frame (id, split, digest) of the instances a model was made from, if it was kept."""
    path = model_folder / ROWS_FILE
    return pd.read_parquet(path) if path.is_file() else None


def split_column(embeddings: Embeddings, rows: pd.DataFrame | None) -> np.ndarray:
    """The split `fit_workflow` gave each instance, by id; None where it has never seen it."""
    splits = {} if rows is None else dict(zip(rows["id"], rows["split"], strict=True))
    return np.array([splits.get(id) for id in embeddings.ids.tolist()], dtype=object)


def row_digests(embeddings: Embeddings) -> list[str]:
    """What each instance is, by its content: its texts and paths, or else its vectors."""
    digests = [hashlib.blake2b(digest_size=16) for _ in range(len(embeddings))]
    for m, name in enumerate(embeddings.modalities):
        raw = embeddings.raw.get(name)
        if raw is not None:
            rows = np.flatnonzero(embeddings.present[:, m])
            items = (str(raw[row]).encode("utf-8", "surrogatepass") for row in rows)
        else:
            rows, vectors = embeddings.items(name)
            items = (vector.tobytes() for vector in vectors)
        for row, item in zip(rows, items, strict=True):
            digests[row].update(name.encode() + b"\0" + len(item).to_bytes(8, "little") + item)
    return [digest.hexdigest() for digest in digests]
