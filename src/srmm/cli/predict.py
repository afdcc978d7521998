"""The command `srmm predict`: its arguments, and the words it answers with."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from srmm.cli.options import Columns, Engine, Source, Talk


def predict(
    model: Path,
    data: str,
    /,
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"])],
    columns: Columns = Columns(),
    source: Source = Source(),
    probabilities: Annotated[bool, Parameter(negative="")] = False,
    when_nothing: Literal["error", "prior"] | None = None,
    engine: Engine = "auto",
    strict: Annotated[bool, Parameter(negative="")] = False,
    talk: Talk = Talk(),
) -> None:
    """Predict every row of a table, whatever it has; write .csv or .parquet.

    The columns are those the model was trained on unless they are given.

    Parameters
    ----------
    model
        A folder written by `srmm fit`.
    data
        A table, store or data set.
    output
        The file to write: id, label, probability, which modalities were present, and what each
        alone would have said.
    probabilities
        Also write the probability of every class.
    when_nothing
        What to do with a row that has nothing: "error" lists them, "prior" predicts the training
        set's class shares. By default as the model was fitted (error).
    engine
        What runs the encoders' networks: ONNX Runtime is the faster one on a CPU, "auto" takes it
        where it is installed and can.
    strict
        Make an unreadable item an error.
    """
    from srmm.workflows import predict_workflow

    frame, incomplete, summary, notes = predict_workflow(
        model,
        data,
        output,
        columns=columns.choices(),
        root=source.root,
        options=source.options(),
        probabilities=probabilities,
        when_nothing_present=when_nothing,
        engine=engine,
        strict=strict,
        progress=talk.progress,
    )
    broken = [asdict(entry) for entry in summary.unreadable] if summary else []
    facts = {
        "predictions": output,
        "rows": len(frame),
        "rows_with_missing": incomplete,
        "unreadable": broken,
        "notes": notes,
    }
    lines = [f"{len(frame):,} predictions ({incomplete:,} rows with something missing)"]
    lines += [f"note: {note}" for note in notes]
    if broken:
        first = f"the first, {broken[0]['modality']} of {broken[0]['where']}: {broken[0]['reason']}"
        lines.append(
            f"{len(broken):,} unreadable item{'s' * (len(broken) > 1)} counted as missing; {first}"
        )
    talk.result(facts, "\n".join([*lines, str(output)]))
