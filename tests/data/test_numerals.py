"""Numbers and dates as people write them."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from srmm.data.block_cells import Column
from srmm.data.block_kinds import KINDS_OF_COLUMNS
from srmm.data.blocks import Cells, numbers_of
from srmm.data.dates import calendar, choose_formats, parse_dates
from srmm.data.numeral_columns import Numerals
from srmm.data.numerals import Notation, floats_of, read_numeral


def column(*texts: str) -> Numerals:
    return Numerals(np.array(texts, dtype=object))


def values(*texts: str, elsewhere: str = "") -> list[float]:
    numerals = column(*texts)
    return numerals.values(numerals.notation(elsewhere)).tolist()


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("1.234,50 €", 1234.5, "€"),
        ("EUR 12", 12, "€"),
        ("$1,234.50", 1234.5, "$"),
        ("−3", -3, ""),
        ("(3.5)", -3.5, ""),
        ("1 234,5", 1234.5, ""),  # a no-break space
        ("1’234.50", 1234.5, ""),
        ("1,23,456.7", 123456.7, ""),
        ("12,5 %", 12.5, "%"),
        ("5 years", 5, "year"),
        ("10.–", 10, ""),
        ("CHF 10.--", 10, "CHF"),
        ("1.234,50-", -1234.5, ""),  # as accounts have it
        ("12- €", -12, "€"),
        ("12 m²", 12, "m2"),
        ("£3k", 3000, "£"),
        ("1,5E+03", 1500, ""),
        ("٣٫٥".replace("٫", ","), 3.5, ""),
    ],
)
def test_one_number(text: str, value: float, unit: str) -> None:
    read = read_numeral(text)
    assert read is not None
    assert (read.value, read.other, read.unit) == (pytest.approx(value), read.value, unit)


@pytest.mark.parametrize(
    "text",
    ["abc", "<5", "A12", "12-15", "01.03.2024", "2024-03-01", "12 34", "1,2,3", "1.23.456,7", "inf",
     "12 Main Street", "(3", "", "€", "10³", "5₂", "-12-", "12--"],
)  # fmt: skip
def test_no_number(text: str) -> None:
    assert read_numeral(text) is None


def test_the_column_decides_what_could_be_read_in_two_ways() -> None:
    assert values("1,234", "5") == [1234, 5]
    assert values("1.234", "5") == [1.234, 5]
    assert values("1,234", "0,5") == [1.234, 0.5]
    assert values("1.234", "0,5") == [1234, 0.5]
    assert values("1,234", "0.5", "7.5", "2,5") == [1234, 0.5, 7.5, 2.5]
    assert values("1.234", elsewhere=",") == [1234]
    assert values("1.234", "0.5", elsewhere=",") == [1.234, 0.5]


def test_a_cell_in_another_unit_or_beyond_float32_is_no_number() -> None:
    assert column("1 kg", "2 kg", "500 g", "3").notation() == Notation(".", "kg")
    read = values("1 kg", "2 kg", "500 g", "3", "1e300 kg")
    assert read[:2] == [1, 2]
    assert math.isnan(read[2])
    assert read[3] == 3
    assert math.isnan(read[4])


@given(st.integers(-(10**9), 10**9), st.integers(0, 99))
def test_both_notations_of_any_number_are_read_back(whole: int, cents: int) -> None:
    english = f"{whole:,}.{cents:02}"
    german = english.translate(str.maketrans(",.", ".,"))
    expected = float(english.replace(",", ""))
    for text in (english, german):
        read = read_numeral(text)
        assert read is not None
        assert read.value == read.other == expected


def dates(*texts: str, elsewhere: str = "") -> tuple[list[str | None], bool]:
    series = pd.Series(texts, dtype=object)
    formats, swapped = choose_formats(series, elsewhere)
    read = parse_dates(series, formats)
    return [None if pd.isna(moment) else str(moment)[:16] for moment in read], swapped


def test_dates_in_many_forms() -> None:
    day = "2024-03-01 00:00"
    for text in ["2024-03-01", "1.3.2024", "01.03.24", "2024/03/01", "1. März 2024", "1 Mar 2024",
                 "March 1st, 2024", "1-Mar-2024"]:  # fmt: skip
        assert dates(text, "nothing") == ([day, None], False)
    assert dates("2024-03-01T14:30:00+02:00")[0] == ["2024-03-01 12:30"]
    assert dates("1.3.2024 14:30", "2.3.2024")[0] == ["2024-03-01 14:30", "2024-03-02 00:00"]
    assert dates("1.3.2024", "2.3.24")[0] == [day, "2024-03-02 00:00"]
    assert dates("9999-12-31", "2024-03-01")[0] == [None, day]


def test_day_and_month_by_the_column() -> None:
    assert dates("03/04/2024", "13/04/2024") == (["2024-04-03 00:00", "2024-04-13 00:00"], False)
    assert dates("03/04/2024", "04/13/2024") == (["2024-03-04 00:00", "2024-04-13 00:00"], False)
    assert dates("03/04/2024") == (["2024-04-03 00:00"], True)
    assert dates("03/04/2024", elsewhere=".") == (["2024-03-04 00:00"], True)
    mixed, _ = dates("14/03/2024", "15/03/2024", "03/16/2024")
    assert mixed == ["2024-03-14 00:00", "2024-03-15 00:00", None]  # one column, one order


def test_parts_of_the_calendar() -> None:
    moments = pd.Series(pd.to_datetime(["2000-01-01 06:00", "2000-07-02 06:00"], utc=True))
    parts = calendar(moments)
    np.testing.assert_allclose(parts["days"], [0.25, 183.25])
    assert parts["year cos"].round(2).tolist() == [1, -1]
    np.testing.assert_allclose(parts["day sin"], 1)


def test_texts_of_one_shape_have_the_bits_that_they_have_alone() -> None:
    random = np.random.default_rng(0)
    shapes = (
        "{}.{:02}",
        "{},{:03}",
        "0,{1}",
        "-{},{} €",
        "$ {}",
        "1.{1:03}.{1:03}",
        "{}e{}",
        "m{}",
    )
    shapes += ("{} m{}", "({}.5)", "{} 000,{}", "٣{}", "{}½", "{} k", ".{1}", "{}.{} Mio", "{}\0")
    texts = [
        shape.format(random.integers(1000), random.integers(1000))
        for shape in (*shapes, "{0}{1:03}{0:03}{0:03}{0:03}.{1:03}{0:03}", "x" * 30 + "{}")
        for _ in range(40)
    ]
    alone = [read_numeral(text) for text in texts]
    for decimal in ".,":
        units = {read.unit for read in alone if read is not None}
        for unit in units:
            together = column(*texts).values(Notation(decimal, unit))
            expected = [
                math.nan
                if read is None or read.unit.casefold() not in ("", unit.casefold())
                else read.other if decimal == "," else read.value
                for read in alone
            ]  # fmt: skip
            big = np.abs(expected) > np.finfo(np.float32).max
            np.testing.assert_array_equal(together, np.where(big, math.nan, expected), strict=True)
    assert column(*texts).readable == sum(read is not None for read in alone)


def test_integers_that_no_float_holds_are_beyond_float32() -> None:
    """JSON writes whole numbers of any length."""
    found = floats_of(np.array([1, 10**400, -(10**400), True, 2.5], dtype=object))
    assert found.tolist() == [1, np.inf, -np.inf, 1, 2.5]
    cells = Cells(("a",), (10**400,))
    with pytest.raises(ValueError, match="no finite number"):
        numbers_of(cells)
    reading = KINDS_OF_COLUMNS["number"].read(
        {"decimal": ".", "unit": ""}, Column(np.array([1, 10**400], dtype=object))
    )
    assert reading.unread.tolist() == [False, True]


def test_millions_beside_thousands_are_no_unit() -> None:
    counts = ["1k", "2.5K", "3M", "1.2B", "400", "850 k"]
    expected = [1e3, 2.5e3, 3e6, 1.2e9, 400, 850e3]
    assert values(*counts) == pytest.approx(expected)
    notation = column(*counts).notation()
    assert column("3M", "7", "2 kg").values(notation).tolist()[:2] == [3e6, 7]  # of new rows, too
    assert math.isnan(column("2 kg").values(notation)[0])
    assert values("3M", "2.5M") == [3, 2.5]  # whatever they are, it is the same of all
    assert values("5k", "800m", "3k") == [5000, 800, 3000]  # metres
