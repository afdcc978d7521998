"""The workflow of `srmm evaluate`: a saved model and data it has not seen → a report."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from srmm.classifier import PaperClassifier
from srmm.data.embeddings import Embeddings
from srmm.data.items import ItemReader
from srmm.data.labels import plain_name
from srmm.data.store import is_store
from srmm.data.table import Table
from srmm.errors import InputError, StoreError, several
from srmm.evaluation.baselines import fit_baselines
from srmm.evaluation.evaluate import FORMAT, RobustnessReport, evaluate
from srmm.files import replacing_json
from srmm.learning.card import add_results
from srmm.learning.saving import open_saved
from srmm.methods import method_name
from srmm.recipe import network_parameters
from srmm.workflows.data import (
    embeddings_for,
    group_names,
    own_embeddings,
    own_store,
    row_digests,
    split_column,
)
from srmm.workflows.left_out import without_left_out
from srmm.workflows.pictures import TRAINED, with_pictures, with_stored_pictures
from srmm.workflows.places import check_page
from srmm.workflows.ranges import outside, range_notes
from srmm.workflows.splits import trained_on
from srmm.workflows.thumbnails import Thumbnails


def evaluate_workflow(
    model_folder: Path | str,
    report: Path | str,
    *,
    source: Path | str | None = None,
    columns: Mapping[str, Any] | None = None,
    root: Path | str | None = None,
    options: Mapping[str, Any] | None = None,
    baselines: bool = True,
    seed: int = 0,
    engine: str = "auto",
    overwrite: bool = False,
    progress: Any = False,
) -> RobustnessReport:
    """Evaluate a saved model on instances it has not seen; write `report` (.html) and its .json.

    By default these are the test instances that `fit_workflow` held out, and the figures also go
    into the model's card. With another `source`: its test split if it has one, else all its
    labelled rows that the model was not trained on. `root` is where the paths of a table start,
    and a folder whose pictures the report may show (see `srmm.workflows.shown`). Either file is
    replaced if it was written here, another file only to `overwrite` it.
    """
    asked = [name for name, value in {**(columns or {}), "set": options}.items() if value]
    if source is None and asked:
        raise InputError(
            f"{', '.join(asked)} is of a table or data set to evaluate on, and none is named: the "
            "rows that were held out are as the model read them. Name one, or leave it out."
        )
    model_folder, root = Path(model_folder), None if root is None else Path(root)
    source = None if source is None else os.fspath(source)
    report, numbers = check_report(report, source, overwrite=overwrite)
    model, config, rows = open_saved(model_folder)
    origin = config.get("origin") or {}
    own = own_embeddings(model_folder, origin, rows)
    notes: list[str] = []
    if own is not None:
        own, notes = without_left_out(config, own)
    if source is None:
        if own is None:
            raise InputError(
                f"The embeddings that {model_folder} was trained on are gone "
                f"({origin.get('store') or 'it names none'}). Name a table, store or data set."
            )
        data, name, table = own, origin["name"], None
        test = split_column(own, rows) == "test"
    else:
        data, name, table, summary = embeddings_for(
            config, source, columns, root, options, progress, engine=engine
        )
        data, notes = without_left_out(config, data)
        notes += summary.not_read() if summary else []
        if data.labels is None:
            column = (origin.get("roles") or {}).get("label")
            was = f" In training they were in {column!r}." if column else ""
            raise InputError(
                f"There are no labels in {name}: name the column they are in (label=…, --label)."
                f"{was} Rows without one can be predicted, not evaluated on."
            )
        named = table is not None and bool((origin.get("roles") or {}).get("id"))
        test, said = _unseen(data, rows, named=named)
        notes += said
        ranges = origin.get("ranges") or {}
        notes += range_notes(outside(model.as_seen(data[test]), ranges), ranges)
    if not test.any():
        raise InputError(_nothing_to_test(name, data, notes, own=source is None))
    fitted = None
    if baselines and own is not None:
        if progress:
            print("training the baselines …", file=sys.stderr, flush=True)
        split = split_column(own, rows)
        held = own[split == "validation"] if (split == "validation").any() else None
        is_paper = isinstance(model, PaperClassifier)
        fitted = fit_baselines(
            own[split == "train"],
            validation=held,
            # Rivals of the paper's method are trained as it was, those of others as the default.
            recipe=network_parameters(model) if is_paper else None,
            class_weight=model.class_weight,
            random_state=model.random_state,
        )
        fitted.pop(method_name(model), None)  # it is no rival of its own
    if progress:
        print("evaluating …", file=sys.stderr, flush=True)
    result = evaluate(
        model,
        data[test],
        baselines=fitted,
        train=None if own is None else trained_on(own, split_column(own, rows)),
        notes=_notes_of(origin.get("notes") or (), table),
        name=name,
        attribution=origin.get("attribution"),
        seed=seed,
    )
    kinds = {m: about["kind"] for m, about in config["inputs"].items()}
    store = _store_of(model_folder, origin, source)
    if store is None:
        content, said = with_pictures(result.content, kinds, lambda: table), []
    else:
        content, said = with_stored_pictures(result.content, kinds, store, root)
    trained = _store_of(model_folder, origin, None)
    if trained is not None:
        content, more = with_stored_pictures(content, kinds, trained, root, TRAINED)
        said += more
    notes += dict.fromkeys(said)
    for about_data in (result.content["data"], content["data"]) if notes else ():
        about_data["notes"] = [*about_data.get("notes", ()), *notes]
    folder, within = (None, ()) if table is None else (table.folder, None)
    with (
        replacing_json(numbers, result.content),
        ItemReader(folder, within=within) as reader,
    ):
        RobustnessReport(content).to_html(report, thumbnail=Thumbnails(reader, kinds))
    if source is None:
        try:
            add_results(model_folder, result.content)
        except StoreError as error:  # its owner may have written anything into it
            about = result.content["data"]
            left = f"The figures are not in the model's card: {error}"
            about["notes"] = [*about.get("notes", ()), left]
    return result


def check_report(
    report: Path | str, source: str | None = None, *, overwrite: bool = False
) -> tuple[Path, Path]:
    """The page and the numbers that are written for `report`; `InputError` if one may not be."""
    return check_page(report, source, "srmm evaluate", FORMAT, overwrite=overwrite)


def _notes_of(training: Sequence[str], table: Table | None) -> list[str]:
    """What is to be said of the data: of another table, apart from what was said of the model's."""
    if table is None:
        return list(training)
    said = list(dict.fromkeys(table.notes))
    return [*said, *(f"In training: {note}" for note in training if note not in said)]


