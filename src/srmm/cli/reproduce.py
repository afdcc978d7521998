"""The command `srmm reproduce`: its arguments, and the words it answers with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from srmm.cli.options import WHOLE, Source, Talk, Whole
from srmm.errors import InputError


def reproduce(
    name: str | None = None,
    /,
    *,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    data: list[str] | None = None,
    source: Source = Source(),
    limit: Annotated[int | None, WHOLE] = None,
    seeds: Annotated[int | None, WHOLE] = None,
    drop: str | None = None,
    method: Annotated[list[str] | None, Parameter(name=["--method", "--methods"])] = None,
    max_epochs: Annotated[int | None, WHOLE] = None,
    jobs: Whole = 1,
    cells: Path | None = None,
    overwrite: Annotated[bool, Parameter(negative="")] = False,
    list: Annotated[bool, Parameter(negative="")] = False,
    from_: Annotated[Path | None, Parameter(name="--from")] = None,
    talk: Talk = Talk(),
) -> None:
    """Run a table or figure of the paper, the published numbers beside ours.

    What is trained is kept: an interrupted run goes on where it stopped, and experiments that need
    the same trainings share them.

    Parameters
    ----------
    name
        An experiment, e.g. table6; see --list.
    output
        Folder for results.md, results.json, figures, masks and the configuration; by default
        runs/NAME. What data sets are encoded to is kept beside it, in stores/.
    data
        A data set or an embedding store; NAME=FOLDER gives a data set its folder, or a store a
        name. Repeatable; by default openmoji and htad, which need no download.
    limit
        Use a fixed stratified subset of so many instances.
    seeds
        How many seeds, 5 by default; each has its own split, masks and initial weights.
    drop
        The modality that goes missing; by default text, or else the last.
    method
        Only these columns, with commas between. Repeatable.
    max_epochs
        Epochs of every network, in place of its recipe's: for large data, where an epoch is long.
    jobs
        Trainings at the same time.
    cells
        Where finished trainings are kept; by default cells/ beside the output folder.
    overwrite
        Replace files of the output folder also where no run of this command wrote them.
    list
        List the experiments.
    from_
        A folder written before: run it again, exactly, training everything anew. --data NAME=STORE
        tells where a store is now that was moved.
    """
    from srmm.experiments.catalogue import EXPERIMENTS
    from srmm.workflows.reproduce import IN_PACKAGES, reproduce_again, reproduce_workflow

    if list:
        titles = {key: one.title for key, one in EXPERIMENTS.items()}
        width = max(map(len, titles))
        talk.result(titles, "\n".join(f"{key:<{width}}  {text}" for key, text in titles.items()))
        return
    columns = [one.strip() for many in method or () for one in many.split(",")]
    with talk.trainings() as progress:
        if from_ is not None:
            asked = {"an experiment": name, "--method": method, "--limit": limit, "--drop": drop,
                     "--max-epochs": max_epochs, "--seeds": seeds, "--root": source.root,
                     "--set": source.set}  # fmt: skip
            if given := [option for option, value in asked.items() if value is not None]:
                raise InputError(
                    f"--from repeats a run as it was: leave {given[0]} out. A store that was moved "
                    "is --data NAME=STORE."
                )
            output = output or from_.resolve().with_name(from_.resolve().name + "-again")
            folder = reproduce_again(
                from_,
                output,
                stores=data or (),
                jobs=jobs,
                cells=cells,
                overwrite=overwrite,
                progress=progress,
            )
        elif name is None:
            raise InputError("Name an experiment, e.g. `srmm reproduce table6`; see --list.")
        else:
            folder = reproduce_workflow(
                name, output or Path("runs") / name, data=data or IN_PACKAGES, root=source.root,
                options=source.options(), limit=limit, seeds=5 if seeds is None else seeds,
                dropped=drop,
                methods=columns, max_epochs=max_epochs, jobs=jobs, cells=cells,
                overwrite=overwrite, progress=progress, show=talk.progress,
            )  # fmt: skip
    facts = {"folder": folder, "results": folder / "results.md", "json": folder / "results.json"}
    text = (folder / "results.md").read_text(encoding="utf-8")
    talk.result(facts, f"{text}\nresults: {folder}")
