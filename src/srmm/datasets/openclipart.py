"""Open Clip Art Library 0.18: drawings with a title and a description, many of them missing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from srmm.data.arrays import check_ids
from srmm.data.table import Table
from srmm.datasets.base import DatasetAbout
from srmm.datasets.completeness import Completeness, is_there, open_with

ABOUT = DatasetAbout(
    name="openclipart",
    description="Drawings, their titles and, of one in five, a description; the class is the "
    "library's folder (11)",
    modalities=("image", "title", "description"),
    source="Open Clip Art Library 0.18, as in Debian's package openclipart-svg "
    "(https://packages.debian.org/openclipart-svg)",
    licence="public domain",
    how_to_get="Get Debian's package openclipart-svg (https://packages.debian.org/"
    "openclipart-svg), render its SVG files as PNG, and put two files into one folder, the root: "
    "images.zip (or images/) with images/<id>.png, and openclipart.csv with the columns id, image "
    "(images/<id>.png), title and description (as in the SVG file) and label (the library's top "
    "folder). A cell is empty where there is nothing.",
)

TABLE = "openclipart.csv"

_COLUMNS = ("id", "image", "title", "description", "label")


def load(root: Path) -> Table:
    """A table of 4,905 drawings of 11 classes, without a split.

    Empty cells are absent items; a picture that the table names must be there. The groups are
    the titles, None where there is none: the drawings of a series share one, and a model that has
    seen some of them knows the rest.
    """
    download = Completeness(ABOUT, root)
    download.file(TABLE)
    if not is_there(root, "images"):
        download.file("images.zip", "images/")  # names the folder, not 4,853 files
    download.check()
    cells = open_with(root / TABLE, _COLUMNS).read(_COLUMNS).cells
    table = download.table(
        {
            "image": download.keep_existing("pictures", cells["image"].tolist()),
            "title": cells["title"],
            "description": cells["description"],
        },
        {"image": "image", "title": "text", "description": "text"},
        ids=check_ids(cells["id"]),
        labels=cells["label"],
        split=[None] * len(cells["id"]),
        groups=cells["title"],
    )
    return replace(table, split=None)
