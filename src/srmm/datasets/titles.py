"""CSV files of picture, title and class as they are published: often without a header."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from srmm.data.sources import is_empty
from srmm.data.sources.separated import SEPARATORS
from srmm.errors import InputError

PICTURES = (".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff")
"""How the name of a picture's file ends, in small letters."""

_HEADERS = (
    {"image", "img", "picture", "path", "file", "filename", "image_path", "img_path", "image_file"},
    {"text", "title", "name", "description", "desc"},
    {"class", "label", "category", "target", "class_name"},
)


@dataclass(frozen=True)
class TitledPicture:
    """One row: the picture's file as written, its title, its class; None where a cell is empty."""

    picture: str | None
    title: str | None
    label: str | None


def read_titles(path: Path) -> list[TitledPicture]:
    """The rows of a CSV file with the columns picture, title and class.

    Without a header they stand in this order; a header may name them in any. The separator is a
    comma, or else a semicolon, a tab or a bar. A title may be quoted or not: separators that are
    not quoted belong to it, since neither file names nor classes hold any.

    Raises
    ------
    InputError
        If the file is not UTF-8, has no three columns, or has a row that is cut off.
    """
    for delimiter in SEPARATORS:
        rows = _rows(path, delimiter)
        if not rows:
            raise InputError(f"{path} is empty. Download it again.")
        columns = _columns(rows[0][1])
        if columns is not None:
            places, has_header = columns
            break
    else:
        raise InputError(
            f"The first line of {path} is {_start(path)!r}, which is neither a row with a picture, "
            "a title and a class, nor a header that names them (image, text, class)."
        )
    read = []
    for line, row in rows[has_header:]:
        surplus = len(row) - max(3, len(rows[0][1]) if has_header else 3)
        if surplus < 0:
            raise InputError(
                f"Line {line} of {path} has {len(row)} cells, but a row has {len(row) - surplus}: "
                "picture, title, class. The file may be cut off; download it again."
            )
        if surplus:
            title = places[1]
            joined = delimiter.join(row[title : title + surplus + 1])
            row = [*row[:title], joined, *row[title + surplus + 1 :]]
        picture, title_, label = (row[place] for place in places)
        read.append(
            TitledPicture(
                None if is_empty(picture) else picture.strip().replace("\\", "/"),
                None if is_empty(title_) else title_,
                None if is_empty(label) else label.strip(),
            )
        )
    return read


def _columns(first: list[str]) -> tuple[tuple[int, int, int], bool] | None:
    """Where picture, title and class stand, and whether `first` is a header that says so."""
    if len(first) < 3:
        return None
    if first[0].strip().lower().endswith(PICTURES):
        return (0, 1, 2), False
    names = [name.strip().lower() for name in first]
    places = [[i for i, name in enumerate(names) if name in known] for known in _HEADERS]
    if all(places):
        picture, title, label = (found[0] for found in places)
        return (picture, title, label), True
    return None


def _rows(path: Path, delimiter: str) -> list[tuple[int, list[str]]]:
    """(last line, cells) of every row that is not blank."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            # Not strict: a title such as 5" pie stands in such files without being quoted.
            reader = csv.reader(file, delimiter=delimiter)
            return [(reader.line_num, row) for row in reader if row]
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is not UTF-8 text ({error.reason} at byte {error.start}). Download it again, "
            "or save it as UTF-8."
        ) from None
    except csv.Error as error:
        raise InputError(
            f"{path} is not a readable CSV file ({error}). Download it again."
        ) from None


def _start(path: Path) -> str:
    with path.open(encoding="utf-8-sig") as file:
        return file.readline().rstrip("\n")[:80]
