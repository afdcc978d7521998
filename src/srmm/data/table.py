"""Tables of raw items with holes: which columns are modalities, what is absent, what is wrong."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from srmm.data.arrays import as_rows
from srmm.data.blocks import holds_cells
from srmm.data.byte_texts import with_texts
from srmm.data.cells import read_groups, read_ids, read_items, read_labels, read_splits
from srmm.data.columns import (
    PATH_KINDS,
    ModalityColumns,
    alike_notes,
    as_choices,
    check_column,
    check_roles,
    name_modalities,
    parse_choice,
)
from srmm.data.download import fetch_items
from srmm.data.embeddings import Embeddings
from srmm.data.labels import check_label_types, known_labels
from srmm.data.leaks import leak_notes
from srmm.data.letters import letter_notes
from srmm.data.missing import (
    IsMarker,
    blank_markers,
    parse_missing,
    without_markers,
)
from srmm.data.odd_numbers import odd_number_notes
from srmm.data.odd_rows import odd_row_notes
from srmm.data.slashes import with_slashes
from srmm.data.sources import open_source
from srmm.data.sources.base import LoadedColumns, OpenedTable
from srmm.data.targets import check_targets, group_notes, label_notes, tidy_names
from srmm.data.text_notes import text_notes
from srmm.data.usual import with_usual
from srmm.errors import InputError, some_of


@dataclass(frozen=True, eq=False)
class Table:
    """n instances with one raw item per modality, any of which may be absent.

    Parameters
    ----------
    items : dict of str to object array of shape (n,)
        Per modality the raw items (a text, a path, bytes, a float32 vector, `Cells`), None where
        absent.
    kinds : dict of str to str
        Per modality, how an item is read: one of `srmm.data.modality.KINDS`.
    ids : array of shape (n,)
        Unique names of the rows; their numbers if the table has no id column.
    labels : object array of shape (n,) or None
        Class labels, None where unknown (such rows are for prediction only).
    split : object array of shape (n,) or None
        "train", "validation", "test" or None.
    groups : object array of shape (n,) or None
        What belongs together (a speaker, a customer), never on both sides of a split; None of a
        row that stands alone.
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
    notes : tuple of str
        What reading did that changes what is learnt or predicted: one sentence each, which every
        command prints and a report repeats.
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
    groups: np.ndarray | None = None
    notes: tuple[str, ...] = ()
    assumed: Mapping[str, str] = field(default_factory=dict)
    """Columns that nobody chose and the source names itself: kind or role → column."""
    choices: Mapping[str, str] = field(default_factory=dict)
    """Modality → the column or template that was read, for a pattern the columns it matched."""
    first_row: int = 0
    """The number of row 0 in its source, of which this may be a part."""

    @property
    def modalities(self) -> tuple[str, ...]:
        """The names of the modalities, in order."""
        return tuple(self.items)

    @property
    def present(self) -> np.ndarray:
        """Boolean (n, n_modalities): True where the table has an item (its file may be missing)."""
        return np.column_stack([pd.notna(column) for column in self.items.values()])

    @property
    def shape(self) -> tuple[int, int]:
        """(n_rows, n_modalities), which is what scikit-learn's splitters look at."""
        return len(self), len(self.modalities)

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        counts = zip(self.modalities, self.present.sum(axis=0), strict=True)
        parts = ", ".join(f"{name}: {count:,}" for name, count in counts)
        return f"Table({self.name!r}, {len(self):,} rows; {parts})"

    def __getitem__(self, rows: Any) -> Table:
        """The rows chosen by a slice, indices or a boolean mask."""
        if isinstance(rows, tuple) and len(rows) == 2 and rows[1] is Ellipsis:
            rows = rows[0]  # scikit-learn indexes arrays as X[rows, ...]
        rows = as_rows(rows, len(self))
        lines = self.lines
        if lines is None and self.first_line is not None:
            lines = self.first_line + np.arange(len(self))
        return replace(
            self,
            items={name: column[rows] for name, column in self.items.items()},
            ids=self.ids[rows],
            labels=None if self.labels is None else self.labels[rows],
            split=None if self.split is None else self.split[rows],
            groups=None if self.groups is None else self.groups[rows],
            first_line=None,
            lines=None if lines is None else lines[rows],
            first_row=0,
        )

    def where(self, row: int) -> str:
        """How a message names a row: "row 5 (line 7 of products.csv, id 'x12')"."""
        line = None if self.first_line is None else self.first_line + row
        if self.lines is not None:
            line = int(self.lines[row])
        return _where(self.first_row + row, self.name, line, self.ids[row])


