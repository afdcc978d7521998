"""The embedding store: a folder on disk that is read without loading it.

    manifest.json           what is in it: modalities, sizes, encoders and their settings, and the
                            SHA-256 of every file
    rows.parquet            one row per instance: id, label, split, group, and the raw items' names
    <modality>.safetensors  `values` (n_items, d): present items only, and `position` (n_instances,)

Vectors are memory-mapped when read. A store is written beside its final place and moved there
whole, so a killed job leaves the old store or none; who reads while it is replaced gets one of the
two. What has changed since it was written is refused.
"""

from __future__ import annotations

import json
import mmap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from srmm.data.bombs import check_parquet
from srmm.data.checks import mapping, text, whole
from srmm.data.embeddings import Embeddings, packed_rows
from srmm.data.modality import ABSENT
from srmm.data.plain_columns import instance_columns, stored_column
from srmm.errors import InputError, StoreError, explains_damage
from srmm.files import (
    check_files,
    is_of_format,
    listed,
    map_tensors,
    read_json,
    read_whole,
    replacing_folder,
    standing,
    write_json,
)
from srmm.files.digests import inside

FORMAT = "srmm-embeddings"
VERSION = 2
MANIFEST = "manifest.json"
CHECKED_AT_ONCE = 1 << 30
"""Bytes of a store, about a second of hashing, up to which `load_embeddings` compares all files."""

_SEALED_FROM = 2
_SMALL = 1 << 26
_AGAIN = "The store is damaged: encode it again."
_RAW = "raw:"
_REPEATED = ("label", "split", "group")
_ROWS_AT_ONCE = 4096


def save_embeddings(
    embeddings: Embeddings,
    folder: str | Path,
    *,
    overwrite: bool = False,
    add: Callable[[Path], None] = lambda folder: None,
) -> Path:
    """Write `embeddings` as a store at `folder`, atomically, and return the path.

    Packed rows that no instance points to any more are left out. `add` may write more files into
    the folder that it gets, which are sealed with the others. Raises `InputError` if `folder`
    exists and `overwrite` is False, or if it exists and is no store; `SrmmError` if another process
    is writing to it.
    """
    if not isinstance(embeddings, Embeddings):
        raise InputError(
            f"A store is made of Embeddings, got {type(embeddings).__name__}. "
            "srmm.Embeddings.from_arrays makes them of a dict of arrays."
        )
    folder = Path(folder)
    if folder.exists() and not (overwrite and is_store(folder)):
        remedy = "Pass overwrite=True or choose another." if is_store(folder) else "Choose another."
        raise InputError(f"{folder} already exists. {remedy}")
    with replacing_folder(folder) as temporary:
        described = {}
        for name in embeddings.modalities:
            values = embeddings.values[name]
            used, position = packed_rows(embeddings.position[:, embeddings.modalities.index(name)])
            file = f"{name}.safetensors"
            _write_modality(temporary / file, values, used, position)
            described[name] = {
                "file": file,
                "embedding_dim": int(values.shape[1]),
                "dtype": str(values.dtype),
                "n_items": len(used),
                "n_present": int((position != ABSENT).sum()),
                "encoder": embeddings.encoders.get(name),
            }
        _write_rows(embeddings, temporary / "rows.parquet")
        add(temporary)
        manifest = {
            "format": FORMAT,
            "version": VERSION,
            "n_instances": len(embeddings),
            "modalities": described,
            "files": listed(temporary),
        }
        write_json(temporary / MANIFEST, manifest)
    return folder


@explains_damage("Encode it again.")
def load_embeddings(folder: str | Path, *, check: bool | None = None) -> Embeddings:
    """Open a store written by `save_embeddings`; the vectors stay on disk until they are used.

    Parameters
    ----------
    folder : path
    check : bool, optional
        Whether every file's SHA-256 is compared with what was written: 1.7 GB take about a second,
        files of 64 MB and more are compared once per process. By default that is done for stores
        of up to 1 GiB; of a larger one the vectors are not, see `srmm check`. With False, no
        digest is compared but the manifest's own.

    Raises
    ------
    StoreError
        If the folder is no store, was made by a newer version, or is damaged.
    """
    return read_whole(Path(folder), MANIFEST, lambda place: _load(place, check))


