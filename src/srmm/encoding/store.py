"""The store that an encoding job makes, and what it has beside the files of every store.

`_items.safetensors` has per modality the 16 bytes that identify each packed item, by which a later
run knows what it need not encode again, and under `<modality>/cut` which of them are longer than
the encoder reads, if any is. Encoders that were fitted are in `_encoders/<modality>/`.
`unreadable.parquet` lists the items that are there but broken; there is none if none is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.numpy import save

from srmm.data.embeddings import Embeddings, same_settings
from srmm.data.plain_columns import instance_columns
from srmm.data.store import is_store, load_embeddings, save_embeddings
from srmm.data.table import Table
from srmm.encoders import Encoder, FittableEncoder
from srmm.encoding.summary import UnreadableEntry, unreadable_frame
from srmm.errors import InputError, several
from srmm.files import map_tensors, standing

_ITEMS = "_items.safetensors"  # no modality may be called so
ENCODERS = "_encoders"  # nor so
UNREADABLE = "unreadable.parquet"
CUT = "/cut"  # behind a modality, which has no slash


@dataclass(frozen=True)
class Earlier:
    """The store that was at the output before this run."""

    embeddings: Embeddings
    keys: dict[str, np.ndarray]
    """Per modality, uint8 of shape (n_items, 16), in the order of the packed values."""

    def rows(self, modality: str) -> dict[bytes, int]:
        """The packed row of every item it has; of a modality that is made anew it has none."""
        if modality not in self.embeddings.values:
            return {}
        return {key.tobytes(): row for row, key in enumerate(self.keys.get(modality, ()))}

    def cut(self, modality: str) -> np.ndarray:
        """Whether the encoder read only a part of it, bool of shape (n_items,)."""
        n = len(self.keys.get(modality, ()))
        return self.keys.get(modality + CUT, np.zeros(n, dtype=bool)).astype(bool)


def open_earlier(output: Path | None, table: Table, *, prune: bool) -> Earlier | None:
    """The store at `output`, if there is one that this table may be added to.

    Raises `InputError` if there is something else, or a store with rows or modalities that the
    table lacks: they would be lost, which `prune` allows.
    """
    if output is None or not output.exists():  # the job has put back what was left aside
        return None
    other = "Choose another output, or delete it to encode everything again."
    if not is_store(output):
        raise InputError(f"{output} exists and is no embedding store. Choose another output.")
    if not (standing(output) / _ITEMS).is_file():
        raise InputError(
            f"{output} is an embedding store but was not made by encoding a table, so nothing can "
            f"be added to it. {other}"
        )
    earlier = Earlier(load_embeddings(output, check=True), read_keys(output))
    lost = [name for name in earlier.embeddings.modalities if name not in table.items]
    if lost and not prune:
        raise InputError(
            f"{output} also holds embeddings of {lost[0]!r}, which {table.name} lacks; they would "
            f"be lost. {other}"
        )
    ids = set(table.ids.tolist())
    gone = [id for id in earlier.embeddings.ids.tolist() if id not in ids]
    if gone and not prune:
        raise InputError(
            f"{output} holds {several(len(gone), 'row')} that {table.name} lacks, the first being "
            f"{gone[0]!r}; they would be lost. Rows and modalities can be added to a store, not "
            f"removed. {other}"
        )
    return earlier


def check_encoders(earlier: Earlier, output: Path, encoders: Mapping[str, Encoder]) -> None:
    """Raise `InputError` if a modality was encoded otherwise before: it names the difference."""
    for name, before in earlier.embeddings.encoders.items():
        if name not in encoders:
            continue  # to be pruned
        now = encoders[name].settings
        differences = list(_differences(same_settings(before), same_settings(now)))
        if differences:
            raise InputError(
                f"{output} holds {name} embeddings made by {before.get('spec')!r}, which differs "
                f"from {now.get('spec')!r} in: {'; '.join(differences)}. Embeddings of two "
                "encoders cannot be mixed: choose another output, or delete it to encode "
                "everything again."
            )


def kept_dtype(earlier: Earlier | None, output: Path | None, asked: str | None) -> str:
    """How vectors are kept: as in the store that is there, else as asked, else as float32.

    Raises `InputError` if something else than is there is asked for.
    """
    there = [] if earlier is None else [str(x.dtype) for x in earlier.embeddings.values.values()]
    for dtype in there:
        if asked not in (None, dtype):
            raise InputError(
                f"{output} holds embeddings of {dtype}, and {asked} is asked for. What is added "
                "to a store is kept as what is there: leave dtype (--dtype) out, choose another "
                "output, or delete it to encode everything again."
            )
    return there[0] if there else asked or "float32"


def write_store(
    embeddings: Embeddings,
    keys: dict[str, np.ndarray],
    encoders: Mapping[str, Encoder],
    unreadable: Sequence[UnreadableEntry],
    output: Path,
) -> None:
    """Put the finished store at `output`, in the place of what was there."""

    def add(folder: Path) -> None:
        (folder / _ITEMS).write_bytes(save(keys))
        if unreadable:
            listed = pa.Table.from_pandas(unreadable_frame(unreadable), preserve_index=False)
            pq.write_table(listed, folder / UNREADABLE, write_page_checksum=True)
        for name, encoder in encoders.items():
            if isinstance(encoder, FittableEncoder) and name in keys:
                encoder.save(folder / ENCODERS / name)

    save_embeddings(embeddings, output, overwrite=True, add=add)


def same_content(first: Embeddings, second: Embeddings) -> bool:
    """Whether two stores of the same packed values say the same of every row."""
    return (
        first.modalities == second.modalities
        and np.array_equal(first.position, second.position)
        and first.encoders == second.encoders
        and _told(first) == _told(second)
    )


def _told(embeddings: Embeddings) -> dict[str, list[Any]]:
    """What every column says of the instances; no modality is called as one of their own."""
    columns = {**instance_columns(embeddings), **embeddings.raw}
    return {name: column.tolist() for name, column in columns.items()}


def same_unreadable(output: Path, unreadable: Sequence[UnreadableEntry]) -> bool:
    """Whether the store at `output` lists these items as unreadable, and no others."""
    try:
        before = pq.read_table(output / UNREADABLE)
    except FileNotFoundError:
        return not unreadable
    except (OSError, pa.ArrowException):
        return False  # damaged, and written again
    return before.equals(pa.Table.from_pandas(unreadable_frame(unreadable), preserve_index=False))


def read_keys(store: Path) -> dict[str, np.ndarray]:
    """Per modality the keys of the packed items of a store made by encoding, see `ItemKeys`."""
    return {name: np.asarray(keys) for name, keys in map_tensors(store / _ITEMS).items()}


def _differences(before: Any, now: Any, name: str = "") -> Iterator[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        for key in dict.fromkeys([*before, *now]):
            yield from _differences(
                before.get(key), now.get(key), f"{name}.{key}" if name else str(key)
            )
    elif before != now:
        yield f"{name} ({_short(before)} there, {_short(now)} now)"


def _short(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 40 else f"{text[:12]}…"
