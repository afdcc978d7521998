"""A column of names of files that is given as texts is said to be one; texts are texts."""

from __future__ import annotations

import pandas as pd
import pytest

from srmm.data.table import read_table


def said(texts: list[str | None]) -> str:
    return " ".join(read_table(pd.DataFrame({"t": texts}), text="t").notes)


@pytest.mark.parametrize(
    "names",
    [
        ["docs/a.txt", "docs/b c.txt", None, "docs/d.TXT "],
        ["1.jpg", "2.jpeg", "http://shop/3.png"],
        [r"C:\\texts\\a.html", r"C:\\texts\\b.html", r"C:\\texts\\c.html"],
    ],
    ids=["texts", "pictures", "Windows"],
)
def test_names_of_files_in_the_place_of_texts_are_said(names: list[str | None]) -> None:
    assert "Text 'text' is names of files, such as " in said(names)
    assert "not what is in the files" in said(names)


@pytest.mark.parametrize(
    "texts",
    [
        ["see notes.txt", "a shoe", "red hat", "blue hat"],
        ["a.txt", "b.txt", "a shoe of leather", "red hat"],
        ["a.txt", "b.txt", None],
        ["Made in U.S.A", "version 1.2", "http://shop/item", "node.js"],
    ],
)
def test_texts_are_texts(texts: list[str | None]) -> None:
    assert "names of files" not in said(texts)
