"""A request's rows, as a table with holes: which names it may use, what of it is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from srmm.data.blocks import Cells
from srmm.data.sources import object_array
from srmm.data.table import Table
from srmm.encoders import ExplainedEncoder
from srmm.errors import InputError, did_you_mean
from srmm.serving.contract import Contract, ServedModality
from srmm.serving.given import GivenVector, Nothing, given_cell, given_item
from srmm.serving.refusals import Refusal, readable
from srmm.workflows.predictor import Predictor
from srmm.workflows.rows import rows_to_predict

_COLUMN = "raw:"
"""In front of a modality's name, the column of its items: no column of features is called so."""


@dataclass(frozen=True)
class Wanted:
    """What an answer is to hold."""

    coverage: float | None = None
    """Of the prediction sets; None for none."""
    explain: bool = True
    """Whether to add Shapley shares."""
    top: int | None = 10
    """How many classes to list with their probabilities; None for all."""
    nearest: int = 0
    """How many of the training items to list."""


@dataclass(frozen=True)
class Asked:
    """The rows of one request.

    Parameters
    ----------
    table : Table of n rows
        Raw items, None where absent.
    vectors : dict of str to dict of int to float32 array
        Modality → row → the embedding that was given.
    named : list of n lists of str
        Per row, the modalities for which something was given, be it blank.
    ids : list of n
        What the client calls its rows, None where it does not.
    notes : list of n lists of str
        What was met in the cells of a row that training did not lead to expect.
    """

    table: Table
    vectors: dict[str, dict[int, np.ndarray]]
    named: list[list[str]]
    ids: list[Any]
    notes: list[list[str]]
    wanted: Wanted = field(default_factory=Wanted)
    where: str = "rows[{}]"
    """How a field of a row is named."""

    def __len__(self) -> int:
        return len(self.table)

    @property
    def present(self) -> np.ndarray:
        """Boolean (n, M): where there is a raw item or an embedding."""
        there: np.ndarray = self.table.present.copy()
        for name, rows in self.vectors.items():
            there[list(rows), self.table.modalities.index(name)] = True
        return there


def read_asked(
    predictor: Predictor,
    contract: Contract,
    rows: Sequence[Mapping[str, Any]],
    wanted: Wanted,
    *,
    where: str = "rows[{}]",
) -> Asked:
    """The rows of a request, checked, and read as the model's training table was.

    Raises `Refusal` (422) naming the row and the field.
    """
    given = [given_row(contract, row, where.format(i)) for i, row in enumerate(rows)]
    vectors: dict[str, dict[int, np.ndarray]] = {}
    for i, row in enumerate(given):
        for name, item in row.items():
            if isinstance(item, GivenVector):
                vectors.setdefault(name, {})[i] = item.vector
    table = _read(predictor, contract, given)
    named = [[name for name, item in row.items() if item is not None] for row in given]
    ids = [_id(row.get("id"), _dotted(where.format(i), "id")) for i, row in enumerate(rows)]
    return Asked(table, vectors, named, ids, _surprises(predictor, table), wanted, where)


