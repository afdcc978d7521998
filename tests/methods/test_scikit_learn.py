"""scikit-learn's own checks, on every classifier there is."""

from __future__ import annotations

from typing import Any

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from srmm import PaperClassifier, SingleBranchClassifier
from srmm.methods import make_method
from tests.methods.test_methods import NAMES, small

CANNOT_APPLY = {
    "check_sample_weight_equivalence_on_dense_data": (
        "repeating a row changes the held-out share, the batches and the trees' bootstraps"
    ),
    "check_do_not_raise_errors_in_init_or_set_params": (
        "a recipe is a name for parameters and is looked up at once; every parameter waits for fit"
    ),
    "check_methods_subset_invariance": (
        "a network's float32 sums differ in the seventh digit with the number of rows; the check "
        "asks for 1e-7"
    ),
}


TINY = {
    "hidden_dim": 32, "width": 16, "layers": 1, "heads": 2, "prompt_length": 2,
    "batch_size": 64, "learning_rate": 0.03, "max_epochs": 8,
}  # fmt: skip
"""What is learnt in a few steps suffices: the checks ask for 83 % of three clouds of points."""


def one_of_each_class() -> list[Any]:
    """Every classifier once, on one lone array, its only modality; SRMM has tests of its own."""
    found: dict[type, Any] = {SingleBranchClassifier: None, PaperClassifier: None}
    for name in NAMES:
        model = make_method(name)
        found.setdefault(type(model), name)
    models = [small(name) for name in found.values() if name]
    for model in models:
        parameters = model.get_params()
        model.set_params(**{key: value for key, value in TINY.items() if key in parameters})
        if "modality" in parameters:  # it trains for as long as the recipe says
            model.set_params(modality=None, recipe="comparison", settings=None)
    return models


@pytest.mark.slow
@pytest.mark.usefixtures("few_trees")
@parametrize_with_checks(one_of_each_class(), expected_failed_checks=lambda _: CANNOT_APPLY)
def test_scikit_learn_checks(estimator: Any, check: Any) -> None:
    check(estimator)
