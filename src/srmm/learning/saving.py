"""Saving a fitted classifier as a folder, and loading it without running code.

config.json        parameters, classes, recipe, what it was trained on, how raw items are read, and
                   the SHA-256 of every file but the card
model.safetensors  every array; scikit-learn models as skops' bytes
README.md          the model card, which its owner may change
rows.parquet       which instances were trained on and which were held out, if known
encoders/          per modality, the encoder that was fitted with it, if one was
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.numpy import save_file

from srmm.encoders import fitted_folder
from srmm.errors import InputError, StoreError, damage_explained, did_you_mean
from srmm.files import (
    check_files,
    is_of_format,
    json_ready,
    listed,
    map_tensors,
    read_json,
    read_whole,
    replacing_folder,
    standing,
    write_json,
)
from srmm.learning.card import CARD, model_card
from srmm.learning.checked import check_config, damaged
from srmm.learning.describe import describe_model
from srmm.learning.devices import usable_device
from srmm.learning.hub import CONFIG, on_this_machine
from srmm.learning.method import classifiers
from srmm.learning.places import ENCODERS, check_places
from srmm.learning.rows_check import check_rows
from srmm.learning.state import pack, unpack

FORMAT = "srmm-model"
VERSION = 3
OLDEST = 2
"""Older models are of another default method."""

WEIGHTS = "model.safetensors"
ROWS_FILE = "rows.parquet"
_SEALED_FROM = 3
_AGAIN = "Save the model again."


class Saved(NamedTuple):
    """All that a model's folder holds, of one version."""

    model: Any
    config: dict[str, Any]
    rows: pd.DataFrame | None
    """Columns id, split, digest: the instances it was made from, if they were kept."""


