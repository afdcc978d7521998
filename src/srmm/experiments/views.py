"""Views, which write experiments: Markdown in the paper's shape, numbers for JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from srmm.errors import several
from srmm.evaluation.missing import relative_drop
from srmm.experiments.analyses import calibration_view, imbalance, missingness, patterns
from srmm.experiments.catalogue import COUNTERPARTS
from srmm.experiments.markdown import (
    Written,
    grid,
    heading,
    mean,
    methods_down,
    said,
    score_in,
)
from srmm.experiments.measure import single_draw
from srmm.experiments.plan import Run
from srmm.experiments.spec import Setting, Variant
from srmm.report.words import mean_sd

View = Callable[[Sequence[Run], Path], Written]


def table(runs: Sequence[Run], output: Path) -> Written:
    """Methods down, settings across, the best of each in bold: Tables VI to IX.

    The paper has settings down, as has the table of published figures here; for 28 methods that
    would be too wide to read.
    """
    markdown: list[str] = []
    numbers: list[dict[str, Any]] = []
    for run in runs:
        measured = _measured(run, numbers)
        grid_ = methods_down(
            [said(setting) for setting in run.settings],
            measured,
            [[mean(values) for values in _values(numbers, run, v)] for v in run.variants],
        )
        markdown += [f"## {heading(run)}", "", *grid_, ""]
        markdown += _published(run, numbers)
    return Written(markdown, numbers)


def drop(runs: Sequence[Run], output: Path) -> Written:
    """Methods and settings down, with the relative drop Δ↓: Tables I and XI."""
    markdown: list[str] = []
    numbers: list[dict[str, Any]] = []
    for run in runs:
        measured = _measured(run, numbers)
        rows = []
        for variant in run.variants:
            values = _values(numbers, run, variant)
            for i, setting in enumerate(run.settings):
                pairs = zip(values[0], values[i], strict=True)
                drops = [relative_drop(a, b) for a, b in pairs if a is not None and b is not None]
                shown = f"{100 * np.mean(drops):.1f} %" if i and drops else "–"
                name = variant.column if i == 0 else ""
                rows.append(
                    [name, *_setting_cells(run, setting), measured[variant.column][i], shown]
                )
        markdown += [f"## {heading(run)}", ""]
        markdown += [*grid(["method", *_setting_heads(run), run.metric, "Δ↓"], rows), ""]
        markdown += _published(run, numbers)
    return Written(markdown, numbers)


def ranking(runs: Sequence[Run], output: Path) -> Written:
    """One line per method, the best first: Tables II to V."""
    markdown: list[str] = []
    numbers: list[dict[str, Any]] = []
    for run in runs:
        measured = _measured(run, numbers)
        order = sorted(
            run.variants, key=lambda v: -np.nan_to_num(mean(_values(numbers, run, v)[0]))
        )
        f1 = {e["method"]: mean_sd(e["macro_f1"]) for e in numbers if e["data"] == run.data.name}
        rows = [[v.column, measured[v.column][0], f1[v.column]] for v in order]
        head = ["method", run.metric, "macro-F1"]
        markdown += [f"## {heading(run)}", "", *grid(head, rows), ""]
        markdown += _published(run, numbers)
    return Written(markdown, numbers)


def encoders(runs: Sequence[Run], output: Path) -> Written:
    """A line per store, that is per combination of encoders: Table X."""
    from srmm.experiments.published import TABLE_10

    numbers: list[dict[str, Any]] = []
    columns = list(dict.fromkeys(v.column for run in runs for v in run.variants))
    rows = []
    for run in runs:
        measured = _measured(run, numbers)
        cells = [measured[column][0] if column in measured else "–" for column in columns]
        rows.append([run.data.name, _made_by(run), *cells])
    seeds = several(len(runs[0].seeds), "seed")
    markdown = [f"## {runs[0].metric} in % ({seeds})", ""]
    markdown += [*grid(["data", "encoders (size)", *columns], rows), ""]
    lines = [
        [image or "–", text or "–", f"{value:.1f}"] for (image, text), value in TABLE_10.items()
    ]
    markdown += ["Published (Saeed et al. 2024, Table X; food101):", ""]
    markdown += grid(["image", "text", "accuracy"], lines)
    return Written(markdown, numbers)


def parameters(runs: Sequence[Run], output: Path) -> Written:
    """Trainable parameters, counted in the trained networks: section VI."""
    from srmm.experiments.published import PARAMETERS

    numbers: list[dict[str, Any]] = []
    markdown: list[str] = []
    for run in runs:
        rows = []
        for variant in run.variants:
            about = run.outcome(variant, run.seeds[0], run.settings[0]).about
            count = about["model"]["n_parameters"]
            seconds = about["seconds"]["fit"]
            rows.append([variant.column, f"{count:,}" if count else "–", f"{seconds:.1f}"])
            numbers.append(
                {"data": run.data.name, "method": variant.column, "parameters": count,
                 "fit_seconds": seconds}
            )  # fmt: skip
        dims = ", ".join(f"{m} {d}" for m, d in run.data.embeddings.embedding_dims.items())
        markdown += [f"## {heading(run, 'parameters')} ({dims})", ""]
        markdown += [*grid(["method", "parameters", "seconds to fit (one seed)"], rows), ""]
    said = ", ".join(f"{name} {count / 1e6:.2f} M" for name, count in PARAMETERS.items())
    markdown.append(f"Published for 768-d embeddings and 101 classes (section VI): {said}.")
    return Written(markdown, numbers)


def curves(runs: Sequence[Run], output: Path) -> Written:
    """Fig. 4, and its numbers as a table."""
    from srmm.experiments.figures import draw_curves

    written = table(runs, output)
    names = draw_curves(runs, written.numbers, output)
    pictures = [f"![{run.data.name}]({name})" for run, name in zip(runs, names, strict=True)]
    return Written([*pictures, "", *written.markdown], written.numbers)


def tsne(runs: Sequence[Run], output: Path) -> Written:
    """Fig. 5: a grid of t-SNE maps."""
    from srmm.experiments.figures import draw_tsne

    names = [draw_tsne(run, output) for run in runs]
    pictures = [f"![{run.data.name}]({name})" for run, name in zip(runs, names, strict=True)]
    return Written(pictures, [])


VIEWS: dict[str, View] = {
    "table": table,
    "drop": drop,
    "ranking": ranking,
    "encoders": encoders,
    "parameters": parameters,
    "patterns": patterns,
    "calibration": calibration_view,
    "missingness": missingness,
    "imbalance": imbalance,
    "curves": curves,
    "tsne": tsne,
}


def _measured(run: Run, numbers: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Per column its cells in the order of the settings; appends to `numbers`."""
    shown: dict[str, list[str]] = {}
    for variant in run.variants:
        shown[variant.column] = []
        for index, setting in enumerate(run.settings):
            entry: dict[str, Any] = {
                "data": run.data.name,
                "method": variant.column,
                "setting": index,
                "train": dict(setting.train),
                "test": dict(setting.test),
                "sigma": setting.sigma,
                "metric": run.metric,
                "values": [score_in(run, variant, seed, setting, setting) for seed in run.seeds],
                "macro_f1": [
                    score_in(run, variant, seed, setting, setting, "macro_f1") for seed in run.seeds
                ],
            }
            if any(0 < rate < 1 for rate in setting.test.values()):
                entry["single_draws"] = [
                    single_draw(run.outcome(variant, seed, setting), setting, run.modalities,
                                run.metric, seed)
                    for seed in run.seeds
                ]  # fmt: skip
            if setting.sigma:
                entry["noise"] = [
                    run.outcome(variant, seed, setting).about["noise"] for seed in run.seeds
                ]
            numbers.append(entry)
            shown[variant.column].append(mean_sd(entry["values"]))
    return shown


