"""Tables of raw items with holes: which columns are modalities, what is absent, what is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from srmm.data.cells import read_groups, read_ids, read_items, read_labels, read_splits
from srmm.data.columns import check_column, check_roles, name_modalities, parse_choice
from srmm.data.embeddings import Embeddings
from srmm.data.labels import check_label_types, known_labels
from srmm.data.sources import OpenedTable, open_source
from srmm.errors import InputError


@dataclass(frozen=True, eq=False)
class Table:
    """n instances with one raw item per modality, any of which may be absent.

    Parameters
    ----------
    items : dict of str to object array of shape (n,)
        Per modality the raw items (a text, a path, bytes, a float32 vector), None where absent.
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
    source: str | Path | pd.DataFrame | OpenedTable,
    *,
    image: str | Sequence[str] = (),
    text: str | Sequence[str] = (),
    audio: str | Sequence[str] = (),
    face: str | Sequence[str] = (),
    features: str | Sequence[str] = (),
    label: str | None = None,
    id: str | None = None,
    split: str | None = None,
    group: str | None = None,
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
        where one of them is empty; for `features` a column of vectors or numbers, or several
        numeric columns with commas or by a pattern, "width,height", "v2_*". A name may stand in
        front, "photo=images/{id}.jpg"; without one a modality is called after its kind, or after
        its column if there are several of that kind.
    label, id, split, group : str, optional
        Columns. `split` holds train, validation (or val, dev) and test; `group` what belongs
        together, such as a customer, and must not be on both sides of a split.
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
    roles = {"label": label, "id": id, "split": split, "group": group}
    for role, column in roles.items():
        if column is not None:
            check_column(table, f"The {role}", column)
    modalities = name_modalities(
        [
            parse_choice(table, kind, choice, [column for column in roles.values() if column])
            for kind, choices in chosen.items()
            for choice in ([choices] if isinstance(choices, str) else choices)
        ],
        table,
    )
    check_roles(modalities, roles)
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
        ids=columns.first_row + np.arange(columns.n),
        labels=None,
        split=None,
        folder=Path(folder) if folder is not None else table.folder,
        name=table.name,
        first_line=int(lines[0]) if lines is not None and follow else None,
        lines=None if follow else lines,
        notes=table.notes + columns.notes,
        first_row=columns.first_row,
    )
    if table.to_predict:
        if id is not None:  # may be repeated or empty: a prediction is found by its row
            ids = np.array(cells[id], dtype=object)
            read = replace(read, ids=np.where(pd.isna(ids), read.ids, ids))
        label = id = split = group = None
    if label is not None:
        read = replace(read, labels=read_labels(read.where, label, cells[label]))
    if id is not None:
        read = replace(read, ids=read_ids(read.where, id, cells[id]))
    if split is not None:
        read = replace(read, split=read_splits(read.where, split, cells[split]))
    if group is not None:
        read = replace(read, groups=read_groups(cells[group]))
    for modality in modalities:
        read.items[modality.name] = read_items(read.where, modality, cells)
    if not (table.to_predict or read.present.any()):
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
    check_label_types(column[known], source)
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


def _where(row: int, name: str, line: int | None, id: Any) -> str:
    id = id.item() if isinstance(id, np.generic) else id
    details = [] if line is None else [f"line {line} of {name}"]
    details += [] if id == row and not isinstance(id, str) else [f"id {id!r}"]
    place = f"row {row}" if line is not None else f"row {row} of {name}"
    return f"{place} ({', '.join(details)})" if details else place
