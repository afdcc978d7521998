"""Tables of raw items with holes: which columns are modalities, what is absent, what is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from srmm.embeddings import Embeddings
from srmm.errors import InputError, did_you_mean
from srmm.modality import check_modalities, check_modality_name
from srmm.table_files import Source, open_source

SPLITS = {
    "train": ("train", "training"),
    "validation": ("validation", "val", "valid", "dev"),
    "test": ("test",),
}
"""The names of the splits here, and the words for them that tables use."""

_IN_BRACES = re.compile(r"\{([^{}]+)\}")
_PATH_KINDS = ("image", "audio", "face")


@dataclass(frozen=True, eq=False)
class Table:
    """n instances with one raw item per modality, any of which may be absent.

    Parameters
    ----------
    items : dict of str to object array of shape (n,)
        Per modality the raw items (a text, a path, bytes, a float32 vector), None where absent.
    kinds : dict of str to str
        Per modality, how an item is read: one of `srmm.modality.KINDS`.
    ids : array of shape (n,)
        Unique names of the rows; their numbers if the table has no id column.
    labels : object array of shape (n,) or None
        Class labels, None where unknown (such rows are for prediction only).
    split : object array of shape (n,) or None
        "train", "validation", "test" or None.
    folder : Path or None
        What relative paths resolve against; None: the current folder.
    name : str
        What messages call the table, e.g. "products.csv".
    first_line : int or None
        The line of row 0 in the source file, whose rows follow line by line; None if they do not.
    attribution : str
        Credit that a report must show.
    lines : int array of shape (n,) or None
        The line of each row where they do not follow one another (quoted line breaks, a selection).
    """

    items: dict[str, np.ndarray]
    kinds: dict[str, str]
    ids: np.ndarray
    labels: np.ndarray | None
    split: np.ndarray | None
    folder: Path | None
    name: str
    first_line: int | None
    attribution: str = ""
    lines: np.ndarray | None = None

    @property
    def modalities(self) -> tuple[str, ...]:
        """The names of the modalities, in order."""
        return tuple(self.items)

    @property
    def present(self) -> np.ndarray:
        """Boolean (n, n_modalities): True where the table has an item (its file may be missing)."""
        return np.column_stack([pd.notna(column) for column in self.items.values()])

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        counts = zip(self.modalities, self.present.sum(axis=0), strict=True)
        parts = ", ".join(f"{name}: {count:,}" for name, count in counts)
        return f"Table({self.name!r}, {len(self):,} rows; {parts})"

    def __getitem__(self, rows: Any) -> Table:
        """The rows chosen by a slice, indices or a boolean mask."""
        if isinstance(rows, (int, np.integer)):
            rows = [rows]
        lines = self.lines
        if lines is None and self.first_line is not None:
            lines = self.first_line + np.arange(len(self))
        return replace(
            self,
            items={name: column[rows] for name, column in self.items.items()},
            ids=self.ids[rows],
            labels=None if self.labels is None else self.labels[rows],
            split=None if self.split is None else self.split[rows],
            first_line=None,
            lines=None if lines is None else lines[rows],
        )

    def where(self, row: int) -> str:
        """How a message names a row: "row 5 (line 7 of products.csv, id 'x12')"."""
        line = None if self.first_line is None else self.first_line + row
        if self.lines is not None:
            line = int(self.lines[row])
        return _where(row, self.name, line, self.ids[row])


def read_table(
    source: str | Path | pd.DataFrame,
    *,
    image: str | Sequence[str] = (),
    text: str | Sequence[str] = (),
    audio: str | Sequence[str] = (),
    face: str | Sequence[str] = (),
    features: str | Sequence[str] = (),
    label: str | None = None,
    id: str | None = None,
    split: str | None = None,
    folder: str | Path | None = None,
) -> Table:
    """Read a table of raw items; each modality names the column its items are in.

    Parameters
    ----------
    source : path or DataFrame
        A .csv or .tsv (UTF-8, with a header), .jsonl, .ndjson, .parquet or .pq file, or a frame.
        In CSV and TSV a cell is empty if there is nothing or only white space in it, and every
        other cell is text. In typed formats null, None, NaN and empty text are empty.
    image, text, audio, face, features : str or sequence of str
        "column", or a template with columns in braces, "images/{id}.jpg", whose item is absent
        where one of them is empty; for `features` a column of vectors, or a pattern over numeric
        columns, "v2_*". A name may stand in front, "photo=images/{id}.jpg"; without one a
        modality is called after its kind, or after its column if there are several of that kind.
    label, id, split : str, optional
        Columns. `split` holds train, validation (or val, dev) and test.
    folder : path, optional
        What relative paths resolve against; by default the folder of the table.

    Raises
    ------
    InputError
        Whatever the table cannot mean: a missing column, one column in two roles, an id that is
        empty or repeated, no row, no item at all. What the labels must fulfil for learning is
        checked by `check_labels`.
    """
    table = open_source(source)
    chosen = {"image": image, "text": text, "audio": audio, "face": face, "features": features}
    roles = {"label": label, "id": id, "split": split}
    for role, column in roles.items():
        if column is not None:
            _check_column(table, f"The {role}", column)
    modalities = _name_modalities(
        [
            _parse(table, kind, choice, [column for column in roles.values() if column])
            for kind, choices in chosen.items()
            for choice in ([choices] if isinstance(choices, str) else choices)
        ],
        table,
    )
    _check_roles(modalities, roles)
    wanted = [column for modality in modalities for column in modality.columns]
    wanted += [column for column in roles.values() if column is not None]
    columns = table.read(list(dict.fromkeys(wanted)))
    if not columns.n:
        raise InputError(f"{table.name} has no rows, only column names.")
    cells, lines = columns.cells, columns.lines
    follow = lines is not None and bool((np.diff(lines) == 1).all())
    read = Table(
        items={},
        kinds={modality.name: modality.kind for modality in modalities},
        ids=np.arange(columns.n),
        labels=None if label is None else _labels(cells[label]),
        split=None,
        folder=Path(folder) if folder is not None else table.folder,
        name=table.name,
        first_line=int(lines[0]) if lines is not None and follow else None,
        lines=None if follow else lines,
    )
    if id is not None:
        read = replace(read, ids=_ids(read, id, cells[id]))
    if split is not None:
        read = replace(read, split=_splits(read, split, cells[split]))
    for modality in modalities:
        read.items[modality.name] = _items(read, modality, cells)
    if not read.present.any():
        used = ", ".join(repr(modality.choice) for modality in modalities)
        raise InputError(
            f"No row of {read.name} has an item: {used} is empty in all {len(read):,} rows. "
            "Choose other columns."
        )
    return read


def check_labels(labels: Table | Embeddings | Sequence[Any] | np.ndarray | None) -> np.ndarray:
    """Raise `InputError` unless a classifier can learn from these labels.

    Returns a boolean array (n,): the rows to learn from, which have a label and, in a `Table` or
    `Embeddings`, at least one item. There must be two classes, of two such rows each.
    """
    source = f" in {labels.name}" if isinstance(labels, Table) else ""
    usable: Any = True
    if isinstance(labels, (Table, Embeddings)):
        usable, labels = labels.present.any(axis=1), labels.labels
    if labels is None:
        raise InputError(f"There are no labels{source}: name the column they are in (label=…).")
    column = np.asarray(labels, dtype=object)
    known = np.asarray(pd.notna(column)) & usable
    if not known.any():
        raise InputError(
            f"No row has both a label and an item{source}. Learning needs labels; rows without "
            "one are for prediction only."
        )
    kinds = {"text" if isinstance(value, str) else "numbers" for value in column[known]}
    if len(kinds) > 1:
        raise InputError(f"The labels mix text and numbers{source}; make them all text.")
    measured = [v for v in column[known] if isinstance(v, (float, np.floating)) and v % 1]
    if measured:
        raise InputError(
            f"The label {measured[0]!r}{source} is a measurement, not a class. Use a column of "
            "classes, or cut the numbers into ranges first."
        )
    counts = pd.Series(column[known]).value_counts()
    if len(counts) < 2:
        raise InputError(
            f"All {int(known.sum()):,} labelled rows{source} have the one class "
            f"{counts.index[0]!r}; a classifier needs at least two."
        )
    single = sorted(map(repr, counts.index[counts == 1]))
    if single:
        who = f"Class {single[0]} has" if len(single) == 1 else f"{len(single)} classes have"
        which = "" if len(single) == 1 else f" ({', '.join(single[:5])}{', …' * (len(single) > 5)})"
        raise InputError(
            f"{who} one row{which}{source}; each class needs at least 2 to be split. "
            "Add rows to them, merge them into others, or leave their rows out."
        )
    return known


@dataclass(frozen=True)
class _Modality:
    """One modality as the user chose it: the columns it uses and how they become an item."""

    name: str
    kind: str
    choice: str
    form: str  # "column", "template" or "glob"
    columns: tuple[str, ...]


def _parse(table: Source, kind: str, choice: str, reserved: Sequence[str]) -> _Modality:
    name, wanted = "", choice
    if choice not in table.columns and "=" in choice:
        name, wanted = (part.strip() for part in choice.split("=", 1))
        name = check_modality_name(name)
    form, columns = "column", (wanted,)
    if wanted in table.columns:
        pass
    elif kind == "features" and any(sign in wanted for sign in "*?["):
        form = "glob"
        columns = tuple(c for c in table.columns if fnmatchcase(c, wanted) and c not in reserved)
        if not columns:
            raise InputError(
                f"The features {wanted!r} match no column of {table.name}. "
                f"{did_you_mean(wanted, table.columns)}"
            )
    elif kind != "features" and _IN_BRACES.search(wanted):
        form, columns = "template", tuple(_IN_BRACES.findall(wanted))
    for column in columns:
        _check_column(table, f"The {kind}", column)
    return _Modality(name, kind, wanted, form, columns)


def _check_column(table: Source, role: str, column: str) -> None:
    if table.columns.count(column) > 1:
        raise InputError(
            f"{role} column {column!r} stands {table.columns.count(column)} times in "
            f"{table.name}; rename all but one."
        )
    if column in table.columns:
        return
    hint = did_you_mean(column, table.columns)
    if len(table.columns) == 1 and ";" in table.columns[0]:
        hint = f"It seems to be separated by ';': save it with commas. {hint}"
    raise InputError(f"{role} column {column!r} is not in {table.name}. {hint}")


def _name_modalities(parsed: list[_Modality], table: Source) -> list[_Modality]:
    if not parsed:
        raise InputError(
            "No modality chosen: name at least one column of items, e.g. image='photo' or "
            f"text='title' (--image photo, --text title). "
            f"{table.name} has: {', '.join(map(repr, table.columns))}."
        )
    named = []
    for modality in parsed:
        alone = sum(other.kind == modality.kind for other in parsed) == 1
        if not (modality.name or alone or modality.form == "column"):
            raise InputError(
                f"There are several {modality.kind} modalities, so {modality.choice!r} needs a "
                f"name: write e.g. '{modality.kind}1={modality.choice}'."
            )
        name = modality.name or (modality.kind if alone else modality.choice)
        named.append(replace(modality, name=name))
    check_modalities([modality.name for modality in named])
    return named


def _check_roles(modalities: Iterable[_Modality], roles: dict[str, str | None]) -> None:
    """One column cannot be two things, nor an input hold what is to be predicted.

    The path of a picture may: "images/{split}/{label}/{id}.jpg" is how many data sets are laid
    out. So may an id, and a photo be both an image and a face.
    """
    uses = [(f"the {role}", column) for role, column in roles.items() if column is not None]
    inputs: list[tuple[str, str, str]] = []
    for modality in modalities:
        if modality.form == "template" and modality.kind in _PATH_KINDS:
            continue
        kind = "image" if modality.kind == "face" else modality.kind
        inputs += [(f"the {modality.kind} {modality.name!r}", kind, c) for c in modality.columns]
    clashes = [
        (first, second, column)
        for i, (first, column) in enumerate(uses)
        for second, other in uses[i + 1 :]
        if column == other
    ]
    clashes += [
        (role, what, column)
        for role, column in uses
        for what, _, other in inputs
        if column == other and role != "the id"
    ]
    seen: dict[str, tuple[str, str]] = {}
    for what, kind, column in inputs:
        before, other_kind = seen.setdefault(column, (what, kind))
        if other_kind != kind:
            clashes.append((before, what, column))
    if clashes:
        first, second, column = clashes[0]
        raise InputError(
            f"Column {column!r} cannot be both {first} and {second}; choose another for one."
        )


def _where(row: int, name: str, line: int | None, id: Any) -> str:
    id = id.item() if isinstance(id, np.generic) else id
    details = [] if line is None else [f"line {line} of {name}"]
    details += [] if id == row and not isinstance(id, str) else [f"id {id!r}"]
    place = f"row {row}" if line is not None else f"row {row} of {name}"
    return f"{place} ({', '.join(details)})" if details else place


def _items(table: Table, modality: _Modality, cells: dict[str, np.ndarray]) -> np.ndarray:
    """The object array (n,) of one modality's items, None where absent."""
    if modality.kind == "features":
        return _vectors(table, modality, cells)
    columns = [[_plain(cell) for cell in cells[column]] for column in modality.columns]
    items = np.empty(len(table), dtype=object)
    if modality.form == "column":
        items[:] = columns[0]
        return items
    parts = _IN_BRACES.split(modality.choice)  # literal, column, literal, …, literal
    for row, values in enumerate(zip(*columns, strict=True)):
        if None not in values:
            parts[1::2] = map(str, values)
            items[row] = "".join(parts)
    return items


