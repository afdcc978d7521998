"""`evaluate`: one call from a fitted model and test data to a `RobustnessReport`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from srmm.data.embeddings import Embeddings
from srmm.data.labels import as_labels, known_labels
from srmm.data.modality import usable_patterns
from srmm.errors import InputError, shown
from srmm.evaluation.describe import (
    describe_classes,
    describe_confusion,
    describe_data,
    describe_mistakes,
    describe_training,
)
from srmm.evaluation.metrics import metric_names, scores_with_intervals
from srmm.evaluation.robustness import (
    corruption_scores,
    missing_rate_curve,
    pattern_scores,
)
from srmm.evaluation.tsne import project
from srmm.files import json_ready, read_json, write_json
from srmm.learning.base import Scorer, align_classes
from srmm.learning.describe import describe_model

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMAT = "srmm-report"
VERSION = 1


@dataclass(frozen=True)
class RobustnessReport:
    """The report on a model: modalities there, missing or corrupted, and baselines beside it.

    `content` is the JSON document: "data", "model", "patterns", "curves", "corruption",
    "baselines", "classes", "confusion", "projection", "mistakes", "training", …
    """

    content: Mapping[str, Any]

    def to_frame(self) -> pd.DataFrame:
        """One row per method and presence pattern, with metrics and interval bounds."""
        methods = {self.content["model"]["method"]: self.content["patterns"]}
        methods |= self.content["baselines"]
        rows = []
        for method, patterns in methods.items():
            for entry in patterns:
                row = {"method": method, "present": "+".join(entry["present"])}
                for key, value in entry.items():
                    if key.endswith("_ci"):
                        row[f"{key}_low"], row[f"{key}_high"] = value
                    elif key != "present":
                        row[key] = value
                rows.append(row)
        return pd.DataFrame(rows)

    def to_json(self, path: str | Path) -> Path:
        """Write the content as JSON, atomically."""
        path = Path(path)
        write_json(path, self.content)
        return path

    @classmethod
    def from_json(cls, path: str | Path) -> RobustnessReport:
        """Read what `to_json` wrote."""
        return cls(
            read_json(
                path,
                format=FORMAT,
                version=VERSION,
                what="a report",
                remedy="Make one with `srmm evaluate MODEL`.",
            )
        )

    def plot(self) -> Figure:
        """The missing-rate curves, one panel per modality (the paper's Fig. 4)."""
        from srmm.report import curves_figure

        return curves_figure(self.content)

    def to_html(self, path: str | Path, *, thumbnail: Any = None) -> Path:
        """Write the report as one self-contained HTML file.

        `thumbnail(modality, raw)` returns PNG or JPEG bytes of a raw picture, or None.
        """
        from srmm.report import write_report

        return write_report(self.content, Path(path), thumbnail=thumbnail)


def evaluate(
    model: Any,
    test: Any,
    y: Any = None,
    *,
    baselines: Mapping[str, Any] | None = None,
    title: str | None = None,
    name: str = "data",
    attribution: str | None = None,
    projection: bool = True,
    seed: int = 0,
) -> RobustnessReport:
    """Evaluate a fitted model under every presence pattern, missing rate and level of noise.

    Parameters
    ----------
    model : fitted classifier of this package
    test : Embeddings, dict of str to array, or frame
        Instances the model has not seen. Those without a label or without any item are left out.
    y : array of shape (n_instances,), optional
        Labels; by default those of the `Embeddings`.
    baselines : dict of str to fitted classifier, optional
        Shown beside the model; see `fit_baselines`.
    projection : bool
        Whether to compute the t-SNE map (paper Fig. 5).
    seed : int
        Of bootstrap, masks and noise.

    Notes
    -----
    A network with late fusion runs once per test item and modality (and once per level of noise);
    all patterns, rates and draws are combinations of those outputs. Any other runs once per
    pattern. Nothing is chosen or tuned here.
    """
    embeddings = model.as_seen(test)
    labels = embeddings.labels if y is None else as_labels("y", y)
    if labels is None or len(labels) != len(embeddings):
        raise InputError(
            f"Evaluation needs one label per instance ({len(embeddings)}), got "
            f"{'none' if labels is None else len(labels)}. Pass y, or embeddings with labels."
        )
    usable = embeddings.present.any(axis=1)
    usable &= known_labels(labels)
    if not usable.any():
        raise InputError("No test instance has both a label and at least one item.")
    embeddings, labels = embeddings[usable], labels[usable]
    classes = model.classes_.tolist()
    index = {label: c for c, label in enumerate(classes)}
    target = np.array([index.get(label, -1) for label in labels.tolist()])
    if (target < 0).all():
        raise InputError(
            f"No test label is a class of the model: the labels are like {shown(labels[0])} "
            f"({type(labels.tolist()[0]).__name__}), the classes like {shown(classes[0])} "
            f"({type(classes[0]).__name__}). Choose another label column, or convert it."
        )

    scorer = model.scorer(embeddings)
    patterns = usable_patterns(model.modalities_)
    rows = np.arange(len(embeddings))
    as_it_is = scorer(rows, embeddings.present)
    beside = {
        label: _baseline(baseline, embeddings, target, patterns, model, seed)
        for label, baseline in (baselines or {}).items()
    }
    content = {
        "format": FORMAT,
        "version": VERSION,
        "title": title or f"Robustness to missing modalities: {name}",
        "created": datetime.now().astimezone().isoformat(timespec="seconds"),
        "attribution": attribution,
        "data": describe_data(name, model, embeddings, target, classes),
        "model": describe_model(model),
        "metrics": metric_names(len(classes)),
        "overall": scores_with_intervals(target, as_it_is, seed=seed),
        "patterns": pattern_scores(scorer, embeddings, target, patterns, seed),
        "curves": _curves(scorer, embeddings, target, seed),
        "corruption": corruption_scores(model, embeddings, target, seed=seed),
        "baselines": {label: scored["patterns"] for label, scored in beside.items()},
        "baseline_curves": {
            label: scored["curves"] for label, scored in beside.items() if scored["curves"]
        },
        "classes": describe_classes(scorer, embeddings, target, as_it_is, classes, patterns),
        "confusion": describe_confusion(target, as_it_is.argmax(axis=1), classes),
        "projection": project(model, embeddings, labels, seed) if projection else None,
        "mistakes": describe_mistakes(scorer, embeddings, labels, as_it_is, target, classes),
        "training": describe_training(model),
    }
    return RobustnessReport(json_ready(content))


def fit_baselines(
    train: Embeddings,
    y: Any = None,
    *,
    validation: Any = None,
    recipe: Any = None,
    class_weight: Any = None,
    random_state: int | None = None,
) -> dict[str, Any]:
    """The baselines that stand beside SRMM in every report, fitted as it was fitted.

    Each modality alone ("unimodal:<modality>"), the availability router, and logistic regression
    on concatenated embeddings; `recipe` as in `UnimodalClassifier`, the rest as in `fit`.
    """
    from srmm.methods import make_method

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


def _baseline(
    model: Any,
    test: Embeddings,
    y: np.ndarray,
    patterns: Sequence[tuple[str, ...]],
    main: Any,
    seed: int,
) -> dict[str, Any]:
    """A baseline's patterns and curves; it is shown the modalities it knows."""
    unknown = sorted(set(model.classes_.tolist()) - set(main.classes_.tolist()))
    if unknown:
        raise InputError(
            f"A baseline was trained on the class {shown(unknown[0])}, which the model does not "
            "know. Fit both on the same labels."
        )
    known = [m for m, name in enumerate(test.modalities) if name in model.modalities_]
    seen = test.select([test.modalities[m] for m in known])
    narrow = model.scorer(seen)

    def scorer(rows: np.ndarray, present: np.ndarray) -> np.ndarray:
        # A class that no instance with these modalities had in training has probability 0.
        return align_classes(narrow(rows, present), model.classes_, main.classes_)

    mine = [pattern for pattern in patterns if set(pattern) & set(seen.modalities)]
    return {
        "patterns": pattern_scores(
            lambda rows, present: scorer(rows, present[:, known]), test, y, mine, seed
        ),
        "curves": _curves(scorer, seen, y, seed),
    }


def _curves(scorer: Scorer, test: Embeddings, y: np.ndarray, seed: int) -> dict[str, Any]:
    curves = {
        name: missing_rate_curve(scorer, test, y, name, seed=seed) for name in test.modalities
    }
    return {name: curve for name, curve in curves.items() if curve}