def _made_by(run: Run) -> str:
    """ "image: efficientnet-lite0 (1280), text: doc2vec (300)"; files of this machine unnamed."""
    parts = []
    for name, size in run.data.embeddings.embedding_dims.items():
        spec = run.data.embeddings.encoders.get(name, {}).get("spec") or "unknown"
        kind, _, where = spec.partition(":")
        parts.append(f"{name}: {kind if Path(where).is_absolute() else spec} ({size})")
    return ", ".join(parts)


def _values(
    numbers: Sequence[dict[str, Any]], run: Run, variant: Variant
) -> list[list[float | None]]:
    """Per setting the values over seeds."""
    return [
        entry["values"]
        for entry in numbers
        if (entry["data"], entry["method"]) == (run.data.name, variant.column)
    ]


def _setting_heads(run: Run) -> list[str]:
    heads = [
        f"{split} {name}"
        for split in ("train", "test")
        if split == "test" or any(setting.train for setting in run.settings)
        for name in run.modalities
    ]
    return ([*heads, "σ"]) if any(setting.sigma for setting in run.settings) else heads


def _setting_cells(run: Run, setting: Setting) -> list[str]:
    """What is available, in %, as the paper prints it."""
    cells = []
    for head in _setting_heads(run):
        split, _, name = head.partition(" ")
        if head == "σ":
            cells.append(f"{setting.sigma:g}")
        else:
            rates = setting.train if split == "train" else setting.test
            cells.append(f"{100 * (1 - rates.get(name, 0)):.0f} %")
    return cells


def _published(run: Run, numbers: Sequence[dict[str, Any]]) -> list[str]:
    """The paper's columns beside our counterparts; differences on its own data only.

    Beside other data stand the figures of the paper's set that is most like it.
    """
    lines: list[str] = []
    columns = {variant.column: variant for variant in run.variants}
    settings = run.settings
    like = "voxceleb1" if "audio" in run.modalities else "food101"
    published = run.experiment.published
    for name in (run.data.name, like, "food101"):
        if any(figures.dataset == name for figures in published):
            published = tuple(figures for figures in published if figures.dataset == name)
            break
    for figures in published:
        size = len(next(iter(figures.values.values())))
        # Other rows than the paper's: more modalities than its two, or the other one dropped.
        if len(settings) != size or (size > 1 and not run.comparable):
            continue
        same = figures.dataset == run.data.name
        head = _setting_heads(run)
        rows = [_setting_cells(run, setting) for setting in settings]
        for name, values in figures.values.items():
            ours = columns.get(COUNTERPARTS.get(name, ""))
            head += [f"{name}, published"] + ([f"{ours.column}, ours"] if ours else [])
            head += ["difference"] if ours and same else []
            mine = _values(numbers, run, ours) if ours else []
            for i, value in enumerate(values):
                rows[i].append("–" if value is None else f"{value:.1f}")
                if ours:
                    rows[i].append(mean_sd(mine[i]))
                if ours and same:
                    gap = None if value is None else 100 * mean(mine[i]) - value
                    rows[i].append("–" if gap is None else f"{gap:+.1f}")
        what = "" if same else f" Other data than ours ({run.data.name}): compare the shape only."
        lines += [f"Published for {figures.dataset}, {figures.metric} ({figures.source}).{what}"]
        lines += ["", *grid(head, rows), ""]
    return lines
