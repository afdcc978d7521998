"""What the runs of `against_all.py` say: docs/results/default.md, its figure, a README table."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from cases import CASES

Runs = dict[str, dict[str, Any]]
""""case, method, seed" → what was measured."""

DEFAULT = "SRMM (default)"
ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs" / "results"
SHOWN = {
    "SRMM (default)": "**SRMM, the default**",
    "logreg": "`logreg`, one per modality",
    "tbn-early": "`tbn-early`, two branches",
    "tbn-mid (paper)": "`tbn-mid`, as the paper trains it",
    "extratrees": "`extratrees`",
    "SRMM (paper, standardised)": "SRMM, the paper's, standardised",
    "logreg-concat": "`logreg-concat`",
    "router": "`router`, a model for every pattern",
    "modality-dropout": "`modality-dropout`, two branches",
    "hist-gradient-boosting": "`hist-gradient-boosting`",
}
"""The rows of the README's table."""
IN_README = (
    "OpenMoji", "HTAD", "spoken digits", "openclipart", "MOSI", "faces and voices",
    "image segments",
)  # fmt: skip


@dataclass
class Line:
    """One pattern of one case: accuracies in % of every method, seed → value."""

    case: str
    pattern: str
    accuracy: dict[str, dict[int, float]]
    """Of the default, and of the others at those of its seeds that they have, too."""
    own: list[dict[str, float]]
    """The default's figures, by seed."""

    def gaps(self, label: str) -> np.ndarray:
        """The default minus another method, at every seed that both have."""
        of, own = self.accuracy[label], self.accuracy[DEFAULT]
        return np.array([own[seed] - of[seed] for seed in of])

    @cached_property
    def mean(self) -> dict[str, float]:
        """Of each method: the default's mean, less how much that is ahead at common seeds."""
        own = np.mean(list(self.accuracy[DEFAULT].values()))
        return {label: float(own - self.gaps(label).mean()) for label in self.accuracy}

    def own_mean(self, key: str) -> float:
        """Mean of a figure of the default over the seeds that have it; NaN where none has."""
        return float(np.mean([one[key] for one in self.own if key in one] or [np.nan]))

    @property
    def best(self) -> str:
        others = {label: value for label, value in self.mean.items() if label != DEFAULT}
        return max(others, key=others.__getitem__)

    @property
    def gap(self) -> tuple[float, float]:
        """The default minus the best other: mean over seeds, and its standard error."""
        gaps = self.gaps(self.best)
        error = gaps.std(ddof=1) / np.sqrt(len(gaps)) if len(gaps) > 1 else np.nan
        return float(gaps.mean()), float(error)


def write_page(runs: Runs, methods: list[str]) -> None:
    """Write page, figure and the README's table, of the cases that every method has a seed of."""
    lines, noise, seconds, sizes = [], [], [], []
    for case in CASES:
        found = {label: _found(runs, case.name, label) for label in methods}
        size = {label: _size(of) for label, of in found.items()}
        if any(size.values()):
            sizes.append((case.name, size))
        default = found[DEFAULT]
        found = {m: {s: of[s] for s in sorted(of.keys() & default)} for m, of in found.items()}
        if not all(found.values()):
            continue
        _check_rows(case.name, found)
        for pattern in next(iter(default.values()))["patterns"]:
            accuracy = {
                label: {s: one["patterns"][pattern]["accuracy"] for s, one in of.items()}
                for label, of in found.items()
            }
            own = [one["patterns"][pattern] for one in found[DEFAULT].values()]
            lines.append(Line(case.name, pattern, accuracy, own))
        times = {m: np.median([o["processor"] for o in of.values()]) for m, of in found.items()}
        seconds.append((case.name, next(iter(default.values()))["n_train"], times))
        noise.append((case.name, {m: _noise(of) for m, of in found.items()}))
    parts = {"lines": lines, "noise": noise, "seconds": seconds, "sizes": sizes}
    (DOCS / "default.md").write_text(_text(methods, **parts), encoding="utf-8")
    _figure(lines, DOCS / "default.svg")
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    before, _, rest = text.partition("| method | mean rank |")
    readme.write_text(before + readme_table(lines) + rest[rest.index("\n\n") :], encoding="utf-8")


