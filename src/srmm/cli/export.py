"""The command `srmm export`: its arguments, and the words it answers with."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import Annotated

from cyclopts import Parameter

from srmm.cli.options import Talk


def export(
    model: Path,
    /,
    *,
    onnx: Annotated[Path, Parameter(name=["--output", "--onnx", "-o"])],
    encoders: bool = True,
    overwrite: Annotated[bool, Parameter(negative="")] = False,
    talk: Talk = Talk(),
) -> None:
    """Write a model as ONNX graphs, for programs without srmm and without PyTorch.

    One graph takes any rows, whatever they lack, and gives the model's own probabilities; this is
    compared for every presence pattern before anything is kept. `srmm.json` says what the graphs
    read, `predict.py` shows how.

    Parameters
    ----------
    model
        A folder written by `srmm fit`.
    onnx
        The folder to write the graphs to.
    encoders
        Export the encoders, too, where ONNX can hold them.
    overwrite
        Replace an export that is already there, with all that its folder holds.
    """
    from srmm.exporting import export_onnx

    made = export_onnx(model, onnx, encoders=encoders, overwrite=overwrite)
    facts = {**made._asdict(), "folder": str(made.folder)}
    lines = [
        *(f"note: {note}" for note in made.notes),
        f"compared in {made.patterns} presence patterns: probabilities at most "
        f"{made.largest_difference:.1e} apart",
        f"{made.folder}: {', '.join(made.files)}",
        f"try it: python {quote(str(made.folder / 'predict.py'))} NAME=ITEM …",
    ]
    talk.result(facts, "\n".join(lines))
