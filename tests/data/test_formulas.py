"""Texts that a spreadsheet would run, through CSV and back."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from srmm.data.formulas import as_text_cell, from_text_cell, is_formula
from srmm.data.sources import open_source

SIGNS = "=+-@＝＋－＠﹦"
RUN = [f"{sign}cmd|' /C calc'!A0" for sign in SIGNS]
RUN += ["\t=1", "\rx", "  =1+1", "\ufeff@A1", "-", "-2+3", "+1 2", "-5 %"]
NUMBERS = ["-1.5", "+3", "-1,234.50", "-1e-7", " -2", "-.5", "-5%"]


@pytest.mark.parametrize("text", RUN)
def test_what_might_run_begins_with_an_apostrophe(text: str) -> None:
    assert as_text_cell(text) == "'" + text


@pytest.mark.parametrize("text", [*NUMBERS, "red = blue", "a-b", "", "'tis", "'-1.5"])
def test_numbers_and_other_texts_stay(text: str) -> None:
    assert as_text_cell(text) == text == from_text_cell(text)


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet=" '=+-@0.9ea\t\r\n＝\u200b", max_size=8) | st.text(max_size=8))
def test_every_text_comes_back(text: str) -> None:
    cell = as_text_cell(text)
    assert from_text_cell(cell) == text
    assert not is_formula(cell)


def test_a_table_with_apostrophes_is_read_without_and_it_is_said(tmp_path: Path) -> None:
    rows = [["'@id", "n"], ["'=1+1", "-1.5"], ["'tis", "'-1"], ["", ""]]
    file = io.StringIO()
    csv.writer(file).writerows(rows)
    (tmp_path / "t.csv").write_text(file.getvalue())
    opened = open_source(tmp_path / "t.csv")
    assert opened.columns == ("@id", "n")
    loaded = opened.read(["@id", "n"])
    assert loaded.cells["@id"].tolist() == ["=1+1", "'tis", None]
    assert loaded.cells["n"].tolist() == ["-1.5", "'-1", None]
    (note,) = loaded.notes
    assert note.startswith("Texts of column '@id' with an apostrophe before =")
