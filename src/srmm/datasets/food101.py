"""UPMC Food-101: pictures of dishes and the titles of the web pages they were found on."""

from __future__ import annotations

from pathlib import Path

from srmm.data.table import Table
from srmm.datasets.base import DatasetAbout
from srmm.datasets.completeness import Completeness, unique_ids
from srmm.datasets.titles import read_titles

ABOUT = DatasetAbout(
    name="food101",
    description="Dishes: a picture and the title of the web page it was found on; 101 classes, "
    "official split",
    modalities=("image", "text"),
    source="UPMC Food-101, Wang et al. 2015, Recipe Recognition with Large Multimodal Food "
    "Dataset (https://hal.science/hal-01196959)",
    licence="none stated; pictures and titles were crawled from the web, for research",
    how_to_get="Download it from https://www.kaggle.com/datasets/gianmarco96/upmcfood101 and put "
    "images/ (or images.zip) and texts/ into one folder, the root.",
)

COUNTS = {"train": 67_988, "test": 22_716}
"""Instances per split, as published (paper, section IV-A: 90,704 in all)."""


def load(root: Path, *, allow_partial: bool = False) -> Table:
    """A table of images/<split>/<class>/<file> and the titles of texts/<split>_titles.csv.

    A title that is empty there is absent: the class, which some loaders put in its place, is what
    is to be predicted. With `allow_partial`, what is missing is absent too, and a warning says
    what it is.
    """
    download = Completeness(ABOUT, root, allow_partial)
    pictures: list[str | None] = []
    titles, labels, splits = [], [], []
    for split, published in COUNTS.items():
        path = download.file(f"texts/{split}_titles.csv")
        rows = [] if path is None else read_titles(path)
        if path is not None:
            download.count(f"rows in {path.name}", len(rows), published)
        for row in rows:
            known = row.picture and row.label
            pictures.append(f"images/{split}/{row.label}/{row.picture}" if known else None)
            titles.append(row.title)
            labels.append(row.label)
        splits += [split] * len(rows)
    return download.table(
        {"image": download.keep_existing("pictures", pictures), "text": titles},
        {"image": "image", "text": "text"},
        ids=[id.removeprefix("images/") for id in unique_ids(pictures)],
        labels=labels,
        split=splits,
    )
