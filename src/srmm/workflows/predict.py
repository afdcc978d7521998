"""The workflow of `srmm predict`: a saved model and any rows → predictions."""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from srmm.encoders.engines import ENGINES
from srmm.encoding.one_modality import shown
from srmm.encoding.summary import EncodingSummary
from srmm.errors import InputError, one_of
from srmm.files import remove_finished, unfinished_work
from srmm.processes import check_daft
from srmm.workflows import made_by
from srmm.workflows.frames import predictions_frame
from srmm.workflows.kept_parts import KeptParts, digest_of_model
from srmm.workflows.outputs import (
    PARQUET,
    STANDARD_OUTPUT,
    OutputColumns,
    check_not_read,
    check_output,
    form_of,
    writing,
)
from srmm.workflows.places import check_file, check_folder, check_place
from srmm.workflows.predict_on_workers import predicted_on_workers
from srmm.workflows.prediction_run import (
    PredictedPart,
    PredictionRun,
    check_asked,
    predict_part,
)
from srmm.workflows.predictor import Predictor, load
from srmm.workflows.presence import training_shares
from srmm.workflows.rows import PART_ROWS, rows_to_predict
from srmm.workflows.same_source import mark_of

_WHOLE = (STANDARD_OUTPUT, ".xlsx")
"""What is written in one go: pipes, and what cannot be put together from parts."""
RAW_PART_ROWS = 2048
"""Rows that are predicted and kept at a time where their items are to be encoded."""


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
    model_folder: Path | str,
    source: Path | str,
    output: Path | str,
    *,
    columns: Mapping[str, Any] | None = None,
    root: Path | str | None = None,
    options: Mapping[str, Any] | None = None,
    keep: Sequence[str] = (),
    probabilities: bool = False,
    coverage: float | None = None,
    explain: bool = False,
    when_nothing_present: str | None = None,
    engine: str = "auto",
    workers: int | None = None,
    address: str | None = None,
    strict: bool = False,
    overwrite: bool = False,
    progress: Any = False,
) -> Predicted:
    """Predict every row of a table or store and write CSV, TSV, Parquet, JSON Lines or Excel.

    Rows are read, encoded, predicted and kept a few thousand at a time, so that memory does not
    grow with them. An `output` without an ending is a folder of Parquet files, "-" is CSV on
    standard output. Where there is more than one part, those that are done lie in
    `<output>.partial/` until all are: after a kill the same call goes on from there.

    `engine` "daft" predicts in several processes, by default one per two cores, or with an
    `address` on a Ray cluster, whose machines reach model and items under the same paths. The
    predictions are the same, bit by bit, on the same kind of processor.

    `keep` names columns of the table that are carried through, "all" all of them.

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
    MissingExtraError
        If the engine is "daft", and that is not installed.
    SrmmError
        If workers are lost on the same rows again and again, or another process writes the output.
    InputError
        If the output has an unknown extension, is the table itself or (unless `overwrite`) a file
        that was not written here; the table has nothing that the model reads, or a row has nothing
        to predict from.
    """
    source, root = os.fspath(source), None if root is None else Path(root)
    output = check_output(output)
    form = STANDARD_OUTPUT if output == STANDARD_OUTPUT else form_of(output)
    check_not_read(source, output)
    _check_place(output, form, overwrite)
    on_workers = one_of("engine", engine, (*ENGINES, "daft")) == "daft"
    _check_workers(on_workers, form, workers, address, engine)
    asked: dict[str, Any] = {
        "probabilities": probabilities,
        "coverage": coverage,
        "explain": explain,
        "strict": strict,
    }
    started = time.perf_counter()
    engine = "auto" if on_workers else engine
    predictor = load(
        model_folder, engine=engine, root=root, when_nothing_present=when_nothing_present
    )
    check_asked(predictor.model, asked)
    reading: dict[str, Any] = {"columns": columns, "root": root, "options": options, "keep": keep}
    rows = rows_to_predict(predictor.config, source, part_rows=_part_rows(predictor), **reading)
    same = {
        **asked,
        **reading,
        "model": digest_of_model(predictor.folder),
        "table": mark_of(source),
        "engine": engine,
        "when_nothing_present": predictor.model.when_nothing_present,
        "part_rows": _part_rows(predictor),
    }
    with unfinished_work(None if form in _WHOLE else Path(output)) as folder:
        parts = None if folder is None else KeptParts(folder, form, same)
        run = PredictionRun(predictor, rows, parts.survey if parts else None)
        written = OutputColumns(output, predictor.classes_, run.survey, everything="all" in keep)
        if parts is None or (rows.only is not None and not on_workers):
            with writing(output, written) as write:
                for predicted in run.predicted(**asked, progress=progress):
                    write(predicted.frame)
        else:
            todo = _predicted_here(run, parts, asked)
            if on_workers:
                todo = predicted_on_workers(
                    run, but=parts.done.keys(), workers=workers, address=address, **asked
                )
            _in_parts(run, parts, todo, written, progress)
            parts.write(Path(output))
        if folder is not None:
            remove_finished(folder)
    assert run.summary is not None
    summary = replace(run.summary, seconds=time.perf_counter() - started)
    notes = (*run.notes(), *(parts.notes if parts else ()), *written.notes)
    shares = training_shares(predictor.model.training_)
    return Predicted(run.survey.n, run.incomplete, summary, notes, shares)


def _in_parts(
    run: PredictionRun,
    parts: KeptParts,
    todo: Generator[PredictedPart, None, None],
    written: OutputColumns,
    progress: Any,
) -> None:
    """Keep every part as it comes, then count all of them in their order."""
    parts.begin(run.survey)
    with shown(progress, "rows", run.survey.n, "predict") as advance, closing(todo):
        advance(sum(facts.rows for facts in parts.done.values()))
        for predicted in todo:
            parts.keep(predicted, written)
            advance(len(predicted.frame))
    for number in sorted(parts.done):
        run.add(parts.done[number])


def _predicted_here(
    run: PredictionRun, parts: KeptParts, asked: dict[str, Any]
) -> Generator[PredictedPart, None, None]:
    for part in run.rows.without(parts.done.keys()):
        yield predict_part(run.predictor, part, **asked)


def _part_rows(predictor: Predictor) -> int:
    """Rows of a part: few where each takes its time, so that a kill loses little of it."""
    kinds = {about["kind"] for about in predictor.config["inputs"].values()}
    return PART_ROWS if kinds <= {"features"} else RAW_PART_ROWS


def _check_place(output: Path | str, form: str, overwrite: bool) -> None:
    if form == "":
        check_folder(output, made_by.folder_of_predictions)
    elif output != STANDARD_OUTPUT:
        check_place(output, utf8=form in PARQUET)
        check_file(output, made_by.predictions, overwrite=overwrite)


def _check_workers(
    on_workers: bool, form: str, workers: int | None, address: str | None, engine: str
) -> None:
    check_daft(address, engine)
    if on_workers and form in _WHOLE:
        raise InputError(
            "Several processes finish in any order, so the engine 'daft' writes .csv, .tsv, "
            ".jsonl, .parquet or a folder of Parquet files (--output)."
        )
    if workers is not None and not on_workers:
        raise InputError(
            f"workers is {workers}, processes for the engine 'daft', but the engine is {engine!r}."
        )
    if workers is not None and workers < 1:
        raise InputError(f"workers is {workers}, expected 1 or more (--workers).")


__all__ = ["STANDARD_OUTPUT", "Predicted", "predict_workflow", "predictions_frame"]
