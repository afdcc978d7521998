"""The workflow of `srmm fit`: a table or a store → a saved model."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from srmm.data.embeddings import Embeddings
from srmm.data.labels import known_labels
from srmm.data.modality import KINDS
from srmm.data.rare import find_rare, merge_rare, with_labels
from srmm.data.store import is_store, load_embeddings
from srmm.data.table import Table, check_labels
from srmm.encoders import encoder_kind, learns_from_items
from srmm.encoding.encode import EncodingSummary, encode
from srmm.encoding.fitting import COLUMNS, named_encoders, read_as_cells
from srmm.encoding.store import ENCODERS
from srmm.errors import InputError, fraction
from srmm.files import beside
from srmm.learning.saving import check_writable, save_pretrained
from srmm.methods import make_method
from srmm.workflows.data import group_names, open_data, row_digests
from srmm.workflows.expected import expected_out_of_fold
from srmm.workflows.pictures import note_source, noted_reading
from srmm.workflows.places import check_not_inside, check_place
from srmm.workflows.splits import Split, choose_split, trained_on


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
    source: str,
    output: Path,
    *,
    columns: Mapping[str, Any] | None = None,
    encoders: Mapping[str, str] | None = None,
    store: Path | None = None,
    root: Path | None = None,
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
    source : str
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
    check_place(output)
    if store is not None:
        check_place(store, "--store")
    output = output.resolve()
    check_writable(output, overwrite=overwrite)
    check_not_inside(output, source, root)
    if store is not None and store.resolve().is_relative_to(output):
        raise InputError(
            f"The store {store} would lie inside the model {output}, which is replaced as a whole. "
            "Choose a place beside it."
        )
    as_cells = read_as_cells(encoders or {})
    data = open_data(source, columns, root=root, options=options, as_cells=as_cells)
    if isinstance(data, Table):
        columns = {**data.assumed, **(columns or {})}
    # Labels are checked as they will be learnt from, and kept in the store as they are.
    check_labels(merge_rare(data, rare, min_rows=min_rows))
    drawn: Split | None = None
    embeddings, summary = data, None
    inputs: dict[str, dict[str, Any]] = {}
    if isinstance(data, Table):
        # The default store is this table's cache: rows that left the table may leave it, too.
        cache = store is None
        store = (store or beside(output, output.name, ".embeddings")).resolve()
        chosen = named_encoders(data, encoders or {})
        learning = {str(encoder) for encoder in chosen.values() if learns_from_items(str(encoder))}
        if learning:
            # It must not see the test rows, so they are drawn before encoding, and stay drawn:
            # whoever splits this store anew would test on what its encoder has learnt from.
            drawn = choose_split(merge_rare(data, rare, min_rows=min_rows), test_size, seed)
            data = replace(data, split=drawn.parts)
            if learning != {COLUMNS} or not cache:  # which is fitted again in a cache
                _check_fitted_before(data, store)
        result = encode(
            data,
            encoders,
            store,
            engine=engine,
            precision=precision,
            strict=strict,
            progress=progress,
            prune=cache,
        )
        note_source(store, source, columns, root, options)
        embeddings, summary = result.embeddings, result.summary
        data = replace(data, notes=data.notes + summary.notes)
        inputs = _describe_inputs(data, columns or {}, embeddings)
    else:
        if is_store(Path(source)):
            store = Path(source).resolve()
        inputs = _inputs_of_store(data, store)
    assert isinstance(embeddings, Embeddings)

    few = find_rare(embeddings, rare, min_rows)  # again: items may have turned out unreadable
    assert embeddings.labels is not None
    as_given = known_labels(embeddings.labels)
    embeddings = with_labels(embeddings, few._asdict())
    split, said = choose_split(embeddings, test_size, seed)
    said = said if drawn is None else drawn.notes
    held = embeddings[split == "validation"] if (split == "validation").any() else None
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "No labelled training instance has")  # a note says it
        model.fit(embeddings[split == "train"], validation=held)
    origin: dict[str, Any] = {
        "name": data.name if isinstance(data, Table) else Path(source).name,
        "attribution": getattr(data, "attribution", "") or None,
        "store": os.path.relpath(store, output.parent) if store else None,
        "roles": {
            k: v for k, v in (columns or {}).items() if k in ("label", "id", "split", "group") and v
        },
    }
    if (columns or {}).get("query"):
        origin["query"] = (columns or {})["query"]
    origin["reading"] = noted_reading(store)
    origin["expected"] = expected_out_of_fold(model, trained_on(embeddings, split))
    notes = data.notes if isinstance(data, Table) else ()
    for name in model.training_.get("left_out", ()):
        notes += (f"No training row has {name}: it is left out of the model, in prediction, too.",)
    notes += (*([few.note] if few.note else ()), *said)
    origin["notes"] = [*notes, *(summary.cut_notes if summary else ())]
    if few.names:
        origin["rare"] = {"names": list(few.names), "to": few.to}
    if store is None:  # features that a data set publishes: nothing was encoded
        where = str(root.resolve()) if root else None
        origin["dataset"] = {"name": source, "root": where, **(options or {})}
    rows = pd.DataFrame({"id": embeddings.ids, "split": split, "digest": row_digests(embeddings)})
    if embeddings.groups is not None:
        rows["group"] = group_names(embeddings.groups)
    save_pretrained(model, output, inputs=inputs, origin=origin, rows=rows, overwrite=overwrite)
    assert embeddings.labels is not None
    labelled = known_labels(embeddings.labels)
    something = embeddings.present.any(axis=1)
    per_class = pd.Series(embeddings.labels[labelled & something]).value_counts()
    used = rows["split"][labelled & something].value_counts()
    counts = {str(name): int(n) for name, n in used.items()}
    left_out = {
        "without a label": int((~as_given).sum()),
        "of a rare class": int((as_given & ~labelled).sum()),
        "with a label but no item": int((labelled & ~something).sum()),
    }
    return Fitted(model, output, store, summary, counts, left_out, notes, dict(per_class))


def _check_fitted_before(data: Table, store: Path) -> None:
    """Refuse to test on rows that the store's encoder was fitted on."""
    before = load_embeddings(store) if is_store(store) else None
    if before is None or before.split is None or data.split is None:
        return
    learnt = set(before.ids[before.split == "train"].tolist())
    both = learnt.intersection(data.ids[data.split == "test"].tolist())
    if both:
        raise InputError(
            f"{len(both):,} test rows of this split are training rows in the store {store}, whose "
            "encoder was fitted on them. Keep --seed and --test-size as they were, or name another "
            "place with --store."
        )