def read_table(
    source: str | Path | pd.DataFrame | Any,
    *,
    image: str | Sequence[str] = (),
    text: str | Sequence[str] = (),
    audio: str | Sequence[str] = (),
    voice: str | Sequence[str] = (),
    face: str | Sequence[str] = (),
    features: str | Sequence[str] = (),
    label: str | None = None,
    id: str | None = None,
    split: str | None = None,
    group: str | None = None,
    folder: str | Path | None = None,
    query: str | None = None,
    download: str | Path | None = None,
    allow_private: bool = False,
    missing: str | Sequence[str] = "auto",
    as_cells: Collection[str] = (),
) -> Table:
    """Read a table of raw items; each modality names the column its items are in.

    Parameters
    ----------
    source : path, address, DataFrame or Dataset
        A .csv or .tsv file with a header (UTF-8, or UTF-16 with its mark; separated by commas,
        tabs, semicolons or pipes), .jsonl, .ndjson or .json (all also .gz, .bz2, .xz or .zip),
        .parquet or .pq, .xlsx (a sheet: "goods.xlsx#Summer"); an SQLite file, or the address of a
        database, "postgresql://user@host/shop"; a folder with a folder of pictures or sounds per
        class, or of a data set that `datasets` saved; a frame, of Polars and the like, too, an
        Arrow table, or a data set in memory. A cell is
        empty if there is nothing or only white space in it, or null, None or NaN.
    image, text, audio, voice, face, features : str or sequence of str
        "column", or a template with columns in braces, "images/{id}.jpg", whose item is absent
        where one of them is empty; for `features` a column of vectors, or columns of numbers,
        dates, categories and tags as people write them, with commas or by a pattern,
        "price,colour,added", "v2_*": vectors if all are finite numbers and no row is partly blank,
        else `srmm.data.blocks.Cells`, which the encoder "columns" reads. A name may stand in
        front, "photo=images/{id}.jpg"; without one a modality is called after its kind, or after
        its column if there are several of that kind.
    label, id, split, group : str, optional
        Columns. `split` holds train, validation (or val, dev) and test; `group` what belongs
        together, such as a customer, and must not be on both sides of a split.
    folder : path, optional
        What relative paths resolve against; by default the folder of the table.
    query : str, optional
        What to read from a database, "SELECT …"; not needed where it has one table.
    download : path, optional
        A folder to fetch http and https addresses of pictures and sounds to, each once. One that
        cannot be fetched is an unreadable item. By default nothing is fetched.
    allow_private : bool
        Whether addresses inside a private network may be fetched, too.
    missing : str or sequence of str
        Which texts stand for nothing, so that a text, path or number counts as absent. "auto":
        what pandas takes for missing ("nan", "None", "N/A", "NULL", …, in any case), dashes,
        question marks, "TBD" and the like (`srmm.data.missing.MARKERS`); "none": no text does;
        or those to look for, "n/a,unknown" or ["n/a", "unknown"], with "auto" among them if the
        usual ones count, too. A note says how many there were. Classes and ids keep their names.
    as_cells : collection of str, optional
        Modalities of features that are `Cells` even if all are numbers, for "columns" to read.

    Raises
    ------
    InputError
        Whatever the table cannot mean: a missing column, one column in two roles, an id that is
        empty or repeated, no row, no item at all. What the labels must fulfil for learning is
        checked by `check_labels`.
    """
    if allow_private and download is None:
        raise InputError("allow_private is for download=FOLDER; without it nothing is fetched.")
    is_marker = parse_missing(missing)
    table = open_source(source, query=query)
    chosen = {"image": image, "text": text, "audio": audio, "voice": voice}
    chosen |= {"face": face, "features": features}
    roles = {"label": label, "id": id, "split": split, "group": group}
    chosen, roles, assumed, assumed_notes = with_usual(table, chosen, roles)
    for role, column in roles.items():
        if column is not None:
            check_column(table, f"The {role}", column)
    modalities = name_modalities(
        [
            parse_choice(table, kind, choice, [column for column in roles.values() if column])
            for kind, choices in chosen.items()
            for choice in as_choices(kind, choices)
        ],
        table,
    )
    check_roles(modalities, roles)
    wanted = [column for modality in modalities for column in modality.columns]
    wanted += [column for column in roles.values() if column is not None]
    columns = table.read(list(dict.fromkeys(wanted)))
    columns = replace(columns, cells=with_texts(columns.cells, modalities))
    if not columns.n:
        raise InputError(f"{table.name} has no rows, only column names.")
    read = _without_items(
        table,
        columns,
        kinds={modality.name: modality.kind for modality in modalities},
        choices={modality.name: modality.resolved for modality in modalities},
        folder=Path(folder) if folder is not None else table.folder,
        notes=(*table.notes, *assumed_notes, *alike_notes(wanted, table.columns), *columns.notes),
        assumed=assumed,
    )
    read, notes = _with_roles(read, columns.cells, roles, is_marker, to_predict=table.to_predict)
    if not read.first_row:
        notes += odd_row_notes(read.where, columns.cells)
    others = [column for column in roles.values() if column]
    for modality in modalities:
        clean, said = without_markers(modality, columns.cells, is_marker, others)
        items, seen = _items(read, modality, clean, modality.name in as_cells, table.to_predict)
        read.items[modality.name] = items
        notes += [*said, *seen]
    read = replace(read, notes=(*read.notes, *dict.fromkeys(notes)))
    if not (table.to_predict or read.present.any()):
        used = ", ".join(repr(modality.choice) for modality in modalities)
        raise InputError(
            f"No row of {read.name} has an item: {used} is empty in all {len(read):,} rows. "
            "Choose other columns." + "".join(f" {note}" for note in notes)
        )
    if download is not None:
        fetched = fetch_items(read.items, read.kinds, Path(download), allow_private=allow_private)
        read = replace(read, notes=read.notes + fetched)
    return read


