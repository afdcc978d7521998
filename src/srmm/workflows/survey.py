"""A look at all rows before any is encoded: what cannot be predicted is said at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pyarrow as pa

from srmm.data.embeddings import Embeddings
from srmm.data.notes import united
from srmm.data.sources import object_array
from srmm.errors import InputError, did_you_mean
from srmm.learning.probabilities import nothing_there
from srmm.workflows.rows import Rows, RowsPart


@dataclass
class Survey:
    """The rows by what the table shows of them; files that it names may still be missing."""

    n: int = 0
    notes: tuple[str, ...] = ()
    types: dict[str, pa.DataType | None] = field(default_factory=dict)
    """Of each column that is carried through; None if no format could hold its cells."""


def survey(
    rows: Rows,
    embedding_dims: Mapping[str, int],
    *,
    when_nothing_present: str,
) -> Survey:
    """Read all rows once.

    Raises `InputError` for rows with nothing present, unless they get the prior; for modalities
    that the model does not know; for vectors of another length than the model's.
    """
    found, said, ids, parts = Survey(), list[str](), list[np.ndarray](), 0
    rows_with_nothing: list[int] = []
    for part in rows:
        _check_modalities(part, embedding_dims, rows.name)
        known = [name in embedding_dims for name in part.data.modalities]
        nothing = ~np.asarray(part.data.present[:, known].any(axis=1))
        if when_nothing_present == "error":
            rows_with_nothing += (part.first_row + np.flatnonzero(nothing)).tolist()
        found.n += len(part.data)
        said += getattr(part.data, "notes", ())
        for column, cells in part.kept.items():
            before = found.types.get(column, pa.null())
            found.types[column] = _type_of_both(before, cells)
        if "id" in part.kept:
            named = [str(id) for id in part.kept["id"] if id is not None]
            ids.append(pd.util.hash_array(object_array(named), categorize=False))
        parts += 1
        rows.only = part
    if parts > 1:
        rows.only = None
    if rows_with_nothing:
        raise InputError(nothing_there(np.array(rows_with_nothing), found.n))
    repeated = _count_repeated(ids)
    if repeated:
        said.append(f"{repeated:,} ids stand in several rows: tell these by their place.")
    found.notes = united(said)
    return found


def _count_repeated(ids: list[np.ndarray]) -> int:
    """How many ids stand in more than one row, of arrays of their hashes."""
    counts = pd.Series(np.concatenate(ids)).value_counts() if ids else pd.Series(dtype=int)
    return int((counts > 1).sum())


def _check_modalities(part: RowsPart, embedding_dims: Mapping[str, int], where: str) -> None:
    for name in part.data.modalities:
        if name not in embedding_dims:
            raise InputError(
                f"The model knows no modality {name!r}, which {where} has. "
                f"{did_you_mean(name, embedding_dims)}"
            )
        if isinstance(part.data, Embeddings) or part.data.kinds[name] != "features":
            continue
        vector = next((item for item in part.data.items[name] if item is not None), None)
        # How long the vectors of `Cells` are, only their encoder knows.
        size = len(vector) if isinstance(vector, np.ndarray) else embedding_dims[name]
        if size != embedding_dims[name]:
            raise InputError(
                f"The features {name!r} of {where} are vectors of {size} numbers, the model was "
                f"trained on {embedding_dims[name]}. Name the columns it was trained on."
            )


def _type_of_both(before: pa.DataType | None, cells: np.ndarray) -> pa.DataType | None:
    """An Arrow type for cells of this type and these: text where they agree on nothing else."""
    if before is None:
        return None
    try:
        found = pa.array(cells, from_pandas=True).type
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
        plain = all(c is None or isinstance(c, str | int | float | bool) for c in cells)
        return pa.string() if plain else None
    schemas = [pa.schema([("cell", type)]) for type in (before, found)]
    try:
        return pa.unify_schemas(schemas, promote_options="permissive").field("cell").type
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.string()