def _load(folder: Path, check: bool | None) -> Embeddings:
    manifest = _read_manifest(folder)
    check_digests(folder, manifest, check)
    rows = _read_rows(folder / "rows.parquet")
    n = manifest["n_instances"]
    if len(rows["id"]) != n:
        raise StoreError(
            f"{folder / 'rows.parquet'} has {len(rows['id'])} rows, the manifest says {n}. {_AGAIN}"
        )
    values, positions = {}, []
    for name, about in manifest["modalities"].items():
        values[name], position = _read_modality(inside(folder, about["file"]), about, n)
        positions.append(position)
    return Embeddings(
        values,
        np.column_stack(positions),
        labels=rows.get("label"),
        ids=rows["id"],
        split=rows.get("split"),
        groups=rows.get("group"),
        raw={key[len(_RAW) :]: rows[key] for key in rows if key.startswith(_RAW)},
        encoders={k: m["encoder"] for k, m in manifest["modalities"].items() if m["encoder"]},
    )


def is_store(folder: str | Path) -> bool:
    """True if the folder says it is an embedding store (it may still be damaged)."""
    return is_of_format(standing(Path(folder)) / MANIFEST, FORMAT)


def read_manifest(folder: str | Path) -> dict[str, Any]:
    """The manifest of a store; raises `StoreError` if there is none, or it is not ours."""
    return _read_manifest(standing(Path(folder)))


def check_digests(folder: Path, manifest: dict[str, Any], check: bool | None) -> None:
    """Compare the files of a store with its manifest, see `load_embeddings`."""
    if check is False or manifest["version"] < _SEALED_FROM:
        return
    files = manifest["files"]
    named = [about["file"] for about in manifest["modalities"].values()]
    unlisted = [file for file in ("rows.parquet", *named) if file not in files]
    if unlisted:
        raise StoreError(f"{folder / MANIFEST} does not list {unlisted[0]!r}. {_AGAIN}")
    check_files(folder, files, remedy=_AGAIN, most=None if check or _is_quick(files) else _SMALL)


def _is_quick(files: dict[str, Any]) -> bool:
    return sum(about.get("bytes", 0) for about in files.values()) <= CHECKED_AT_ONCE


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    manifest = read_json(
        path,
        format=FORMAT,
        version=VERSION,
        what="the manifest of an embedding store",
        remedy=f"{folder} is not an embedding store: make one with `srmm encode TABLE -o FOLDER`.",
        sealed_from=_SEALED_FROM,
    )
    try:
        _check_manifest(manifest)
    except InputError as error:
        raise StoreError(f"{path} is damaged: {error} {_AGAIN}") from None
    return manifest


def _check_manifest(manifest: dict[str, Any]) -> None:
    """Raise `InputError` for the first value that is not what `save_embeddings` writes."""
    whole("n_instances", manifest.get("n_instances"))
    if manifest["version"] >= _SEALED_FROM:
        for name, entry in mapping("files", manifest.get("files")).items():
            whole(f"files.{name}.bytes", mapping(f"files.{name}", entry).get("bytes"))
    for name, entry in mapping("modalities", manifest.get("modalities")).items():
        about = mapping(f"modalities.{name}", entry)
        text(f"modalities.{name}.file", about.get("file"))
        for field in ("embedding_dim", "n_items"):
            whole(f"modalities.{name}.{field}", about.get(field))
        if about.setdefault("encoder") is not None:
            mapping(f"modalities.{name}.encoder", about["encoder"])


