"""Markers of missing items: which they are, that every way in agrees, and that a note says so."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from srmm.data.missing import parse_missing, repeated_text_note
from srmm.data.table import Table, read_table
from srmm.encoding.transformer import Encode
from srmm.errors import InputError

# As pandas documents them for `read_csv(keep_default_na=True)`.
PANDAS = (
    "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>",
    "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null",
)  # fmt: skip
OTHERS = ("-", "--", "–", "—", "?", "???", "TBD", "tba", " nan ", "none", "n.a.", "\\N", "NaT")
WORDS = ("None of them", "nan bread", "-5", "What?", "no", "0", "x", "Anna", "Not a number", "…!")


@pytest.mark.parametrize("marker", [*PANDAS, *OTHERS])
def test_markers_are_no_texts(marker: str) -> None:
    table = read_table(pd.DataFrame({"t": [marker, "a red shoe"]}), text="t")
    assert table.items["text"].tolist() == [None, "a red shoe"]
    assert table.notes == (
        f"Column 't': 1 cell counts as absent, {marker.strip()!r} (1) (see missing=, --missing).",
    )


@pytest.mark.parametrize("word", WORDS)
def test_words_stay(word: str) -> None:
    table = read_table(pd.DataFrame({"t": [word, "a red shoe"]}), text="t")
    assert table.items["text"][0] == word
    assert table.notes == ()


def ways_in(folder: Path, cells: list[str]) -> list[Table]:
    """The same column by every way in; through pandas, which reads most markers as NaN."""
    frame = pd.DataFrame({"t": cells, "n": range(len(cells))})
    frame.to_csv(folder / "t.csv", index=False)
    frame.to_csv(folder / "t.tsv", index=False, sep="\t")
    frame.to_parquet(folder / "t.parquet")
    lines = [json.dumps(row) for row in frame.to_dict("records")]
    (folder / "t.jsonl").write_text("\n".join(lines))
    paths = [folder / name for name in ("t.csv", "t.tsv", "t.parquet", "t.jsonl")]
    sources = [*paths, frame, pd.read_csv(folder / "t.csv")]
    return [read_table(source, text="t") for source in sources]


def test_every_way_in_gives_the_same_items(tmp_path: Path) -> None:
    tables = ways_in(tmp_path, [*PANDAS, *OTHERS, *WORDS])
    wanted = [None] * (len(PANDAS) + len(OTHERS)) + list(WORDS)
    for table in tables:
        assert table.items["text"].tolist() == wanted
    assert len({table.notes for table in tables[:-1]}) == 1  # pandas has nothing left to say


def test_what_counts_can_be_chosen() -> None:
    frame = pd.DataFrame({"t": ["N/A", "Unknown", "lost", "shoe"]})

    def items(missing: str | list[str]) -> list[str | None]:
        return read_table(frame, text="t", missing=missing).items["text"].tolist()

    assert items("auto") == [None, "Unknown", "lost", "shoe"]
    assert items("none") == ["N/A", "Unknown", "lost", "shoe"]
    assert items("unknown, lost") == ["N/A", None, None, "shoe"]
    assert items("auto,unknown") == [None, None, "lost", "shoe"]
    assert items(["lost"]) == ["N/A", "Unknown", None, "shoe"]


@pytest.mark.parametrize("missing", ["", "a,,b", ["a", 3], 7, None, b"auto"])
def test_what_counts_must_be_texts(missing: object) -> None:
    with pytest.raises(InputError, match=r"missing is .*expected"):
        parse_missing(missing)  # type: ignore[arg-type]


def test_paths_and_the_names_of_folders(tmp_path: Path) -> None:
    frame = pd.DataFrame({"p": ["a.jpg", "N/A"], "brand": ["NA", "b"], "id": ["None", "x"]})
    assert read_table(frame, image="p").items["image"].tolist() == ["a.jpg", None]
    assert read_table(frame, image="photos/{p}").items["image"].tolist() == ["photos/a.jpg", None]
    by_brand = read_table(frame, image="{brand}/{p}").items["image"].tolist()
    assert by_brand == ["NA/a.jpg", None]  # there may be a brand of that name
    by_id = read_table(frame, image="{id}.jpg", id="id").items["image"].tolist()
    assert by_id == ["None.jpg", "x.jpg"]


def test_a_text_made_of_several_columns_needs_them_all() -> None:
    frame = pd.DataFrame({"a": ["red", "nan", "blue"], "b": ["shoe", "hat", "?"]})
    table = read_table(frame, text="{a} {b}")
    assert table.items["text"].tolist() == ["red shoe", None, None]
    assert len(table.notes) == 2


def test_markers_in_numbers_are_missing_numbers(tmp_path: Path) -> None:
    path = tmp_path / "n.csv"
    path.write_text("w,h,t\n1,2,a\nNA,nan,b\n,NULL,c\n3,4,d\n")
    table = read_table(path, features="size=w,h", text="t")
    assert pd.notna(table.items["size"]).tolist() == [True, False, False, True]
    one = read_table(path, features="w", text="t")
    assert pd.notna(one.items["features"]).tolist() == [True, False, False, True]


@pytest.mark.parametrize("kind", [str, float, int, Decimal])
def test_a_number_that_stands_for_nothing_does_so_in_every_type(kind: Any) -> None:
    frame = pd.DataFrame({"w": pd.Series([kind("1"), kind("-999"), None, kind("2")], dtype=object)})
    table = read_table(frame, features="w", missing="auto,-999")
    assert pd.notna(table.items["features"]).tolist() == [True, False, False, True]
    assert "1 cell counts as absent, '-999" in table.notes[0]


def test_a_decimal_that_is_no_number_is_nothing() -> None:
    frame = pd.DataFrame({"w": [Decimal("1"), Decimal("NaN"), Decimal("sNaN")]})
    frame["y"] = frame["w"]
    table = read_table(frame, features="w", label="y")
    assert pd.notna(table.items["features"]).tolist() == [True, False, False]
    assert table.labels is not None
    assert table.labels.tolist() == [1, None, None]


def test_a_table_of_markers_says_why_it_is_empty() -> None:
    with pytest.raises(InputError, match=r"is empty in all 2 rows.*2 cells count as absent, 'nan'"):
        read_table(pd.DataFrame({"t": ["nan", "nan"]}), text="t")


def test_what_is_no_text_is_left_alone() -> None:
    frame = pd.DataFrame({"v": [[1.0, 2.0], [3.0, 4.0]], "p": [b"-", b"NA"]})
    table = read_table(frame, features="v", image="p")
    assert table.present.all()
    assert table.notes == ()


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["no title"] * 3 + [f"title {i}" for i in range(97)], "'no title' (3) of 100 rows"),
        (["no title"] * 2 + [f"title {i}" for i in range(98)], None),  # as 2 % or fewer
        (["summer", "winter"] * 50, None),  # a column of categories
        (["x" * 31] * 50 + [f"title {i}" for i in range(50)], None),  # boilerplate
        ([None] * 50 + [f"title {i}" for i in range(50)], None),
    ],
)
def test_a_text_that_is_often_there_is_pointed_out(texts: list[str], said: str | None) -> None:
    note = repeated_text_note("text", np.array(texts, dtype=object))
    assert (said in note) if said and note else note is said


@pytest.mark.workflow
def test_the_transformer_reads_frames_the_same_way() -> None:
    frame = pd.DataFrame({"text": ["a red shoe", "N/A", "unknown"]})
    with pytest.warns(UserWarning, match="1 cell counts as absent, 'N/A'"):
        embeddings = Encode({"text": "minilm"}).fit_transform(frame)
    assert embeddings.present[:, 0].tolist() == [True, False, True]
    encode = Encode({"text": "minilm"}, missing="unknown")
    with pytest.warns(UserWarning, match="'unknown'"):
        assert encode.fit_transform(frame).present[:, 0].tolist() == [True, True, False]
