"""Letters that were lost before a table was read are said; those of healthy texts are not."""

from __future__ import annotations

import pandas as pd
import pytest

from srmm.data.letters import mended
from srmm.data.table import read_table

WORDS = ["café", "naïve", "Ångström", "donʼt", "привет", "don’t", "5 €", "ÉTÉ"]


def wrong(text: str) -> str:
    """UTF-8 taken for WINDOWS-1252, and where that has no letter for ISO-8859-1."""
    try:
        return text.encode().decode("cp1252")
    except UnicodeDecodeError:
        return text.encode().decode("latin-1")


@pytest.mark.parametrize("word", [word for word in WORDS if word != "donʼt"])
def test_what_was_meant_is_known(word: str) -> None:
    assert mended(wrong(word)) == word
    assert mended(word) is None


@pytest.mark.parametrize(
    "text", ["CAFÉ\u00a0!", "CAFÉ–BAR", "«\u00a0ÉTÉ\u00a0»", "NÃO", "25 Â", "Î"]
)
def test_words_that_only_look_so_stay_what_they_are(text: str) -> None:
    assert mended(text) is None


def notes(**columns: list[object]) -> str:
    frame = pd.DataFrame({"n": range(len(next(iter(columns.values())))), **columns})
    chosen = {"text": "t"} if "t" in columns else {"features": "n,c" if "c" in columns else "n"}
    return " ".join(read_table(frame, label="y" if "y" in columns else None, **chosen).notes)


@pytest.mark.parametrize("column", ["t", "c", "y"])
def test_texts_categories_and_labels_are_looked_at(column: str) -> None:
    said = notes(**{column: [wrong("café"), wrong("thé"), "tea", None]})
    assert f"Column {column!r}: 2 texts look like UTF-8 that was read as another" in said
    assert "'cafÃ©' for 'café'" in said
    said = notes(**{column: ["caf\ufffd", "th\ufffd", "tea", None]})
    assert f"Column {column!r}: 2 texts hold '\ufffd', as 'caf\ufffd' does" in said


@pytest.mark.parametrize("column", ["t", "c", "y"])
def test_healthy_texts_need_no_words(column: str) -> None:
    assert "texts" not in notes(**{column: [*WORDS, wrong("café"), "\ufffd"]})