def readme_table(lines: list[Line]) -> str:
    """The README's: means over the patterns of some cases, the best of a column in bold."""
    ranks = _mean_ranks(lines, list(SHOWN))
    columns = {"mean rank": {label: f"{rank:.1f}" for label, rank in ranks.items()}}
    best = [(columns["mean rank"], min)]
    for case in IN_README:
        of = [line.mean for line in lines if line.case == case]
        columns[case] = {m: f"{np.mean([mean[m] for mean in of]):.1f}" for m in SHOWN}
        best.append((columns[case], max))
    for column, first in best:
        wanted = first(column.values(), key=float)
        column |= {m: f"**{text}**" for m, text in column.items() if text == wanted}
    table = [f"| method | {' | '.join(columns)} |", "| --- |" + " --- |" * len(columns)]
    for label in sorted(ranks, key=ranks.__getitem__):
        table.append(f"| {SHOWN[label]} | {' | '.join(of[label] for of in columns.values())} |")
    return "\n".join(table)


def _check_rows(case: str, found: dict[str, Any]) -> None:
    """End if methods were measured on other rows, as runs of before a split changed would be."""
    for label, of in found.items():
        for seed, one in of.items():
            counts, own = (
                {"training": x["n_train"], **{name: y["n"] for name, y in x["patterns"].items()}}
                for x in (one, found[DEFAULT][seed])
            )
            if counts != own:
                raise SystemExit(
                    f"{case}, seed {seed}: {label} has rows {counts}, {DEFAULT} {own}. "
                    "Remove the runs of an earlier split."
                )


def _text(
    methods: list[str], lines: list[Line], noise: list[Any], seconds: list[Any], sizes: list[Any]
) -> str:
    return "\n".join(
        [
            "# The default beside other methods",
            "",
            "Test rows, accuracy in %. A pattern is measured on the test rows that have all of it. "
            "Written by `python benchmarks/recipe/against_all.py STORES RUNS --write`; the cases "
            "are in `benchmarks/recipe/cases.py`. [What the default is](../recipes.md) was chosen "
            "on inner splits of seeds 0 and 1, which hold no test row of their own seed; test rows "
            "of one seed lie mostly inside the training part of another, except where a data set "
            "has its own split.",
            "",
            "## Mean rank first",
            "",
            *_ranks(lines, methods),
            "",
            "## By data and pattern",
            "",
            "![The default minus the best other method, by data and pattern](default.svg)",
            "",
            "The best other method is found anew for every line, on these test rows, which "
            "flatters it. *Seeds*: of the default, and how many of them the other has, too. A "
            "method is set against the default at the seeds that both have: the difference is "
            "their mean, ± its standard error, and the other's accuracy the default's less that "
            "difference. *ECE* (15 bins, in %) and log loss are the default's. *Chance*: about the "
            "ECE of honest probabilities of as many rows, from the seeds measured with it.",
            "",
            *_table(lines),
            "",
            _calibrated(lines),
            "",
            "## Noise",
            "",
            "Gaussian noise of one standard deviation of each feature, on each modality in turn "
            "and on all: the mean accuracy. The router keeps no standard deviations and was not "
            "measured.",
            "",
            *_grid("data", methods, [(name, row, "{:.1f}") for name, row in noise]),
            "",
            "## Time to fit",
            "",
            "Seconds of processor time, one thread, with other work beside it: compare within a "
            "line only.",
            "",
            *_grid(
                "data (training rows)",
                methods,
                [(f"{name} ({n:,})", row, "{:.0f}") for name, n, row in seconds],
            ),
            "",
            "## Size, and time to predict",
            "",
            "Megabytes of the saved model, and rows predicted in a second on one core from their "
            "embeddings, with other work beside it.",
            "",
            *_grid("data", methods, [(name, row, "{}") for name, row in sizes]),
            "",
        ]
    )


def _mean_ranks(lines: list[Line], methods: list[str]) -> dict[str, float]:
    return {
        m: float(np.mean([1 + sum(v > x.mean[m] for v in x.mean.values()) for x in lines]))
        for m in methods
    }


def _ranks(lines: list[Line], methods: list[str]) -> list[str]:
    ranks = _mean_ranks(lines, methods)
    means = {m: np.mean([x.mean[m] for x in lines]) for m in methods}
    table = ["| method | mean rank | mean accuracy |", "| --- | --- | --- |"]
    for label in sorted(methods, key=ranks.__getitem__):
        table.append(f"| {label} | {ranks[label]:.1f} | {means[label]:.1f} |")
    return table


