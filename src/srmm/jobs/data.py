"""Where a job's data comes from: a path, a data set's name, or what a model was made from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from srmm.embeddings import Embeddings
from srmm.encoding import encode
from srmm.errors import InputError, did_you_mean
from srmm.modality import KINDS
from srmm.persistence import ROWS_FILE
from srmm.store import is_store, load_embeddings
from srmm.table import Table, read_table


def open_data(
    source: str,
    columns: Mapping[str, Any] | None = None,
    *,
    root: Path | None = None,
    options: Mapping[str, Any] | None = None,
) -> Table | Embeddings:
    """Whatever `source` names: an embedding store, a table file, or a data set of `srmm datasets`.

    `columns` are the keyword arguments of `read_table`; `root` and `options` go to `load_dataset`.
    """
    path = Path(source)
    chosen = {key: value for key, value in (columns or {}).items() if value}
    if path.is_dir() and is_store(path):
        return load_embeddings(path)
    if path.exists():
        if path.is_dir():
            raise InputError(
                f"{source} is a folder but no embedding store. Name a table in it, or make a "
                "store with `srmm encode`."
            )
        return read_table(path, **chosen)
    from srmm.datasets import DATASETS, load_dataset

    if source in DATASETS:
        return load_dataset(source, root, **(options or {}))
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
    strict: bool = False,
) -> tuple[Embeddings, str]:
    """(embeddings, name) of `source`, read and encoded as the model's training data was."""
    chosen = {key: value for key, value in (columns or {}).items() if value}
    inputs = config["inputs"]
    if not any(kind in chosen for kind in KINDS):
        for name, about in inputs.items():
            chosen.setdefault(about["kind"], []).append(f"{name}={about['column']}")
    data = open_data(source, chosen, root=root, options=options)
    if isinstance(data, Embeddings):
        return data, source
    encoders = {name: about["encoder"] for name, about in inputs.items() if name in data.items}
    return encode(data, encoders, strict=strict, progress=progress).embeddings, data.name


def own_embeddings(model_folder: Path, origin: Mapping[str, Any]) -> Embeddings | None:
    """The embeddings a model was made from, None if they are not there any more."""
    if origin.get("store"):
        store = model_folder.parent / origin["store"]
        return load_embeddings(store) if is_store(store) else None
    if not origin.get("dataset"):
        return None
    options = dict(origin["dataset"])
    from srmm.datasets import load_dataset

    data = load_dataset(options.pop("name"), options.pop("root"), **options)
    assert isinstance(data, Embeddings)  # a table would have been encoded to a store
    return data


def known_splits(model_folder: Path) -> dict[Any, str]:
    path = model_folder / ROWS_FILE
    if not path.is_file():
        return {}
    rows = pd.read_parquet(path)
    return dict(zip(rows["id"].tolist(), rows["split"].tolist(), strict=True))


def split_column(embeddings: Embeddings, splits: Mapping[Any, str]) -> np.ndarray:
    """The split `fit_job` gave each instance, None where it has never seen it."""
    return np.array([splits.get(id) for id in embeddings.ids.tolist()], dtype=object)