def given_row(contract: Contract, row: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Modality → what was given for it; `Refusal` for a name that means nothing, or one twice."""
    if not isinstance(row, Mapping):
        raise Refusal(422, "Expected an object: modality → item.", field=where)
    found: dict[str, Any] = {}
    for key, value in row.items():
        place = _dotted(where, key[:60])
        items = _read_by(contract, key, value, place)
        if not items and key != "id":
            hint = did_you_mean(key[:60], contract.names)
            raise Refusal(422, f"The model reads nothing called {key[:60]!r}. {hint}", field=place)
        for name, item in items:
            before = found.get(name)
            if isinstance(before, dict) and isinstance(item, dict) and not before.keys() & item:
                item = {**before, **item}
            elif before is not None and item is not None:
                raise Refusal(422, f"{name} is given twice. Give it once.", field=place)
            found[name] = before if item is None else item
    return {name: _whole(contract.modalities[name], item, where) for name, item in found.items()}


def _read_by(contract: Contract, key: str, value: Any, place: str) -> list[tuple[str, Any]]:
    """Each modality that reads what is called so, as it does a column of a table, and its item."""
    items = [
        (name, given_item(contract.modalities[name], value, place))
        for name in contract.owners.get(key, ())
    ]
    if key in contract.block_columns:
        cell = given_cell(value, place)
        item = None if cell in (None, "") else {key: cell}
        items += [(name, item) for name in contract.block_columns[key]]
    return items


def _whole(one: ServedModality, item: Any, where: str) -> Any:
    """Columns that came one by one, as the vector they make up where they are plain numbers."""
    if isinstance(item, dict) and not one.as_cells:
        return given_item(one, item, _dotted(where, one.name))
    return item


def joined_tables(tables: Sequence[Table]) -> Table:
    """The rows of several requests as one table."""
    first = tables[0]
    return Table(
        items={
            name: np.concatenate([table.items[name] for table in tables]) for name in first.items
        },
        kinds=first.kinds,
        ids=np.arange(sum(map(len, tables))),
        labels=None,
        split=None,
        folder=None,
        name="the request",
        first_line=None,
    )


def _read(predictor: Predictor, contract: Contract, given: Sequence[Mapping[str, Any]]) -> Table:
    """The raw items as `read_table` reads them: what stands for nothing is absent."""
    raw = [one for one in contract if one.encoder is not None]
    items = {name: np.full(len(given), None, dtype=object) for name in contract.modalities}
    kinds = {one.name: one.kind for one in contract}
    columns: dict[str, list[Any]] = {}
    choices: dict[str, list[str]] = {}
    for one in raw:
        cells = [row.get(one.name) for row in given]
        cells = [None if isinstance(cell, GivenVector | Nothing) else cell for cell in cells]
        if all(cell is None for cell in cells):
            continue
        if one.as_cells:
            names = [f"{_COLUMN}{one.name}:{k}" for k in range(len(one.columns))]
            for name, column in zip(names, one.columns, strict=True):
                columns[name] = [None if cell is None else cell.get(column.name) for cell in cells]
        else:
            names = [_COLUMN + one.name]
            columns[names[0]] = cells
        choices.setdefault(one.kind, []).append(f"{one.name}={','.join(names)}")
    if choices:
        values = zip(*columns.values(), strict=True)
        table = [dict(zip(columns, cells, strict=True)) for cells in values]
        try:
            (part,) = rows_to_predict(predictor.config, table, columns=choices)
        except InputError as error:
            raise Refusal(422, str(error)) from None
        assert isinstance(part.data, Table)
        items |= part.data.items
    for one in raw:
        if one.as_cells:
            items[one.name] = _renamed(items[one.name], one)
    ids = np.arange(len(given))
    return Table(items, kinds, ids, None, None, None, "the request", None)


def _renamed(items: np.ndarray, one: ServedModality) -> np.ndarray:
    """Cells under the names that their encoder knows: a name with a comma cannot be chosen."""
    names = tuple(column.name for column in one.columns)
    cells = [None if item is None else Cells(names, item.values) for item in items]
    return object_array(cells)


def _surprises(predictor: Predictor, table: Table) -> list[list[str]]:
    """Per row, a sentence on each cell that counts as blank, or is of no known category."""
    notes: list[list[str]] = [[] for _ in range(len(table))]
    for name, items in table.items.items():
        for row, item in enumerate(items):
            if isinstance(item, Cells):
                encoder = predictor.encoder(name)
                assert isinstance(encoder, ExplainedEncoder)
                notes[row] += [f"{name}: {note}" for note in encoder.notes_on([item])]
    return notes


def _dotted(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _id(value: Any, where: str) -> Any:
    if value is None or (isinstance(value, str | int) and not isinstance(value, bool)):
        return readable(value, 200) if isinstance(value, str) else value
    raise Refusal(422, "Expected a text or a whole number to name the row by.", field=where)
