"""The embedding store: a folder on disk that is read without loading it.

    manifest.json           what is in it: modalities, sizes, encoders and their settings, digests
    rows.parquet            one row per instance: id, label, split, group, and the raw items' names
    <modality>.safetensors  `values` (n_items, d): present items only, and `position` (n_instances,)

Vectors are memory-mapped when read. A store is written beside its final place and moved there
whole, so a killed job leaves the old store or none.
"""

from __future__ import annotations

import json
import mmap
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from srmm.data.embeddings import Embeddings, packed_rows
from srmm.data.modality import ABSENT
from srmm.data.plain_columns import stored_column
from srmm.data.store_checks import check_manifest, check_modality
from srmm.errors import InputError, StoreError, explains_damage
from srmm.files import read_json, replacing_folder, restore_interrupted, write_json

FORMAT = "srmm-embeddings"
VERSION = 1
_RAW = "raw:"
_ROWS_AT_ONCE = 4096


def save_embeddings(embeddings: Embeddings, folder: str | Path, *, overwrite: bool = False) -> Path:
    """Write `embeddings` as a store at `folder`, atomically, and return the path.

    Packed rows that no instance points to any more are left out. Raises `InputError` if `folder`
    exists and `overwrite` is False, or if it exists and is no store.
    """
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
        manifest = {
            "format": FORMAT,
            "version": VERSION,
            "n_instances": len(embeddings),
            "modalities": described,
        }
        write_json(temporary / "manifest.json", manifest)
    return folder


@explains_damage("Encode it again.")
def load_embeddings(folder: str | Path) -> Embeddings:
    """Open a store written by `save_embeddings`; the vectors stay on disk until they are used.

    Raises `StoreError` if the folder is no store, was made by a newer version, or is damaged.
    """
    folder = Path(folder)
    manifest = _read_manifest(folder)
    rows = _read_rows(folder / "rows.parquet")
    check_manifest(manifest)
    n = manifest["n_instances"]
    if len(rows["id"]) != n:
        raise StoreError(
            f"{folder / 'rows.parquet'} has {len(rows['id'])} rows, the manifest says {n}: "
            "the store is damaged; encode it again."
        )
    values, positions = {}, []
    for name, about in manifest["modalities"].items():
        tensors = map_safetensors(folder / about["file"])
        expected = {"values": (about["n_items"], about["embedding_dim"]), "position": (n,)}
        found = {key: tensor.shape for key, tensor in tensors.items()}
        if found != expected:
            raise StoreError(
                f"{folder / about['file']} holds {found}, the manifest says {expected}: "
                "the store is damaged; encode it again."
            )
        check_modality(tensors["values"], tensors["position"])
        values[name] = tensors["values"]
        positions.append(np.asarray(tensors["position"]))
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
    try:
        _read_manifest(Path(folder))
    except StoreError:
        return False
    return True


def _read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a store; raises `StoreError` if there is none or it is not ours."""
    restore_interrupted(folder)
    return read_json(
        folder / "manifest.json",
        format=FORMAT,
        version=VERSION,
        what="the manifest of an embedding store",
        remedy=f"{folder} is not an embedding store: make one with `srmm encode TABLE -o FOLDER`.",
    )


@explains_damage("Encode it again.")
def map_safetensors(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a safetensors file as read-only memory maps, checked against its length.

    The file is: 8 bytes with the length of a JSON header, the header, then the raw tensors.
    """
    dtypes = {"F32": "<f4", "F16": "<f2", "F64": "<f8", "I64": "<i8", "BOOL": "?", "U8": "u1"}
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length)) if length < size else None
    except (OSError, ValueError) as error:
        raise StoreError(f"{path} cannot be read ({error}); encode it again.") from None
    header = header and {key: entry for key, entry in header.items() if key != "__metadata__"}
    end = max((entry["data_offsets"][1] for entry in (header or {}).values()), default=0)
    if header is None or size != 8 + length + end:
        raise StoreError(
            f"{path} is damaged or truncated: {size} bytes, expected {8 + length + end}. "
            "Encode it again."
        )
    tensors = {}
    for name, entry in header.items():
        shape, offset = tuple(entry["shape"]), 8 + length + entry["data_offsets"][0]
        dtype = np.dtype(dtypes[entry["dtype"]])
        # An empty file region cannot be mapped.
        empty = 0 in shape
        tensors[name] = (
            np.empty(shape, dtype) if empty else np.memmap(path, dtype, "r", offset, shape)
        )
    return tensors


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
            if isinstance(values, np.memmap) and hasattr(mmap, "MADV_DONTNEED"):
                # Pages that were read count as memory until they are let go.
                values._mmap.madvise(mmap.MADV_DONTNEED)  # type: ignore[attr-defined]


def _write_rows(embeddings: Embeddings, path: Path) -> None:
    columns = {
        "id": embeddings.ids,
        "label": embeddings.labels,
        "split": embeddings.split,
        "group": embeddings.groups,
    }
    columns |= {_RAW + name: column for name, column in embeddings.raw.items()}
    arrow = {}
    for name, column in columns.items():
        if column is None:
            continue
        arrow[name] = stored_column(name, column)
    pq.write_table(pa.table(arrow), path)


def _read_rows(path: Path) -> dict[str, np.ndarray]:
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise StoreError(f"{path} cannot be read ({error}); encode it again.") from None
    columns = {}
    for name in table.column_names:
        column = table.column(name)
        numeric = not column.null_count and not pa.types.is_string(column.type)
        columns[name] = column.to_numpy() if numeric else np.array(column.to_pylist(), dtype=object)
    return columns
