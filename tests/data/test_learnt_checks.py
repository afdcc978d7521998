"""Fitted columns that somebody else wrote."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from srmm.data.block_columns import learn_columns
from srmm.data.learnt_checks import columns_from
from srmm.encoders import load_encoder
from srmm.errors import StoreError


@pytest.fixture(scope="module")
def learnt() -> list[dict[str, Any]]:
    n = 40
    columns = {
        "price": [f"{i + 0.5} EUR" for i in range(n)],
        "day": [f"{1 + i % 28:02}.03.2024" for i in range(n)],
        "length": [f"0:{i:02}:10" for i in range(n)],
        "sold": ["yes", "no"] * (n // 2),
        "colour": ["red", "blue", "green", None] * (n // 4),
        "tags": ["new; cheap", "new", "cheap; old", "old; new"] * (n // 4),
        "same": ["one"] * n,
    }
    arrays = {name: np.array(cells, dtype=object) for name, cells in columns.items()}
    return json.loads(json.dumps([column.to_json() for column in learn_columns(arrays)]))


def test_columns_come_back_as_they_were(learnt: list[dict[str, Any]]) -> None:
    kinds = {column["kind"] for column in learnt}
    assert kinds == {"number", "date", "time", "yes or no", "category", "tags", "left out"}
    assert [column.to_json() for column in columns_from(copy.deepcopy(learnt))] == learnt


WRONG = [None, True, -1, 10**9, "x", [], [10**9], {}, ["../x"], float("nan")]


def test_a_part_that_cannot_be_is_refused(learnt: list[dict[str, Any]]) -> None:
    """Every value of every column in turn, and every one left out."""
    for i, column in enumerate(learnt):
        for key in column:
            for value in [*WRONG, "gone"]:
                changed = copy.deepcopy(learnt)
                changed[i][key] = value
                if value == "gone":
                    del changed[i][key]
                _refused_or_read(changed, column["name"])
        for key in column["how"]:
            for value in WRONG:
                changed = copy.deepcopy(learnt)
                changed[i]["how"][key] = value
                _refused_or_read(changed, column["name"])


def _refused_or_read(stored: list[dict[str, Any]], name: str) -> None:
    """What is not refused can be used: cells become as many numbers as there are features."""
    try:
        columns = columns_from(stored)
    except (ValueError, KeyError):
        return
    cells = np.array(["1.5 EUR", "01.03.2024", "yes", "red", "new; odd", None, 3], dtype=object)
    for column in columns:
        if column.kind != "left out":
            values, _ = column.read(cells)
            assert values.shape == (len(cells), len(column.features)), name


@pytest.mark.parametrize("value", [10**9, {"kind": "number"}, []])
def test_the_error_names_the_folder(
    learnt: list[dict[str, Any]], tmp_path: Path, value: Any
) -> None:
    folder = tmp_path / "fitted"
    folder.mkdir()
    content = {"format": "srmm-columns", "version": 1, "columns": value}
    (folder / "columns.json").write_text(json.dumps(content))
    with pytest.raises(StoreError, match="fitted holds no fitted columns"):
        load_encoder(f"columns:{folder}", "features")
