"""Estimators of scikit-learn as bytes, and back, whoever wrote them. Nothing here is pickled."""

from __future__ import annotations

import zipfile
from typing import Any

import numpy as np

from srmm.data.checks import array, finite, whole
from srmm.errors import InputError, damage_explained
from srmm.learning.skops_bytes import plain_skops
from srmm.learning.trees import check_boosted_nodes

# What trees are made of that skops does not trust by itself. Their indices are checked here.
_TRUSTED = ["sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
            "sklearn.tree._tree.Tree"]  # fmt: skip


_REAL = "real numbers"  # as the embeddings were


def estimator_to_bytes(estimator: Any) -> np.ndarray:
    """A fitted scikit-learn estimator as bytes (n,) of skops' format, which is no pickle."""
    from skops.io import dumps

    return np.frombuffer(dumps(estimator, compression=zipfile.ZIP_DEFLATED), dtype=np.uint8)


def estimator_from_bytes(stored: np.ndarray, expected: type, n_classes: int | None = None) -> Any:
    """What `estimator_to_bytes` wrote, with class indices below `n_classes` if it has any.

    Raises `InputError` if it is no `expected`, holds a foreign type, or cannot be followed safely.
    """
    from skops.io import loads

    data = array("the bytes of an estimator", stored, (None,), "uint8").tobytes()
    with damage_explained("A scikit-learn model in it", "Save the model again."):
        estimator = loads(plain_skops(data, expected), trusted=_TRUSTED)
        if type(estimator) is not expected:
            raise InputError(f"it holds a {type(estimator).__name__}, not a {expected.__name__}.")
        check_estimator(estimator, n_classes)
    return estimator


def check_estimator(estimator: Any, n_classes: int | None = None) -> None:
    """Raise `InputError` for a fitted estimator whose parts do not fit together."""
    _check_methods(estimator)
    whole("n_features_in_", estimator.n_features_in_, 1)
    if hasattr(estimator, "classes_"):
        codes = array(
            "classes_ of an estimator", estimator.classes_, (None,), "whole numbers", low=0
        )
        if len(codes) < 2 or not (codes[:-1] < codes[1:]).all():
            raise InputError("classes_ of an estimator are expected to be two or more, ascending.")
        if n_classes is not None and codes[-1] >= n_classes:
            raise InputError(f"an estimator knows class {codes[-1]} of {n_classes}, from 0.")
    check = _CHECKS.get(type(estimator).__name__)
    if check is not None:
        check(estimator)


def _check_methods(made: Any) -> None:
    """Nothing that was stored stands in the place of a method."""
    for name in vars(made):
        if callable(getattr(type(made), name, None)):
            raise InputError(f"{type(made).__name__}.{name} is a value, expected a method.")


def _check_logistic_regression(model: Any) -> None:
    n, d = len(model.classes_), model.n_features_in_
    rows = 1 if n == 2 else n
    finite("coef_", array("coef_", model.coef_, (rows, d), _REAL))
    finite("intercept_", array("intercept_", model.intercept_, (rows,), _REAL))


def _check_pca(model: Any) -> None:
    d = model.n_features_in_
    k = whole("n_components_", model.n_components_, 1, d)
    finite("mean_", array("mean_", model.mean_, (d,), _REAL))
    finite("components_", array("components_", model.components_, (k, d), _REAL))
    array("explained_variance_", model.explained_variance_, (k,), _REAL, low=0)
    if model.whiten is not False:
        raise InputError(f"whiten is {model.whiten!r}, expected False.")


def _check_forest(forest: Any) -> None:
    n, d = len(forest.classes_), forest.n_features_in_
    whole("n_outputs_", forest.n_outputs_, 1, 1)
    whole("n_classes_", forest.n_classes_, n, n)
    if not isinstance(forest.estimators_, list) or not forest.estimators_:
        raise InputError("estimators_ is expected to be a list of trees.")
    for one in forest.estimators_:
        tree: Any = getattr(one, "tree_", None)
        if type(one).__name__ != "ExtraTreeClassifier" or type(tree).__name__ != "Tree":
            raise InputError(f"a tree of the forest is a {type(one).__name__}.")
        _check_methods(one)
        own = (int(one.n_features_in_), int(tree.n_features), int(one.n_outputs_))
        classes = (int(one.n_classes_), int(tree.max_n_classes))
        if own != (d, d, 1) or classes != (n, n):
            raise InputError(
                f"a tree of the forest has {own[0]} features and {classes[0]} classes, expected "
                f"{d} and {n}."
            )
    for name, expected in {"n_jobs": None, "verbose": 0}.items():
        if getattr(forest, name) != expected:
            raise InputError(f"{name} is {getattr(forest, name)!r}, expected {expected!r}.")


def _check_boosting(model: Any) -> None:
    n, d = len(model.classes_), model.n_features_in_
    per_round = 1 if n == 2 else n
    loss = type(model._loss).__name__
    if loss != ("HalfBinomialLoss" if n == 2 else "HalfMultinomialLoss"):
        raise InputError(f"the loss is a {loss}, which is not that of {n} classes.")
    for name in ("is_categorical_", "_preprocessor"):
        if getattr(model, name) is not None:
            raise InputError(f"{name} is expected to be None: there are no categories here.")
    whole("n_trees_per_iteration_", model.n_trees_per_iteration_, per_round, per_round)
    baseline = array("_baseline_prediction", model._baseline_prediction, (1, per_round))
    finite("_baseline_prediction", baseline)
    array(
        "is_categorical_ of the bins",
        model._bin_mapper.is_categorical_,
        (d,),
        "whole numbers or truth values",
        high=0,
    )
    for part in (model._loss, model._loss.link, model._bin_mapper):
        _check_methods(part)
    rounds = model._predictors
    if not isinstance(rounds, list) or not rounds:
        raise InputError("_predictors is expected to be a list of rounds.")
    for trees in rounds:
        if not isinstance(trees, list) or len(trees) != per_round:
            raise InputError(f"a round of trees has another number than {per_round}.")
        for tree in trees:
            if type(tree).__name__ != "TreePredictor":
                raise InputError(f"a tree of a round is a {type(tree).__name__}.")
            _check_methods(tree)
            check_boosted_nodes(tree.nodes, d)


_CHECKS = {
    "LogisticRegression": _check_logistic_regression,
    "PCA": _check_pca,
    "ExtraTreesClassifier": _check_forest,
    "HistGradientBoostingClassifier": _check_boosting,
}
