"""The command `srmm check`: its arguments, and the words it answers with."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from srmm.cli.options import Columns, Engine, Seed, Source, Talk
from srmm.errors import InputError, StoreError, several

ALARM = 3
"""What the command ends with if new rows give an alarm."""


def check(
    paths: Annotated[list[str], Parameter()],
    /,
    *,
    data: str | None = None,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    fail_on: str | None = None,
    level: float | None = None,
    columns: Columns = Columns(),
    source: Source = Source(),
    engine: Engine = "auto",
    seed: Seed = 0,
    overwrite: Annotated[bool, Parameter(negative="")] = False,
    talk: Talk = Talk(),
) -> None:
    """Say whether new rows are like those of training, or whether folders of ours are whole.

    `srmm check MODEL new.csv` compares rows with those the model was trained on: how often each
    modality is there, patterns never trained on, the items themselves, predictions, and the
    accuracy to be expected. Ends with 3 on an alarm.

    `srmm check STORE MODEL …` compares every file with the SHA-256 that it was written with. Ends
    with 1 if any differs.

    Parameters
    ----------
    paths
        A model and a table or data set; or folders written by `srmm encode` or `srmm fit`.
    data
        The rows to compare, as `srmm predict` takes them, where they are a store: `srmm check MODEL
        --data STORE`.
    output
        A page to write (.html), with its numbers beside it (.json).
    fail_on
        Which alarms end with 3, with commas between: presence, never, shift, prediction, accuracy.
        By default all of them; "none" for none.
    level
        How rarely rows like those of training may give any alarm; 0.01 by default. A difference
        must also be large enough to matter, see docs/watching.md.
    engine
        What runs the encoders' networks.
    seed
        Of the items and rows that are drawn.
    overwrite
        Replace either file also where it is something else than a page of this command.
    """
    asked = {"--output": output, "--fail-on": fail_on, "--level": level}
    named = [option for option, value in asked.items() if value is not None]
    named += [f"--{column}" for column in columns.choices()]
    if data is None and len(paths) == 2 and _is_rows(*map(Path, paths), asked=bool(named)):
        data, paths = paths[1], paths[:1]
    if data is None:
        _check_models_and_rows(paths, named)
        _check_folders([Path(path) for path in paths], talk)
        return
    if len(paths) != 1:
        raise InputError(f"Rows are compared with one model, got {len(paths)}: {', '.join(paths)}.")
    from srmm.evaluation.drift import KINDS
    from srmm.report.watch_words import summary_lines
    from srmm.workflows.watch import watch_workflow

    wanted = KINDS if fail_on is None else [k.strip() for k in fail_on.split(",") if k.strip()]
    if not wanted:
        raise InputError(
            f"--fail-on names no alarm, expected some of {', '.join(KINDS)}, or none for none."
        )
    watched = watch_workflow(
        Path(paths[0]),
        data,
        output,
        columns=columns.choices(),
        root=source.root,
        options=source.options(),
        fail_on=[] if list(wanted) == ["none"] else wanted,
        level=0.01 if level is None else level,
        engine=engine,
        seed=seed,
        overwrite=overwrite,
        progress=talk.progress,
    )
    lines = summary_lines(watched.content)
    lines += [f"report: {watched.html}", f"numbers: {watched.json}"] if watched.html else []
    talk.result(watched.content, "\n".join(lines))
    if watched.alarm:
        sys.exit(ALARM)


def _is_rows(first: Path, second: Path, *, asked: bool) -> bool:
    """Whether the second of two is rows for the first: no folder of ours, unless a comparison was
    asked for."""
    from srmm.data.store import is_store
    from srmm.learning.saving import is_model

    return is_model(first) and not is_model(second) and (asked or not is_store(second))


def _check_models_and_rows(paths: list[str], named: list[str]) -> None:
    """Raise `InputError` for rows without a model, or before it; `named` are options for rows."""
    from srmm.data.store import is_store
    from srmm.learning.saving import is_model
    from srmm.workflows.data import is_table

    models = [path for path in paths if is_model(Path(path))]
    rows = [
        path
        for path in paths
        if path not in models and is_table(path) and (named or Path(path).is_file())
    ]
    for_rows = f" {named[0]} is for rows that are compared with a model's." if named else ""
    if rows:
        raise InputError(
            f"{rows[0]} is a table of rows.{for_rows} Name one model, and one table behind it: "
            f"srmm check {models[0] if models else 'MODEL'} {rows[0]}."
        )
    if not named:
        return
    for path in paths:
        if path not in models and not is_store(Path(path)):
            raise InputError(
                f"There is no model, store or table {path}.{for_rows} Name both: srmm check MODEL "
                "new.csv."
            )
    raise InputError(
        f"There are no rows, only {', '.join(paths)}.{for_rows} Name them behind the model: srmm "
        "check MODEL new.csv, or MODEL --data STORE."
    )


def _check_folders(paths: list[Path], talk: Talk) -> None:
    from srmm.workflows.check import check_workflow

    found = [check_workflow(path) for path in paths]
    lines = [
        f"{one.path}: {'damaged' if one.problems else 'whole'} {one.kind}, "
        f"{several(one.files, 'file')}, {one.bytes / 1e6:,.1f} MB compared"
        for one in found
    ]
    lines += [f"note: {note}" for one in found for note in one.notes]
    checked = [{**one._asdict(), "path": str(one.path)} for one in found]
    talk.result({"checked": checked}, "\n".join(lines))
    problems = [problem for one in found for problem in one.problems]
    if problems:
        raise StoreError("\n".join(problems))
