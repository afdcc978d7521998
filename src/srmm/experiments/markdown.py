"""Parts that views are made of: Markdown tables, means over seeds, headings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from srmm.errors import several
from srmm.experiments.data import has_own_split
from srmm.experiments.measure import score
from srmm.experiments.plan import Run
from srmm.experiments.spec import Setting, Variant


class Written(NamedTuple):
    """A view, written: lines of Markdown, and the numbers behind them."""

    markdown: list[str]
    numbers: list[dict[str, Any]]


def grid(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table."""
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    return lines + [f"| {' | '.join(row)} |" for row in rows]


def methods_down(
    settings: Sequence[str], cells: Mapping[str, Sequence[str]], values: Sequence[Sequence[float]]
) -> list[str]:
    """A line per method, a column per setting, the best of each column in bold.

    Parameters
    ----------
    cells : dict of column to its cells, in the order of the settings
    values : the means behind them, (n_methods, n_settings)
    """
    columns = [
        best_in_bold(column, of)
        for column, of in zip(zip(*cells.values(), strict=True), np.transpose(values), strict=True)
    ]
    return grid(["method", *settings], list(zip(cells, *columns, strict=True)))


def best_in_bold(cells: Sequence[str], values: Sequence[float]) -> list[str]:
    """The cells, in bold where the value behind them is the highest, to the digit that is shown."""
    rounded = np.nan_to_num(values, nan=-1.0).round(3)
    return [
        f"**{cell}**" if value == rounded.max() else cell
        for cell, value in zip(cells, rounded, strict=True)
    ]


def said(setting: Setting) -> str:
    """A setting in a few words: "all", "text 30 %" (of it available), "σ 0.1"."""
    parts = [f"{name} {100 * (1 - rate):.0f} %" for name, rate in setting.test.items() if rate]
    parts += [f"σ {setting.sigma:g}"] if setting.sigma else []
    text = ", ".join(parts) or "all"
    if setting.train and dict(setting.train) == dict(setting.test):
        return f"{text}, in training too"
    return text


def score_in(
    run: Run, variant: Variant, seed: int, trained: Setting, tested: Setting,
    metric: str | None = None,
) -> float | None:  # fmt: skip
    outcome = run.outcome(variant, seed, trained)
    return score(outcome, tested, run.modalities, metric or run.metric, seed)


def heading(run: Run, what: str = "") -> str:
    """ "openmoji: accuracy in % (1,897 instances, …)"; `what` in place of the metric."""
    n = f"{several(len(run.data.y), 'instance')}, {len(run.data.classes)} classes"
    seeds = several(len(run.seeds), "seed")
    split = "its own split" if has_own_split(run.data) else "75/25 splits"
    holes = "" if run.data.embeddings.present.all() else "; 100 % means all that there is"
    what = what or f"{run.metric} in %"
    return f"{run.data.name}: {what} ({n}; {split}, {seeds}{holes})"


def mean(values: Sequence[float | None]) -> float:
    """Over seeds, without those whose value is undefined; NaN if all are."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else float("nan")
