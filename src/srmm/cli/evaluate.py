"""The command `srmm evaluate`: its arguments, and the words it answers with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from srmm.cli.options import Columns, Engine, Seed, Source, Talk


def evaluate(
    model: Path,
    data: str | None = None,
    /,
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"])] = Path("report.html"),
    columns: Columns = Columns(),
    source: Source = Source(),
    baselines: bool = True,
    seed: Seed = 0,
    engine: Engine = "auto",
    overwrite: Annotated[bool, Parameter(negative="")] = False,
    talk: Talk = Talk(),
) -> None:
    """Evaluate a model under missing and corrupted modalities; write an HTML and a JSON report.

    Parameters
    ----------
    model
        A folder written by `srmm fit`.
    data
        A table, store or data set; by default the test rows that `srmm fit` held out. Rows that
        the model was trained on, recognised by their id or their content, are left out. By default
        the accuracy per presence pattern is also written into the model's README.md.
    output
        The HTML file; the JSON report is written beside it.
    baselines
        Train the unimodal models, the availability router and logistic regression for comparison.
    seed
        Of bootstrap, masks and noise.
    engine
        What runs the encoders' networks: ONNX Runtime is the faster one on a CPU, "auto" takes it
        where it is installed and can.
    overwrite
        Replace either file also where it is something else than a report of this command.
    """
    from srmm.report.data_words import counted_apart_lines
    from srmm.workflows import evaluate_workflow
    from srmm.workflows.places import page_and_numbers

    report = evaluate_workflow(
        model,
        output,
        source=data,
        columns=columns.choices(),
        root=source.root,
        options=source.options(),
        baselines=baselines,
        seed=seed,
        engine=engine,
        overwrite=overwrite,
        progress=talk.progress,
    )
    html, json = page_and_numbers(output)
    notes = [*report.content["data"].get("notes", []), *counted_apart_lines(report.content)]
    facts = {"html": html, "json": json, "patterns": report.content["patterns"], "notes": notes}
    said = "".join(f"note: {note}\n" for note in notes)
    said += f"{patterns_text(report.content)}\n{advice_text(report.content)}"
    talk.result(facts, f"{said}\nreport: {html}\nnumbers: {json}")


def advice_text(content: dict[str, Any] | Any) -> str:
    """The report's first sentences: which model to use, and what flatters the figures."""
    from srmm.report.advice import advice
    from srmm.report.data_words import duplicate_warning

    return "\n".join(filter(None, (advice(content), duplicate_warning(content))))


def patterns_text(content: dict[str, Any] | Any) -> str:
    """The pattern table for a terminal: accuracy in percent, the model beside its baselines."""
    methods = {content["model"]["method"]: content["patterns"], **content["baselines"]}
    names = ["+".join(entry["present"]) for entry in content["patterns"]]
    by_method = {
        method: {"+".join(entry["present"]): entry for entry in patterns}
        for method, patterns in methods.items()
    }
    width = max(len("present"), *map(len, names))
    lines = ["  ".join([f"{'present':<{width}}", f"{'n':>6}", *(f"{m:>8}" for m in methods)])]
    for name, entry in zip(names, content["patterns"], strict=True):
        cells = [
            f"{100 * by_method[m][name]['accuracy']:>{max(8, len(m))}.1f}"
            if name in by_method[m]
            else " " * max(8, len(m))
            for m in methods
        ]
        lines.append("  ".join([f"{name:<{width}}", f"{entry['n']:>6}", *cells]).rstrip())
    heading = "accuracy in %, test rows that have these modalities, all others hidden"
    if len({entry["n"] for entry in content["patterns"]}) > 1:
        heading += " (rows of different n are about different items)"
    return heading + "\n" + "\n".join(lines)
