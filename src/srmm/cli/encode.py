"""The command `srmm encode`: its arguments, and the words it answers with."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from srmm.cli.options import WHOLE, Columns, Precision, Source, Talk, pairs


def encode(
    table: str,
    /,
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"])],
    columns: Columns = Columns(),
    source: Source = Source(),
    encoder: list[str] | None = None,
    batch_size: Annotated[int | None, WHOLE] = None,
    engine: Literal["auto", "torch", "onnx", "daft"] = "auto",
    precision: Precision = "full",
    strict: Annotated[bool, Parameter(negative="")] = False,
    workers: Annotated[int | None, WHOLE] = None,
    address: str | None = None,
    dtype: Literal["float32", "float16"] | None = None,
    talk: Talk = Talk(),
) -> None:
    """Turn a table's raw items into a store of embeddings.

    Absent items (empty cells, missing files) stay absent; unreadable ones count as absent and are
    listed. A killed run goes on where it stopped.

    Parameters
    ----------
    table
        A table, as `srmm fit` takes it, or the name of a data set.
    output
        The folder to write.
    encoder
        'modality=encoder', e.g. 'image=clip:openai/clip-vit-large-patch14' (see `srmm encoders`).
        Repeatable.
    batch_size
        Items per pass of the network.
    engine
        What runs the encoders' networks: ONNX Runtime is the faster one on a CPU, "auto" takes it
        where it is installed and can. "daft" is that in several processes, for many rows.
    precision
        "half" computes embeddings with 16 bits, on a GPU; not to be mixed with others.
    strict
        Make an unreadable item an error.
    workers
        Threads that open items; with Daft, processes that encode them.
    address
        With Daft, a Ray cluster to encode on: 'ray://head:10001', or 'auto' on one of its machines.
    dtype
        How vectors are kept on disk: float16 takes half the room of float32, the default. A store
        that is there keeps its own.
    """
    from srmm.data.embeddings import Embeddings
    from srmm.encoding.encode import encode as run
    from srmm.encoding.fitting import read_as_cells
    from srmm.errors import InputError
    from srmm.workflows import note_source, open_data
    from srmm.workflows.places import check_noted, check_place

    check_place(output, utf8=True)
    check_noted(table, source.root)
    encoders = pairs("--encoder", encoder)
    data = open_data(
        table,
        columns.choices(),
        root=source.root,
        options=source.options(),
        as_cells=read_as_cells(encoders),
    )
    if isinstance(data, Embeddings):
        raise InputError(f"{table} holds embeddings already; there is nothing to encode.")
    result = run(
        data,
        encoders or None,
        output,
        batch_size=batch_size,
        engine=engine,
        precision=precision,
        strict=strict,
        progress=talk.progress,
        workers=workers,
        address=address,
        dtype=dtype,
    )
    note_source(output, table, columns.choices(), source.root, source.options())
    notes = (*data.notes, *result.summary.notes)
    lines = [str(result.summary), *(f"note: {note}" for note in notes), str(output)]
    facts = {"store": output, "summary": asdict(result.summary), "notes": notes}
    talk.result(facts, "\n".join(lines))