def _plain(cell: Any) -> Any:
    """Numbers and paths as text; pandas' 7.0 (an integer beside holes) is 7 again."""
    if isinstance(cell, (float, np.floating)) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, (bool, int, float, np.generic, Path)):
        return str(cell)
    return cell


def _vectors(table: Table, modality: _Modality, cells: dict[str, np.ndarray]) -> np.ndarray:
    """float32 vectors, from a column of them or from one column per number."""
    vectors = np.empty(len(table), dtype=object)
    length: int | None = None
    for row, values in enumerate(zip(*(cells[c] for c in modality.columns), strict=True)):
        cell: Any = values if modality.form == "glob" else values[0]
        if cell is None or (modality.form == "glob" and not any(v is not None for v in values)):
            continue
        try:
            vector = np.array(cell, dtype=np.float64)
        except (TypeError, ValueError):
            vector = np.array("not numbers")
        if vector.ndim != 1:
            raise InputError(_bad_vector(table, modality, row, cell, "is not a list of numbers"))
        if np.isnan(vector).all():
            continue
        if length is None:
            length = len(vector)
        if len(vector) != length:
            fault = f"has {len(vector)} numbers, the rows before have {length}"
            raise InputError(_bad_vector(table, modality, row, cell, fault))
        with np.errstate(over="ignore"):
            vectors[row] = vector.astype(np.float32)
        if not np.isfinite(vectors[row]).all():
            fault = "is partly empty, infinite or too large"
            raise InputError(_bad_vector(table, modality, row, cell, fault))
    return vectors


