"""Opening a table that is text: compressed or not, in UTF-8 or, marked as such, in UTF-16."""

from __future__ import annotations

import bz2
import codecs
import contextlib
import gzip
import io
import lzma
import shlex
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TextIO, cast

from srmm.data.bombs import counted
from srmm.data.broken import UnreadableItem, refuse_stand_in
from srmm.errors import InputError


def _open_only_member(path: Path) -> BinaryIO:
    """The one file in a zip, without what macOS adds."""
    with zipfile.ZipFile(path) as archive:
        names = [
            name
            for name in archive.namelist()
            if not name.endswith("/") and not name.startswith("__MACOSX/")
        ]
        if len(names) != 1:
            raise InputError(
                f"{path.name} holds {len(names)} files; a zipped table is a zip with one file in "
                "it. Unpack it, and name the table."
            )
        return cast(BinaryIO, archive.open(names[0]))  # keeps the file open, the archive need not


_COMPRESSIONS: dict[str, tuple[Callable[[Path], Any], str, str]] = {
    ".gz": (gzip.open, "gzipped", "gzip -dc"),
    ".bz2": (bz2.open, "compressed by bzip2", "bzip2 -dc"),
    ".xz": (lzma.open, "compressed by xz", "xz -dc"),
    ".zip": (_open_only_member, "zipped", "unzip -p"),
}
"""Ending → how to open it, what such a file is, and the command that unpacks it."""

_DAMAGED = (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, gzip.BadGzipFile)

COMPRESSIONS = tuple(_COMPRESSIONS)

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16's, which it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


_NO_TEXT = {
    b"\x1f\x8b": "compressed by gzip. Add .gz to its name",
    b"BZh91AY": "compressed by bzip2. Add .bz2 to its name",
    b"\xfd7zXZ": "compressed by xz. Add .xz to its name",
    b"PK\x03\x04": "an Excel workbook, or a zip. Name it .xlsx, or add .zip to its name",
    b"\xd0\xcf\x11\xe0": "a workbook of Excel's old format. Save it as .xlsx or .csv",
    b"PAR1\x15": "a Parquet file. Name it .parquet",
    b"SQLite format 3": "an SQLite file. Name it .sqlite",
    b"ARROW1\0\0": "an Arrow or Feather file. Write it as .parquet",
    b"\x28\xb5\x2f\xfd": "compressed by Zstandard. Unpack it: zstd -d",
}
"""How files begin that are often called a text, what they are and what to do."""
_TAR_MARK = slice(257, 262)


_ELSEWHERE = (
    "It is in an older encoding, which its bytes do not tell: WINDOWS-1252 if it is from western "
    "Europe or America, WINDOWS-1250 or -1251 from the east, SHIFT_JIS from Japan, GB18030 from "
    "China, EUC-KR from Korea."
)
_MIXED = (
    "The lines before are, so it mixes two encodings, and no command mends it as a whole: save "
    "each of the files that it was put together from as UTF-8."
)


def uncompressed_name(path: Path) -> str:
    """The name in small letters, without the ending of a compression.

    >>> uncompressed_name(Path("Goods.CSV.gz"))
    'goods.csv'
    """
    name = path.name.lower()
    return name.removesuffix(path.suffix.lower()) if path.suffix.lower() in COMPRESSIONS else name


def encoding_notes(path: Path) -> tuple[str, ...]:
    """A sentence if the text is in another encoding than UTF-8."""
    encoding = _encoding(path)
    if encoding == "utf-8-sig":
        return ()
    return (
        f"{path.name} is {encoding.upper()} text, as its first bytes say, and is read as such.",
    )


@contextmanager
def text_file(path: Path) -> Iterator[TextIO]:
    """Open the text, whatever its compression, with or without a byte order mark."""
    encoding = _encoding(path)
    with _explained(path, encoding), _open_bytes(path) as data:
        yield io.TextIOWrapper(data, encoding=encoding, newline="")


def lines_of(text: TextIO) -> Iterator[str]:
    """The lines, none with a mark at its start: files that are put together keep each its own."""
    return (line.removeprefix("\ufeff") for line in text)


