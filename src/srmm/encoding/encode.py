"""Encode: a table of raw items, with holes → embeddings, with the same holes."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from srmm.data.embeddings import Embeddings
from srmm.data.items import ItemReader
from srmm.data.limits import notes_on_limits
from srmm.data.store import load_embeddings
from srmm.data.table import Table
from srmm.encoders import Encoder, ExplainedEncoder, default_encoder, load_encoder
from srmm.encoders.engines import PRECISIONS, with_precision
from srmm.encoding.fitting import (
    as_stored,
    fit_on_training_rows,
    named_encoders,
    needs_fitting,
    stored_spec,
    without_blocks,
)
from srmm.encoding.one_modality import (
    EncodedModality,
    Options,
    ShownProgress,
    encode_modality,
    long_loop,
)
from srmm.encoding.packed import DTYPES
from srmm.encoding.store import (
    CUT,
    UNREADABLE,
    Earlier,
    check_encoders,
    kept_dtype,
    open_earlier,
    same_content,
    same_unreadable,
    write_store,
)
from srmm.encoding.summary import EncodingSummary
from srmm.encoding.unknown_texts import unknown_texts_note
from srmm.errors import InputError, did_you_mean, one_of
from srmm.files import remove_finished, unfinished_work

__all__ = ["EncodingResult", "EncodingSummary", "encode"]


@dataclass(frozen=True)
class EncodingResult:
    """The embeddings (memory-mapped if they were written to a store), and what was done."""

    embeddings: Embeddings
    summary: EncodingSummary


def encode(
    table: Table,
    encoders: Mapping[str, str | Encoder | None] | None = None,
    output: str | Path | None = None,
    *,
    batch_size: int | None = None,
    engine: str = "auto",
    precision: str = "full",
    strict: bool = False,
    progress: ShownProgress = False,
    workers: int | None = None,
    prune: bool = False,
    address: str | None = None,
    dtype: str | None = None,
    for_prediction: bool = False,
) -> EncodingResult:
    """Embed every present item of `table`; what is absent stays absent.

    A missing file is absent like an empty cell. An item that is there but broken counts as absent
    and is listed in the summary. Equal items (the same text, the same file) are encoded once.

    An encoder that must be fitted, as "doc2vec" and "columns", is fitted on the rows whose split is
    "train", and kept in the store: what is added later is encoded with it. A table without a split
    is all training rows, so embeddings of rows that are held out of it afterwards must not be used
    to measure test accuracy; a warning says so.

    Parameters
    ----------
    table : Table
    encoders : dict of str to str or Encoder, optional
        Per modality, a name of `srmm.encoders.available_encoders()` or an object like
        `srmm.encoders.Encoder`; by default `default_encoder` of its kind, and "columns" for
        features that are not all finite numbers.
    output : path, optional
        Where to write a store. Work in progress is kept in `<output>.partial/`: after a kill the
        same call goes on where it stopped, and the store has the same bits. One process at a time
        writes to an output. Unreadable items are listed in its `unreadable.parquet`, too. If there
        is a store already, made with the same encoders, only what it lacks is encoded: nothing,
        new rows, changed files, another modality.
    batch_size : int, optional
        Items per pass of the network; by default the encoder's own choice.
    engine : {"auto", "torch", "onnx", "daft"}
        What runs the networks. "onnx" is ONNX Runtime, on CPUs; a network is exported to it once
        and kept in the user's cache, and gives PyTorch's embeddings to 1e-4. "auto" is that
        where it is installed (`pip install 'srmm[onnx]'`) and the encoder can be exported, else
        PyTorch; the summary says which it was. Encoders without a PyTorch network are as they are.
        "daft" is "auto" in several processes, for many rows; the store is the same.
    precision : {"full", "half"}
        "half" computes with 16 bits, which needs a GPU. It changes embeddings, so it is one of the
        settings that must agree in a store.
    strict : bool
        Make an unreadable item an error.
    progress : bool or callable
        True shows a progress bar on standard error. A callable is called with the modality, the
        number of items done, and the number of all.
    workers : int, optional
        Threads that open and prepare items while the network runs; by default one per core. With
        Daft, worker processes: one per two cores, or one per GPU (else CPU) of a cluster.
    prune : bool
        Whether rows and modalities of the store at `output` that the table lacks are dropped from
        it, rather than being an error; "columns" is then fitted again.
    address : str, optional
        With Daft, a Ray cluster such as "ray://head:10001"; by default this machine.
    dtype : {"float32", "float16"}, optional
        How the vectors are kept: by default as in the store at `output`, or as float32. As float16
        they take half the room; whatever reads them gets float32. A number of more than 65,504 is
        an error, and a note says of which numbers more than a hundredth of the spread is lost.
    for_prediction : bool
        Whether rows may lack what training cannot do without: all files of a modality, or any item
        at all. The summary still counts what is missing.

    Raises
    ------
    InputError
        For an unknown modality or encoder, or an encoder of another kind of items; if an encoder
        cannot run on `engine`, or in half `precision`; if the files of a modality are all missing,
        or there is no item at all (unless `for_prediction`); for an unreadable item if `strict`; if
        there is a store at `output` made by other encoders, or (unless `prune`) one with rows or
        modalities that the table lacks.
    SrmmError
        If another process is writing to `output`, or no space is left there.
    """
    for option, value in {"batch_size": batch_size, "workers": workers}.items():
        if value is not None and value < 1:
            raise InputError(f"{option} must be at least 1, got {value}.")
    one_of("precision", precision, PRECISIONS)
    if dtype is not None:
        one_of("dtype", dtype, DTYPES)
    loop = long_loop(engine, address)
    if not isinstance(table, Table):
        raise InputError(
            f"encode takes a table, got {type(table).__name__}. srmm.read_table makes one of a "
            "file or a frame, and says which columns are what."
        )
    chosen = named_encoders(table, encoders or {})
    for name in chosen:
        if name not in table.items:
            raise InputError(
                f"There is no modality {name!r} to encode in {table.name}. "
                f"{did_you_mean(name, table.modalities)}"
            )
    output = None if output is None else Path(output)
    options = Options(
        batch_size, engine, precision, workers, strict, progress, loop, for_prediction
    )
    with unfinished_work(output) as partial:
        return _encode(table, chosen, output, partial, options, dtype, prune=prune)


def _encode(
    table: Table,
    chosen: Mapping[str, str | Encoder | None],
    output: Path | None,
    partial: Path | None,
    options: Options,
    dtype: str | None,
    *,
    prune: bool,
) -> EncodingResult:
    """`encode`, once it is certain that nobody else writes to `output`."""
    started = time.perf_counter()
    earlier = open_earlier(output, table, prune=prune)
    options = replace(options, dtype=kept_dtype(earlier, output, dtype))
    loaded = {
        name: with_precision(chosen_encoder(name, kind, chosen.get(name)), options.precision)
        for name, kind in table.kinds.items()
    }
    unfitted = {name for name, encoder in loaded.items() if needs_fitting(encoder)}
    if prune and earlier is not None:
        earlier = without_blocks(earlier, loaded)
    if output is not None and earlier is not None:
        loaded = as_stored(loaded, output)
        check_encoders(earlier, output, loaded)

    with ItemReader(table.folder) as reader:
        loaded = {
            name: fit_on_training_rows(encoder, table, name, reader, partial)
            for name, encoder in loaded.items()
        }
        done = {
            name: encode_modality(table, name, encoder, reader, earlier, partial, options)
            for name, encoder in loaded.items()
        }
        embeddings = _assemble(table, loaded, done, earlier, output, options.for_prediction)
        unreadable = [entry for part in done.values() for entry in part.unreadable]
        if output is not None and partial is not None:
            as_before = earlier is not None and all(part.as_before for part in done.values())
            as_before = as_before and same_unreadable(output, unreadable)
            if not (as_before and earlier and same_content(earlier.embeddings, embeddings)):
                keys = {name: done[name].keys for name in embeddings.modalities}
                keys |= {name + CUT: done[name].cut for name in keys if done[name].cut.any()}
                write_store(embeddings, keys, loaded, unreadable, output)
            embeddings = load_embeddings(output)
            remove_finished(partial)
    summary = EncodingSummary(
        rows=len(table),
        seconds=time.perf_counter() - started,
        modalities={
            name: replace(part.summary, encoder=stored_spec(loaded[name], name, output))
            for name, part in done.items()
        },
        unreadable=unreadable,
        unreadable_file=output / UNREADABLE if output is not None and unreadable else None,
        notes=(
            *_notes(table, loaded, unfitted),
            *(part.note for part in done.values() if part.note),
        ),
    )
    return EncodingResult(embeddings, summary)


def _notes(table: Table, encoders: Mapping[str, Encoder], unfitted: set[str]) -> tuple[str, ...]:
    """What encoders that explain themselves learnt, if it was for this, and what surprised them."""
    notes = [*notes_on_limits()]
    for name, encoder in encoders.items():
        if isinstance(encoder, ExplainedEncoder):
            notes += encoder.notes if name in unfitted else ()
            notes += encoder.notes_on([item for item in table.items[name] if item is not None])
        notes += unknown_texts_note(name, encoder, table.items[name])
    return tuple(notes)


def chosen_encoder(name: str, kind: str, choice: str | Encoder | None) -> Encoder:
    """The encoder of the modality `name`: by its name, as it is, or the default of its kind."""
    if choice is None or isinstance(choice, str):
        return load_encoder(choice or default_encoder(kind), kind)
    if not isinstance(choice, Encoder):
        raise InputError(
            f"The encoder of {name!r} must be a name such as 'minilm', or an object with the "
            f"methods of srmm.encoders.Encoder, got {type(choice).__name__}."
        )
    if choice.kind != kind:
        raise InputError(
            f"The encoder of {name!r} reads {choice.kind} items, but those of {name!r} are {kind}."
        )
    return choice


def _assemble(
    table: Table,
    loaded: Mapping[str, Encoder],
    done: Mapping[str, EncodedModality],
    earlier: Earlier | None,
    output: Path | None,
    for_prediction: bool,
) -> Embeddings:
    # Vectors of unknown length, none of which is there, are nothing that could be stored.
    kept = [name for name, part in done.items() if part.values.shape[1]]
    if not kept and for_prediction:
        kept = list(done)
    if not kept:
        broken = [entry for part in done.values() for entry in part.unreadable]
        why = f" The first, in {broken[0].where}: {broken[0].reason}." if broken else ""
        raise InputError(f"No item of {table.name} could be encoded.{why}")
    settings = {}
    for name in kept:
        encoder = loaded[name]
        settings[name] = {**encoder.settings, "spec": stored_spec(encoder, name, output)}
        engines = _engines(name, done[name], earlier)
        if engines:
            settings[name]["engines"] = engines
        about = done[name].summary
        if about.cut:
            settings[name]["cut"] = {
                "items": about.cut,
                "of": about.present,
                "limit": about.limit,
                **({"taken": about.taken} if about.taken else {}),
            }
    return Embeddings(
        {name: done[name].values for name in kept},
        np.column_stack([done[name].position for name in kept]),
        labels=table.labels,
        ids=table.ids,
        split=table.split,
        groups=table.groups,
        raw={name: raw for name in kept if (raw := done[name].raw) is not None},
        encoders=json.loads(json.dumps(settings)),
    )


def _engines(name: str, done: EncodedModality, earlier: Earlier | None) -> list[str]:
    """All that ran the network for some item of the modality, now or before."""
    before = {} if earlier is None else earlier.embeddings.encoders.get(name, {})
    now = [done.summary.engine] if done.summary.engine else []
    return sorted({*before.get("engines", []), *now})