def _bad_vector(table: Table, modality: _Modality, row: int, cell: Any, fault: str) -> str:
    """The message for a vector that is none: which column of which row, and its value."""
    column, value = modality.columns[0], cell
    if modality.form == "glob":
        bad = next(i for i, number in enumerate(cell) if not _is_finite(number))
        column, value = modality.columns[bad], cell[bad]
        fault = "is empty, but not the others" if value is None else "is not a finite number"
    shown = "" if value is None else f" ({str(value)[:40]!r})"
    return (
        f"Column {column!r} of {table.where(row)}{shown} {fault}. The features "
        f"{modality.name!r} need finite numbers in every row, or none at all where they are "
        "absent. Vectors in one column need JSON Lines, Parquet or a frame."
    )


def _is_finite(number: Any) -> bool:
    try:
        return bool(np.isfinite(np.float32(number)))
    except (TypeError, ValueError):
        return False


def _labels(cells: np.ndarray) -> np.ndarray:
    values = [cell.item() if isinstance(cell, np.generic) else cell for cell in cells]
    known = [value for value in values if value is not None]
    # pandas makes whole numbers beside holes floats; undo that.
    if len(known) < len(values) and all(isinstance(v, float) and v.is_integer() for v in known):
        values = [None if value is None else int(value) for value in values]
    labels = np.empty(len(values), dtype=object)
    labels[:] = values
    return labels


