"""Paths with backslashes are those of another system, unless there is such a file here."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest

from srmm.data.table import read_table


@pytest.mark.skipif(os.sep == "\\", reason="backslashes are at home here")
def test_backslashes_become_slashes_and_it_is_said(tmp_path: Path) -> None:
    (tmp_path / "odd\\name.jpg").touch()
    cells = ["photos\\1.jpg", "photos/2.jpg", "odd\\name.jpg", "C:\\photos\\3.jpg", None]
    frame = pd.DataFrame({"p": cells, "t": ["a\\b"] * 5})
    table = read_table(frame, image="p", text="t", folder=tmp_path)
    assert table.items["image"].tolist() == ["photos/1.jpg", *cells[1:]]
    assert table.items["text"][0] == "a\\b"
    (note,) = table.notes
    assert note == "'image': 1 path is read with slashes for backslashes, as 'photos\\\\1.jpg'."
