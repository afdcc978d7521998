"""The workflow of `srmm fit`: a table or a store → a saved model."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from srmm.data.embeddings import Embeddings
from srmm.data.labels import known_labels
from srmm.data.rare import find_rare, merge_rare, with_labels
from srmm.data.table import Table, check_labels
from srmm.encoding.encode import EncodingSummary
from srmm.encoding.fitting import read_as_cells
from srmm.errors import InputError, fraction
from srmm.files import beside
from srmm.learning.saving import check_writable, save_pretrained
from srmm.methods import make_method
from srmm.workflows.data import group_names, open_data, row_digests
from srmm.workflows.encoded import Encoded, encoded_before, encoded_table
from srmm.workflows.expected import expected_out_of_fold
from srmm.workflows.pictures import note_source, noted_reading
from srmm.workflows.places import check_not_inside, check_noted, check_place
from srmm.workflows.ranges import learnt_ranges
from srmm.workflows.splits import choose_split, same_item_notes, trained_on


@dataclass(frozen=True)
class Fitted:
    """The results of `fit_workflow`."""

    model: Any
    folder: Path
    store: Path | None
    summary: EncodingSummary | None
    counts: dict[str, int]
    """Instances per split that have a label and an item."""
    left_out: dict[str, int]
    """Why the others are in none → how many."""
    notes: tuple[str, ...] = ()
    """What happened to the table on its way that changes what was learnt: a sentence each."""
    classes: Mapping[Any, int] = field(default_factory=dict)
    """Class → its instances that have an item, the largest first."""


def fit_workflow(
    source: Path | str,
    output: Path | str,
    *,
    columns: Mapping[str, Any] | None = None,
    encoders: Mapping[str, str] | None = None,
    store: Path | str | None = None,
    root: Path | str | None = None,
    options: Mapping[str, Any] | None = None,
    method: str = "srmm",
    recipe: str | None = None,
    settings: Mapping[str, Any] | None = None,
    class_weight: str | None = None,
    rare: str = "error",
    min_rows: int = 2,
    test_size: float = 0.25,
    seed: int = 0,
    engine: str = "auto",
    precision: str = "full",
    strict: bool = False,
    overwrite: bool = False,
    progress: Any = False,
    epochs: Callable[[Iterable[int]], Iterable[int]] | None = None,
) -> Fitted:
    """Encode what is not encoded, hold out test instances, train, and save the model.

    Parameters
    ----------
    source : path or str
        As in `open_data`. A table's embeddings are kept in `store`, by default
        `<output>.embeddings`, and reused by the next run.
    method : str
        A name of `srmm.methods.METHODS`, "unimodal:MODALITY" among them.
    recipe : str, optional
        By default the method's own. An error for a method that has none.
    settings : dict, optional
        Fields of the recipe to change.
    rare : {"error", "drop", "other"}
        What to do with classes of fewer than `min_rows` rows, as in `srmm.data.rare.find_rare`.
    test_size : float
        Share of the labelled instances held out, stratified, where the data has no split. Groups
        are kept whole, and where there are none, rows with the same content are on one side.
    engine, precision : str
        As in `encode`.
    """
    # Whatever can be wrong without looking at the items is said before hours of encoding.
    model = make_method(
        method, recipe, settings, class_weight=class_weight, random_state=seed, progress=epochs
    )
    fraction("test_size", test_size)
    source, store = os.fspath(source), None if store is None else Path(store)
    output = _checked_output(Path(output), store, source, root, overwrite=overwrite)
    as_cells = read_as_cells(encoders or {})
    data = open_data(source, columns, root=root, options=options, as_cells=as_cells)
    # Labels are checked as they will be learnt from, and kept in the store as they are.
    check_labels(merge_rare(data, rare, min_rows=min_rows))
    if isinstance(data, Table):
        found = encoded_table(
            data,
            columns or {},
            encoders or {},
            store,
            beside(output, output.name, ".embeddings"),
            lambda: choose_split(merge_rare(data, rare, min_rows=min_rows), test_size, seed),
            engine=engine,
            precision=precision,
            strict=strict,
            progress=progress,
        )
        if found.store is not None:
            note_source(found.store, source, found.columns, root, options)
    else:
        asked = {"encoder": encoders, "store": store, "strict": strict, "half precision":
                 precision != "full"}  # fmt: skip
        if chosen := [name for name, value in asked.items() if value]:
            raise InputError(
                f"{source} holds embeddings already: {', '.join(chosen)} would change nothing. "
                "Leave it out, or name the table they were made from."
            )
        found = encoded_before(data, Path(source), columns or {})

    few = find_rare(found.embeddings, rare, min_rows)  # again: items may have been unreadable
    embeddings = with_labels(found.embeddings, few._asdict())
    split, said = choose_split(embeddings, test_size, seed)
    _learn(model, embeddings, split)

    notes = (
        *found.notes,
        *(
            f"No training row has {name}: it is left out of the model, in prediction, too."
            for name in found.inputs
            if name in model.training_.get("left_out", ()) or name not in embeddings.modalities
        ),
        *same_item_notes(trained_on(embeddings, split)),
        *([few.note] if few.note else ()),
        *(said if found.drawn is None else found.drawn.notes),
    )
    origin = _origin(found, output)
    origin["expected"] = expected_out_of_fold(model, trained_on(embeddings, split))
    origin["ranges"] = learnt_ranges(trained_on(embeddings, split), found.inputs)
    origin["notes"] = [*notes, *(found.summary.cut_notes if found.summary else ())]
    if few.names:
        origin["rare"] = {"names": list(few.names), "to": few.to}
    if found.store is None:  # features that a data set publishes: nothing was encoded
        where = str(Path(root).resolve()) if root else None
        origin["dataset"] = {"name": source, "root": where, **(options or {})}
    rows = pd.DataFrame({"id": embeddings.ids, "split": split, "digest": row_digests(embeddings)})
    if embeddings.groups is not None:
        rows["group"] = group_names(embeddings.groups)
    save_pretrained(
        model, output, inputs=found.inputs, origin=origin, rows=rows, overwrite=overwrite
    )
    counts, left_out, classes = _counted(found.embeddings, embeddings, split)
    return Fitted(model, output, found.store, found.summary, counts, left_out, notes, classes)


def _checked_output(
    output: Path, store: Path | None, source: str, root: Path | str | None, *, overwrite: bool
) -> Path:
    """The model's absolute path, if model and store may be written where they are wanted."""
    check_place(output, utf8=True)
    if store is not None:
        check_place(store, "--store", utf8=True)
    output = output.resolve()
    check_writable(output, overwrite=overwrite)
    check_not_inside(output, source, root)
    check_noted(source, root)
    if store is not None and store.resolve().is_relative_to(output):
        raise InputError(
            f"The store {store} would lie inside the model {output}, which is replaced as a whole. "
            "Choose a place beside it."
        )
    return output


