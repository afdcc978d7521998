"""Views of the analyses beyond the paper: all of them sums over the outputs of cells."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from srmm.data.modality import pattern_mask, presence_patterns
from srmm.experiments.markdown import Written, grid, heading, mean, methods_down, score_in
from srmm.experiments.measure import calibration
from srmm.experiments.missingness import MECHANISMS, RATES, missingness_scores
from srmm.experiments.plan import Run
from srmm.experiments.spec import Setting
from srmm.report.words import mean_sd


def patterns(runs: Sequence[Run], output: Path) -> Written:
    """Accuracy of every presence pattern over all test instances."""
    markdown: list[str] = []
    numbers: list[dict[str, Any]] = []
    for run in runs:
        shown = presence_patterns(run.modalities)
        cells: dict[str, list[str]] = {}
        means: list[list[float]] = []
        for variant in run.variants:
            found = []
            for pattern in shown:
                gone = {name: 1.0 for name in run.modalities if name not in pattern}
                found.append(
                    [
                        score_in(run, variant, seed, run.settings[0], Setting(test=gone))
                        for seed in run.seeds
                    ]
                )
                numbers.append(
                    {"data": run.data.name, "method": variant.column, "present": list(pattern),
                     "metric": run.metric, "values": found[-1]}
                )  # fmt: skip
            cells[variant.column] = [mean_sd(values) for values in found]
            means.append([mean(values) for values in found])
        heads = [" + ".join(pattern) for pattern in shown]
        markdown += [f"## {heading(run)}", "", *methods_down(heads, cells, means), ""]
    return Written(markdown, numbers)


def calibration_view(runs: Sequence[Run], output: Path) -> Written:
    """Expected calibration error and Brier score of every presence pattern."""
    markdown: list[str] = []
    numbers: list[dict[str, Any]] = []
    for run in runs:
        rows = []
        for pattern in presence_patterns(run.modalities):
            mask = pattern_mask(pattern, run.modalities)
            cells = []
            for variant in run.variants:
                found: list[dict[str, float]] = []
                for seed in run.seeds:
                    outcome = run.outcome(variant, seed, run.settings[0])
                    there = np.asarray(outcome.present[:, mask].all(axis=1))
                    if there.any():
                        probabilities = outcome.under(mask)
                        found.append(calibration(probabilities[there], outcome.y[there]))
                numbers.append(
                    {
                        "data": run.data.name,
                        "method": variant.column,
                        "present": list(pattern),
                        "values": found,
                    }
                )
                ece = mean_sd([one["ece"] for one in found])
                brier = mean([one["brier"] for one in found])
                cells.append(f"{ece} / {brier:.3f}" if found else "–")
            rows.append([" + ".join(pattern), *cells])
        markdown += [f"## {heading(run, 'ECE in % / Brier score')}", ""]
        markdown += [*grid(["present", *(v.column for v in run.variants)], rows), ""]
    return Written(markdown, numbers)


def missingness(runs: Sequence[Run], output: Path) -> Written:
    """Accuracy when what is missing depends on nothing, on the class, on confidence."""
    markdown: list[str] = []
    numbers: list[dict[str, Any]] = []
    for run in runs:
        m = run.modalities.index(run.roles["dropped"])
        rows = []
        for mechanism in MECHANISMS:
            for rate in RATES:
                cells = []
                for variant in run.variants:
                    values = [
                        missingness_scores(
                            run.outcome(variant, seed, run.settings[0]), m, mechanism, rate, seed
                        )
                        for seed in run.seeds
                    ]
                    cells.append(mean_sd(values))
                    numbers.append(
                        {"data": run.data.name, "method": variant.column, "rate": rate,
                         "mechanism": mechanism, "values": values}
                    )  # fmt: skip
                rows.append([mechanism, f"{100 * rate:.0f} %", *cells])
        head = [f"{run.roles['dropped']} missing", "rate", *(v.column for v in run.variants)]
        markdown += [f"## {heading(run, 'accuracy in %')}", "", *grid(head, rows), ""]
    return Written(markdown, numbers)


def imbalance(runs: Sequence[Run], output: Path) -> Written:
    """Accuracy with everything present, after training on shares of each modality."""
    markdown: list[str] = []
    numbers: list[dict[str, Any]] = []
    for run in runs:
        kept, gone = run.roles["kept"], run.roles["dropped"]
        rows = []
        for setting in run.settings:
            cells = []
            for variant in run.variants:
                values = [
                    score_in(run, variant, seed, setting, Setting(test={})) for seed in run.seeds
                ]
                cells.append(mean_sd(values))
                numbers.append(
                    {"data": run.data.name, "method": variant.column,
                     "train": dict(setting.train), "values": values}
                )  # fmt: skip
            shares = [f"{100 * (1 - setting.train.get(m, 0)):.0f} %" for m in (kept, gone)]
            rows.append([*shares, *cells])
        head = [f"{kept} in training", f"{gone} in training", *(v.column for v in run.variants)]
        markdown += [f"## {heading(run)}", "", *grid(head, rows), ""]
    return Written(markdown, numbers)
