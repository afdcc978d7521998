"""Zeros and numbers that stand for nothing in arrays are said, and others are not."""

from __future__ import annotations

import warnings

import numpy as np
import pyarrow as pa
import pytest
from sklearn import datasets

from srmm import Embeddings
from srmm.methods import make_method

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(40, 5)), np.array(["a", "b"] * 20)


def said(vectors: np.ndarray, labels: np.ndarray = Y) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        make_method("logreg", random_state=0).fit({"a": vectors}, labels)
    return [str(one.message) for one in caught]


def changed(rows: slice, value: float, column: int | slice = slice(None)) -> np.ndarray:
    vectors = X.copy()
    vectors[rows, column] = value
    return vectors


def test_vectors_of_zeros_in_the_place_of_items_are_said() -> None:
    (sentence,) = said(changed(slice(12), 0.0))
    assert sentence.startswith(
        "Modality 'a': 12 vectors are nothing but zeros, where others hardly"
    )
    assert said(np.where(np.arange(40)[:, None] < 12, np.nan, X)) == []


def test_a_number_that_stands_for_nothing_is_said() -> None:
    (sentence,) = said(changed(slice(3), -999.0, 1))
    assert sentence.startswith("Number 1 of modality 'a' is -999 in 3 rows, far from all others.")


@pytest.mark.parametrize(
    "vectors",
    [X, changed(slice(1), 0.0), np.maximum(X, 0), changed(slice(12), 0.0)[:, :2], X.round() + 0.0],
    ids=["as they are", "one of zeros", "rectified", "two numbers", "counts"],
)
def test_other_vectors_need_no_words(vectors: np.ndarray) -> None:
    assert not any("zeros" in sentence or "far from" in sentence for sentence in said(vectors))


def test_usual_tables_need_no_words() -> None:
    for load in (datasets.load_iris, datasets.load_wine, datasets.load_breast_cancer,
                 datasets.load_digits):  # fmt: skip
        table = load()
        sentences = said(table.data, table.target)
        assert not any("zeros" in one or "far from" in one for one in sentences)


def test_numbers_beside_the_vectors_of_an_arrow_table_are_said_to_be_left_out() -> None:
    columns = {"a": X.tolist(), "w": X[:, 0], "n": range(40), "label": Y, "id": range(40)}
    with pytest.warns(
        UserWarning, match="^2 columns with a number in each row, 'w', 'n', left out"
    ):
        assert Embeddings.from_arrow(pa.table(columns)).modalities == ("a",)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Embeddings.from_arrow(pa.table(columns), modalities=["a"])
        plain = {"a": X.tolist(), "label": range(40), "__index_level_0__": range(40)}
        Embeddings.from_arrow(pa.table({**plain, "note": ["x"] * 40}))