def _without_items(table: OpenedTable, columns: LoadedColumns, **rest: Any) -> Table:
    """The rows, numbered, and the lines they stand in."""
    lines = columns.lines
    follow = lines is not None and bool((np.diff(lines) == 1).all())
    return Table(
        items={},
        ids=columns.first_row + np.arange(columns.n),
        labels=None,
        split=None,
        name=table.name,
        first_line=int(lines[0]) if lines is not None and follow else None,
        lines=None if follow else lines,
        first_row=columns.first_row,
        **rest,
    )


def _with_roles(
    read: Table,
    cells: dict[str, np.ndarray],
    roles: Mapping[str, str | None],
    is_marker: IsMarker,
    *,
    to_predict: bool,
) -> tuple[Table, list[str]]:
    """The table with labels, ids, split and groups, and what is to say of them."""
    label, id, split, group = (roles[role] for role in ("label", "id", "split", "group"))
    if to_predict:
        if id is not None:  # may be repeated or empty: a prediction is found by its row
            ids = np.array(cells[id], dtype=object)
            read = replace(read, ids=np.where(pd.isna(ids), read.ids, ids))
        return read, []
    notes: list[str] = []
    if label is not None:
        found = read_labels(read.where, label, cells[label])
        labels, notes = tidy_names(label, found, "label")
        notes += label_notes(label, labels)
        read = replace(read, labels=labels)
    if id is not None:
        read = replace(read, ids=read_ids(read.where, id, cells[id]))
    if split is not None:
        parts, said = blank_markers(split, cells[split], is_marker)
        notes += said
        read = replace(read, split=read_splits(read.where, split, parts))
    if group is not None:
        groups, said = tidy_names(group, read_groups(read.where, group, cells[group]), "group")
        notes += said + group_notes(group, groups)
        read = replace(read, groups=groups)
    return read, notes


def _items(
    read: Table,
    modality: ModalityColumns,
    cells: dict[str, np.ndarray],
    as_cells: bool,
    to_predict: bool,
) -> tuple[Any, list[str]]:
    """One modality's items, and what is to say of them."""
    items = read_items(read.where, modality, cells, as_cells=as_cells)
    notes: list[str] = []
    if modality.kind in PATH_KINDS:
        items, notes = with_slashes(modality.name, items, read.folder)
    elif modality.kind == "features" and not to_predict:
        # Of cells, their encoder says how it reads them.
        notes = odd_number_notes(modality.columns, cells, plain=not holds_cells(items))
    elif modality.kind == "text":
        notes = text_notes(modality.name, items)
    return items, notes + letter_notes(modality, cells) + leak_notes(modality, cells, read.labels)


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
        raise InputError(
            f"There are no labels{source}: name the column they are in (label=…, --label)."
        )
    column = np.asarray(labels, dtype=object)
    known = known_labels(column) & usable
    if not known.any():
        raise InputError(
            f"No row has both a label and an item{source}. Learning needs labels; rows without "
            "one are for prediction only."
        )
    check_targets(column[known], source)
    check_label_types(column[known], source)
    counts = pd.Series(column[known]).value_counts()
    if len(counts) < 2:
        raise InputError(
            f"All {int(known.sum()):,} labelled rows{source} have the one class "
            f"{counts.index[0]!r}; a classifier needs at least two."
        )
    single = sorted(map(repr, counts.index[counts == 1]))
    if single:
        who = f"Class {single[0]} has one row"
        if len(single) > 1:
            who = f"{len(single)} classes have one row ({some_of(single, 5)})"
        raise InputError(
            f"{who}{source}; each class needs at least 2 to be split. "
            "Add rows to them, leave them out (--rare drop, rare='drop'), or make them one class "
            "(--rare other, rare='other')."
        )
    return known


def _where(row: int, name: str, line: int | None, id: Any) -> str:
    id = id.item() if isinstance(id, np.generic) else id
    details = [] if line is None else [f"line {line} of {name}"]
    details += [] if id == row and not isinstance(id, str) else [f"id {id!r}"]
    place = f"row {row}" if line is not None else f"row {row} of {name}"
    return f"{place} ({', '.join(details)})" if details else place
