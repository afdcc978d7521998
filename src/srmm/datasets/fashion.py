"""Fashion product images (Kaggle): a photo and a title per product."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from srmm.data.sources import open_csv
from srmm.data.table import Table, read_table
from srmm.datasets.base import DatasetAbout
from srmm.datasets.completeness import is_there
from srmm.errors import InputError, did_you_mean

ABOUT = DatasetAbout(
    name="fashion",
    description="Product photos and titles; the class is the article type (70) or another column",
    modalities=("image", "text"),
    source="https://www.kaggle.com/datasets/paramaggarwal/fashion-product-images-small",
    licence="MIT as stated on Kaggle; photos and titles come from an online shop",
    how_to_get="Download it from https://www.kaggle.com/datasets/paramaggarwal/"
    "fashion-product-images-small and put styles.csv and images/ (or images.zip) into one "
    "folder, the root.",
)

_TITLE = "productDisplayName"


def load(root: Path, *, target: str = "articleType", min_count: int = 50) -> Table:
    """A table of photos (images/<id>.jpg) and titles, labelled with the column `target`.

    Left out are products with no title or no class (7 and 0 by default), then the classes with
    fewer than `min_count` products: 43,343 products of 70 classes by default. A photo may be
    missing, as five are at Kaggle. In Kaggle's file commas in titles are not quoted; the title is
    the last column, so what is beyond it belongs to it.
    """
    styles = open_csv(ABOUT.file(root, "styles.csv"), join_surplus=True)
    if not is_there(root, "images"):
        raise InputError(f"There is neither images/ nor images.zip in {root}. {ABOUT.how_to_get}")
    for column in ("id", _TITLE):
        if column not in styles.columns:
            raise InputError(f"{root / 'styles.csv'} has no column {column!r}. {ABOUT.how_to_get}")
    targets = [column for column in styles.columns if column not in ("id", _TITLE)]
    if target not in targets:
        raise InputError(
            f"The target {target!r} is no column with classes. {did_you_mean(target, targets)}"
        )
    columns = styles.read(["id", _TITLE, target])
    titled = pd.notna(columns.cells[_TITLE])
    labels = pd.Series(columns.cells[target])
    labels = labels.where(titled & (labels != "NA"))  # "NA" is how some copies write an empty cell
    counts = labels.map(labels.value_counts())  # NaN where there is no class or no title
    kept = np.flatnonzero(counts >= min_count)
    if not len(kept):
        raise InputError(
            f"No class of {target!r} has {min_count} products; the largest has "
            f"{int(counts.max()) if counts.notna().any() else 0}. Lower min_count."
        )
    table = read_table(
        pd.DataFrame(columns.cells).iloc[kept],
        image="images/{id}.jpg",
        text=_TITLE,
        label=target,
        id="id",
        folder=root,
    )
    lines = None if columns.lines is None else columns.lines[kept]
    return replace(table, name=styles.name, lines=lines, attribution=ABOUT.source)
