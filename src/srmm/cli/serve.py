"""The command `srmm serve`: its arguments, and the words it answers with."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Group, Parameter
from cyclopts.validators import Number

from srmm.cli.options import Engine, Whole
from srmm.serving.limits import Limits

LIMITS = Group("Limits", sort_key=5)


@dataclass(frozen=True)
class LimitOptions(Limits):
    """The limits as options: whole numbers are not rounded."""

    rows: Whole = Limits.rows
    queue: Whole = Limits.queue
    batch_rows: Whole = Limits.batch_rows


def serve(
    model: Path,
    /,
    *,
    host: str = "127.0.0.1",
    port: Annotated[Whole, Parameter(validator=Number(gte=0, lte=65535))] = 8000,
    workers: Annotated[Whole, Parameter(validator=Number(gte=1))] = 1,
    store: Path | None = None,
    root: Path | None = None,
    report: Path | None = None,
    when_nothing: Literal["error", "prior"] | None = None,
    engine: Engine = "auto",
    allowed_host: list[str] | None = None,
    log_requests: Annotated[bool, Parameter(negative="")] = False,
    limits: Annotated[LimitOptions, Parameter(name="*", group=LIMITS)] = LimitOptions(),
) -> None:
    """Serve a model over HTTP, with a page to try it on.

    POST /predict takes JSON, or a form with files, named by modality: whatever is left out is
    absent. GET /model says what the model reads; /health, /ready and /metrics are for those who
    run it, /v2 is the Open Inference Protocol. SRMM_API_KEYS, a list with commas, makes clients
    name a key. A signal ends it once what was accepted is answered.

    Parameters
    ----------
    model
        A folder written by `srmm fit`.
    host
        The address to listen at; by default only this machine can ask.
    port
        0 takes a free one.
    workers
        Processes, each with the model.
    store
        The store the model was trained on, to show the training items nearest to a row.
    root
        A folder of pictures that the store was made from, to show them, if it is not that of its
        table, or that has changed.
    report
        The JSON of `srmm evaluate`, to show the accuracy to expect of what is present.
    when_nothing
        What to answer to a row that has nothing: "error" refuses it, "prior" predicts the training
        set's class shares. By default as the model was fitted (error).
    engine
        What runs the encoders' networks.
    allowed_host
        A name by which clients call the server; others are refused. By default the names of this
        machine if only it can ask, else all. Repeatable.
    log_requests
        Write a line for every request to the log.
    """
    from srmm.serving.process import Settings, allowed_hosts, api_keys, is_local, serve_model

    if not is_local(host) and not api_keys():
        print(
            f"warning: {host} can be reached from elsewhere, and anyone may ask: set "
            "SRMM_API_KEYS.",
            file=sys.stderr,
        )
    settings = Settings(
        model,
        store=store,
        root=root,
        report=report,
        engine=engine,
        when_nothing=when_nothing,
        hosts=allowed_hosts(host, allowed_host or ()),
        limits=limits,
        log_requests=log_requests,
    )
    sys.exit(serve_model(settings, host=host, port=port, workers=workers))
