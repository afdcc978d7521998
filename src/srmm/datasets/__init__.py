"""Real data sets, read into the same types as a user's own data.

A new one is a file here with an `ABOUT` and a `load`, and its line in `DATASETS`.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from srmm.data.embeddings import Embeddings
from srmm.data.table import Table
from srmm.datasets import (
    av_digits,
    face_voice40,
    fashion,
    ferramenta,
    food101,
    hateful_memes,
    htad,
    mosi,
    openmoji,
    voxceleb1,
)
from srmm.datasets.base import About
from srmm.errors import InputError, did_you_mean, one_of

__all__ = ["DATASETS", "About", "load_dataset"]

_MODULES = {
    "openmoji": openmoji,
    "htad": htad,
    "fashion": fashion,
    "mosi": mosi,
    "face_voice40": face_voice40,
    "av_digits": av_digits,
    "food101": food101,
    "hateful_memes": hateful_memes,
    "ferramenta": ferramenta,
    "voxceleb1": voxceleb1,
}

DATASETS: dict[str, About] = {name: module.ABOUT for name, module in _MODULES.items()}
"""What there is: name → description, modalities, source, licence, how to get it."""


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
    about = DATASETS[one_of("The data set", name, DATASETS)]
    load = _MODULES[name].load
    known = [option for option in inspect.signature(load).parameters if option != "root"]
    for option in options:
        if option not in known:
            raise InputError(
                f"The data set {name!r} has no option {option!r}. {did_you_mean(option, known)}"
            )
    if not about.needs_root:
        return load(**options)
    if root is None:
        raise InputError(
            f"The data set {name!r} needs a folder (root=…, --root). {about.how_to_get}"
        )
    return load(Path(root), **options)