def save_pretrained(
    model: Any,
    folder: str | Path,
    *,
    inputs: Mapping[str, Mapping[str, Any]] | None = None,
    origin: Mapping[str, Any] | None = None,
    rows: pd.DataFrame | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a fitted classifier to `folder`, atomically, and return the path.

    Parameters
    ----------
    model : fitted classifier of any method of `srmm.methods`
    inputs : dict of modality to {"kind", "column", "encoder"}, optional
        How raw items become the embeddings this model reads; `srmm predict` follows it. An encoder
        that was fitted, such as "doc2vec:FOLDER", is copied into the model, which can then be moved
        to another machine without it.
    origin : dict, optional
        Which data the model was made from.
    rows : frame with columns id and split, optional
        Which instances were trained on and which were held out; kept as rows.parquet.
    overwrite : bool
        Whether a model that is already there is replaced, with all that its folder holds. A folder
        that is no model is never touched.
    """
    folder = Path(folder)
    check_writable(folder, overwrite=overwrite)
    fitted = _fitted_encoders(inputs or {})
    inside = {name: {"encoder": f"{kind}:{ENCODERS}/{name}"} for name, (kind, _) in fitted.items()}
    described, arrays = pack(model)
    config = {
        "format": FORMAT,
        "version": VERSION,
        **described,
        "inputs": {n: {**about, **inside.get(n, {})} for n, about in (inputs or {}).items()},
        "origin": dict(origin) if origin else None,
        "about": describe_model(model),
    }
    config = json_ready(config)
    check_places(folder, config["inputs"])  # as whoever loads it will
    with replacing_folder(folder) as temporary:
        check_writable(folder, overwrite=overwrite)  # another process may have been faster
        save_file({k: np.ascontiguousarray(v) for k, v in arrays.items()}, temporary / WEIGHTS)
        for name, (_, source) in fitted.items():
            shutil.copytree(source, temporary / ENCODERS / name)
        if rows is not None:
            frame = pa.Table.from_pandas(rows, preserve_index=False)
            pq.write_table(frame, temporary / ROWS_FILE, write_page_checksum=True)
        config["files"] = listed(temporary)
        (temporary / CARD).write_text(model_card(config), encoding="utf-8")
        write_json(temporary / CONFIG, config)
    return folder


def from_pretrained(
    folder: str | Path, *, device: str | None = None, revision: str | None = None
) -> Any:
    """The classifier saved at `folder`; it predicts what the saved one did, bit for bit.

    Loading unpickles nothing and imports nothing that the folder names. `device` is where it will
    predict, by default the GPU if there is one. A name that is no folder and reads "user/model" is
    fetched from the Hugging Face hub, of a branch, tag or commit `revision`; which one it was is in
    `training_["hub"]`. Raises `StoreError` if the folder holds no model, a damaged one, or one of a
    newer version.
    """
    place = on_this_machine(folder, revision)
    model = open_saved(place.folder, device=device).model
    if place.hub is not None:
        model.training_ = {**model.training_, "hub": place.hub}
    return model


def open_saved(folder: str | Path, *, device: str | None = None) -> Saved:
    """The classifier, config and rows saved at `folder`, every file as it was written.

    Raises as `from_pretrained`.
    """
    folder = Path(folder)
    if device is not None:
        usable_device(device)  # or the model would be said to be damaged

    def read(place: Path) -> Saved:
        config = _read_config(place)
        check_model_files(place, config)
        model = _unpacked(place, config, device)
        return Saved(model, _with_places(config, folder), _read_rows(place, config))

    return read_whole(folder, CONFIG, read)


def _unpacked(folder: Path, config: dict[str, Any], device: str | None) -> Any:
    path = folder / WEIGHTS
    if not path.is_file():
        raise StoreError(f"{folder} is damaged: it has no {WEIGHTS}. {_AGAIN}")
    arrays = {key: np.array(tensor) for key, tensor in map_tensors(path, _AGAIN).items()}
    try:
        return unpack(config, arrays, device)
    except StoreError:
        raise
    except Exception as error:  # whatever a damaged file makes the readers below us raise
        raise damaged(folder, error) from error


def check_model_files(folder: Path, config: Mapping[str, Any]) -> None:
    """Compare the files of a model with its config; one older than digests has none to compare."""
    if config["version"] < _SEALED_FROM:
        return
    if WEIGHTS not in config.get("files", ()):
        raise StoreError(f"{folder / CONFIG} does not list {WEIGHTS!r}. {_AGAIN}")
    check_files(folder, config["files"], remedy=_AGAIN)


def _read_rows(folder: Path, config: Mapping[str, Any]) -> pd.DataFrame | None:
    path = folder / ROWS_FILE
    if ROWS_FILE not in config.get("files", ()) and not (
        config["version"] < _SEALED_FROM and path.is_file()
    ):
        return None
    with damage_explained(path, _AGAIN):
        rows: pd.DataFrame = pq.read_table(path, page_checksum_verification=True).to_pandas()
        check_rows(rows)
    return rows


def read_config(folder: str | Path) -> dict[str, Any]:
    """The config of a saved model; raises `StoreError` if there is none or it is not ours.

    An encoder inside the model has the folder's absolute path in its name, for `load_encoder`.
    """
    return _with_places(_read_config(standing(Path(folder))), Path(folder))


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / CONFIG
    config = read_json(
        path,
        format=FORMAT,
        version=VERSION,
        what="the config of a model saved by srmm",
        remedy=f"{folder} is not a saved model: make one with `srmm fit`.",
        sealed_from=_SEALED_FROM,
    )
    if config["version"] < OLDEST:
        raise StoreError(
            f"{folder} was saved before the default method changed (its format is of version "
            f"{config['version']}, now {VERSION}). Train the model again with `srmm fit`."
        )
    check_config(path, config)
    check_places(folder, config["inputs"])
    if config["kind"] not in classifiers():
        kind = config["kind"]
        package, dot, _ = kind.partition(".")
        remedy = did_you_mean(kind, classifiers())
        if dot:
            remedy = f"It is of the package {package!r}: install that where the model is used."
        raise StoreError(f"{path} names the kind {kind!r}, which is unknown. {remedy}")
    if config["version"] >= _SEALED_FROM and not isinstance(config.get("files"), dict):
        raise StoreError(f"{path} lists no files. {_AGAIN}")
    return config


def _with_places(config: dict[str, Any], folder: Path) -> dict[str, Any]:
    for name, about in config["inputs"].items():
        kind, _, place = (about.get("encoder") or "").partition(":")
        if place == f"{ENCODERS}/{name}":
            about["encoder"] = f"{kind}:{folder.resolve() / ENCODERS / name}"
    return config


def _fitted_encoders(inputs: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[str, Path]]:
    """Per modality whose encoder was fitted, its name and folder."""
    found = {}
    for name, about in inputs.items():
        spec = about.get("encoder") or ""
        folder = fitted_folder(spec)
        if folder is None:
            continue
        if not folder.is_dir():
            raise StoreError(
                f"The encoder of {name!r} that was fitted is not at {folder} any more. Encode the "
                "table again, or put it back."
            )
        found[name] = (spec.partition(":")[0], folder)
    return found


def is_model(folder: str | Path) -> bool:
    """True if the folder says it is a saved model (it may still be damaged)."""
    return is_of_format(standing(Path(folder)) / CONFIG, FORMAT)


def check_writable(folder: Path, *, overwrite: bool) -> None:
    """Raise `InputError` unless a model may be written to `folder`."""
    if folder.is_dir() and folder.samefile("."):  # which may be gone, as a folder of a path
        raise InputError("A model cannot replace the folder you are in; name one of its own.")
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        if not is_model(folder):
            raise InputError(f"{folder} exists and is no saved model. Choose another folder.")
        if not overwrite:
            raise InputError(
                f"{folder} already holds a model. Overwrite it (overwrite=True, "
                "--overwrite) or choose another."
            )
