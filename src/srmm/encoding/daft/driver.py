"""The long loop of an encoding job on Daft: worker processes on this machine, or in a Ray cluster.

A worker is sent the items of one chunk and returns their embeddings; this process keeps them, in
the same files as a job without Daft. So either goes on where the other was killed, and workers
need no folder in common with this process: only the files to encode, and the encoder's weights.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from srmm.data.items import ItemReader
from srmm.encoders import Encoder
from srmm.encoding.chunks import Chunk, PlannedChunk, plan_chunks, read_chunk, write_chunk
from srmm.encoding.daft.worker import LIVES, absolute, pack_encoder, pack_items
from srmm.encoding.daft.workers import Workers, open_workers, run_chunks
from srmm.errors import SrmmError

_WAVE_CHUNKS = 512
_WAVE_BYTES = 1 << 30
"""What is handed to Daft at a time: beyond this, a second copy of the items would fill memory."""

_NAMED = 10

_Run = Callable[[list[tuple[int, bytes]]], Generator[tuple[int, Any], None, None]]
"""Packed items of chunks, by number → number and outcome of each, as they come."""


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
        packed_encoder, folder = pack_encoder(encoder), absolute(reader.folder)

        def run(packed: list[tuple[int, bytes]]) -> Generator[tuple[int, Any], None, None]:
            return run_chunks(workers, packed_encoder, folder, batch_size, packed)

        plans = {plan.number: plan for plan in todo}
        for wave in _waves(todo, items, encoder.kind, reader):
            for number, outcome in _with_lost_workers(run, wave, workers):
                plan = plans[number]
                if not isinstance(outcome, Chunk):
                    suspects = [items[i] for i in plan.span]
                    raise _lost(run, suspects, encoder.kind, reader) from outcome
                yield plan, outcome


def _waves(
    todo: list[PlannedChunk], items: list[Any], kind: str, reader: ItemReader
) -> Iterator[dict[int, bytes]]:
    wave: dict[int, bytes] = {}
    size = 0
    for plan in todo:
        packed = pack_items([items[i] for i in plan.span], kind, reader)
        if wave and (len(wave) == _WAVE_CHUNKS or size + len(packed) > _WAVE_BYTES):
            yield wave
            wave, size = {}, 0
        wave[plan.number] = packed
        size += len(packed)
    yield wave


def _with_lost_workers(
    run: _Run,
    wave: dict[int, bytes],
    workers: Workers,
) -> Iterator[tuple[int, Chunk | Exception | None]]:
    """Number and chunk of each, however often a worker is lost; in the place of a chunk, the last
    failure (or None) if it has cost all its lives: such a one comes last, so that the rest is kept.

    Raises the exception that the encoder raised in a worker. A second chunk that costs all its
    lives ends it, for then it is hardly the items.

    Daft ends the whole run when it loses a worker of this machine, and does not say on which chunk.
    The rest is run again, with those that may have been at work last. When nothing gets done any
    more, one chunk is run at a time, which finds the one that kills.
    """
    left = dict(wave)
    lost: Counter[int] = Counter()
    dead: dict[int, Exception | None] = {}
    alone = False
    while left and len(dead) < 2:
        tried = list(left.items())[: 1 if alone else None]
        failure = None
        advanced = False
        with closing(run(tried)) as outcomes:
            while True:
                try:
                    number, outcome = next(outcomes)
                except StopIteration:
                    break
                except Exception as error:
                    failure = error
                    break
                if isinstance(outcome, Exception):
                    raise outcome
                del left[number]
                advanced = True
                if outcome is None:
                    dead[number] = None
                else:
                    yield number, outcome
        if failure is None:
            alone = False
        elif advanced:
            for number in list(left)[: 2 * workers.count]:
                left[number] = left.pop(number)
        elif len(tried) > 1:
            alone = True
        else:
            number = tried[0][0]
            lost[number] += 1
            if lost[number] == LIVES:
                dead[number] = failure
                del left[number]
    yield from dead.items()


def _lost(run: _Run, items: list[Any], kind: str, reader: ItemReader) -> SrmmError:
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
