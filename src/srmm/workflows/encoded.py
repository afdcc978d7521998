"""A source as embeddings, with what a model that learns from it has to know of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from srmm.data.embeddings import Embeddings
from srmm.data.store import is_store, load_embeddings
from srmm.data.table import Table
from srmm.encoders import kind_of, learns_from_items
from srmm.encoding.encode import EncodingSummary, encode
from srmm.encoding.fitting import COLUMNS, named_encoders
from srmm.encoding.store import ENCODERS
from srmm.errors import InputError, several
from srmm.workflows.splits import Split


@dataclass(frozen=True)
class Encoded:
    """Embeddings, and where they come from."""

    embeddings: Embeddings
    store: Path | None
    """Where they are kept; None for features that a data set publishes."""
    name: str
    columns: Mapping[str, Any]
    """The table's columns, as they were chosen or assumed."""
    inputs: dict[str, dict[str, Any]]
    """Modality → its kind, the column (or template) it was read from, its encoder."""
    attribution: str | None = None
    notes: tuple[str, ...] = ()
    summary: EncodingSummary | None = None
    drawn: Split | None = None
    """The split, where an encoder has learnt from its training rows."""


def encoded_table(
    table: Table,
    columns: Mapping[str, Any],
    encoders: Mapping[str, str],
    store: Path | None,
    cache: Path,
    draw: Callable[[], Split],
    **how: Any,
) -> Encoded:
    """Encode a table into `store`, or into `cache`, which holds its rows and no others.

    `draw` splits the table, for encoders that learn from items and must not see test rows; `how`
    are options of `encode`.
    """
    columns = {**table.assumed, **columns}
    place = (store or cache).resolve()
    drawn = None
    chosen = named_encoders(table, encoders)
    learning = {str(encoder) for encoder in chosen.values() if learns_from_items(str(encoder))}
    if learning:
        # Drawn before encoding, the split stays drawn: whoever splits this store anew would test
        # on what its encoder has learnt from.
        drawn = draw()
        table = replace(table, split=drawn.parts)
        if learning != {COLUMNS} or store is not None:  # in a cache columns are fitted again
            _check_fitted_before(table, place)
    result = encode(table, encoders, place, prune=store is None, **how)
    return Encoded(
        result.embeddings,
        place,
        table.name,
        columns,
        _inputs_of_table(table, result.embeddings),
        table.attribution or None,
        table.notes + result.summary.notes,
        result.summary,
        drawn,
    )


def encoded_before(embeddings: Embeddings, source: Path, columns: Mapping[str, Any]) -> Encoded:
    """What a store holds, or a data set publishes."""
    store = source.resolve() if is_store(source) else None
    inputs = _inputs_of_store(embeddings, store)
    return Encoded(embeddings, store, source.name, columns, inputs)


def _check_fitted_before(data: Table, store: Path) -> None:
    """Refuse to test on rows that the store's encoder was fitted on."""
    before = load_embeddings(store) if is_store(store) else None
    if before is None or before.split is None or data.split is None:
        return
    learnt = set(before.ids[before.split == "train"].tolist())
    both = learnt.intersection(data.ids[data.split == "test"].tolist())
    if both:
        raise InputError(
            f"{several(len(both), 'test row is', 'test rows are')} training data of the encoder in "
            f"the store {store}, which was fitted on another split. "
            "Keep --seed and --test-size as they were, or name another place with --store."
        )


def _inputs_of_table(table: Table, embeddings: Embeddings) -> dict[str, dict[str, Any]]:
    """Per modality: its kind, the column (or template) it was read from, its encoder."""
    described = {}
    for name, kind in table.kinds.items():
        column, spec = table.choices.get(name, name), embeddings.encoders.get(name, {}).get("spec")
        described[name] = {"kind": kind, "column": column, "encoder": spec}
    return described


def _inputs_of_store(embeddings: Embeddings, store: Path | None) -> dict[str, dict[str, Any]]:
    """As `_inputs_of_table`, from what a store knows: its encoders, but no column."""
    described = {}
    for name in embeddings.modalities:
        spec = embeddings.encoders.get(name, {}).get("spec")
        if spec and store is not None and (store / ENCODERS / name).is_dir():
            # Its own, wherever it was when it was made.
            spec = f"{spec.partition(':')[0]}:{store / ENCODERS / name}"
        described[name] = {"kind": kind_of(name, spec), "column": None, "encoder": spec}
    return described
