"""The workflow of `srmm predict`: a saved model and any rows → predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from srmm.encoding.summary import EncodingSummary
from srmm.workflows import made_by
from srmm.workflows.frames import predictions_frame
from srmm.workflows.outputs import (
    STANDARD_OUTPUT,
    OutputColumns,
    check_not_read,
    check_output,
    writing,
)
from srmm.workflows.places import check_file
from srmm.workflows.predictor import PART_ROWS, PredictionRun, load
from srmm.workflows.presence import training_shares
from srmm.workflows.rows import rows_to_predict

DAFT_ROWS = 16 * PART_ROWS
"""Rows at a time where worker processes are started for each part."""


class Predicted(NamedTuple):
    """How many predictions were written, and what the rows had and lacked.

    `incomplete` is the number of rows that lack something, `in_training` the share of the training
    rows that had each modality.
    """

    rows: int
    incomplete: int
    summary: EncodingSummary
    notes: tuple[str, ...]
    in_training: dict[str, float]


def predict_workflow(
    model_folder: Path,
    source: str,
    output: Path | str,
    *,
    columns: Mapping[str, Any] | None = None,
    root: Path | None = None,
    options: Mapping[str, Any] | None = None,
    keep: Sequence[str] = (),
    probabilities: bool = False,
    coverage: float | None = None,
    explain: bool = False,
    when_nothing_present: str | None = None,
    engine: str = "auto",
    strict: bool = False,
    overwrite: bool = False,
    progress: Any = False,
) -> Predicted:
    """Predict every row of a table or store and write CSV, TSV, Parquet, JSON Lines or Excel.

    Rows are read, encoded, predicted and written a few thousand at a time. `output` "-" is CSV on
    standard output. `keep` names columns of the table that are carried through, "all" all of them.

    Columns: id (of the column that was the id in training, else the row's number), those kept,
    label, probability; `<modality>_present`, and what each modality alone would have said,
    `<modality>_label` and `<modality>_probability` (null where absent); on request
    `probability:<class>` for every class; with `coverage` a `set` of labels that has the true one
    as often as that, the most probable first, and `set_size`; to `explain`, each modality's Shapley
    share in the probability, `<modality>_share`, and `prior_share`, which add up to it.

    A row with nothing present has the training set's class shares if `when_nothing_present` is
    "prior" (a column `nothing_present` then says which), and is an error otherwise, before anything
    is encoded where the table tells.

    Raises
    ------
    InputError
        If the output has an unknown extension, is the table itself or (unless `overwrite`) a file
        that was not written here; the table has nothing that the model reads, or a row has nothing
        to predict from.
    """
    output = check_output(output)
    check_not_read(source, output)
    if output != STANDARD_OUTPUT:
        check_file(output, made_by.predictions, overwrite=overwrite)
    predictor = load(
        model_folder, engine=engine, root=root, when_nothing_present=when_nothing_present
    )
    rows = rows_to_predict(
        predictor.config,
        source,
        columns=columns,
        root=root,
        options=options,
        keep=keep,
        part_rows=DAFT_ROWS if engine == "daft" else PART_ROWS,
    )
    run = PredictionRun(predictor, rows)
    written = OutputColumns(output, predictor.classes_, run.survey, everything="all" in keep)
    with writing(output, written) as write:
        for frame in run.frames(
            probabilities=probabilities,
            coverage=coverage,
            explain=explain,
            strict=strict,
            progress=progress,
        ):
            write(frame)
    assert run.summary is not None
    notes = (*run.notes(), *written.notes)
    shares = training_shares(predictor.model.training_)
    return Predicted(run.survey.n, run.incomplete, run.summary, notes, shares)


__all__ = ["STANDARD_OUTPUT", "Predicted", "predict_workflow", "predictions_frame"]
