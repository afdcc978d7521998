"""Tables read in parts are the tables read whole."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from srmm.data.notes import united
from srmm.data.parts import read_in_parts
from srmm.data.sources import open_source
from srmm.data.table import read_table
from srmm.errors import InputError

FRAME = pd.DataFrame(
    {
        "t": ["a", None, "c\nd", "e", None, "f", "g"],
        "u": [1.0, 2, np.nan, 4, 5, 6, 7],
        "k": range(7),
    }
)


@pytest.mark.parametrize("form", ["csv", "tsv", "jsonl", "parquet", "frame"])
@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_parts_make_the_whole(tmp_path: Path, form: str, size: int) -> None:
    path = tmp_path / f"t.{form}"
    if form == "jsonl":
        FRAME.to_json(path, orient="records", lines=True)
    elif form == "parquet":
        FRAME.to_parquet(path, row_group_size=2)
    elif form != "frame":
        FRAME.to_csv(path, index=False, sep="\t" if form == "tsv" else ",")
    source = FRAME if form == "frame" else path
    whole = read_table(source, text="t", features="u")
    parts = list(read_in_parts(open_source(source), size, keep=["k"], text="t", features="u"))
    assert [len(part.table) for part in parts] == [min(size, 7 - i) for i in range(0, 7, size)]
    assert [str(k) for _, kept, *_ in parts for k in kept["k"]] == list("0123456")
    for name in ("text", "features"):
        together = np.concatenate([table.items[name] for table, *_ in parts])
        assert list(together) == list(whole.items[name])
    places = [table.where(i) for table, *_ in parts for i in range(len(table))]
    assert places == [whole.where(i) for i in range(7)]


def test_rows_without_any_item_are_no_error_in_a_part_and_no_rows_are(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("t\n \n")
    (part,) = read_in_parts(open_source(tmp_path / "t.csv"), 1, text="t")
    assert not part.table.present.any()
    (tmp_path / "t.csv").write_text("t\n")
    with pytest.raises(InputError, match="has no rows"):
        list(read_in_parts(open_source(tmp_path / "t.csv"), 1, text="t"))


def test_two_tables_are_read_at_a_time(tmp_path: Path) -> None:
    """The csv module's limit belongs to the process: a reader that waits must not hold it."""
    limit = csv.field_size_limit()
    for name in "ab":
        (tmp_path / f"{name}.csv").write_text("t\n" + "x" * 200_000 + "\ny\n")
    a, b = (read_in_parts(open_source(tmp_path / f"{n}.csv"), 1, text="t") for n in "ab")
    lengths = [len(part.table.items["text"][0]) for pair in zip(a, b, strict=True) for part in pair]
    assert lengths == [200_000, 200_000, 1, 1]
    assert csv.field_size_limit() == limit


def test_notes_of_parts_are_summed_up() -> None:
    notes = [
        "Column 'v 2': 1,200 cells count as absent, '-' (1,199), 'nan' (1) (see line 7).",
        "Column 'v 2': 3 cells count as absent, 'nan' (3) (see line 9000).",
        "Column 'v 3': 3 cells count as absent, 'nan' (3) (see line 9000).",
        "Half (50 %) is text.",
        "Half (50 %) is text.",
    ]
    assert united(notes) == (
        "Column 'v 2': 1,203 cells count as absent, '-' (1,199), 'nan' (4) (see line 7).",
        notes[2],
        "Half (50 %) is text.",
    )


@pytest.mark.parametrize(
    "note",
    [
        "w: {n} cells that cannot be read as numbers (the first, {first!r}), counted as blank",
        "{n} of 9 different texts of 'text', such as {first!r}, are",
        "'photo': {n} paths are read with slashes for backslashes, as {first!r}.",
    ],
)
def test_notes_that_give_different_examples_are_summed_up(note: str) -> None:
    """A table of a million rows is read in 61 parts, each of which has a first one."""
    notes = [note.format(n=n, first=first) for n, first in [(2, "a\\b"), (3, "it's"), (4, "x")]]
    [found] = united(notes)
    assert found.startswith(note.format(n=9, first="a\\b")[:20].replace("9 of 9", "9 of 27"))
    assert repr("a\\b") in found
