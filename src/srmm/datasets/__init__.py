"""Real data sets, read into the same types as a user's own data.

A data set is one file, here or in another package, with an `ABOUT` and a `load`.
"""

from __future__ import annotations

import inspect
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from srmm.data.embeddings import Embeddings
from srmm.data.table import Table
from srmm.datasets.base import DatasetAbout
from srmm.errors import InputError, did_you_mean
from srmm.registry import Registry

__all__ = ["DATASETS", "DatasetAbout", "load_dataset"]

_REGISTRY = Registry("data set", "srmm.datasets", DatasetAbout)

if TYPE_CHECKING:
    DATASETS: dict[str, DatasetAbout]
    """What there is: name → description, modalities, source, licence, how to get it."""


def __getattr__(name: str) -> Any:
    # Looked for when first asked for: a plug-in's file imports this package before it is read.
    if name != "DATASETS":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return {name: entry.about for name, entry in _REGISTRY.entries().items()}


def load_dataset(name: str, root: str | Path | None = None, **options: Any) -> Table | Embeddings:
    """A data set by name: a `Table` of raw items, or `Embeddings` where features are published.

    Parameters
    ----------
    name : str
        One of `DATASETS`.
    root : path, optional
        The folder it was downloaded to; not used for data sets that come in Python packages.
    **options
        Of that data set, e.g. `target` and `min_count` of "fashion".

    Raises
    ------
    InputError
        For an unknown name or option, or files that are not in `root`: it says what to download.
    MissingExtraError
        If the package that holds the data is not installed.
    """
    entry = _REGISTRY.find(name)
    about, load = entry.about, entry.module.load
    known = [option for option in inspect.signature(load).parameters if option != "root"]
    for option in options:
        if option not in known:
            raise InputError(
                f"The data set {name!r} has no option {option!r}. {did_you_mean(option, known)}"
            )
    if about.needs_root and root is None:
        raise InputError(
            f"The data set {name!r} needs a folder (root=…, --root). {about.how_to_get}"
        )
    loaded = load(Path(root), **options) if about.needs_root and root else load(**options)
    if isinstance(loaded, Table):
        return replace(loaded, name=name) if loaded.name == "the frame" else loaded
    if not isinstance(loaded, Embeddings):
        raise TypeError(
            f"load of {entry.module.__name__} must return a srmm Table or Embeddings for the data "
            f"set {name!r}, got {type(loaded).__name__}."
        )
    return loaded