def _learn(model: Any, embeddings: Embeddings, split: np.ndarray) -> None:
    held = embeddings[split == "validation"] if (split == "validation").any() else None
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "No labelled training instance has")  # a note says it
        model.fit(embeddings[split == "train"], validation=held)


def _origin(found: Encoded, output: Path) -> dict[str, Any]:
    """What the model keeps of where it comes from: names, the store's place, column roles."""
    store, columns = found.store, found.columns
    origin: dict[str, Any] = {
        "name": found.name,
        "attribution": found.attribution,
        "store": os.path.relpath(store, output.parent) if store else None,
        "roles": {k: v for k, v in columns.items() if k in ("label", "id", "split", "group") and v},
    }
    if columns.get("query"):
        origin["query"] = columns["query"]
    origin["reading"] = noted_reading(store)
    return origin


def _counted(
    given: Embeddings, used: Embeddings, split: np.ndarray
) -> tuple[dict[str, int], dict[str, int], dict[Any, int]]:
    """Rows per split; why the others are in none; rows per class, the largest first."""
    assert given.labels is not None
    assert used.labels is not None
    as_given, labelled = known_labels(given.labels), known_labels(used.labels)
    something = used.present.any(axis=1)
    per_split = pd.Series(split[labelled & something]).value_counts()
    left_out = {
        "without a label": int((~as_given).sum()),
        "of a rare class": int((as_given & ~labelled).sum()),
        "with a label but no item": int((labelled & ~something).sum()),
    }
    per_class = pd.Series(used.labels[labelled & something]).value_counts()
    return {str(name): int(n) for name, n in per_split.items()}, left_out, dict(per_class)
