"""How much each instance counts: weights of classes and of samples, checked before use."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np
from sklearn.utils import compute_sample_weight

from srmm.data.arrays import as_column
from srmm.data.holders import is_missing
from srmm.errors import InputError, did_you_mean, first_few, shown

_FAR = 1e100
_WANTED = 'None, "balanced" or a dict of label → weight'


def check_class_weight(name: str, class_weight: Any) -> None:
    """Raise `InputError` unless it is None, "balanced" or weights of 0 or more by label."""
    if class_weight is None or (isinstance(class_weight, str) and class_weight == "balanced"):
        return
    if not isinstance(class_weight, Mapping):
        raise InputError(
            f"{name} must be {_WANTED}, got {shown(class_weight)[:80]} of type "
            f"{type(class_weight).__name__}."
        )
    for label, weight in class_weight.items():
        number = isinstance(weight, Real) and not isinstance(weight, bool)
        if not number or not 0 <= weight < math.inf:
            raise InputError(
                f"{name} of {shown(label)} is {shown(weight)}, expected a finite number, 0 or more."
            )


def weights_by_class(class_weight: Any, labels: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Per instance the weight of its class (n,); a class that is not named has 1.

    A warning names the labels that have a weight and are no class. Raises `InputError` if none is.
    """
    if isinstance(class_weight, Mapping):
        # Python has True and 1 equal, which are classes of two kinds.
        known = {(_is_truth(name), name) for name in classes.tolist()}
        others = [label for label in class_weight if (_is_truth(label), label) not in known]
        if others:
            remedy = did_you_mean(str(others[0]), map(str, classes[:20].tolist()))
            said = (
                f"class_weight names {shown(others[0])} of type {type(others[0]).__name__}, which "
                f"is no class of the labels, of type {type(classes.tolist()[0]).__name__}. {remedy}"
            )
            if len(others) == len(class_weight):
                raise InputError(said)
            warnings.warn(f"{said} Its weight changes nothing.", stacklevel=4)
        of_classes = {label: w for label, w in class_weight.items() if label not in others}
        weights = np.array([of_classes.get(label, 1) for label in classes.tolist()], dtype=float)
        if not weights.any():
            raise InputError("class_weight is 0 for every class of the labels.")
        return np.asarray(_of_usual_size(weights)[np.searchsorted(classes, labels)])
    return np.asarray(compute_sample_weight(class_weight, labels))


def _is_truth(label: Any) -> bool:
    return isinstance(label, bool | np.bool_)


def check_counted(
    name: str, classes: np.ndarray, counted: np.ndarray, of: np.ndarray | None = None
) -> None:
    """Warn of classes none of whose instances weighs more than 0; raise if fewer than two are left.

    `counted` are the class numbers of the instances that do; a class that is not among `of` lacked
    a weight before, and was warned of.
    """
    n = len(classes)
    there = np.bincount(counted, minlength=n) > 0
    if there.sum() < 2:
        weighs = "" if n < 2 else f" with a weight above 0 ({name})"
        raise InputError(
            f"There is only one class, {shown(classes[there.argmax()])}, in the labels{weighs}: a "
            "classifier can't train when only one class is present; it needs at least two."
        )
    before = np.ones(n, dtype=bool) if of is None else np.bincount(of, minlength=n) > 0
    gone = classes[before & ~there].tolist()
    if gone:
        named = first_few(map(shown, gone), 5, "more classes")
        warnings.warn(
            f"{name} is 0 for every instance of {named}: that is "
            "not learnt. It stays among the classes, and only chance or similarity makes it an "
            "answer.",
            stacklevel=5,
        )


def sample_weights(sample_weight: Any, n: int) -> np.ndarray:
    """One weight per instance (n,), 1 by default; raises `InputError` naming the first bad one."""
    if sample_weight is None:
        return np.ones(n)
    column = as_column("sample_weight", sample_weight, n)
    try:
        if column is None or column.dtype.kind in "cMm":
            raise TypeError
        if column.dtype == object:
            column = np.array([np.nan if is_missing(one) else float(one) for one in column])
        weight = column.astype(np.float64)
    except (TypeError, ValueError):
        raise InputError(
            f"sample_weight must hold numbers, got {getattr(column, 'dtype', None)}. Complex data "
            "not supported."
        ) from None
    bad = ~np.isfinite(weight) | (weight < 0)
    if bad.any():
        row = int(np.argmax(bad))
        raise InputError(
            f"sample_weight of row {row} is {weight[row]:g}, expected a finite number, 0 or more. "
            "An instance of weight 0 is left out."
        )
    if n and not weight.any():
        raise InputError("sample_weight is zero in every row: there is nothing to learn from.")
    return _of_usual_size(weight)


def _of_usual_size(weights: np.ndarray) -> np.ndarray:
    """The same weights in relation, so that sums and products of them are numbers, and not 0."""
    largest = weights.max(initial=0)
    usual = not largest or 1 / _FAR < largest < _FAR
    return weights if usual else weights / largest
