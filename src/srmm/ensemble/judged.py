"""Which instances a fold's network can be asked about: those of classes that it has learnt."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd

from srmm.errors import first_few, shown


def judged_rows(y: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """The instances (k,) of classes that another fold has, too.

    Of any other class the network that left it out has seen nothing. To ask it would say of every
    stream that it is worth nothing.
    """
    pairs = np.unique(np.stack([y, folds]), axis=1)
    return np.flatnonzero(np.bincount(pairs[0])[y] > 1)


def warn_of_lone_groups(y: np.ndarray, groups: np.ndarray, classes: np.ndarray) -> None:
    """Warn of classes that lie in one group each: no other group can judge what is said of them.

    `y` (n,) are numbers of `classes`. An instance whose group is None is one by itself.
    """
    alone = pd.isna(pd.Series(groups, dtype=object)).to_numpy()
    group = np.where(alone, np.arange(len(y)), len(y) + pd.factorize(groups)[0])
    pairs = np.unique(np.stack([y, group]), axis=1)
    single = np.flatnonzero(np.bincount(pairs[0], minlength=len(classes)) == 1)
    if len(single) == len(classes):
        warnings.warn(
            f"Every class lies in one group, such as {shown(classes[0])} in "
            f"{shown(groups[y == 0][0])}: no group can judge another, so modalities count equally. "
            "Groups are what belongs together, such as a speaker; if these say no more than the "
            "class, leave them out.",
            stacklevel=4,
        )
    elif len(single):
        named = first_few((shown(classes[c]) for c in single), 5)
        warnings.warn(
            f"All instances of {named} are of one "
            "group: what each modality is worth is learnt from the other classes.",
            stacklevel=4,
        )
