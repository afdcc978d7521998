"""The workflow of `srmm check`: is every file of a store or a model as it was written?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from srmm.data.embeddings import Embeddings
from srmm.data.store import is_store, load_embeddings, read_manifest
from srmm.errors import StoreError, is_text, no_text
from srmm.files import check_files
from srmm.learning.saving import is_model, open_saved, read_config
from srmm.workflows.pictures import noted_reading

_ROWS_AT_ONCE = 65_536
_REMEDY = "Make it again, or restore it from a copy."


class Checked(NamedTuple):
    """What was compared of a folder, and what is wrong with it."""

    path: Path
    kind: str
    """"store" or "model"."""
    files: int
    bytes: int
    problems: tuple[str, ...]
    notes: tuple[str, ...]


def check_workflow(path: Path | str) -> Checked:
    """Compare every file of a store or a model with the digest that it was written with.

    Then open it, with all checks of loading. Of a store's vectors it is seen that they are finite.
    Raises `StoreError` if the folder is neither, or its list of files is damaged.
    """
    path = Path(path)
    if not is_text(str(path)):
        raise StoreError(no_text(path))
    if is_store(path):
        kind, about = "store", read_manifest(path)
    elif is_model(path):
        kind, about = "model", read_config(path)
    else:
        raise StoreError(
            f"{path} is neither an embedding store nor a model: make one with `srmm encode` or "
            "`srmm fit`."
        )
    listed: Mapping[str, Any] = about.get("files", {})
    notes = () if listed else (f"{path} was written before files had digests: none to compare.",)
    problems = []
    for name, entry in listed.items():
        try:
            check_files(path, {name: entry}, remedy=_REMEDY)
        except StoreError as error:
            problems.append(str(error))
    if not problems:
        try:
            _open(kind, path)
        except StoreError as error:
            problems.append(str(error))
    size = sum(entry["bytes"] for entry in listed.values())
    return Checked(path, kind, len(listed), size, tuple(problems), notes)


def _open(kind: str, path: Path) -> None:
    if kind == "model":
        open_saved(path)
        return
    noted_reading(path)
    _check_finite(path, load_embeddings(path, check=True))


def _check_finite(path: Path, embeddings: Embeddings) -> None:
    for name, values in embeddings.values.items():
        for start in range(0, len(values), _ROWS_AT_ONCE):
            finite = np.isfinite(values[start : start + _ROWS_AT_ONCE]).all(axis=1)
            if not finite.all():
                row = start + int(np.flatnonzero(~finite)[0])
                raise StoreError(
                    f"{path} holds NaN or infinity in item {row:,} of {name!r}, expected finite "
                    f"numbers. {_REMEDY}"
                )
