"""The parts of a prediction job, predicted in several processes, on this machine or a cluster."""

from __future__ import annotations

import pickle
from collections.abc import Collection, Generator, Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from srmm.data.table import Table
from srmm.errors import InputError, SrmmError
from srmm.processes import LIVES, Lost, open_workers, outcomes, pack_task, run_tasks
from srmm.workflows.kept_parts import digest_of_model
from srmm.workflows.prediction_run import (
    PredictedPart,
    PredictionRun,
    Reader,
    predict_part,
)
from srmm.workflows.predictor import load
from srmm.workflows.rows import RowsPart


class PartTask:
    """Predicts parts, with a model that is loaded when the first one comes.

    Raises `InputError` if another model lies there than the one that the job is for.
    """

    def __init__(
        self, folder: str, digest: str, when_nothing_present: str, asked: dict[str, Any]
    ) -> None:
        if digest_of_model(Path(folder)) != digest:
            raise InputError(
                f"{folder} is another model in a worker process. Put the same one in the same "
                "place on every machine."
            )
        self.predictor = load(folder, when_nothing_present=when_nothing_present)
        self.asked = asked

    def __call__(self, part: bytes) -> PredictedPart:
        """The predictions of a part."""
        return predict_part(self.predictor, pickle.loads(part), **self.asked)


def predicted_on_workers(
    run: PredictionRun,
    *,
    but: Collection[int],
    workers: int | None,
    address: str | None,
    **asked: Any,
) -> Generator[PredictedPart, None, None]:
    """The parts whose numbers are not in `but`, in the order in which they are done.

    Raises `SrmmError` if workers are lost on the same part again and again; it names the rows.
    """
    folder = run.predictor.folder.resolve()
    when_nothing = run.predictor.model.when_nothing_present
    make = partial(PartTask, str(folder), digest_of_model(folder), when_nothing, asked)
    with open_workers(workers, address) as found:
        task = partial(run_tasks, found, pack_task(make))
        spans: dict[int, range] = {}

        def packed() -> Iterator[tuple[int, bytes]]:
            for part in run.rows.without(but):
                spans[part.number] = range(part.first_row, part.first_row + len(part.data))
                yield part.number, _packed(run.predictor, part)

        with closing(outcomes(task, packed(), found.count)) as came:
            for number, outcome in came:
                if isinstance(outcome, Lost):
                    raise _lost(spans[number]) from outcome.cause
                yield outcome


def _packed(predictor: Reader, part: RowsPart) -> bytes:
    table = part.data
    if isinstance(table, Table):
        vectors = predictor.ready_embeddings(table)
        if vectors is not None:  # one array a modality: packed in a fiftieth of the time of rows
            part = part._replace(data=vectors)
        elif table.folder is not None:
            part = part._replace(data=replace(table, folder=table.folder.absolute()))
    try:
        return pickle.dumps(part)
    except Exception as error:
        raise InputError(
            f"The rows from {part.first_row:,} on cannot be sent to worker processes "
            f"({type(error).__name__}: {error}). Use another engine than 'daft'."
        ) from error


def _lost(rows: range) -> SrmmError:
    return SrmmError(
        f"{LIVES} workers were lost, one after the other, on rows {rows[0]:,} to {rows[-1]:,}: an "
        "item there ends every process that reads it, or there is too little memory. Take fewer "
        "workers (--workers), or repair the item, and run the same command again: what is "
        "predicted so far is kept."
    )