def _open_bytes(path: Path) -> BinaryIO:
    known = _COMPRESSIONS.get(path.suffix.lower())
    return counted(known[0](path), path) if known else path.open("rb")


def _encoding(path: Path) -> str:
    """By the mark at its start; UTF-8 without one."""
    with _explained(path, "utf-8"), _open_bytes(path) as file:
        head = file.read(1024)
    for start, what in _NO_TEXT.items():
        if head.startswith(start):
            raise InputError(f"{path.name} is no text: by its first bytes it is {what}.")
    if head[_TAR_MARK] == b"ustar":
        raise InputError(f"{path.name} is a tar archive. Unpack it, and name the table in it.")
    try:
        refuse_stand_in(head, "a table")
    except UnreadableItem as error:
        raise InputError(f"{path.name} {error}.") from None
    head = head[:4]
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    # Two letters of plain English, as column names begin, with or without their other halves.
    zeros = [byte == 0 for byte in head]
    if zeros in ([False, True] * 2, [True, False] * 2):
        name = "UTF-16LE" if zeros[1] else "UTF-16BE"
        raise InputError(
            f"{path.name} looks like UTF-16 text without the mark that says so. "
            f"{_remedy(path, name)}"
        )
    return "utf-8-sig"


@contextmanager
def _explained(path: Path, encoding: str) -> Iterator[None]:
    """Errors of reading as `InputError`s."""
    unpacks = _COMPRESSIONS.get(path.suffix.lower())
    try:
        yield
    except UnicodeDecodeError as error:
        if encoding != "utf-8-sig":
            raise InputError(
                f"{path.name} starts like {encoding.upper()} text but is damaged or cut off "
                f"({error.reason}). Save it again, as UTF-8."
            ) from None
        where, mixed = _bad_byte(path, error)
        how = f"{_ELSEWHERE} {_remedy(path, 'WINDOWS-1252')}"
        raise InputError(
            f"{path.name} is not UTF-8 text ({where}). {_MIXED if mixed else how}"
        ) from None
    except _DAMAGED as error:
        raise InputError(_not_compressed(path, error)) from None
    except OSError as error:
        if unpacks and error.errno is None:  # as bz2 says that it is none
            raise InputError(_not_compressed(path, error)) from None
        raise InputError(f"{path} cannot be read ({error.strerror or error}).") from None
    except (RuntimeError, NotImplementedError) as error:
        if not isinstance(error, RecursionError) and path.suffix.lower() == ".zip":
            raise InputError(  # a password, or a method that zipfile does not know
                f"{path.name} cannot be unpacked here ({error}). Unpack it, and name the table."
            ) from None
        raise


def _not_compressed(path: Path, error: Exception) -> str:
    known = _COMPRESSIONS.get(path.suffix.lower())
    return f"{path.name} is damaged or not {known[1] if known else 'readable'} ({error})."


def _bad_byte(path: Path, error: UnicodeDecodeError) -> tuple[str, bool]:
    """Where the first undecodable byte is (the decoder only knows its place in a buffer), and
    whether lines before have other letters than English ones, which are UTF-8."""
    mixed = False
    with contextlib.suppress(*_DAMAGED, OSError), _open_bytes(path) as file:
        for number, line in enumerate(file, 1):
            try:
                mixed |= not line.decode("utf-8").removeprefix("\ufeff").isascii()
            except UnicodeDecodeError as found:
                return f"byte 0x{line[found.start]:02x} in line {number}", mixed
    return error.reason, False


def _remedy(path: Path, encoding: str) -> str:
    """What makes UTF-8 of the file, as a command that works on it."""
    known = _COMPRESSIONS.get(path.suffix.lower())
    name = path.name[: len(uncompressed_name(path))]
    source, target = shlex.quote(str(path)), shlex.quote(str(path.with_name(f"utf8-{name}")))
    turn = f"iconv -f {encoding} -t UTF-8"
    command = f"{known[2]} {source} | {turn}" if known else f"{turn} {source}"
    return f"Save it as UTF-8, e.g. with: {command} > {target}"
