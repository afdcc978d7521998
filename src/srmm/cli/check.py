"""The command `srmm check`: its arguments, and the words it answers with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from srmm.cli.options import Talk
from srmm.errors import StoreError


def check(paths: Annotated[list[Path], Parameter()], /, *, talk: Talk = Talk()) -> None:
    """Say whether stores and models are, to the last bit, what was written.

    Every file is compared with the SHA-256 that it was written with. Ends with 1 if any differs.

    Parameters
    ----------
    paths
        Folders written by `srmm encode` or `srmm fit`.
    """
    from srmm.workflows.check import check_workflow

    found = [check_workflow(path) for path in paths]
    lines = [
        f"{one.path}: {'damaged' if one.problems else 'whole'} {one.kind}, "
        f"{one.files:,} files, {one.bytes / 1e6:,.1f} MB compared"
        for one in found
    ]
    lines += [f"note: {note}" for one in found for note in one.notes]
    checked = [{**one._asdict(), "path": str(one.path)} for one in found]
    talk.result({"checked": checked}, "\n".join(lines))
    problems = [problem for one in found for problem in one.problems]
    if problems:
        raise StoreError("\n".join(problems))
