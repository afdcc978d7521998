"""Trees of scikit-learn, whose native code follows whatever indices stand in them."""

from __future__ import annotations

import numpy as np

from srmm.data.checks import array, finite
from srmm.errors import InputError

_LEAF = -1


def check_nodes(nodes: np.ndarray, n_features: int) -> None:
    """Raise `InputError` for nodes (n,) of a forest's tree that do not lead from root to leaves."""
    left, right, feature, threshold = _columns(
        nodes, "left_child", "right_child", "feature", "threshold"
    )
    inner = left != _LEAF
    if (right[~inner] != _LEAF).any():
        raise InputError("a node of a tree has one child, expected two or none.")
    _check_children(left, right, inner)
    _check_splits(feature, threshold, inner, n_features)


def check_values(values: np.ndarray, n_nodes: int, n_classes: int) -> None:
    """Raise `InputError` for what cannot be the class shares in each node of a forest's tree."""
    array("the values of a tree", values, (n_nodes, 1, n_classes), low=0)
    finite("the values of a tree", values)


def check_boosted_nodes(nodes: np.ndarray, n_features: int) -> None:
    """Raise `InputError` for nodes (n,) of a boosted tree that do not lead from root to leaves.

    A threshold is infinite where a split sends NaN one way, and all that is known the other.
    """
    left, right, feature, threshold, leaf, category, value = _columns(
        nodes, "left", "right", "feature_idx", "num_threshold", "is_leaf", "is_categorical", "value"
    )
    inner = leaf == 0
    # Unsigned; as they are, the greatest would turn negative.
    _check_children(left.astype(np.int64), right.astype(np.int64), inner)
    _check_splits(feature, threshold, inner, n_features, endless=True)
    if category[inner].any():
        raise InputError("a node of a tree splits categories, of which there are none here.")
    finite("the values of a tree", np.ascontiguousarray(value[~inner]))


def _columns(nodes: np.ndarray, *names: str) -> list[np.ndarray]:
    known = getattr(nodes, "dtype", np.dtype(float)).names or ()
    if not set(names) <= set(known) or nodes.ndim != 1 or not len(nodes):
        raise InputError(f"the nodes of a tree have {', '.join(known) or 'no parts'}, expected "
                         f"{', '.join(names)} of one node or more.")  # fmt: skip
    return [nodes[name] for name in names]


def _check_children(left: np.ndarray, right: np.ndarray, inner: np.ndarray) -> None:
    """Every child comes after its parent, which rules out circles, and is there."""
    at = np.flatnonzero(inner)
    for children in (left[at], right[at]):
        wrong = (children <= at) | (children >= len(inner))
        if wrong.any():
            raise InputError(
                f"node {at[wrong][0]} of a tree has the child {children[wrong][0]}, expected a "
                f"later one of its {len(inner):,} nodes."
            )


def _check_splits(
    feature: np.ndarray,
    threshold: np.ndarray,
    inner: np.ndarray,
    n_features: int,
    *,
    endless: bool = False,
) -> None:
    used = feature[inner]
    if ((used < 0) | (used >= n_features)).any():
        raise InputError(
            f"a node of a tree asks for number {used[(used < 0) | (used >= n_features)][0]}, "
            f"expected one of {n_features:,}, counted from 0."
        )
    known = threshold[inner]
    if np.isnan(known).any() or (np.isinf(known).any() and not endless):
        raise InputError("a node of a tree has a threshold that is not finite.")
