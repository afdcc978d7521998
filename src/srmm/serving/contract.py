"""What a model reads, as a client sees it: its modalities, their kinds, and their columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from srmm.data.missing import IsMarker, is_marker, parse_missing
from srmm.encoding.fitting import read_as_cells
from srmm.workflows.predictor import Predictor
from srmm.workflows.reading import kept_options


@dataclass(frozen=True)
class BlockColumn:
    """One column of a modality of features, as its encoder learnt it."""

    name: str
    kind: str
    """"number", "date", "time", "yes or no", "tags" or "category"."""
    values: tuple[str, ...] = ()
    """The categories, or tags, that training knew."""
    unit: str | None = None


@dataclass(frozen=True)
class ServedModality:
    """One modality of a model: its name, how an item is read, the size of its embedding."""

    name: str
    kind: str
    embedding_dim: int
    encoder: str | None
    """The name of the encoder of raw items; None where only embeddings can be given."""
    column: str | None
    """The column it was in training, where a client may call it so."""
    columns: tuple[BlockColumn, ...] = ()
    """Of features, the columns that make it up, where they have names."""
    as_cells: bool = False
    """Whether its columns are read as people write them."""
    is_marker: IsMarker = is_marker
    """What stood for nothing in training."""

    @property
    def is_raw(self) -> bool:
        """Whether raw items can be given, or numbers by column."""
        return self.encoder is not None or self.kind == "features"


class Contract:
    """What a model reads.

    Attributes
    ----------
    modalities : dict of str to ServedModality, in the model's order
    owners : dict of str to tuple of str
        Every name under which an item can be given → its modality; of a column, all that read it.
    block_columns : dict of str to tuple of str
        The columns of features that can be given by their own name → the modalities they are in.
    """

    def __init__(self, predictor: Predictor) -> None:
        self.modalities = {name: _served(predictor, name) for name in predictor.modalities}
        self.owners: dict[str, tuple[str, ...]] = {name: (name,) for name in self.modalities}
        self.block_columns: dict[str, tuple[str, ...]] = {}
        for name, one in self.modalities.items():
            for column in one.columns:
                if column.name not in self.modalities:
                    _add(self.block_columns, column.name, name)
            if one.column and one.column not in self.modalities:
                _add(self.owners, one.column, name)

    def __iter__(self) -> Any:
        return iter(self.modalities.values())

    @property
    def names(self) -> tuple[str, ...]:
        """All names that a row may have, those of the modalities first."""
        return (*dict.fromkeys((*self.owners, *self.block_columns)), "id")


def _add(readers: dict[str, tuple[str, ...]], column: str, modality: str) -> None:
    readers[column] = (*readers.get(column, ()), modality)


def _served(predictor: Predictor, name: str) -> ServedModality:
    about: Mapping[str, Any] = predictor.config["inputs"].get(name, {})
    dim, spec = predictor.model.embedding_dims_[name], about.get("encoder")
    kind = about.get("kind", "features") if spec else "features"
    column = about.get("column")
    as_cells = bool(read_as_cells({name: spec}))
    columns: tuple[BlockColumn, ...] = ()
    if as_cells:
        learnt = getattr(predictor.encoder(name), "columns", ())
        columns = tuple(_block_column(one) for one in learnt if one.features)
    elif kind == "features" and column:
        names = [part.strip() for part in column.split(",")]
        if len(names) == dim:  # patterns are kept as the columns they matched
            columns = tuple(BlockColumn(one, "number") for one in names)
    several = columns or ("," if kind == "features" else "{") in (column or "")
    shown = None if spec is None else spec.partition(":")[0] if as_cells else spec
    return ServedModality(
        name,
        kind,
        dim,
        _without_folder(shown),
        None if several else column,
        columns,
        as_cells,
        parse_missing(kept_options(predictor.config).get("missing", "auto")),
    )


def _block_column(learnt: Any) -> BlockColumn:
    how = learnt.how
    values = tuple(map(str, how.get("names", ()))) if learnt.kind in ("category", "tags") else ()
    return BlockColumn(learnt.name, learnt.kind, values, how.get("unit") or None)


def _without_folder(spec: str | None) -> str | None:
    """An encoder's name without a folder of the server in it."""
    kind, _, place = (spec or "").partition(":")
    return kind or None if place.startswith(("/", "~", ".")) or "\\" in place else spec
