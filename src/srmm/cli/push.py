"""The command `srmm push`: its arguments, and the words it answers with."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from srmm.cli.options import Talk
from srmm.errors import InputError


def push(
    model: Path,
    repo: str,
    /,
    *,
    private: Annotated[bool, Parameter(negative="")] = False,
    revision: str | None = None,
    token_from_env: str | None = None,
    licence: Annotated[str | None, Parameter(name=["--licence", "--license"])] = None,
    rows: Annotated[bool, Parameter(negative="")] = False,
    talk: Talk = Talk(),
) -> None:
    """Upload a model to the Hugging Face hub, with its card and a handler for endpoints.

    `srmm predict user/model table.csv` and srmm.load("user/model") find it there. Where the
    training data lay is not told, nor, without --rows, which rows they were.

    Parameters
    ----------
    model
        A folder written by `srmm fit`.
    repo
        Where to: user/model. It is made if it is not there.
    private
        Make it a private one.
    revision
        A branch to upload to; by default the main one.
    token_from_env
        Name of the environment variable with the token; by default HF_TOKEN, or that of
        `hf auth login`.
    licence
        For the card, such as "apache-2.0". None is claimed otherwise.
    rows
        Upload the ids of the training rows, too, with which the model can be evaluated elsewhere.
    """
    from srmm.learning.publishing import push_folder

    token = None if token_from_env is None else os.environ.get(token_from_env)
    if token_from_env is not None and not token:
        raise InputError(
            f"--token-from-env names {token_from_env!r}, which is not set in the environment. Set "
            "it to a token of the hub that may write."
        )
    pushed = push_folder(
        model, repo, private=private, revision=revision, token=token, licence=licence, rows=rows
    )
    lines = [
        f"{pushed.url}: {', '.join(pushed.files)}",
        f"commit {pushed.revision}",
        f'use it: srmm.load("{pushed.repo}")',
    ]
    talk.result(pushed._asdict(), "\n".join(lines))
