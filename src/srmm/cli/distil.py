"""The command `srmm distil`: its arguments, and the words it answers with."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import Annotated

from cyclopts import Parameter

from srmm.cli.options import Seed, Talk


def distil(
    model: Path,
    /,
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"])],
    seed: Seed = 0,
    overwrite: Annotated[bool, Parameter(negative="")] = False,
    talk: Talk = Talk(),
) -> None:
    """Make a model of the default method a fifth of its size: one network taught by the five.

    It learns on the embeddings that the model was trained on, and reads raw items as the model
    does. `srmm evaluate` tells what it keeps.

    Parameters
    ----------
    model
        A folder written by `srmm fit`.
    output
        The folder to save the small model to.
    seed
        Of training: same seed, same machine, same model.
    overwrite
        Replace a model that is already there.
    """
    from srmm.workflows import distil_workflow

    small = distil_workflow(
        model, output, seed=seed, overwrite=overwrite, epochs=talk.epochs() or iter
    )
    facts = {"model": output, "n_parameters": small.n_parameters_}
    talk.result(
        facts,
        f"distilled to {small.n_parameters_:,} numbers in {small.training_['seconds']:.1f} s\n"
        f"model: {output}\n"
        f"what it keeps: srmm evaluate {quote(str(output))} -o report.html",
    )
