"""Fig. 4 (missing-rate curves with unimodal lines) and Fig. 5 (t-SNE grids), as PNG and SVG."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np

from srmm.experiments.plan import Run
from srmm.files import replacing_file
from srmm.report.style import LIGHT, report_style

_COLOURS = tuple(LIGHT[f"c{i}"] for i in range(8))
_DASHES = ("--", ":", "-.", (0, (1, 4)))
_POINTS = 1000  # per t-SNE map


@report_style()
def draw_curves(runs: Sequence[Run], numbers: Sequence[dict[str, Any]], output: Path) -> list[str]:
    """One picture per data set: accuracy over the missing rate, and levels of lone modalities.

    A modality alone has the colour of the curve that it is listed after, and its own dashes.
    """
    from matplotlib.figure import Figure

    names = []
    for run in runs:
        figure = Figure(figsize=(6.4, 4.2), layout="constrained")
        axes = figure.subplots()
        dropped = run.roles["dropped"]
        colours, color = cycle(_COLOURS), _COLOURS[0]
        for variant in run.variants:
            entries = [
                e for e in numbers
                if (e["data"], e["method"]) == (run.data.name, variant.column)
            ]  # fmt: skip
            rates = [100 * entry["test"].get(dropped, 0.0) for entry in entries]
            values = 100 * np.array([entry["values"] for entry in entries], dtype=float)
            mean = np.nanmean(values, axis=1)  # (rates,), over seeds
            sd = np.nanstd(values, axis=1, ddof=1) if values.shape[1] > 1 else 0 * mean
            if variant.method.startswith("unimodal:"):  # a level: that modality, always there
                alone = run.modalities.index(variant.method.removeprefix("unimodal:"))
                style = _DASHES[alone % len(_DASHES)]
                axes.axhline(mean[0], ls=style, lw=1.2, color=color, label=variant.column)
            else:
                color = next(colours)
                axes.plot(rates, mean, color=color, label=variant.column)
                axes.fill_between(rates, mean - sd, mean + sd, color=color, alpha=0.15, lw=0)
        axes.set_xlabel(f"{dropped} missing in test (%)")
        axes.set_ylabel(f"{run.metric} (%)")
        axes.set_title(run.data.name, loc="left")
        figure.legend(loc="outside lower center", ncols=2, fontsize=8)
        names.append(_save(figure, output, f"curves-{run.data.name}"))
    return names


@report_style()
def draw_tsne(run: Run, output: Path) -> str:
    """Methods down, {complete, each modality missing} across; colours are the largest classes."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure
    from sklearn.manifold import TSNE

    shown = run.settings
    figure = Figure(figsize=(3.1 * len(shown), 3.0 * len(run.variants)), layout="constrained")
    grid = figure.subplots(len(run.variants), len(shown), squeeze=False)
    rng = np.random.default_rng(0)
    rows: np.ndarray | None = None
    for line, variant in zip(grid, run.variants, strict=True):
        outcome = run.outcome(variant, run.seeds[0], shown[0])
        assert outcome.embeddings is not None
        if rows is None:
            complete = np.flatnonzero(outcome.present.all(axis=1))
            counts = np.bincount(outcome.y[complete])
            largest = np.argsort(-counts)[:10]
            complete = complete[np.isin(outcome.y[complete], largest)]
            rows = np.sort(rng.permutation(complete)[:_POINTS])
        color = np.argsort(np.argsort(largest))[np.searchsorted(np.sort(largest), outcome.y[rows])]
        for axes, setting in zip(line, shown, strict=True):
            there = np.array([name not in setting.test for name in run.modalities])
            code = int(there @ (1 << np.arange(len(there))))
            points = outcome.embeddings[code - 1, rows]
            perplexity = min(30, (len(points) - 1) / 3)
            where = TSNE(perplexity=perplexity, init="pca", random_state=0).fit_transform(points)
            axes.scatter(*where.T, s=5, c=colormaps["tab10"](color % 10), linewidths=0)
            axes.set_xticks([])
            axes.set_yticks([])
            axes.grid(False)
            gone = " and ".join(setting.test) if setting.test else ""
            axes.set_title(
                f"{variant.column}, {gone + ' missing' if gone else 'complete'}", fontsize=8
            )
    return _save(figure, output, f"tsne-{run.data.name}")


def _save(figure: Any, output: Path, name: str) -> str:
    """Write NAME.png and NAME.svg; the name of the PNG."""
    for ending in ("svg", "png"):
        with replacing_file(output / f"{name}.{ending}") as temporary:
            figure.savefig(temporary, format=ending, dpi=150)
    return f"{name}.png"
