"""`evaluate`: one call from a fitted model and test data to a `RobustnessReport`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from srmm.data.checks import whole
from srmm.data.embeddings import Embeddings
from srmm.data.inputs import warn_of_order_beside
from srmm.data.labels import as_labels, check_same_kind, known_labels, places_among
from srmm.data.modality import pattern_mask, usable_patterns
from srmm.data.targets import unknown_twins
from srmm.errors import InputError, damage_explained, shown
from srmm.evaluation.absence import absence_scores
from srmm.evaluation.baselines import score_baseline
from srmm.evaluation.describe import (
    describe_classes,
    describe_confusion,
    describe_data,
    describe_items,
    describe_training,
    mistaken_rows,
    right_rows,
)
from srmm.evaluation.duplicates import near_duplicates
from srmm.evaluation.metrics import metric_names, scores_with_intervals
from srmm.evaluation.outputs import Remembered
from srmm.evaluation.paired import compared, pattern_means
from srmm.evaluation.reliability import describe_trust
from srmm.evaluation.robustness import corruption_scores, missing_rate_curves, pattern_scores
from srmm.evaluation.shapley import average_shares
from srmm.evaluation.suspects import suspect_labels
from srmm.evaluation.tsne import project
from srmm.files import json_ready, read_json, write_json
from srmm.learning.describe import describe_model
from srmm.learning.method import method_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMAT = "srmm-report"
VERSION = 1


@dataclass(frozen=True)
class RobustnessReport:
    """The report on a model: modalities there, missing or corrupted, and baselines beside it.

    `content` is the JSON document: "data", "model", "overall", "comparison", "patterns", "curves",
    "trust", "shapley", "mistakes", "label_errors", "corruption", "training", … (docs/formats.md).
    Raises `InputError` for content that is no such document.
    """

    content: Mapping[str, Any]

    def __post_init__(self) -> None:
        if not isinstance(self.content, Mapping):
            raise InputError(
                f"content is a {type(self.content).__name__}, expected the content of a report, a "
                "dict. srmm.evaluate(model, data) makes one, RobustnessReport.from_json reads one."
            )

    def to_frame(self) -> pd.DataFrame:
        """One row per method and presence pattern, with metrics and interval bounds."""
        with damage_explained("The report", "Make it again with `srmm evaluate MODEL`."):
            return self._frame()

    def _frame(self) -> pd.DataFrame:
        methods = {self.content["model"]["method"]: self.content["patterns"]}
        methods |= self.content["baselines"]
        rows = []
        for method, patterns in methods.items():
            for entry in patterns:
                row = {"method": method, "present": "+".join(entry["present"])}
                for key, value in entry.items():
                    if key.endswith("_ci"):
                        row[f"{key}_low"], row[f"{key}_high"] = value or (None, None)
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
    train: Embeddings | None = None,
    notes: Iterable[str] = (),
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
        Shown beside the model, whose method's name none may have; see `fit_baselines`.
    train : Embeddings, optional
        The instances the model learnt from, with labels and in the order of training: suspect
        labels are then listed, and test items that are nearly training items counted.
    notes : iterable of str, or one, optional
        What happened to the data before: rows left out, values taken as missing, a sentence each.
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
    if not hasattr(model, "as_seen"):
        raise InputError(
            f"The model must be a fitted classifier of srmm, got {type(model).__name__}. A folder "
            "is read by srmm.from_pretrained, and of a Predictor take its .model."
        )
    if not isinstance(baselines or {}, Mapping):
        raise InputError(
            f"baselines must be a dict of name → fitted classifier, got {type(baselines).__name__}."
            " srmm.fit_baselines makes one."
        )
    for label, baseline in (baselines or {}).items():
        if not hasattr(baseline, "as_seen") or not hasattr(baseline, "classes_"):
            raise InputError(
                f"The baseline {label!r} must be a fitted classifier of srmm, got "
                f"{type(baseline).__name__}. Fit it first, or let srmm.fit_baselines make them."
            )
    if method_name(model) in (baselines or {}):
        raise InputError(
            f"A baseline is called {method_name(model)!r}, as the model's own method is: the "
            "report could not tell them apart. Leave it out, or give it another name."
        )
    seed = whole("seed", seed, 0, 2**32 - 1)
    notes = [notes] if isinstance(notes, str) else list(notes)
    warn_of_order_beside(test, y=y)
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
    left_out = {
        "without a label": (~known_labels(labels)).sum(),
        "with a label but no item": (known_labels(labels) & ~embeddings.present.any(axis=1)).sum(),
    }
    embeddings, labels = embeddings[usable], labels[usable]
    classes = model.classes_.tolist()
    if isinstance(labels.tolist()[0], bool) != isinstance(classes[0], bool):
        check_same_kind(labels, model.classes_)  # Python takes True for 1
    target = places_among(labels, classes)
    if (target < 0).all():
        raise InputError(
            f"No test label is a class of the model: the labels are like {shown(labels[0])} "
            f"({type(labels.tolist()[0]).__name__}), the classes like {shown(classes[0])} "
            f"({type(classes[0]).__name__}). Choose another label column, or convert it."
        )

    notes += unknown_twins(Counter(labels[target < 0].tolist()), classes)
    learnt = None if train is None else model.as_seen(train)
    scorer = Remembered(
        model.scorer(embeddings),
        len(embeddings),
        target,
        n_classes=len(classes),
        calibration=getattr(model, "calibration_", None),
    )
    patterns = usable_patterns(model.modalities_)
    rows, present = np.arange(len(embeddings)), np.asarray(embeddings.present)
    scorer.ahead(present, [pattern_mask(pattern, embeddings.modalities) for pattern in patterns])
    as_it_is = scorer.said(rows, present)
    right = as_it_is.predicted == target
    means = pattern_means(scorer, present, target, patterns, embeddings.modalities)
    beside = {
        label: score_baseline(baseline, embeddings, target, patterns, model, seed)
        for label, baseline in (baselines or {}).items()
    }

    def items(chosen: np.ndarray) -> list[dict[str, Any]]:
        return describe_items(
            scorer, embeddings, chosen, labels, as_it_is, classes, model.class_prior_
        )

    content = {
        "format": FORMAT,
        "version": VERSION,
        "title": title or f"Robustness to missing modalities: {name}",
        "created": datetime.now().astimezone().isoformat(timespec="seconds"),
        "attribution": attribution,
        "data": {
            **describe_data(name, model, embeddings, target, classes),
            "notes": notes,
            "left_out": left_out,
            "near_duplicates": (
                None if learnt is None else near_duplicates(learnt, embeddings, right)
            ),
        },
        "model": describe_model(model),
        "metrics": metric_names(len(classes)),
        "overall": scores_with_intervals(target, as_it_is, seed=seed),
        "patterns": pattern_scores(scorer, embeddings, target, patterns, seed),
        "comparison": compared((right, means), beside, seed),
        "absence": absence_scores(scorer, embeddings, target, seed),
        "curves": missing_rate_curves(scorer, embeddings, target, seed),
        "trust": describe_trust(model, scorer, embeddings, target, patterns),
        "shapley": average_shares(scorer, embeddings, model.class_prior_, seed),
        "corruption": corruption_scores(model, embeddings, target, train=learnt, seed=seed),
        "baselines": {label: scored["patterns"] for label, scored in beside.items()},
        "baseline_curves": {
            label: scored["curves"] for label, scored in beside.items() if scored["curves"]
        },
        "classes": describe_classes(scorer, embeddings, target, as_it_is, classes, patterns),
        "confusion": describe_confusion(target, as_it_is.predicted, classes),
        "projection": project(model, embeddings, labels, seed) if projection else None,
        "mistakes": items(mistaken_rows(as_it_is, target)),
        "right": items(right_rows(as_it_is, target, seed)),
        "label_errors": None if train is None else suspect_labels(model, train),
        "training": describe_training(model),
    }
    return RobustnessReport(json_ready(content))
