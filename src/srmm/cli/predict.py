"""The command `srmm predict`: its arguments, and the words it answers with."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from srmm.cli.options import WHOLE, Columns, Source, Talk
from srmm.errors import several

if TYPE_CHECKING:
    from srmm.workflows import Predicted


def predict(
    model: Path,
    data: str,
    /,
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"], allow_leading_hyphen=True)],
    columns: Columns = Columns(),
    source: Source = Source(),
    keep: list[str] | None = None,
    probabilities: Annotated[bool, Parameter(negative="")] = False,
    coverage: float | None = None,
    explain: Annotated[bool, Parameter(negative="")] = False,
    when_nothing: Literal["error", "prior"] | None = None,
    engine: Literal["auto", "torch", "onnx", "daft"] = "auto",
    workers: Annotated[int | None, WHOLE] = None,
    address: str | None = None,
    strict: Annotated[bool, Parameter(negative="")] = False,
    overwrite: Annotated[bool, Parameter(negative="")] = False,
    talk: Talk = Talk(),
) -> None:
    """Predict every row of a table, whatever it has; write .csv, .parquet, .jsonl or .xlsx.

    The columns are those the model was trained on unless they are given; a column the table lacks,
    and a file that does not exist, is an absent item. What the rows have is printed beside what
    those of training had. A killed run goes on where it stopped.

    Parameters
    ----------
    model
        A folder written by `srmm fit`.
    data
        A table, store or data set.
    output
        The file to write (.csv, .tsv, .parquet, .jsonl or .xlsx): id, label, probability, which
        modalities were present, and what each alone would have said. A name without an ending is
        a folder of Parquet files, "-" is CSV on standard output.
    keep
        A column of the table to carry through to the output; "all" is every column. Repeatable.
    probabilities
        Also write the probability of every class.
    coverage
        Also write a set of labels that holds the true one as often as this says, 0.9 for example,
        for rows like those of training, whatever they lack.
    explain
        Also write how much of the probability each modality accounts for (its Shapley share).
    when_nothing
        What to do with a row that has nothing: "error" lists them, "prior" predicts the training
        set's class shares. By default as the model was fitted (error).
    engine
        What runs the encoders' networks: ONNX Runtime is the faster one on a CPU, "auto" takes it
        where it is installed and can. "daft" is that in several processes, for many rows.
    workers
        With Daft, processes that predict.
    address
        With Daft, a Ray cluster to predict on: 'ray://head:10001', or 'auto' on one of its
        machines.
    strict
        Make an unreadable item an error.
    overwrite
        Replace the output also where it is something else than predictions of this command.
    """
    from srmm.workflows import predict_workflow

    to_stdout = str(output) == "-"
    predicted = predict_workflow(
        model,
        data,
        output,
        columns=columns.choices(),
        root=source.root,
        options=source.options(),
        keep=keep or (),
        probabilities=probabilities,
        coverage=coverage,
        explain=explain,
        when_nothing_present=when_nothing,
        engine=engine,
        workers=workers,
        address=address,
        strict=strict,
        overwrite=overwrite,
        progress=talk.progress,
    )
    lines = [
        predicted.summary.text(predicted.in_training),
        *(f"note: {note}" for note in predicted.notes),
        f"{several(predicted.rows, 'prediction')} "
        f"({several(predicted.incomplete, 'row')} with something missing)",
    ]
    if not to_stdout:
        lines.append(str(output))
    talk.result(_facts(predicted, output), "\n".join(lines), to_stderr=to_stdout)


def _facts(predicted: Predicted, output: Path) -> dict[str, Any]:
    """The answer as JSON."""
    return {
        "predictions": output,
        "rows": predicted.rows,
        "rows_with_missing": predicted.incomplete,
        "modalities": {
            name: {**asdict(about), "share_in_training": predicted.in_training.get(name)}
            for name, about in predicted.summary.modalities.items()
        },
        "unreadable": [asdict(entry) for entry in predicted.summary.unreadable],
        "notes": predicted.notes,
    }
