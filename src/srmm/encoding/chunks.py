"""The long loop of an encoding job: items → embeddings, in chunks that outlive the process.

A chunk is up to 1,024 unique items. Its file is named by a digest of everything that decides its
content: the encoder's settings, what runs it, the batch size and the items. So a run that was
killed finds the chunks it finished and no others, whatever changed in between; and because the
batches inside a chunk do not depend on where the run stopped, it ends with the same bits.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from srmm.data.broken import AbsentFile, UnreadableItem, at_rest
from srmm.data.embeddings import same_settings
from srmm.data.items import ItemReader
from srmm.encoders import Encoder
from srmm.encoders.engines import engine_of
from srmm.errors import InputError, StoreError
from srmm.files import load_tensors, replacing_file, save_tensors

CHUNK_ITEMS = 1024
"""Unique items per chunk: what a kill can lose at most, and what memory holds."""

S = TypeVar("S")
T = TypeVar("T")


@dataclass(frozen=True)
class Chunk:
    """The outcome for `len(row)` items.

    Parameters
    ----------
    values : float32 array of shape (n_encoded, embedding_dim)
    row : int array of shape (n_items,)
        Per item its row of `values`, or −1.
    failures : dict of int to str or None
        Per item without an embedding the reason, None where its file does not exist.
    resumed : bool
        Whether it was encoded by an earlier run.
    cut : int array
        The items (numbers below n_items) of which the encoder reads only a part.
    """

    values: np.ndarray
    row: np.ndarray
    failures: dict[int, str | None] = field(default_factory=dict)
    resumed: bool = False
    cut: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64))


@dataclass(frozen=True)
class PlannedChunk:
    """Which items (numbers of the job's list) belong to a chunk, and the file it is kept in."""

    number: int
    span: range
    file: Path | None
    finished: bool
    """Whether an earlier run has left the file, whole."""


def plan_chunks(
    keys: np.ndarray, encoder: Encoder, *, batch_size: int, folder: Path | None, prefix: str
) -> list[PlannedChunk]:
    """The chunks of the items with these keys, in order; without a folder there are no files."""
    planned = []
    for number, start in enumerate(range(0, len(keys), CHUNK_ITEMS)):
        span = range(start, min(start + CHUNK_ITEMS, len(keys)))
        file = None
        if folder is not None:
            name = _chunk_name(encoder, batch_size, keys[span])
            file = folder / f"{prefix}-{name}.safetensors"
        planned.append(PlannedChunk(number, span, file, file is not None and _is_whole(file)))
    return planned


def encode_in_chunks(
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
) -> Iterator[Chunk]:
    """The chunks of `items`, in order; each is in `folder` (if any) before it is yielded.

    While the network works on one batch, `workers` threads (by default one per core) open and
    prepare the items of the next. `progress` is called with a number of items as they are done.
    """
    planned = plan_chunks(keys, encoder, batch_size=batch_size, folder=folder, prefix=prefix)
    orders = {
        chunk.number: _batch_order(items, chunk.span, encoder.kind)
        for chunk in planned
        if not chunk.finished
    }
    with _preparing(
        (items[i] for order in orders.values() for i in order), encoder, reader, batch_size, workers
    ) as prepared:
        for plan in planned:
            if plan.finished:
                assert plan.file is not None
                chunk = read_chunk(plan.file)
                progress(len(plan.span))
            else:
                order = orders[plan.number]
                chunk = _encode_chunk(order, plan.span, prepared, encoder, batch_size, progress)
                if plan.file is not None:
                    write_chunk(chunk, plan.file)
            yield chunk


def encode_chunk(
    items: list[Any], encoder: Encoder, reader: ItemReader, *, batch_size: int, workers: int
) -> Chunk:
    """The items of one chunk, with the same batches as in `encode_in_chunks`."""
    span = range(len(items))
    order = _batch_order(items, span, encoder.kind)
    with _preparing((items[i] for i in order), encoder, reader, batch_size, workers) as prepared:
        return _encode_chunk(order, span, prepared, encoder, batch_size, lambda n: None)


@contextmanager
def _preparing(
    items: Iterable[Any],
    encoder: Encoder,
    reader: ItemReader,
    batch_size: int,
    workers: int | None,
) -> Iterator[Iterator[Any]]:
    """Yield the opened and prepared items, a little ahead of their use, in threads."""
    workers = workers or os.cpu_count() or 1
    pool = ThreadPoolExecutor(workers, thread_name_prefix="srmm-prepare")
    try:
        yield _ahead(pool, _opener(encoder, reader), items, depth=2 * batch_size + workers)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _chunk_name(encoder: Encoder, batch_size: int, keys: np.ndarray) -> str:
    made_by = [same_settings(encoder.settings), engine_of(encoder), batch_size]
    digest = hashlib.sha256(json.dumps(made_by, sort_keys=True).encode())
    digest.update(keys.tobytes())
    return digest.hexdigest()[:32]


def _batch_order(items: list[Any], span: range, kind: str) -> list[int]:
    """Texts of similar length share a batch, so that little of it is padding."""
    if kind != "text":
        return list(span)
    return sorted(span, key=lambda i: len(items[i]) if isinstance(items[i], (str, bytes)) else 0)


def item_reader(kind: str, reader: ItemReader) -> Callable[[Any], Any]:
    """The method of `reader` that opens items of this kind."""
    kinds = {
        "image": reader.image,
        "face": reader.face,
        "text": reader.text,
        "audio": reader.audio,
        "voice": reader.audio,
        "features": reader.vector,
    }
    return kinds[kind]


def _opener(encoder: Encoder, reader: ItemReader) -> Callable[[Any], Any]:
    """A function: raw item → what `encoder.encode` takes and whether the item is cut, or the
    exception that says why not."""
    read = item_reader(encoder.kind, reader)
    is_cut: Callable[[Any], bool] = getattr(encoder, "is_cut", lambda item: False)

    def opened(item: Any) -> Any:
        if isinstance(item, (AbsentFile, UnreadableItem)):
            return item  # found out where the item is, before the rest went to a worker
        try:
            read_item = read(item)
            return encoder.prepare(read_item), is_cut(read_item)
        except (AbsentFile, UnreadableItem) as failure:
            return at_rest(failure)
        except Exception as error:  # the encoder's own fault, or an item that it did not foresee
            error.add_note(
                f"In {type(encoder).__name__}.prepare, of {item!r:.100}. For a broken item it "
                "should raise srmm.data.broken.UnreadableItem, which lists it as such."
            )
            raise

    return opened


def _ahead(
    pool: ThreadPoolExecutor, function: Callable[[S], T], inputs: Iterable[S], *, depth: int
) -> Iterator[T]:
    """`map(function, inputs)` in threads, at most `depth` results ahead of the reader."""
    waiting: deque[Future[T]] = deque()
    for value in inputs:
        waiting.append(pool.submit(function, value))
        if len(waiting) >= depth:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _encode_chunk(
    order: list[int],
    span: range,
    prepared: Iterator[Any],
    encoder: Encoder,
    batch_size: int,
    progress: Callable[[int], None],
) -> Chunk:
    vectors: dict[int, np.ndarray] = {}
    failures: dict[int, str | None] = {}
    cut: set[int] = set()
    for start in range(0, len(order), batch_size):
        good: dict[int, Any] = {}
        batch = [i - span.start for i in order[start : start + batch_size]]
        for i in batch:
            outcome = next(prepared)
            if isinstance(outcome, AbsentFile):
                failures[i] = None
            elif isinstance(outcome, UnreadableItem):
                failures[i] = str(outcome)
            else:
                good[i], is_cut = outcome
                cut |= {i} if is_cut else set()
        if good:
            encoded = checked(encoder, list(good.values()))
            finite = np.isfinite(encoded).all(axis=1)
            vectors |= {i: v for i, v, ok in zip(good, encoded, finite, strict=True) if ok}
            failures |= {
                i: not_finite(encoder) for i, ok in zip(good, finite, strict=True) if not ok
            }
        progress(len(batch))
    kept = sorted(vectors)
    row = np.full(len(span), -1, dtype=np.int64)
    row[kept] = np.arange(len(kept))
    empty = np.empty((0, encoder.embedding_dim or 0), dtype=np.float32)
    values = np.stack([vectors[i] for i in kept]) if kept else empty
    failures = dict(sorted(failures.items()))
    return Chunk(values, row, failures, cut=np.array(sorted(cut & vectors.keys()), dtype=np.int64))


def not_finite(encoder: Encoder) -> str:
    """The reason for an item whose embedding is no numbers."""
    usual = "gives an embedding that holds NaN or infinity"
    return getattr(encoder, "nothing_known", usual)


def checked(encoder: Encoder, prepared: list[Any]) -> np.ndarray:
    """Their embeddings; raise `InputError` for an encoder that returns another shape."""
    encoded = np.asarray(encoder.encode(prepared), dtype=np.float32)
    d = encoder.embedding_dim
    if encoded.ndim != 2 or len(encoded) != len(prepared) or d not in (None, encoded.shape[1]):
        expected = (len(prepared), "d" if d is None else d)
        raise InputError(
            f"The encoder {encoder.settings.get('spec') or type(encoder).__name__!r} returned an "
            f"array of shape {encoded.shape} for {len(prepared)} items, expected {expected}."
        )
    return encoded


def write_chunk(chunk: Chunk, file: Path) -> None:
    """Keep a chunk, whole or not at all."""
    parts = {"values": chunk.values, "row": chunk.row, "cut": chunk.cut}
    with replacing_file(file, tidy=False) as temporary:
        save_tensors(temporary, parts, about=list(chunk.failures.items()))


def read_chunk(file: Path) -> Chunk:
    """A chunk that an earlier run has kept; its values are mapped.

    Raises `StoreError` if it is damaged.
    """
    tensors, failures = load_tensors(file, "Delete it: its items are then encoded again.")
    row, cut = np.asarray(tensors["row"]), np.asarray(tensors["cut"])
    return Chunk(tensors["values"], row, dict(failures), resumed=True, cut=cut)


def _is_whole(file: Path) -> bool:
    """False also for a damaged file, which is then encoded again."""
    try:
        read_chunk(file)
    except (StoreError, LookupError, TypeError, ValueError):
        return False
    return True