def _read_modality(path: Path, about: dict[str, Any], n: int) -> tuple[np.ndarray, np.ndarray]:
    """(values, position) of one modality, checked against the manifest."""
    tensors = map_tensors(path)
    expected = {"values": (about["n_items"], about["embedding_dim"]), "position": (n,)}
    found = {key: tensor.shape for key, tensor in tensors.items()}
    if found != expected:
        raise StoreError(f"{path} holds {found}, the manifest says {expected}. {_AGAIN}")
    values, position = tensors["values"], np.asarray(tensors["position"])
    if values.dtype.kind != "f" or position.dtype != np.int64:
        raise StoreError(
            f"{path} holds values of {values.dtype} and positions of {position.dtype}, expected "
            f"floats and int64. {_AGAIN}"
        )
    if n and not (position.min() >= ABSENT and position.max() < max(len(values), 0)):
        raise StoreError(
            f"{path} has positions from {position.min()} to {position.max()}, expected −1 (absent) "
            f"to {len(values) - 1}, the last of its items. {_AGAIN}"
        )
    return values, position


def _write_modality(path: Path, values: np.ndarray, used: np.ndarray, position: np.ndarray) -> None:
    """A safetensors file of `values[used]` and `position`; the values may exceed the memory."""
    dtype = values.dtype if values.dtype.kind == "f" else np.dtype(np.float32)
    shape, begin = [len(used), values.shape[1]], position.nbytes
    end = begin + len(used) * values.shape[1] * dtype.itemsize
    header = json.dumps(
        {
            "position": {"dtype": "I64", "shape": [len(position)], "data_offsets": [0, begin]},
            "values": {
                "dtype": f"F{8 * dtype.itemsize}",
                "shape": shape,
                "data_offsets": [begin, end],
            },
        }
    ).encode()
    header += b" " * (-len(header) % 8)  # so that the tensors are aligned
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.write(position.astype("<i8").data)
        for start in range(0, len(used), _ROWS_AT_ONCE):
            block = values[used[start : start + _ROWS_AT_ONCE]]
            file.write(np.ascontiguousarray(block, dtype=dtype).data)
            # Pages that were read count as memory until they are let go; others may be changed.
            read_only = isinstance(values, np.memmap) and values.mode == "r"
            if read_only and hasattr(mmap, "MADV_DONTNEED"):
                values._mmap.madvise(mmap.MADV_DONTNEED)  # type: ignore[attr-defined]


def _write_rows(embeddings: Embeddings, path: Path) -> None:
    columns = instance_columns(embeddings)
    columns |= {_RAW + name: column for name, column in embeddings.raw.items()}
    arrow = {name: stored_column(name, column) for name, column in columns.items()}
    pq.write_table(pa.table(arrow), path, write_page_checksum=True)


def _read_rows(path: Path) -> dict[str, np.ndarray]:
    check_parquet(path)
    try:
        table = pq.read_table(path, page_checksum_verification=True)
    except (OSError, pa.ArrowException) as error:
        raise StoreError(f"{path} cannot be read ({error}); encode it again.") from None
    if "id" not in table.column_names:
        raise StoreError(f"{path} has no column 'id', but {table.column_names}. {_AGAIN}")
    columns = {}
    for name in table.column_names:
        column = table.column(name)
        numeric = not column.null_count and not pa.types.is_string(column.type)
        if numeric:
            columns[name] = column.to_numpy()
        elif name in _REPEATED:
            columns[name] = _shared(column)
        else:
            columns[name] = np.array(column.to_pylist(), dtype=object)
    del table, column
    pa.default_memory_pool().release_unused()  # as much again, which Arrow would keep
    return columns


def _shared(column: pa.ChunkedArray) -> np.ndarray:
    """An object array in which equal values are one object; None where there is none."""
    parts = [np.empty(0, dtype=object)]
    for chunk in column.dictionary_encode().chunks:
        known = np.array([*chunk.dictionary.to_pylist(), None], dtype=object)
        parts.append(known[chunk.indices.fill_null(len(known) - 1).to_numpy()])
    return np.concatenate(parts)
