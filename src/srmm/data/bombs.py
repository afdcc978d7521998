"""Files that unpack to far more than they are: seen by what comes out, not by what they say of it.

The limit and the ratio that count are in `srmm.data.limits`: `check_unpacked` raises an error that
says how to raise them.
"""

from __future__ import annotations

import contextlib
import copy
import io
import lzma
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, cast

from srmm.data.limits import check_unpacked, is_too_much, limit
from srmm.data.parquet import parquet_file

_PIECE = 1 << 20
_BATCH_ROWS = 1 << 16
_DEFLATES_TO = 1032
"""What deflate can make of one byte at most."""

_DAMAGED = (OSError, EOFError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, RuntimeError,
            NotImplementedError, ValueError)  # fmt: skip


class _Counted(io.RawIOBase):
    """A stream that is unpacked, whose bytes are counted."""

    def __init__(self, unpacked: Any, path: Path) -> None:
        self.unpacked, self.name, self.packed = unpacked, path.name, path.stat().st_size
        self.size = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self.unpacked.read(len(buffer))
        buffer[: len(piece)] = piece
        self.size += len(piece)
        check_unpacked(self.name, self.size, self.packed)
        return len(piece)

    def close(self) -> None:
        self.unpacked.close()
        super().close()


def counted(unpacked: Any, path: Path) -> BinaryIO:
    """The stream; reading it raises `InputError` once too much has come out of the file."""
    return cast(BinaryIO, io.BufferedReader(_Counted(unpacked, path), 1 << 16))


def check_archive(path: str | Path) -> None:
    """Raise `InputError` if the members of a zip unpack to too much, whatever its directory says.

    A file that is no readable zip passes: whoever reads it says so.
    """
    path = Path(path)
    packed, size = 0, 0
    with contextlib.suppress(*_DAMAGED), zipfile.ZipFile(path) as archive:
        packed = path.stat().st_size
        members = archive.infolist()
        kinds = {member.compress_type for member in members} - {zipfile.ZIP_STORED}
        at_most = packed * _DEFLATES_TO
        if not kinds - {zipfile.ZIP_DEFLATED} and at_most <= limit("SRMM_MAX_UNPACKED_BYTES"):
            return
        for piece in chain.from_iterable(_pieces(archive, member) for member in members):
            size += piece
            if is_too_much(size, packed):
                break
    check_unpacked(path.name, size, packed)


def _pieces(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[int]:
    """The sizes of what a member unpacks to, past the end that the directory says it has."""
    endless = copy.copy(member)
    endless.file_size = 1 << 62
    with contextlib.suppress(*_DAMAGED), archive.open(endless) as file:
        while piece := file.read(_PIECE):
            yield len(piece)


def check_parquet(path: str | Path, columns: Sequence[str] | None = None) -> None:
    """Raise `InputError` if columns of a Parquet file become too much for what it is.

    A value that is stored once may stand in a billion rows. A file that is none passes: whoever
    reads it says so.
    """
    import pyarrow as pa

    path = Path(path)
    try:
        with parquet_file(path, pre_buffer=True) as file:
            wanted = None if columns is None else set(columns)
            _check_descriptions(file, path, wanted)
            _check_columns(file.metadata, path, wanted)
    except (OSError, pa.ArrowException, UnicodeDecodeError):  # of a name
        return


def _check_descriptions(file: Any, path: Path, columns: set[str] | None) -> None:
    """Let the reader go through the description of every column before it is asked for one.

    It raises at a damaged one; asked for it by its number, it would end the process.
    """
    groups = [file.metadata.row_group(group) for group in range(file.num_row_groups)]
    if columns is None:
        sizes = sum(max(group.total_byte_size, 0) for group in groups)
        check_unpacked(path.name, sizes, path.stat().st_size)
    names = (file.schema.column(number).path for number in range(len(file.schema)))
    wanted = [name for name in names if _is_wanted(name, columns)]
    for group in range(len(groups)):
        next(file.iter_batches(1, row_groups=[group], columns=wanted, use_threads=False), None)


def _is_wanted(name: str, columns: set[str] | None) -> bool:
    return columns is None or name in columns or name.split(".")[0] in columns


def _check_columns(about: Any, path: Path, columns: set[str] | None) -> None:
    """Fixed sizes are counted, and texts where their number and their size could do harm."""
    packed, size = path.stat().st_size, 0
    for group in range(about.num_row_groups):
        for number in range(about.num_columns):
            name = about.schema.column(number).path
            if not _is_wanted(name, columns):
                continue
            chunk = about.row_group(group).column(number)
            at_once = chunk.total_uncompressed_size
            texts = chunk.physical_type == "BYTE_ARRAY" and chunk.has_dictionary_page
            if texts and is_too_much(chunk.num_values * at_once, packed):
                for part in _text_sizes(path, group, name):
                    check_unpacked(path.name, size := size + part, packed)
            else:
                size += max(8 * chunk.num_values, at_once)
            check_unpacked(path.name, size, packed)


def _text_sizes(path: Path, group: int, name: str) -> Iterator[int]:
    """The bytes of the values of a column, some thousand at a time, no value made twice."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    with pq.ParquetFile(path, read_dictionary=[name], pre_buffer=False) as file:
        for batch in file.iter_batches(_BATCH_ROWS, row_groups=[group], columns=[name]):
            column = batch.column(0)
            while pa.types.is_nested(column.type):
                column = column.field(0) if pa.types.is_struct(column.type) else column.flatten()
            if not pa.types.is_dictionary(column.type):
                yield column.nbytes
                continue
            lengths = pc.cast(pc.binary_length(column.dictionary), pa.int64())
            yield pc.sum(lengths.take(column.indices)).as_py() or 0
