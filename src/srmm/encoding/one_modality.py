"""One modality of an encoding job: which items are new, what became of them, where they go."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from srmm.data.items import ItemReader
from srmm.data.modality import ABSENT
from srmm.data.table import Table
from srmm.encoders import Encoder
from srmm.encoders.engines import ENGINES, engine_of, with_engine
from srmm.encoding.at_once import loop_for
from srmm.encoding.chunks import Chunk, encode_in_chunks
from srmm.encoding.packed import Packed
from srmm.encoding.store import Earlier
from srmm.encoding.summary import ModalitySummary, UnreadableEntry, none_of
from srmm.encoding.unique_items import (
    KEY_BYTES,
    UniqueItems,
    shown_source,
    unique_items,
    valid_unicode,
)
from srmm.errors import InputError, one_of, several
from srmm.processes import check_daft

ShownProgress = bool | Callable[[str, int, int], None]

_NAMED = 10


@dataclass(frozen=True)
class Options:
    """Options of an encoding job, the same for every modality."""

    batch_size: int | None
    engine: str
    precision: str
    workers: int | None
    strict: bool
    progress: ShownProgress
    encode_in_chunks: Callable[..., Iterator[Chunk]] = encode_in_chunks
    """How the long loop is run: in this process, or on Daft."""
    for_prediction: bool = False
    dtype: str = "float32"
    """How the vectors are kept."""


@dataclass(frozen=True)
class EncodedModality:
    """One modality, encoded.

    Parameters
    ----------
    values : float32 or float16 array of shape (n_items, d)
        The embedding of each unique item that has one.
    position : int array of shape (n_rows,)
        Row of `values`, or −1.
    keys : uint8 array of shape (n_items, 16)
    raw : object array of shape (n_rows,) or None
        What a report can show an item from; None if there is nothing of the kind.
    cut : bool array of shape (n_items,)
        Whether the encoder reads only a part of it.
    as_before : bool
        Whether `values` are those of the store that was there before, all of them.
    """

    values: np.ndarray
    position: np.ndarray
    keys: np.ndarray
    raw: np.ndarray | None
    cut: np.ndarray
    as_before: bool
    summary: ModalitySummary
    unreadable: list[UnreadableEntry]
    note: str | None = None
    """What half precision took from the values, if that is worth a word."""


def long_loop(engine: str, address: str | None) -> Callable[..., Iterator[Chunk]]:
    """`encode_in_chunks`, or what does the same on Daft.

    Raises `InputError` for another engine, `MissingExtraError` without Daft.
    """
    check_daft(address, one_of("engine", engine, (*ENGINES, "daft")))
    if engine == "daft":
        from srmm.encoding.daft.driver import encode_in_chunks_on_daft

        return partial(encode_in_chunks_on_daft, address=address)
    return encode_in_chunks


def encode_modality(
    table: Table,
    name: str,
    encoder: Encoder,
    reader: ItemReader,
    earlier: Earlier | None,
    partial: Path | None,
    options: Options,
) -> EncodedModality:
    """Encode the items of one modality that `earlier` does not have."""
    started = time.perf_counter()
    unique = unique_items(table, name)
    stored = None if earlier is None else earlier.embeddings.values.get(name)
    known = {} if earlier is None else earlier.rows(name)
    stored_row = np.full(len(unique.keys), ABSENT)
    if known:
        stored_row[:] = [known.get(key.tobytes(), ABSENT) for key in unique.keys]
    file = None if partial is None else partial / f"{name}.values"
    packed = Packed(file, options.dtype, name)

    note = None
    new, reused = np.flatnonzero(stored_row == ABSENT), np.flatnonzero(stored_row != ABSENT)
    wanted = stored_row[reused]
    row = np.full(len(unique.items), ABSENT)  # of `values`, per unique item
    row[reused] = np.arange(len(reused))  # what is reused comes first
    cut = np.zeros(len(unique.items), dtype=bool)
    if earlier is not None and len(reused):
        cut[reused] = earlier.cut(name)[wanted]
    failures: dict[int, str | None] = {}
    encoded = resumed = passed = 0
    if len(new):
        network_engine = "auto" if options.engine == "daft" else options.engine
        encoder, note = with_engine(encoder, network_engine)
    with shown(options.progress, name, len(new), "encode") as advance:
        new_items = [unique.items[i] for i in new]
        for chunk in loop_for(encoder, new_items, options.encode_in_chunks)(
            new_items,
            unique.keys[new],
            encoder,
            reader,
            batch_size=options.batch_size or encoder.batch_size,
            workers=options.workers,
            folder=partial,
            prefix=name,
            progress=advance,
        ):
            if len(chunk.values) and not packed.length:
                packed.append_rows(stored, wanted)
            numbers = new[passed : passed + len(chunk.row)]
            good = chunk.row != ABSENT
            row[numbers[good]] = packed.length + chunk.row[good]
            cut[numbers[chunk.cut]] = True
            packed.append(chunk.values)
            failures |= {int(numbers[i]): reason for i, reason in chunk.failures.items()}
            passed += len(chunk.row)
            resumed += int(good.sum()) if chunk.resumed else 0
            encoded += 0 if chunk.resumed else int(good.sum())
            if options.strict:
                _refuse_unreadable(table, name, unique, failures)
    if not options.for_prediction:
        _refuse_all_missing(table, name, unique, failures)

    as_before = False
    if stored is not None and not packed.length and len(wanted) == len(stored):
        values, row[reused], as_before = stored, wanted, True
    else:
        if not packed.length:
            packed.append_rows(stored, wanted)
        values = packed.array(encoder.embedding_dim)
    position = np.full(len(table), ABSENT)
    position[unique.rows] = row[unique.index]
    keys = np.empty((len(values), KEY_BYTES), dtype=np.uint8)
    keys[row[row != ABSENT]] = unique.keys[row != ABSENT]
    cut_rows = np.zeros(len(values), dtype=bool)
    cut_rows[row[row != ABSENT]] = cut[row != ABSENT]
    missing = np.array([i for i, reason in failures.items() if reason is None], dtype=int)
    unreadable = _unreadable_entries(table, name, unique, failures)
    seconds = time.perf_counter() - started
    summary = ModalitySummary(
        kind=table.kinds[name],
        encoder=encoder.settings.get("spec"),
        engine=engine_of(encoder) if encoded or resumed else None,
        engine_note=note,
        present=int((position != ABSENT).sum()),
        empty=len(table) - len(unique.rows),
        missing_files=int(np.isin(unique.index, missing).sum()),
        unreadable=len(unreadable),
        unique_items=len(unique.items),
        encoded=encoded,
        resumed=resumed,
        reused=len(reused),
        seconds=seconds,
        items_per_second=encoded / seconds if encoded else None,
        cut=int(cut[unique.index].sum()),
        limit=getattr(encoder, "limit", None),
        taken=getattr(encoder, "taken", None),
        first_missing=_shown_path(table, name, unique, missing[0]) if len(missing) else None,
    )
    raw = _raw(table, name, unique, row)
    return EncodedModality(
        values, position, keys, raw, cut_rows, as_before, summary, unreadable, packed.note()
    )


def _raw(table: Table, name: str, unique: UniqueItems, row: np.ndarray) -> np.ndarray | None:
    if table.kinds[name] == "features":
        return None
    shown = np.array(
        [
            shown_source(table.kinds[name], item, table.folder) if at != ABSENT else None
            for item, at in zip(unique.items, row, strict=True)
        ],
        dtype=object,
    )
    raw = np.full(len(table), None, dtype=object)
    raw[unique.rows] = shown[unique.index]
    return None if all(source is None for source in shown) else raw


def _unreadable_entries(
    table: Table, name: str, unique: UniqueItems, failures: Mapping[int, str | None]
) -> list[UnreadableEntry]:
    broken = {i: reason for i, reason in failures.items() if reason is not None}
    places = np.flatnonzero(np.isin(unique.index, list(broken)))
    entries = []
    for row, number in zip(
        unique.rows[places].tolist(), unique.index[places].tolist(), strict=True
    ):
        item, id = unique.items[number], table.ids[row]
        entries.append(
            UnreadableEntry(
                row=row,
                id=id.item() if isinstance(id, np.generic) else id,
                modality=name,
                item=valid_unicode(str(item)[:200]) if isinstance(item, (str, Path)) else None,
                reason=broken[number],
                where=table.where(row),
            )
        )
    return entries


def _refuse_unreadable(
    table: Table, name: str, unique: UniqueItems, failures: Mapping[int, str | None]
) -> None:
    entries = _unreadable_entries(table, name, unique, failures)
    if not entries:
        return
    named = "".join(f"\n  {entry.where}: {entry.reason}" for entry in entries[:_NAMED])
    more = f"\n  … and {len(entries) - _NAMED:,} more" if len(entries) > _NAMED else ""
    raise InputError(
        f"{several(len(entries), f'{name} item')} of {table.name} "
        f"cannot be read:{named}{more}\nRepair or remove them. Without strict they count as absent."
    )


def _refuse_all_missing(
    table: Table, name: str, unique: UniqueItems, failures: Mapping[int, str | None]
) -> None:
    missing = sum(reason is None for reason in failures.values())
    if not missing or missing < len(unique.items):
        return
    n = len(unique.items)
    raise InputError(
        f"{none_of(n, name)} that {table.name} names. {'The first' if n > 1 else 'It'} is "
        f"{str(unique.items[0])!r}, which was looked for at {_shown_path(table, name, unique, 0)}. "
        "Choose the right column, or the folder that its paths start from (folder=…, --root)."
    )


def _shown_path(table: Table, name: str, unique: UniqueItems, number: int) -> str:
    item = unique.items[number]
    return shown_source(table.kinds[name], item, table.folder) or str(item)


@contextmanager
def shown(
    progress: ShownProgress, what: str, total: int, verb: str = ""
) -> Iterator[Callable[[int], None]]:
    """Yield a function to call with a number of items, or rows, done."""
    if callable(progress):
        done = 0

        def report(n: int) -> None:
            nonlocal done
            done += n
            progress(what, done, total)

        yield report
    elif progress and total:
        from tqdm import tqdm

        with tqdm(
            total=total,
            desc=f"{verb} {what}".strip(),
            unit="",
            leave=False,
            file=sys.stderr,
        ) as bar:

            def advance(n: int) -> None:
                bar.update(n)

            yield advance
    else:
        yield lambda n: None
