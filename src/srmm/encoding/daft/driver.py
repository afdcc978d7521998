"""The long loop of an encoding job on Daft: worker processes on this machine, or in a Ray cluster.

A worker is sent the items of one chunk and returns their embeddings; this process keeps them, in
the same files as a job without Daft. So either goes on where the other was killed, and workers
need no folder in common with this process: only the files to encode, and the encoder's weights.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from srmm.data.items import ItemReader
from srmm.encoders import Encoder
from srmm.encoding.chunks import Chunk, PlannedChunk, plan_chunks, read_chunk, write_chunk
from srmm.encoding.daft.task import ChunkTask, absolute, pack_encoder, pack_items
from srmm.errors import SrmmError
from srmm.processes import LIVES, Lost, Run, open_workers, outcomes, pack_task, run_tasks

_NAMED = 10


def encode_in_chunks_on_daft(
    items: list[Any],
    keys: np.ndarray,
    encoder: Encoder,
    reader: ItemReader,
    *,
    batch_size: int,
    workers: int | None,
    folder: Path | None,
    prefix: str,
    progress: Callable[[int], None],
    address: str | None = None,
) -> Iterator[Chunk]:
    """As `encode_in_chunks`, with `workers` processes that encode a chunk each.

    A chunk whose worker is lost is encoded by another one.

    Parameters
    ----------
    workers : int, optional
        Worker processes. By default one per two cores of this machine; in a cluster one per GPU,
        or where there is none, one per CPU.
    address : str, optional
        A Ray cluster, such as "ray://head:10001", or "auto" on one of its machines.

    Raises
    ------
    InputError
        If the encoder cannot be sent to another process, or there is no such cluster.
    SrmmError
        If workers are lost on the same chunk again and again; it names the items.
    """
    planned = plan_chunks(keys, encoder, batch_size=batch_size, folder=folder, prefix=prefix)
    todo = [plan for plan in planned if not plan.finished]
    early: dict[int, Chunk | None] = {}  # came before their turn; None: to be read from the file
    with closing(_encoded(todo, items, encoder, reader, batch_size, workers, address)) as encoded:
        for plan in planned:
            if plan.finished:
                assert plan.file is not None
                progress(len(plan.span))
                yield read_chunk(plan.file)
                continue
            while plan.number not in early:
                done, chunk = next(encoded)
                if done.file is not None:
                    write_chunk(chunk, done.file)
                progress(len(done.span))
                early[done.number] = chunk if done is plan or done.file is None else None
            kept = early.pop(plan.number)
            if kept is None:
                assert plan.file is not None
                kept = replace(read_chunk(plan.file), resumed=False)
            yield kept


def _encoded(
    todo: list[PlannedChunk],
    items: list[Any],
    encoder: Encoder,
    reader: ItemReader,
    batch_size: int,
    count: int | None,
    address: str | None,
) -> Generator[tuple[PlannedChunk, Chunk], None, None]:
    """Every chunk of `todo` with its outcome, in the order in which they come."""
    if not todo:
        return
    with open_workers(count, address) as workers:
        make = partial(ChunkTask, pack_encoder(encoder), absolute(reader.folder), batch_size)
        run: Run = partial(run_tasks, workers, pack_task(make))
        plans = {plan.number: plan for plan in todo}
        packed = (
            (plan.number, pack_items([items[i] for i in plan.span], encoder.kind, reader))
            for plan in todo
        )
        for number, outcome in outcomes(run, packed, workers.count):
            plan = plans[number]
            if isinstance(outcome, Lost):
                suspects = [items[i] for i in plan.span]
                raise _lost(run, suspects, encoder.kind, reader) from outcome.cause
            yield plan, outcome


def _lost(run: Run, items: list[Any], kind: str, reader: ItemReader) -> SrmmError:
    """What to say of a chunk that has cost all its lives: which of its items it was, if it was one.

    It is found by halves, which costs a few more workers.
    """

    def survives(some: list[Any]) -> bool:
        try:
            return all(
                outcome is not None for _, outcome in run([(0, pack_items(some, kind, reader))])
            )
        except Exception:
            return False

    suspects = items
    while len(suspects) > 1:
        half = len(suspects) // 2
        suspects = suspects[half:] if survives(suspects[:half]) else suspects[:half]
    after = "run the same command again: what is encoded so far is kept, if there is an output."
    if not survives(suspects):
        return SrmmError(
            f"The {kind} item {_shown(suspects[0])} ends every process that encodes it: {LIVES} "
            f"workers were lost on it, one after the other. Remove or repair it, and {after}"
        )
    named = "".join(f"\n  {_shown(item)}" for item in items[:_NAMED])
    more = f"\n  … and {len(items) - _NAMED:,} more" if len(items) > _NAMED else ""
    return SrmmError(
        f"{LIVES} workers were lost, one after the other, on the same {len(items):,} {kind} items, "
        f"though not on one of them alone; there may be too little memory.{named}{more}\n"
        f"Take fewer workers, or a smaller batch size, and {after}"
    )


def _shown(item: Any) -> str:
    text = str(item) if isinstance(item, (str, Path)) else type(item).__name__
    return repr(text if len(text) <= 100 else f"{text[:99]}…")