def _describe_inputs(
    table: Table, columns: Mapping[str, Any], embeddings: Embeddings
) -> dict[str, dict[str, Any]]:
    """Per modality: its kind, the column (or template) it was read from, its encoder."""
    choices: dict[str, list[str]] = {
        kind: [chosen] if isinstance(chosen, str) else list(chosen or ())
        for kind, chosen in columns.items()
        if kind in KINDS
    }
    described = {}
    for name, kind in table.kinds.items():
        mine = choices.get(kind, [])
        first, sign, rest = mine.pop(0).partition("=") if mine else (name, "", "")
        column = rest if sign else first
        encoder = embeddings.encoders.get(name, {})
        described[name] = {"kind": kind, "column": column, "encoder": encoder.get("spec")}
    return described


def _inputs_of_store(embeddings: Embeddings, store: Path | None) -> dict[str, dict[str, Any]]:
    """As `_describe_inputs`, from what a store knows: its encoders, but no column."""
    described = {}
    for name in embeddings.modalities:
        spec = embeddings.encoders.get(name, {}).get("spec")
        if spec and store is not None and (store / ENCODERS / name).is_dir():
            # Its own, wherever it was when it was made.
            spec = f"{spec.partition(':')[0]}:{store / ENCODERS / name}"
        kind = (encoder_kind(spec, name) if spec else None) or (
            name if name in KINDS else "features"
        )
        described[name] = {"kind": kind, "column": None, "encoder": spec}
    return described
