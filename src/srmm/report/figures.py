"""The report's line charts, drawn with matplotlib: missing-rate curves, corruption, training.

They are `Figure` objects under a style of their own: no pyplot, no backend, and the user's
rcParams neither matter nor change.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D

from srmm.errors import InputError
from srmm.report.findings import (
    Report,
    alone_beside,
    baseline_curve,
    baseline_names,
    drawable_curves,
)
from srmm.report.style import (
    LIGHT,
    LineStyle,
    add_tips,
    draw_line,
    line_handle,
    line_styles,
    numbers,
    report_style,
    to_svg,
)
from srmm.report.words import METRICS, interval, is_number, percent, shorten

Panel = tuple[str, Markup]

_PANEL = (5.2, 3.6)
_LONGEST_NAME = 36


def curves_figure(report: Report, metric: str = "accuracy") -> Figure:
    """The missing-rate curves (the paper's Fig. 4), one panel per modality that goes missing.

    Raises `InputError` if the report has no curves, as where no test row has two modalities.
    """
    curves = drawable_curves(report, metric)
    if not curves:
        raise InputError(
            f"The report has no missing-rate curves of {metric!r} to draw: they need test rows "
            "that have two modalities or more."
        )
    columns = min(len(curves), 2)
    rows = math.ceil(len(curves) / columns)
    with report_style():
        size = (4.7 * columns, 3.6 * rows + 0.5)
        figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1))
        grid = figure.subplots(rows, columns, sharey=True, squeeze=False)
        for i, (axes, modality) in enumerate(zip(grid.flat, curves, strict=False)):
            _draw_curve(axes, report, modality, metric)
            if i % columns:
                axes.set_ylabel("")
            title = f"{shorten(modality, _LONGEST_NAME)} goes missing"
            axes.set_title(title, loc="left", pad=10, parse_math=False)
        for axes in list(grid.flat)[len(curves) :]:
            axes.remove()
        handles = [line_handle(style) for style in drawn_styles(report, metric).values()]
        longest = max(len(str(handle.get_label())) for handle in handles)
        columns = min(len(handles), 4 if longest <= _LONGEST_NAME else columns)
        legend = figure.legend(handles=handles, loc="outside lower center", ncols=columns)
        for text in legend.get_texts():
            text.set_parse_math(False)
    return figure


def curve_panels(report: Report, metric: str) -> list[Panel]:
    """(modality, SVG) of each panel of `curves_figure`, for a page that lays them out itself."""
    panels: list[Panel] = []
    for modality in drawable_curves(report, metric):
        with report_style():
            figure = Figure(figsize=_PANEL, layout="constrained")
            axes = figure.subplots()
            _draw_curve(axes, report, modality, metric)
            add_tips(axes, *_curve_tips(report, modality, metric))
        about = f"{METRICS[metric]} while {modality} goes missing, from 0 to 100 percent"
        panels.append((modality, to_svg(figure, f"curve-{metric}-{len(panels)}", about)))
    return panels


def drawn_styles(report: Report, metric: str) -> dict[str, LineStyle]:
    """The styles of the lines that are in the curves: the legend."""
    drawn = {""}
    for modality in drawable_curves(report, metric):
        drawn |= {name for name, _, _ in _baseline_lines(report, modality, metric)}
    return {name: style for name, style in line_styles(report).items() if name in drawn}


def curve_limits(report: Report, metric: str) -> tuple[float, float]:
    """The vertical axis that all panels share, in percent; it starts at a multiple of ten."""
    values: list[float] = []
    for modality, curve in drawable_curves(report, metric).items():
        values += np.concatenate(_spread(curve, metric)).tolist()
        for _, _, line in _baseline_lines(report, modality, metric):
            values += line.tolist()
    known = [value for value in values if math.isfinite(value)] or [0.0, 100.0]
    low = 10 * math.floor((min(known) - 1) / 10)
    return max(0.0, low), min(100.0, 5 * math.ceil((max(known) + 1) / 5))


def corruption_panels(report: Report) -> list[Panel]:
    """(scale, SVG): accuracy and macro-F1 under Gaussian noise, one panel per scale of σ."""
    rows = report.get("corruption") or []
    units = {
        "absolute": "in the embeddings' own units",
        "relative": "in standard deviations of each feature",
    }
    looks = {
        "accuracy": LineStyle("accuracy", "c0", (), "o", 2.3),
        "macro_f1": LineStyle("macro-F1", "c3", (5.0, 2.5), "D", 1.8),
    }
    panels: list[Panel] = []
    for scale in dict.fromkeys(row["scale"] for row in rows):
        chosen = sorted((row for row in rows if row["scale"] == scale), key=lambda r: r["sigma"])
        sigmas = numbers([row["sigma"] for row in chosen])
        tips = []
        for row in chosen:
            said = [f"{look.label} {_with_sd(row, key)}" for key, look in looks.items()]
            tips.append("\n".join([f"σ = {row['sigma']:g}", *said]))
        with report_style():
            figure = Figure(figsize=(_PANEL[0], 3.0), layout="constrained")
            axes = figure.subplots()
            for metric, look in looks.items():
                y = 100 * numbers([row.get(metric) for row in chosen])
                sd = 100 * np.nan_to_num(numbers([row.get(f"{metric}_sd") for row in chosen]))
                draw_line(axes, sigmas, y, look)
                low, high = np.clip([y - sd, y + sd], 0, 100)
                axes.fill_between(sigmas, low, high, color=LIGHT[look.colour], alpha=0.15, lw=0)
            axes.set_ylim(0, 100)
            axes.set(xlabel=f"σ of the noise, {units.get(scale, scale)}", ylabel="%")
            axes.legend(handles=[line_handle(look) for look in looks.values()], loc="best")
            add_tips(axes, sigmas, tips)
        about = f"accuracy and macro-F1 under Gaussian noise of growing {scale} sigma"
        panels.append((scale, to_svg(figure, f"corruption-{len(panels)}", about)))
    return panels


def training_panels(report: Report) -> list[Panel]:
    """(what, SVG): the losses and the validation accuracy per epoch, the chosen epoch marked."""
    training = report["training"]
    history = training.get("history") or []
    epochs = numbers([entry["epoch"] for entry in history])
    marks = {
        "Loss": {
            "train_loss": LineStyle("training", "c1", (5.0, 2.5), "", 1.8),
            "validation_loss": LineStyle("validation", "c0", (), "", 2.1),
        },
        "Accuracy": {"validation_accuracy": LineStyle("validation", "c0", (), "", 2.1)},
    }
    panels: list[Panel] = []
    for title, looks in marks.items():
        series = {key: numbers([entry.get(key) for entry in history]) for key in looks}
        known = {key: values for key, values in series.items() if np.isfinite(values).any()}
        if not known:
            continue
        with report_style():
            figure = Figure(figsize=(_PANEL[0], 2.7), layout="constrained")
            axes = figure.subplots()
            for key, values in known.items():
                # One epoch alone is no line: mark it.
                look = looks[key] if len(epochs) > 1 else looks[key]._replace(marker="o")
                draw_line(axes, epochs, values * (100 if title == "Accuracy" else 1), look)
            axes.set(xlabel="epoch", ylabel="%" if title == "Accuracy" else "cross entropy")
            axes.locator_params(axis="x", integer=True)
            handles = [line_handle(looks[key]) for key in known]
            best = training.get("best_epoch")
            if is_number(best):
                axes.axvline(best, color=LIGHT["ink"], lw=1, ls=(0, (2, 2)))
                handles.append(Line2D([], [], color=LIGHT["ink"], lw=1, ls=(0, (2, 2))))
                handles[-1].set_label(f"epoch kept ({best})")
            axes.legend(handles=handles, fontsize=8.5)
            add_tips(axes, epochs, [_epoch_tip(entry) for entry in history])
        panels.append((title, to_svg(figure, f"training-{len(panels)}", f"{title} per epoch")))
    return panels


def _draw_curve(axes: Axes, report: Report, modality: str, metric: str) -> None:
    """One panel: the method with its band, unimodal models level and dotted, others dashed."""
    curve, styles = drawable_curves(report, metric)[modality], line_styles(report)
    rates = 100 * numbers(curve["missing_rate"])
    for name, x, y in _baseline_lines(report, modality, metric):
        draw_line(axes, x, y, styles[name], size=6)
    low, high = _spread(curve, metric)
    axes.fill_between(rates, low, high, color=LIGHT[styles[""].colour], alpha=0.16, lw=0)
    draw_line(axes, rates, 100 * numbers(curve[metric]), styles[""])
    axes.set_xlim(-2, 102)
    axes.set_ylim(*curve_limits(report, metric))
    axes.set_xticks(range(0, 101, 20))
    axes.locator_params(axis="y", nbins=6)
    named = shorten(modality, _LONGEST_NAME)  # a figure cuts off what is longer than it
    axes.set_xlabel(f"{named} missing, %", parse_math=False)
    axes.set_ylabel(f"{METRICS[metric]}, %")
    above = axes.secondary_xaxis("top", functions=(_other_share, _other_share))
    above.set_xticks(range(0, 101, 20))
    above.tick_params(length=0, labelsize=8.5)
    above.spines["top"].set_visible(False)
    above.set_xlabel(f"{named} available, %", fontsize=8.5, parse_math=False)


def _other_share(percentage: Any) -> Any:
    return 100 - percentage


def _baseline_lines(
    report: Report, modality: str, metric: str
) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """(name, missing rates, values), both in percent: two points for a unimodal model's level."""
    lines = []
    for name in baseline_names(report):
        if name.startswith("unimodal:"):
            entry = alone_beside(report, name, modality)
            if is_number(entry.get(metric)):
                lines.append((name, np.array([0.0, 100.0]), np.full(2, 100.0 * entry[metric])))
            continue
        curve = baseline_curve(report, name, modality)
        if curve.get("missing_rate") and curve.get(metric):
            lines.append((name, 100 * numbers(curve["missing_rate"]), 100 * numbers(curve[metric])))
    return lines


def _curve_tips(report: Report, modality: str, metric: str) -> tuple[np.ndarray, list[str]]:
    curve, styles = drawable_curves(report, metric)[modality], line_styles(report)
    rates = 100 * numbers(curve["missing_rate"])
    low, high = _spread(curve, metric)
    tips = []
    for i, rate in enumerate(rates):
        value = f"{styles[''].label} {percent(curve[metric][i])} %"
        bounds = interval([low[i] / 100, high[i] / 100])
        said = [f"{rate:g} % missing, {100 - rate:g} % available", f"{value} ({bounds})"]
        for name, x, y in _baseline_lines(report, modality, metric):
            said.append(f"{styles[name].label} {percent(np.interp(rate, x, y) / 100)} %")
        tips.append("\n".join(said))
    return rates, tips


def _spread(curve: Mapping[str, Any], metric: str) -> tuple[np.ndarray, np.ndarray]:
    """Low and high end of the band in percent: the interval, or one standard deviation each way."""
    values = numbers(curve[metric])
    if curve.get(f"{metric}_ci"):
        bounds = np.array([numbers(ends or (None, None)) for ends in curve[f"{metric}_ci"]])
        return 100 * bounds[:, 0], 100 * bounds[:, 1]
    sd = np.nan_to_num(numbers(curve.get(f"{metric}_sd") or [0.0] * len(values)))
    # A spread says nothing beyond what a share can be.
    return 100 * np.clip(values - sd, 0, 1), 100 * np.clip(values + sd, 0, 1)


def _epoch_tip(entry: Mapping[str, Any]) -> str:
    said = [f"epoch {entry['epoch']}"]
    for key, value in entry.items():
        if key != "epoch" and is_number(value):
            shown = f"{percent(value)} %" if key.endswith("accuracy") else f"{value:.3f}"
            said.append(f"{key.replace('_', ' ')} {shown}")
    return "\n".join(said)


def _with_sd(row: Mapping[str, Any], metric: str) -> str:
    sd = row.get(f"{metric}_sd")
    return f"{percent(row.get(metric))} %" + (f" ± {percent(sd)}" if is_number(sd) else "")
