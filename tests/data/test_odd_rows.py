"""A second header and a row of totals are said; rows of healthy tables are rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sklearn import datasets

from srmm.data.table import read_table

U, V = [0.5, 1.25, -2.0, 4.0, 2.5, 3.0], [10, 12, 9, 30, 11, 17]


def said(u: list[Any], v: list[Any]) -> str:
    frame = pd.DataFrame({"u": u, "v": v}, dtype=object)
    notes = read_table(frame, features="u,v").notes
    return " ".join(note for note in notes if "is read as a row" in note)


@pytest.mark.parametrize("names", [("kg", "cm"), ("Gewicht", "[cm]"), ("u", "v (cm)")])
def test_a_second_line_of_names_or_units_is_said(tmp_path: Path, names: tuple[str, str]) -> None:
    rows = [names, *zip(U, V, strict=True)]
    lines = "".join(f"{u},{v}\n" for u, v in rows)
    (tmp_path / "t.csv").write_text(f"u,v\n{lines}")
    notes = " ".join(read_table(tmp_path / "t.csv", features="u,v").notes)
    assert (
        f"Row 0 (line 2 of t.csv) has words where all other rows have numbers, {names[0]!r} in "
        in notes
    )


@pytest.mark.parametrize("first", [("NA", "NA"), ("kg", 7), ("kg", None), (None, None), ("-", "?")])
def test_a_first_row_with_a_hole_or_a_number_is_a_row(first: tuple[Any, Any]) -> None:
    assert said([first[0], *U], [first[1], *V]) == ""


def test_columns_of_words_are_no_second_header() -> None:
    assert said(["red", *U[:2], "blue", *U[3:]], ["x", *V]) == ""
    assert said(["red", "blue"] * 4, ["x", "y"] * 4) == ""


@pytest.mark.parametrize("total", [sum(U), str(sum(U)), f"{sum(U):.2f}"])
def test_a_row_of_totals_is_said(total: Any) -> None:
    assert "Row 6 of the frame has in 'u', 'v' the sum of all rows above" in said(
        [*map(type(total), U), total], [*V, sum(V)]
    )
    assert "has in 'v' the sum" in said([*U, None], [*map(str, V), str(sum(V))])


@pytest.mark.parametrize(
    "numbers",
    [[0, 0, 0, 0, 0, 0, 0], [0, 1, 0, 0, 1, 0, 2], [1, 2, 4, 8, 16, 32, 64], [*V, 90], [*V, None]],
)
def test_a_last_row_that_only_looks_so_is_a_row(numbers: list[Any]) -> None:
    assert said([*U, 1.0], numbers) == ""


def test_rows_of_usual_tables_need_no_words() -> None:
    for load in (datasets.load_iris, datasets.load_wine, datasets.load_breast_cancer,
                 datasets.load_diabetes, datasets.load_digits):  # fmt: skip
        frame = pd.DataFrame(load().data).set_axis(
            [f"c{i}" for i in range(load().data.shape[1])], axis=1
        )
        for some in (
            frame,
            frame.astype(str),
            frame[:6],
            frame.map(lambda x: None if x < 0.01 else x),
        ):
            notes = read_table(some, features="c*").notes
            assert not any("is read as a row" in note for note in notes)
