"""Finite input gives finite probabilities, or an error that names row and modality."""

from __future__ import annotations

import numpy as np
import pytest

from srmm import Embeddings
from srmm.errors import InputError, SrmmError
from srmm.learning.standardize import Standardizer, large_number
from tests.golden.make_predictions import CASES
from tests.methods.test_methods import small

pytestmark = pytest.mark.usefixtures("few_trees")

ONCE = {
    "beside zeros": (0.0, 1e-40),
    "small": (0.0, 1e-17),
    "smaller": (0.0, 1e-30),
    "huge": (0.0, 3e38),
}


@pytest.mark.slow
@pytest.mark.workflow
@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore:No labelled")
@pytest.mark.parametrize("name", CASES)
def test_every_method_answers_or_names_row_and_modality(name: str) -> None:
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    a, b = (y[:, None] + rng.normal(size=(60, size)) for size in (6, 4))
    wide = np.tile([3e38, -3e38], (4, 3))
    model = small(name.replace(":b", ":a"))
    if "max_epochs" in model.get_params():
        model.set_params(max_epochs=2, hidden_dim=8)
    for rest, once in ONCE.values():
        spoilt = a.copy()
        spoilt[:, 0] = rest
        spoilt[0, 0] = once
        model.fit({"a": spoilt, "b": b}, y)
        for given in (a[:4], wide):
            refused, found = "", np.zeros(1)
            try:
                found = model.predict_proba({"a": given, "b": b[:4]})
            except SrmmError as error:
                refused = str(error)
            assert np.isfinite(found).all()
            assert not refused or ("modality 'a'" in refused.lower() and "row " in refused)


def fitted(column: np.ndarray) -> tuple[Embeddings, Standardizer]:
    embeddings = Embeddings.from_arrays({"a": column[:, None]})
    return embeddings, Standardizer.fit(embeddings, active=True)


@pytest.mark.parametrize("value", [0.1, 1 / 3, 1e30, -7e-39])
def test_a_number_that_varies_by_rounding_only_keeps_its_scale(value: float) -> None:
    _, standardizer = fitted(np.full(1001, value))
    assert standardizer.scale("a") == 1


def test_a_small_unit_is_brought_to_one_scale() -> None:
    embeddings, standardizer = fitted(1e-15 * np.random.default_rng(0).normal(size=500))
    assert standardizer.apply("a", embeddings.values["a"]).std() == pytest.approx(1, rel=1e-3)


def test_a_number_out_of_all_proportion_is_named() -> None:
    _, standardizer = fitted(np.r_[1e-18, np.zeros(9)])
    given = Embeddings.from_arrays(
        {"a": [[np.nan], [0.0], [5.0]]}, ids=["x", "y", "z"], present=[[True]] * 3
    )
    with pytest.raises(InputError, match=r"Number 0 of modality 'a' is 5 in row 2 \(id 'z'\)"):
        standardizer.check_range(given)


def test_the_largest_number_is_told_where_it_may_be_the_reason() -> None:
    small_ones = Embeddings.from_arrays({"a": [[1.0]], "b": [[2.0]]})
    assert large_number(small_ones) == ""
    large = Embeddings.from_arrays({"a": [[1.0], [2.0]], "b": [[2.0], [-1e12]]})
    assert large_number(large) == " Modality 'b' holds 1e+12 in row 1 (id 1)."