def _store_of(model_folder: Path, origin: Mapping[str, Any], source: str | None) -> Path | None:
    """The store that the evaluated embeddings are in; None if they were made for this."""
    if source is None:
        return own_store(model_folder, origin)
    return Path(source) if is_store(source) else None


def _unseen(
    data: Embeddings, rows: pd.DataFrame | None, *, named: bool = False
) -> tuple[np.ndarray, list[str]]:
    """Boolean (n,): the test split if the data has one, all else, without what was trained on.

    Instances are recognised by their content, and by their ids where these are names: texts, and
    numbers where they are `named` in both tables. What belongs to a group that was trained on
    counts as seen, unless `srmm fit` held it out itself: a split that tears groups was said to do
    so. The second is what is to be said.
    """
    test = data.rows_in("test") if _has_split(data) else np.ones(len(data), dtype=bool)
    if rows is None:
        return test, []
    trained = rows[rows["split"].isin(["train", "validation"])]
    seen = np.isin(row_digests(data), trained["digest"].to_numpy(dtype=str))
    if data.ids.dtype.kind not in "iu" or (
        named and (np.diff(data.ids) != 1).any()  # else it is a table whose rows are counted
    ):
        seen |= _ids_in(data, trained, plain_name if named else lambda id: id)
    said = _not_tested(int((test & seen).sum()), "the model has learnt from the same")
    if "group" not in trained or data.groups is None:
        return test & ~seen, said
    groups = set(map(plain_name, trained["group"].dropna()))
    known = np.array(
        [name is not None and plain_name(name) in groups for name in group_names(data.groups)],
        dtype=bool,
    )
    held_out = rows.loc[rows["split"] == "test", "digest"]
    known &= ~np.isin(row_digests(data), held_out.to_numpy(dtype=str))
    more = int((test & known & ~seen).sum())
    return test & ~(seen | known), said + _not_tested(
        more, "others of their groups were trained on"
    )


def _nothing_to_test(name: str, data: Embeddings, notes: Sequence[str], *, own: bool) -> str:
    """The message where no row is to be tested on."""
    said = "".join(f" {note}" for note in notes)
    if not own and _has_split(data) and not data.rows_in("test").any():
        return (
            f"The split of {name} has no 'test' row. Name other data, or empty its split column: "
            f"then all rows are tested on that the model has not learnt from.{said}"
        )
    return (
        f"{name} has no test instance: every row was used in training. Name other data, or fit "
        "so that rows are held out: --test-size above 0, a split with 'test' rows, groups that "
        f"do not each hold a whole class.{said}"
    )


def _has_split(data: Embeddings) -> bool:
    return data.split is not None and not bool(pd.isna(data.split).all())


def _not_tested(n: int, why: str) -> list[str]:
    return [f"{several(n, 'row is', 'rows are')} not tested on: {why}."] if n else []


def _ids_in(data: Embeddings, rows: pd.DataFrame, called: Callable[[Any], Any]) -> np.ndarray:
    """Boolean (n,): instances whose id, as it is `called`, is among those of `rows`."""
    ids = set(map(called, rows["id"].tolist()))
    return np.array([called(id) in ids for id in data.ids.tolist()])
