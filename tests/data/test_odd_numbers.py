"""Numbers that stand for nothing, points that may separate thousands."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from srmm.data.odd_numbers import odd_number_notes
from srmm.data.sources import object_array
from srmm.data.table import read_table


def notes(cells: list[object], **options: bool) -> list[str]:
    return odd_number_notes(["c"], {"c": object_array(cells)}, **options)


@pytest.mark.parametrize(
    ("cells", "marker"),
    [
        ([3, 5.5, -999, -999.0], "-999"),
        (["3", "5.5", "-99", " -99 ", None], "-99"),
        ([0.2, 0.7, 9999, 9999], "9999"),
        ([-20, 15, -9999, -9999], "-9999"),
        ([1, 2, -(2**31), -(2**31)], "-2147483648"),  # what R and NumPy hold for none
        (["7", "-8", "-32768", "-32768"], "-32768"),
        (["1.5", *["-3.4028234663852886e+38"] * 2], "-3.4028234663852886e+38"),  # of maps
    ],
)
def test_a_number_far_from_all_others_may_stand_for_nothing(
    cells: list[object], marker: str
) -> None:
    (note,) = notes(cells)
    assert f"2 cells are {marker}, far from all others" in note
    assert f"--missing 'auto,{marker}'" in note


@pytest.mark.parametrize(
    "cells",
    [[3, 5, -999], [800, 950, 999, 999], [-9, -9, -8, 4], ["-999", "-999", "abc"], [-999, -999]],
)
def test_other_numbers_are_numbers(cells: list[object]) -> None:
    assert notes(cells) == []


def test_points_that_may_separate_thousands_are_said_where_no_cell_shows_it() -> None:
    (note,) = notes(["1.234", "12", "20.500"])
    assert "what could be 1.234 or 1234 is read as 1.234, as no cell shows which (2 cells)" in note
    assert notes(["1.234", "20.500"], plain=False) == []
    for others in (["0.5"], ["20.5"], ["0.123"], ["1234.567"]):
        assert notes(["1.234", "20.500", *others]) == []
    assert notes([1.234, 20.5]) == []  # typed: known


def test_codes_that_lose_their_zeros_are_said_where_they_are_read_as_numbers() -> None:
    (note,) = notes(["01234", "12345", " 007 ", None])
    assert "'01234' is read as 1234 (2 cells begin with a 0)" in note
    assert notes(["01234", "12345"], plain=False) == []
    for others in (["0", "0.5", "-0.25"], ["10", "20"], [7, 1234]):
        assert notes(others) == []


@pytest.mark.parametrize("as_text", [False, True])
def test_numbers_that_are_one_in_single_precision_are_said(as_text: bool) -> None:
    seconds: list[object] = [1_700_000_000 + 7 * i for i in range(20)]
    (note,) = notes([*map(str, seconds)] if as_text else seconds)
    assert "from 1700000000 to 1700000133 lie so close together" in note
    assert notes([*seconds, 0]) == []
    for others in ([5, 5], [1e30, 2e30], [1e300, 1], [2001, 2024], [1, 1.001], [0.1 + 0.2, 0.3]):
        assert notes(others) == []


def test_numbers_that_are_taken_for_0_are_said() -> None:
    (note,) = notes([1.6e-27, 9.1e-31, None])
    assert "so small, 1.6e-27 at the most, that they are taken for 0" in note
    assert notes([1e-27, 1e-9]) == notes([0, 0]) == []


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
def test_a_number_that_is_named_is_absent_in_every_format(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"t.{ending}"
    frame = pd.DataFrame({"a": [1.5, -999, 2.5, -999], "b": [1, 2, 3, -999]})
    if ending == "csv":
        frame.to_csv(path, index=False)
    elif ending == "jsonl":
        frame.to_json(path, orient="records", lines=True)
    else:
        frame.to_parquet(path)
    table = read_table(path, features=["a", "b"], missing="auto,-999")
    assert table.present.sum(axis=0).tolist() == [2, 3]
    assert "2 cells count as absent" in table.notes[0]


def test_a_column_that_counts_the_rows_is_said() -> None:
    (said,) = notes([float(i) for i in range(5, 65)])
    assert said.startswith("Column 'c' counts the rows, 5 to 64. In a sorted table that tells")
    assert notes([str(i) for i in range(60)])[0].startswith("Column 'c' counts the rows, 0 to 59")
    assert not notes([*range(60), None])
    assert not notes([*range(60), 3])
    assert not notes([1, 2, 3])
