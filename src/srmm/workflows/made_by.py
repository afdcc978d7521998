"""Which command made a file: by the mark in it, or by columns that only predictions have."""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
import zipfile
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

MARK = "srmm predict"
"""Who made predictions, as Parquet's metadata and Excel's properties say it."""
PARQUET_KEY = b"srmm"

_HEAD_BYTES = 1 << 16
_LINE_BYTES = 1 << 24
_FIXED = {"label", "probability", "nothing_present", "set", "set_size", "prior_share"}
_OF_MODALITY = ("present", "label", "probability", "share")


def head_of(path: Path, size: int = _HEAD_BYTES) -> bytes:
    """The first bytes of a file; none of what is not there or cannot be read."""
    try:
        if not path.is_file():
            return b""
        with path.open("rb") as file:
            return file.read(size)
    except OSError:
        return b""


def json_of(format: str) -> Callable[[Path], bool]:
    """Whether a file is JSON of ours, of this format."""
    pattern = re.compile(rb'^\s*\{[^{}\[\]]*"format"\s*:\s*"' + re.escape(format).encode() + b'"')
    return lambda path: pattern.search(head_of(path)) is not None


def page_of(generator: str) -> Callable[[Path], bool]:
    """Whether a file is an HTML page whose head names this generator."""
    mark = f'<meta name="generator" content="{generator}">'.encode()
    return lambda path: mark in head_of(path).partition(b"</head>")[0].partition(b"<style>")[0]


def predictions(path: Path) -> bool:
    """Whether a file is predictions as `srmm predict` writes them, with no column added since."""
    form = path.suffix.lower()
    try:
        if form in (".parquet", ".pq"):
            import pyarrow.parquet as pq

            return (pq.read_schema(path).metadata or {}).get(PARQUET_KEY) == MARK.encode()
        if form == ".xlsx":
            return _sheet_of_ours(path)
        if form in (".jsonl", ".ndjson"):
            first = json.loads(_first_line(path))
            return isinstance(first, dict) and predicted_columns(list(first))
        # The header may hold line breaks within quotes, as a kept column's name may.
        text = io.StringIO(head_of(path, _LINE_BYTES).decode("utf-8", "replace"), newline="")
        rows = csv.reader(text, delimiter="\t" if form == ".tsv" else ",")
        return predicted_columns(next(rows, []))
    except Exception:  # whatever a foreign file makes a reader raise
        return False


def folder_of_predictions(path: Path) -> bool:
    """Whether a folder holds predictions as Parquet files, and nothing else."""
    return all(
        entry.is_file() and entry.suffix == ".parquet" and predictions(entry)
        for entry in path.iterdir()
    )


def predicted_columns(names: Sequence[str]) -> bool:
    """Whether these are the columns of predictions: id, those kept, label, probability and so on.

    >>> ours = ["id", "price", "label", "probability", "a_present", "a_label", "a_probability"]
    >>> predicted_columns(ours), predicted_columns([*ours, "checked"])
    (True, False)
    >>> predicted_columns(["id", "label", "probability"])
    False
    """
    pairs = [
        i for i, pair in enumerate(itertools.pairwise(names)) if pair == ("label", "probability")
    ]
    if not names or names[0] != "id" or not pairs:
        return False
    rest = names[pairs[-1] :]
    modalities = [name.removesuffix("_present") for name in rest if name.endswith("_present")]
    modalities = [m for m in modalities if f"{m}_label" in rest and f"{m}_probability" in rest]
    return bool(modalities) and all(is_predicted(name, modalities) for name in rest)


def is_predicted(column: str, modalities: Collection[str]) -> bool:
    """Whether predictions from these modalities may have a column, but the id, of this name."""
    modality, _, what = column.rpartition("_")
    of_modality = what in _OF_MODALITY and modality in modalities
    return of_modality or column in _FIXED or column.startswith("probability:")


def _first_line(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.readline(_LINE_BYTES)


def _sheet_of_ours(path: Path) -> bool:
    """Whether a workbook was made here and saved by nobody else since."""
    with zipfile.ZipFile(path) as book, book.open("docProps/core.xml") as file:
        said = file.read(_HEAD_BYTES).decode("utf-8", errors="replace")
    return said.count(f">{MARK}<") == 2
