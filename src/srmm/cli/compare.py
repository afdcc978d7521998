"""The command `srmm compare`: its arguments, and the words it answers with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from srmm.cli.options import WHOLE, Columns, Source, Talk, Whole


def compare(
    data: str,
    /,
    *,
    methods: Annotated[str | None, Parameter(name=["--methods", "--method"])] = None,
    output: Annotated[Path, Parameter(name=["--output", "-o"])] = Path("comparison"),
    columns: Columns = Columns(),
    source: Source = Source(),
    seeds: Whole = 5,
    limit: Annotated[int | None, WHOLE] = None,
    jobs: Whole = 1,
    overwrite: Annotated[bool, Parameter(negative="")] = False,
    talk: Talk = Talk(),
) -> None:
    """Compare methods on your own data: a ranking, and which differences are significant.

    Parameters
    ----------
    data
        A table, an embedding store or a data set, with labels.
    methods
        Names with commas between, e.g. srmm,router,tbn-early; see `srmm methods`. By default seven:
        srmm, srmm-paper, router, logreg, logreg-concat, tbn-early and modality-dropout.
    output
        Folder for comparison.html, comparison.json and the finished trainings, which are kept: an
        interrupted comparison goes on, and more methods or seeds train only what is new.
    seeds
        How many seeds; each has its own split, unless the data has one, and initial weights.
    limit
        Use a fixed stratified subset of so many instances.
    jobs
        Trainings at the same time.
    overwrite
        Replace comparison.html and .json also where they are something else.
    """
    from srmm.experiments.compare import DEFAULT_METHODS
    from srmm.workflows.compare import compare_workflow

    names = [name.strip() for name in methods.split(",")] if methods else DEFAULT_METHODS
    with talk.trainings() as progress:
        content, summary, left_out, notes = compare_workflow(
            data, output, columns=columns.choices(), root=source.root, options=source.options(),
            methods=[name for name in names if name], seeds=seeds, limit=limit, jobs=jobs,
            overwrite=overwrite, progress=progress, show=talk.progress,
        )  # fmt: skip
    lines = [str(summary)] if summary else []
    lines += [f"note: {note}" for note in notes]
    if left_out:
        lines.append(f"rows left out: {left_out:,} without a label or without an item")
    if content["data"]["own_split"]:
        lines.append("tested on the data's own split, which is the same for every seed")
    lines += [ranking_text(content), f"report: {output / 'comparison.html'}"]
    talk.result(content, "\n".join(lines))


def ranking_text(content: dict[str, Any]) -> str:
    """The ranking for a terminal."""
    from srmm.report.comparison import headline, ranking

    rows = ranking(content)
    width = max(len(row["method"]) for row in rows)
    lines = [f"{'method':<{width}}  {'all patterns':>14}  {'as they are':>14}"]
    for row in rows:
        tied = "  (not told apart from the first)" if row["tied"] else ""
        lines.append(f"{row['method']:<{width}}  {row['score']:>14}  {row['as_is']:>14}{tied}")
    return "\n".join(["accuracy in %", *lines, headline(content)])
