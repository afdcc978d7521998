"""Encoders that must be fitted: on which rows, and where the fitted ones are kept.

A store has, for each modality with such an encoder, the fitted encoder in `_encoders/<modality>/`:
rows that are added later, and new rows that a model is asked about, are encoded with it.
"""

from __future__ import annotations

import copy
import hashlib
import json
import shutil
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeGuard

import numpy as np

from srmm.data.blocks import holds_cells
from srmm.data.broken import AbsentFile, UnreadableItem
from srmm.data.embeddings import same_settings
from srmm.data.items import ItemReader
from srmm.data.table import Table
from srmm.encoders import Encoder, FittableEncoder, load_encoder
from srmm.encoding.chunks import item_reader
from srmm.encoding.store import ENCODERS, Earlier
from srmm.encoding.unique_items import ItemKeys
from srmm.errors import InputError, StoreError
from srmm.files import check_files, listed, read_json, write_json

COLUMNS = "columns"
"""The encoder of columns that are not all finite numbers."""

_SEALED = "srmm-fitted-encoder"


def needs_fitting(encoder: Encoder) -> TypeGuard[FittableEncoder]:
    """Whether it is one that must be fitted and is not."""
    return isinstance(encoder, FittableEncoder) and not encoder.is_fitted


def named_encoders(
    table: Table, encoders: Mapping[str, str | Encoder | None]
) -> dict[str, str | Encoder | None]:
    """The chosen encoders, and "columns" for each block of cells that has none chosen."""
    blocks = [name for name, items in table.items.items() if holds_cells(items)]
    return {**encoders, **{name: encoders.get(name) or COLUMNS for name in blocks}}


def read_as_cells(encoders: Mapping[str, str | Encoder | None]) -> list[str]:
    """The modalities whose columns must be read as cells for their encoder, see `read_table`."""
    return [name for name, encoder in encoders.items() if _reads_cells(encoder)]


def without_blocks(earlier: Earlier, encoders: Mapping[str, Encoder]) -> Earlier | None:
    """What a cache knew before, without the blocks of columns that are to be fitted again.

    Their rows may be others than those it was fitted on, and encoding them costs nothing.
    """
    before = earlier.embeddings
    kept = [
        name
        for name in before.modalities
        if not (_reads_cells(encoders.get(name)) and needs_fitting(encoders[name]))
    ]
    return replace(earlier, embeddings=before.select(kept)) if kept else None


def _reads_cells(encoder: str | Encoder | None) -> bool:
    name = encoder if isinstance(encoder, str) else getattr(encoder, "name", "")
    return str(name).partition(":")[0] == COLUMNS


def as_stored(encoders: Mapping[str, Encoder], output: Path) -> dict[str, Encoder]:
    """The same encoders, but those still to be fitted as the store at `output` has them.

    One that the store has with other settings is left as it is, to be refused.
    """
    found = dict(encoders)
    for name, encoder in encoders.items():
        folder = output / ENCODERS / name
        if not needs_fitting(encoder) or not folder.is_dir():
            continue
        stored = load_encoder(f"{encoder.name}:{folder}", encoder.kind)
        if _without_weights(stored) == _without_weights(encoder):
            found[name] = stored
    return found


def fit_on_training_rows(
    encoder: Encoder, table: Table, modality: str, reader: ItemReader, partial: Path | None
) -> Encoder:
    """`encoder`, or if it is still to be fitted, a fitted copy.

    It is fitted on the rows whose split is "train". A table without a split has only training
    rows, as far as anyone knows; a warning says so. The copy is kept in `partial` (if any) under a
    digest of what it was fitted on, and found there by a job that goes on after a kill.
    """
    if not needs_fitting(encoder):
        return encoder
    if table.split is None:
        warnings.warn(
            f"{table.name} has no split, so {encoder.name!r} is fitted on all of its {modality} "
            "items. Embeddings of rows that are held out afterwards must not be used to measure "
            "test accuracy: the encoder has seen them. Name a column with the split.",
            stacklevel=3,
        )
        rows = np.arange(len(table))
    else:
        rows = np.flatnonzero(table.split == "train")
    if partial is not None:
        folder = partial / f"{modality}-{_digest(encoder, table, modality, rows)}.encoder"
        if not _is_as_written(folder):
            shutil.rmtree(folder, ignore_errors=True)
            fitted_copy(encoder, table, modality, rows, reader).save(folder)
            sealed = {"format": _SEALED, "version": 1, "files": listed(folder)}
            write_json(folder.with_suffix(".json"), sealed)
        return load_encoder(f"{encoder.name}:{folder}", encoder.kind)
    return fitted_copy(encoder, table, modality, rows, reader)


def _is_as_written(folder: Path) -> bool:
    """Whether an earlier run has left the fitted encoder, and not a bit of it has changed."""
    again = "It is fitted again."
    try:
        sealed = read_json(
            folder.with_suffix(".json"),
            format=_SEALED,
            version=1,
            what="the digests of a fitted encoder",
            remedy=again,
            sealed_from=1,
        )
        check_files(folder, sealed["files"], remedy=again)
    except (StoreError, LookupError):
        return False
    return True


def fitted_copy(
    encoder: FittableEncoder, table: Table, modality: str, rows: np.ndarray, reader: ItemReader
) -> FittableEncoder:
    """A copy fitted on the items of these rows that are there and can be read.

    Raises `InputError` if there is none.
    """
    if modality not in table.items:
        raise InputError(f"There is no modality {modality!r} in {table.name} to fit on.")
    read = item_reader(encoder.kind, reader)
    items = []
    for row in _present(table, modality, rows):
        try:
            items.append(read(table.items[modality][row]))
        except (AbsentFile, UnreadableItem):
            continue  # counted, and reported, when it is encoded
    if not items:
        raise InputError(
            f"{encoder.name!r} must be fitted on training rows, but {table.name} has none with a "
            f"{modality} item. Check the split, or name an encoder that was fitted: "
            f"'{encoder.name}:FOLDER'."
        )
    fitted = copy.deepcopy(encoder)
    fitted.fit(items)
    return fitted


def stored_spec(encoder: Encoder, modality: str, output: Path | None) -> str | None:
    """What `load_encoder` makes the encoder again from, once there is a store at `output`."""
    if output is None or not isinstance(encoder, FittableEncoder):
        return encoder.settings.get("spec")
    return f"{encoder.name}:{(output / ENCODERS / modality).resolve()}"


def _digest(encoder: Encoder, table: Table, modality: str, rows: np.ndarray) -> str:
    key_of = ItemKeys(table.kinds[modality], table.folder)
    digest = hashlib.sha256(json.dumps(same_settings(encoder.settings), sort_keys=True).encode())
    for row in _present(table, modality, rows):
        digest.update(key_of(table.items[modality][row]))
    return digest.hexdigest()[:32]


def _present(table: Table, modality: str, rows: np.ndarray) -> np.ndarray:
    return rows[table.present[rows, table.modalities.index(modality)]]


def _without_weights(encoder: Encoder) -> dict[str, object]:
    learnt = dict.fromkeys(("spec", "weights", "learnt", "features"))
    return {**same_settings(encoder.settings), **learnt}