def _ids(table: Table, column: str, cells: np.ndarray) -> np.ndarray:
    values = [cell.item() if isinstance(cell, np.generic) else cell for cell in cells]
    if None in values:
        raise InputError(
            f"The id of {table.where(values.index(None))} is empty (column {column!r}). "
            "Fill it in, or leave the id out to number the rows."
        )
    whole = all(type(value) is int for value in values)
    ids = np.array(values) if whole else np.array([str(value) for value in values], dtype=object)
    first: dict[Any, int] = {}
    for row, value in enumerate(ids.tolist()):
        if first.setdefault(value, row) != row:
            raise InputError(
                f"Id {value!r} (column {column!r}) stands in {table.where(first[value])} and in "
                f"{table.where(row)}; ids must be unique. Remove the repeated row, or leave the "
                "id out to number the rows."
            )
    return ids


def _splits(table: Table, column: str, cells: np.ndarray) -> np.ndarray:
    words = {word: name for name, synonyms in SPLITS.items() for word in synonyms}
    split = np.empty(len(cells), dtype=object)
    for row, cell in enumerate(cells):
        if cell is None:
            continue
        split[row] = words.get(str(cell).strip().lower())
        if split[row] is None:
            raise InputError(
                f"The split of {table.where(row)} is {cell!r} (column {column!r}), which is "
                f"unknown. {did_you_mean(str(cell), words)}"
            )
    return split
