"""safetensors files: mapped without loading them, checked before anything is built, sealed.

The format is 8 bytes with the length of a JSON header, the header, then the raw tensors. A file
that stands alone, in no folder whose manifest has its digest, carries that in its header.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from srmm.errors import StoreError

DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?",
}  # fmt: skip
_LONGEST_HEADER = 100_000_000
_SEAL = "srmm.sha256"
_ABOUT = "srmm.about"


def save_tensors(path: Path, tensors: Mapping[str, np.ndarray], about: Any = None) -> None:
    """Write tensors and a JSON-ready `about` to a file that carries their digest."""
    arrays = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    text = json.dumps(about, allow_nan=False)
    save_file(arrays, path, metadata={_ABOUT: text, _SEAL: _seal_of(arrays, text)})


def load_tensors(path: Path, remedy: str) -> tuple[dict[str, np.ndarray], Any]:
    """What `save_tensors` wrote, as read-only maps; `StoreError` if a bit of it has changed."""
    tensors, metadata = _mapped(path, remedy)
    text = metadata.get(_ABOUT, "")
    if metadata.get(_SEAL) != _seal_of(tensors, text):
        raise StoreError(
            f"{path} is damaged: its content has changed since it was written (its digest is "
            f"another, or there is none). {remedy}"
        )
    return tensors, json.loads(text)


def map_tensors(path: Path, remedy: str = "Encode it again.") -> dict[str, np.ndarray]:
    """The tensors of a safetensors file as read-only memory maps.

    Raises `StoreError` if it is no plain file, or if its header does not fit it: another length,
    an unknown dtype, a tensor that overlaps another or lies outside the file.
    """
    return _mapped(path, remedy)[0]


def _mapped(path: Path, remedy: str) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    header, start, size = _header(path, remedy)
    metadata = header.pop("__metadata__", {})
    tensors, end = {}, 0
    try:
        for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"][0]):
            dtype = np.dtype(DTYPES[entry["dtype"]])
            shape, (begin, stop) = tuple(entry["shape"]), entry["data_offsets"]
            if not all(type(n) is int and n >= 0 for n in (*shape, begin, stop)):
                raise ValueError("a size is no whole number from 0 on")
            if begin != end or stop - begin != math.prod(shape) * dtype.itemsize:
                raise ValueError("its place does not fit its shape")
            end = stop
            if start + end > size:
                break  # said below
            # An empty file region cannot be mapped.
            tensors[name] = (
                np.empty(shape, dtype)
                if 0 in shape
                else np.memmap(path, dtype, "r", start + begin, shape)
            )
    except (LookupError, TypeError, ValueError, AttributeError, OSError, OverflowError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise StoreError(f"{path} is damaged in its header ({reason:.200}). {remedy}") from None
    if size != start + end:
        raise StoreError(
            f"{path} is damaged or truncated: {size} bytes, expected {start + end}. {remedy}"
        )
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise StoreError(f"{path} is damaged in its header (no metadata). {remedy}")
    return tensors, metadata


def _header(path: Path, remedy: str) -> tuple[dict[str, Any], int, int]:
    """The header, where the tensors begin, and the length of the file."""
    if path.exists() and not path.is_file():  # reading a pipe would wait for ever
        raise StoreError(f"{path} is no plain file. {remedy}")
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if size < 8 or length > min(size - 8, _LONGEST_HEADER):
                raise StoreError(
                    f"{path} is damaged or truncated: {size} bytes, expected at least "
                    f"{8 + length}. {remedy}"
                )
            header = json.loads(file.read(length))
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, StoreError):
            raise
        raise StoreError(f"{path} cannot be read ({error}). {remedy}") from None
    if not isinstance(header, dict):
        raise StoreError(f"{path} is damaged: its header is {header!r:.80}. {remedy}")
    return header, 8 + length, size


def _seal_of(tensors: Mapping[str, np.ndarray], about: str) -> str:
    digest = hashlib.sha256(about.encode("utf-8", "surrogatepass"))
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(json.dumps([name, tensor.dtype.str, tensor.shape]).encode())
        if tensor.size:
            digest.update(np.ascontiguousarray(tensor).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
