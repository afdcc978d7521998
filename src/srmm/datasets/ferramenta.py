"""Ferramenta: pictures and Italian titles of products of a hardware store."""

from __future__ import annotations

from pathlib import Path

from srmm.data.table import Table
from srmm.datasets.base import DatasetAbout
from srmm.datasets.completeness import Completeness, unique_ids
from srmm.datasets.titles import read_titles

ABOUT = DatasetAbout(
    name="ferramenta",
    description="Hardware store products: a picture and an Italian title; 52 classes, official "
    "split",
    modalities=("image", "text"),
    source="Ferramenta, Gallo et al. 2017, Multimodal Classification Fusion in Real-World "
    "Scenarios (ICDAR)",
    licence="none stated; published for research by the University of Insubria",
    how_to_get="Download images-train.tar.gz, images-val.tar.gz, text-image-train.csv and "
    "text-image-val.csv from https://artelab.dista.uninsubria.it/downloads/datasets/"
    "commercial_offers/ferramenta/, unpack them into one folder, the root, and rename the tables "
    "to train.csv and test.csv (or leave them).",
)

COUNTS = {"train": (66_141,), "test": (21_869, 2_186)}
"""Instances per split. The paper prints 2,186 for the test, but 88,010 in all leave 21,869."""

TABLES = {
    "train": ("train.csv", "text-image-train.csv"),
    "test": ("test.csv", "val.csv", "text-image-val.csv"),
}
"""The published table that is called "val" is the paper's test split."""

_FOLDERS = {
    "train": ("", "images-train/", "train/", "images/", "images/train/"),
    "test": ("", "images-val/", "val/", "images-test/", "test/", "images/", "images/test/"),
}
"""Where the paths of a table may start from: the root, or where its archive is unpacked to."""


def load(root: Path, *, allow_partial: bool = False) -> Table:
    """A table of train.csv and test.csv, each with the columns picture, title and class.

    The paths of the pictures start at the root or at the folder of their split (images-train/,
    train/, images/, …), whichever holds more of them. An empty title is absent. With
    `allow_partial`, what is missing is absent too, and a warning says what it is.
    """
    download = Completeness(ABOUT, root, allow_partial)
    pictures: list[str | None] = []
    titles, labels, splits = [], [], []
    for split, names in TABLES.items():
        path = download.file(*names)
        rows = [] if path is None else read_titles(path)
        if path is not None:
            download.count(f"rows in {path.name}", len(rows), *COUNTS[split])
        written = [row.picture for row in rows]
        present = [picture for picture in written if picture]
        folder = max(
            _FOLDERS[split],  # the first of equals
            key=lambda start: download.files.has([start + picture for picture in present]).sum(),
        )
        pictures += [folder + picture if picture else None for picture in written]
        titles += [row.title for row in rows]
        labels += [row.label for row in rows]
        splits += [split] * len(rows)
    return download.table(
        {"image": download.keep_existing("pictures", pictures), "text": titles},
        {"image": "image", "text": "text"},
        ids=unique_ids(pictures),
        labels=labels,
        split=splits,
    )