def _table(lines: list[Line]) -> list[str]:
    columns = (
        "data", "present", "seeds", "default", "best other", "", "difference", "ECE", "chance",
        "log loss",
    )  # fmt: skip
    table = [f"| {' | '.join(columns)} |", "|" + " --- |" * len(columns)]
    for line in lines:
        gap, error = line.gap
        ece, chance, loss = map(line.own_mean, ("ece", "ece_by_chance", "log_loss"))
        spread = "" if np.isnan(error) else f" ± {error:.1f}"
        table.append(
            f"| {line.case} | {line.pattern} | {_seeds(line)} | {line.mean[DEFAULT]:.1f} | "
            f"{line.mean[line.best]:.1f} | {line.best} | {gap:+.1f}{spread} | {ece:.1f} | "
            f"{'–' if np.isnan(chance) else f'{chance:.1f}'} | {loss:.2f} |"
        )
    return table


def _calibrated(lines: list[Line]) -> str:
    """How many patterns are calibrated as well as chance lets one see."""
    ece, chance = (np.array([x.own_mean(key) for x in lines]) for key in ("ece", "ece_by_chance"))
    known = ~np.isnan(chance)
    ece, chance = ece[known], chance[known]
    above = ece > 3
    return (
        f"Of {known.sum()} patterns the ECE is above 3 % in {above.sum()}; in "
        f"{(above & (chance > 3)).sum()} of these honest probabilities would be, too. It is within "
        f"one point of chance in {(ece <= chance + 1).sum()}, more than three above it in "
        f"{(ece > chance + 3).sum()}."
    )


def _seeds(line: Line) -> str:
    of, own = len(line.accuracy[line.best]), len(line.own)
    return f"{own}" if of == own else f"{own}, {of}"


def _grid(
    first: str, methods: list[str], rows: list[tuple[str, dict[str, float], str]]
) -> list[str]:
    table = [f"| {first} | {' | '.join(methods)} |", "| --- |" + " --- |" * len(methods)]
    for name, row, form in rows:
        cells = ["–" if row[m] is None else form.format(row[m]) for m in methods]
        table.append(f"| {name} | {' | '.join(cells)} |")
    return table


def _noise(of: dict[int, Any]) -> float | None:
    means = [np.mean(list(one["noise"].values())) for one in of.values() if one["noise"]]
    return float(np.mean(means)) if means else None


def _size(of: dict[int, Any]) -> str | None:
    known = [one for one in of.values() if "megabytes" in one]
    if not known:
        return None
    megabytes, rate = (
        np.median([one[key] for one in known]) for key in ("megabytes", "rows_per_second")
    )
    return f"{megabytes:.1f} MB, {rate:,.0f}/s"


def _figure(lines: list[Line], path: Path) -> None:
    """A dot per case and pattern: the default minus the best other, with its standard error."""
    plt.rcParams["svg.hashsalt"] = "srmm"
    figure, axes = plt.subplots(figsize=(8, 0.24 * len(lines) + 1))
    gaps, errors = np.array([line.gap for line in lines]).T
    rows = np.arange(len(lines))[::-1]
    colors = np.where(gaps >= 0, "#0b63b0", "#c0460b")
    axes.axvline(0, color="#555", lw=1)
    axes.hlines(rows, 0, gaps, colors=colors, lw=2)
    known = ~np.isnan(errors)
    axes.errorbar(gaps[known], rows[known], xerr=errors[known], fmt="none", ecolor="#333", lw=1)
    axes.scatter(gaps, rows, c=colors, s=22, zorder=3)
    axes.set_yticks(rows, [f"{line.case}: {line.pattern}" for line in lines], fontsize=7)
    axes.set_xlabel("accuracy of the default minus that of the best other method, in points")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.margins(y=0.01)
    figure.savefig(path, bbox_inches="tight", metadata={"Date": None})


def _found(runs: Runs, case: str, label: str) -> dict[int, Any]:
    start = f"{case}, {label}, "
    return {
        int(name.removeprefix(start)): found
        for name, found in runs.items()
        if name.startswith(start) and name.removeprefix(start).isdigit()
    }
