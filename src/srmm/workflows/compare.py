"""The workflow of `srmm compare`: several methods on a user's own data."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from srmm.data.duplicates import drawn_notes, split_notes
from srmm.data.embeddings import Embeddings
from srmm.data.sources import kept_name
from srmm.data.store import is_store, load_embeddings, save_embeddings
from srmm.encoding.encode import EncodingSummary, encode
from srmm.errors import several, shown, some_of
from srmm.experiments.cells import Progress, check_jobs
from srmm.experiments.compare import (
    DEFAULT_METHODS,
    FORMAT,
    check_comparison,
    check_modalities,
    compare,
)
from srmm.experiments.data import (
    ExperimentData,
    check_experiment_data,
    has_own_split,
    open_experiment_data,
)
from srmm.files import json_ready, replacing_json
from srmm.report.comparison import write_comparison
from srmm.workflows.data import check_no_columns, open_data
from srmm.workflows.made_by import json_of, page_of
from srmm.workflows.places import check_file, check_own
from srmm.workflows.splits import unlearnt_notes

_NAMED = 5


class Compared(NamedTuple):
    """A comparison: its JSON, what encoding found (if it encoded), and the rows it left out."""

    content: dict[str, Any]
    summary: EncodingSummary | None
    left_out: int
    notes: tuple[str, ...] = ()


def compare_workflow(
    source: Path | str,
    output: Path | str,
    *,
    columns: Mapping[str, Any] | None = None,
    root: Path | str | None = None,
    options: Mapping[str, Any] | None = None,
    methods: Sequence[str] = DEFAULT_METHODS,
    seeds: int = 5,
    limit: int | None = None,
    jobs: int = 1,
    overwrite: bool = False,
    progress: Progress = lambda done, of, what: None,
    show: bool = False,
) -> Compared:
    """Compare methods on a table, a store or a data set; write comparison.html and .json.

    `output` is a folder, which also keeps the embeddings and every finished training: the same
    command with more methods or seeds trains only what is new. Files of these names that were not
    written here are replaced only to `overwrite` them, and a store called "embeddings" never.
    """
    source, output = os.fspath(source), Path(output)
    check_file(output / "comparison.html", page_of("srmm compare"), overwrite=overwrite)
    check_file(output / "comparison.json", json_of(FORMAT), overwrite=overwrite)
    # Whatever can be wrong without looking at the items is said before hours of encoding.
    check_comparison(methods, seeds)
    check_jobs(jobs)
    summary = None
    notes: tuple[str, ...] = ()
    if is_store(Path(source)):
        check_no_columns(source, columns)
        store, name = Path(source), Path(source).name
        check_modalities(methods, load_embeddings(store).modalities)
    else:
        found = open_data(source, columns, root=root, options=options)
        check_experiment_data(found, kept_name(source), limit)
        check_modalities(methods, found.modalities)
        name = Path(kept_name(source)).stem
        store = output / "embeddings"
        check_own(store, output / "cells")
        if isinstance(found, Embeddings):
            save_embeddings(found, store, overwrite=True)
        else:
            summary = encode(found, output=store, progress=show, prune=True).summary
            notes = found.notes + summary.notes
    data = open_experiment_data(store, name, limit)
    left_out = len(load_embeddings(store)) - len(data.y) if limit is None else 0
    notes += tuple(split_notes_of(data))
    found_out = compare(
        data, output / "cells", methods=methods, seeds=seeds, jobs=jobs, progress=progress
    )
    found_out["data"] |= {"left_out": left_out, "notes": notes}
    content = json_ready(found_out)
    with replacing_json(output / "comparison.json", content):
        write_comparison(content, output / "comparison.html")
    return Compared(content, summary, left_out, notes)


def split_notes_of(data: ExperimentData) -> list[str]:
    """Sentences on what stands on which side of the split, the data's own or those drawn."""
    own, groups, repeated = data.embeddings.split, data.embeddings.groups, data.repeated
    if own is not None and has_own_split(data):
        notes = split_notes(own, groups, repeated)
        notes += unlearnt_notes(data.classes[data.y], own)
        return notes + _single_row_notes(data, own != "test")
    notes = _single_row_notes(data, np.ones(len(data.y), dtype=bool))
    if own is not None:
        notes.append(
            "The data's own split is not used, as it has no 'train' or no 'test' row with a label "
            "and an item: other rows are held out for each seed."
        )
    return notes + drawn_notes(groups, repeated)


def _single_row_notes(data: ExperimentData, learnt: np.ndarray) -> list[str]:
    """A sentence on classes whose one row is among those (n,) that are learnt from.

    Where a split is drawn they all are: a class keeps a row to be learnt from.
    """
    single = np.bincount(data.y)[data.y] == 1
    names = data.classes[np.sort(data.y[single & learnt])].tolist()
    if not names:
        return []
    which = some_of(map(shown, names), _NAMED)
    return [
        f"{several(len(names), 'class has', 'classes have')} one row, which is learnt from with "
        f"every seed and never tested: {which}. Add rows, or empty the label to leave it out."
    ]
