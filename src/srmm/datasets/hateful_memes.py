"""The Hateful Memes Challenge: memes and the text written on them, hateful or not."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from srmm.data.arrays import check_ids
from srmm.data.sources import object_array
from srmm.data.table import Table
from srmm.datasets.base import DatasetAbout
from srmm.datasets.completeness import Completeness, open_with
from srmm.errors import InputError

ABOUT = DatasetAbout(
    name="hateful_memes",
    description="Memes and the text written on them; the class is 1 (hateful) or 0, official "
    "split; the metric is AUROC",
    modalities=("image", "text"),
    source="Kiela et al. 2020, The Hateful Memes Challenge: Detecting Hate Speech in Multimodal "
    "Memes (https://arxiv.org/abs/2005.04790)",
    licence="Facebook AI's dataset licence: research only, no redistribution; pictures licensed "
    "from Getty Images",
    how_to_get="Accept its licence at https://ai.meta.com/tools/hatefulmemes/ and put img/ (or "
    "img.zip), train.jsonl, dev_seen.jsonl and test_seen.jsonl into one folder, the root.",
)

COUNTS = {"train": 8_500, "validation": 500, "test": 1_000}
"""Instances per split, as published (paper, section IV-A: 10,000 in all)."""

FILES = {
    "train": ("train.jsonl",),
    "validation": ("dev_seen.jsonl", "dev.jsonl"),
    "test": ("test_seen.jsonl", "test.jsonl"),
}
"""Per split its file: as released at the end of the challenge, or in its first phase."""


def load(root: Path, *, allow_partial: bool = False) -> Table:
    """A table of the memes in img/ and their texts, with the labels 0 and 1.

    A file without labels, as test.jsonl of the first phase is, gives rows for prediction only,
    and a warning. With `allow_partial`, what is missing is absent, and a warning says what it is.

    The text can be read in the picture too, so without `text` it is not fully missing for an
    encoder that reads (CLIP does).
    """
    download = Completeness(ABOUT, root, allow_partial)
    cells: dict[str, list[Any]] = {column: [] for column in ("id", "img", "text", "label")}
    splits: list[str] = []
    unlabelled = []
    for split, names in FILES.items():
        path = download.file(*names)
        if path is None:
            continue
        rows = _read(path)
        n = len(rows["id"])
        download.count(f"memes in {path.name}", n, COUNTS[split])
        without = rows["label"].count(None)
        if without:
            unlabelled.append(f"{without:,} of {n:,} memes in {path.name} have no label")
        for column, values in rows.items():
            cells[column] += values
        splits += [split] * n
    table = download.table(
        {"image": download.keep_existing("pictures", cells["img"]), "text": cells["text"]},
        {"image": "image", "text": "text"},
        ids=check_ids(object_array(cells["id"])),
        labels=cells["label"],
        split=splits,
    )
    if unlabelled:
        warnings.warn(
            f"{'; '.join(unlabelled)}: they are for prediction only. The labels of the test are "
            "in test_seen.jsonl, which was released after the challenge.",
            stacklevel=3,
        )
    return table


def _read(path: Path) -> dict[str, list[Any]]:
    """The columns of one file; labels as 0, 1 or None."""
    source = open_with(path, ("id", "img", "text"), "field")
    wanted = [c for c in ("id", "img", "text", "label") if c in source.columns]
    columns = source.read(wanted)
    rows: dict[str, list[Any]] = {name: list(column) for name, column in columns.cells.items()}
    rows["id"] = [None if id is None else str(id) for id in rows["id"]]
    rows.setdefault("label", [None] * columns.n)
    for row, label in enumerate(rows["label"]):
        if label is None:
            continue
        if str(label) not in ("0", "1"):
            line = "" if columns.lines is None else f" in line {columns.lines[row]}"
            raise InputError(
                f"The label of the meme {rows['id'][row]!r}{line} of {path} is {label!r}; "
                "expected 0 (not hateful) or 1 (hateful)."
            )
        rows["label"][row] = int(label)
    return rows
