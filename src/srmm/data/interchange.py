"""Embeddings to and from Arrow, Parquet, NumPy archives and Hugging Face datasets.

In all of them a modality is a column of `list<float>`, null where the item is absent.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from srmm.data.embeddings import Embeddings
from srmm.data.labels import known_labels
from srmm.data.modality import ABSENT
from srmm.errors import InputError, MissingExtraError, did_you_mean
from srmm.files import replacing_file


def to_arrow(embeddings: Embeddings) -> pa.Table:
    """A table with one `list<float>` column per modality, and `id`, `label`, `split`."""
    columns: dict[str, pa.Array] = {"id": pa.array(embeddings.ids.tolist())}
    for m, name in enumerate(embeddings.modalities):
        _, vectors = embeddings.items(name)
        present = embeddings.position[:, m] != ABSENT
        # Offsets repeat over an absent row; a null offset at its start marks the row as null.
        ends = np.concatenate([[0], np.cumsum(present) * vectors.shape[1]])
        absent = np.concatenate([~present, [False]])
        many = ends[-1] > np.iinfo(np.int32).max
        lists, width = (pa.LargeListArray, np.int64) if many else (pa.ListArray, np.int32)
        columns[name] = lists.from_arrays(
            pa.array(ends.astype(width), mask=absent), pa.array(vectors.reshape(-1))
        )
    for name, column in {"label": embeddings.labels, "split": embeddings.split}.items():
        if column is not None:
            columns[name] = pa.array(column.tolist())
    return pa.table(columns)


def from_arrow(
    table: pa.Table,
    *,
    modalities: list[str] | None = None,
    label: str | None = "label",
    id: str | None = "id",
    split: str | None = "split",
) -> Embeddings:
    """Embeddings from a table; `modalities` are by default all columns of lists."""
    if modalities is None:
        modalities = [field.name for field in table.schema if _is_vector(field.type)]
    for name in modalities:
        if name not in table.column_names:
            raise InputError(
                f"There is no column {name!r}. {did_you_mean(name, table.column_names)}"
            )
    extra = {
        role: np.array(table.column(column).to_pylist(), dtype=object)
        for role, column in {"labels": label, "ids": id, "split": split}.items()
        if column is not None and column in table.column_names
    }
    arrays = {name: _dense(name, table.column(name).combine_chunks()) for name in modalities}
    return Embeddings.from_arrays(arrays, **extra)


def write_parquet(embeddings: Embeddings, path: str | Path) -> None:
    """Write `to_arrow(embeddings)` as a Parquet file."""
    with replacing_file(Path(path)) as temporary:
        pq.write_table(to_arrow(embeddings), temporary)


def read_parquet(path: str | Path, **columns: Any) -> Embeddings:
    """Read a Parquet file of vectors; `columns` as in `from_arrow`."""
    return from_arrow(pq.read_table(path), **columns)


def write_numpy(embeddings: Embeddings, path: str | Path) -> None:
    """Write an `.npz` with one dense (n, d_m) array per modality, NaN rows where absent."""
    arrays = {name: embeddings.to_array(name) for name in embeddings.modalities}
    extra = {"id": embeddings.ids, "label": embeddings.labels, "split": embeddings.split}
    content: dict[str, Any] = dict(arrays)
    for key, column in extra.items():
        if column is None:
            continue
        known = known_labels(column)
        # An object array would need pickle to be read: its known values have a plain type, and a
        # mask says where they stand.
        content[f"_{key}"] = np.array(column[known].tolist())
        content[f"_{key}_known"] = known
    with replacing_file(Path(path)) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **content)


def read_numpy(path: str | Path) -> Embeddings:
    """Read an `.npz` written by `write_numpy`; unpickles nothing."""
    with np.load(path, allow_pickle=False) as archive:
        arrays = {key: archive[key] for key in archive.files if not key.startswith("_")}
        extra = {key: archive[key] for key in archive.files if key.startswith("_")}

    def column(key: str) -> np.ndarray | None:
        if f"_{key}" not in extra:
            return None
        known, values = extra[f"_{key}_known"], extra[f"_{key}"]
        if known.all() and values.dtype.kind != "U":
            return values
        whole = np.full(len(known), None, dtype=object)
        whole[known] = values.tolist()
        return whole

    return Embeddings.from_arrays(
        arrays, ids=column("id"), labels=column("label"), split=column("split")
    )


def to_huggingface(embeddings: Embeddings) -> Any:
    """A `datasets.Dataset` over `to_arrow(embeddings)`; needs the extra `srmm[huggingface]`."""
    try:
        from datasets import Dataset
    except ImportError:
        raise MissingExtraError("datasets", "huggingface", "A Hugging Face dataset") from None
    return Dataset(to_arrow(embeddings))


def from_huggingface(dataset: Any, **columns: Any) -> Embeddings:
    """Embeddings from a `datasets.Dataset` with columns of vectors; `columns` as `from_arrow`."""
    return from_arrow(dataset.with_format("arrow")[:], **columns)


def _is_vector(kind: pa.DataType) -> bool:
    return (
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    ) and pa.types.is_floating(kind.value_type)


def _dense(name: str, column: pa.Array) -> np.ndarray:
    present = ~column.is_null().to_numpy(zero_copy_only=False)
    kept = column.drop_null()
    lengths = set(kept.value_lengths().to_pylist()) if len(kept) else set()
    if len(lengths) != 1:
        raise InputError(
            f"Every cell of column {name!r} must be a vector of one length, got lengths "
            f"{sorted(lengths)[:4] or 'none: the column is empty'}."
        )
    dense = np.full((len(column), lengths.pop()), np.nan, dtype=np.float32)
    dense[present] = kept.flatten().to_numpy(zero_copy_only=False).reshape(len(kept), -1)
    return dense
