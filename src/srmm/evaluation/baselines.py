"""The baselines that stand beside a model: how they are fitted, and how they are scored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from srmm.data.embeddings import Embeddings
from srmm.data.inputs import as_embeddings
from srmm.data.modality import Pattern, pattern_mask
from srmm.errors import InputError, shown
from srmm.evaluation.metrics import scores_with_intervals
from srmm.evaluation.outputs import Remembered
from srmm.evaluation.paired import pattern_means
from srmm.evaluation.robustness import missing_rate_curves, pattern_scores
from srmm.learning.probabilities import align_classes


def fit_baselines(
    train: Any,
    y: Any = None,
    *,
    validation: Any = None,
    recipe: Any = None,
    class_weight: Any = None,
    random_state: int | None = None,
) -> dict[str, Any]:
    """The baselines that stand beside SRMM in every report, fitted as it was fitted.

    Each modality alone ("unimodal:<modality>"), the availability router, and logistic regression
    on concatenated embeddings; `recipe` as in `UnimodalClassifier`, the rest as in `fit`, where
    `train` is X.
    """
    from srmm.methods import make_method

    train = as_embeddings(train)
    common = {"class_weight": class_weight, "random_state": random_state}
    router = make_method("router", recipe=recipe, **common).fit(train, y, validation=validation)
    alone = {
        f"unimodal:{model.modality}": model
        for model in router.models_.values()
        if hasattr(model, "modality")
    }
    # Without holes the router's model of the complete pattern is that very model.
    concatenated = router.models_.get(2 ** len(train.modalities) - 1)
    if len(train.modalities) == 1 or not train.present.all():
        concatenated = make_method("logreg-concat", **common)
        concatenated.fit(train, y, validation=validation)
    return {**alone, "router": router, "logreg-concat": concatenated}


def score_baseline(
    model: Any,
    test: Embeddings,
    y: np.ndarray,
    patterns: Sequence[Pattern],
    main: Any,
    seed: int,
) -> dict[str, Any]:
    """A baseline's figures; it is shown the modalities it knows.

    Returns
    -------
    {"patterns", "curves", "as_is", "right", "means"}: the last three are of all test rows as they
    are. Of a row with nothing that it knows, it says what is most frequent in training.
    """
    unknown = sorted(set(model.classes_.tolist()) - set(main.classes_.tolist()))
    if unknown:
        raise InputError(
            f"A baseline was trained on the class {shown(unknown[0])}, which the model does not "
            "know. Fit both on the same labels."
        )
    known = [m for m, name in enumerate(test.modalities) if name in model.modalities_]
    seen = test.select([test.modalities[m] for m in known])
    narrow, sees = model.scorer(seen), np.isin(test.modalities, seen.modalities)
    prior = align_classes(model.class_prior_[None], model.classes_, main.classes_)[0]

    def scorer(rows: np.ndarray, present: np.ndarray) -> np.ndarray:
        out = np.tile(prior, (len(rows), 1))
        something = present[:, known].any(axis=1)
        if something.any():
            found = narrow(rows[something], present[something][:, known])
            # A class that no instance with these modalities had in training has probability 0.
            out[something] = align_classes(found, model.classes_, main.classes_)
        return out

    there, C = np.asarray(test.present), len(main.classes_)
    wide = Remembered(scorer, len(test), y, n_classes=C, sees=sees)
    wide.ahead(there, [pattern_mask(pattern, test.modalities) for pattern in patterns])
    as_it_is = wide.said(np.arange(len(test)), there)
    mine = [pattern for pattern in patterns if set(pattern) & set(seen.modalities)]
    return {
        "patterns": pattern_scores(wide, test, y, mine, seed),
        "curves": missing_rate_curves(wide, test, y, seed, among=seen.modalities),
        "as_is": {
            **scores_with_intervals(y, as_it_is, seed=seed),
            "n_without": int((~there[:, known].any(axis=1)).sum()),
        },
        "right": as_it_is.predicted == y,
        "means": pattern_means(wide, there, y, patterns, test.modalities),
    }
