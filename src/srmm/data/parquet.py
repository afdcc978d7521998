"""Parquet files, also with vectors of fixed size of which some are null.

Arrow writes those (as Polars and Hugging Face do) and cannot read them back: the file has no room
for a null one, and Arrow's note in it that all have one size makes its reader refuse that. Without
the note they are lists like others, and times, which are nothing but numbers then, are made times
again.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_NOTE = b"ARROW:schema"
_TAIL = 8
"""Bytes behind the footer: its length, and "PAR1"."""


def parquet_file(path: str | Path, **options: Any) -> pq.ParquetFile:
    """The file, opened, with the `options` of `pyarrow.parquet.ParquetFile`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = (getattr(kind, "storage_type", kind) for kind in pq.read_schema(path).types)
    if not any(map(pa.types.is_fixed_size_list, kinds)):
        return pq.ParquetFile(path, **options)
    return pq.ParquetFile(path, metadata=_metadata_without_note(path), **options)


def as_written(column: pa.Array | pa.ChunkedArray, kind: pa.DataType) -> Any:
    """A column of `parquet_file` that was written as this kind, if it is one of times."""
    import pyarrow as pa

    is_other = pa.types.is_temporal(kind) and column.type != kind
    return column.cast(kind) if is_other else column


def _metadata_without_note(path: str | Path) -> pq.FileMetaData:
    import pyarrow.parquet as pq

    with Path(path).open("rb") as file:
        file.seek(-_TAIL, os.SEEK_END)
        length = int.from_bytes(file.read(4), "little")
        file.seek(-_TAIL - length, os.SEEK_END)
        footer = file.read()
    return pq.read_metadata(io.BytesIO(b"PAR1" + footer.replace(_NOTE, _NOTE.lower())))
