"""Figures on how far to trust a model: reliability diagrams, and accuracy of what is answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from srmm.errors import several
from srmm.report.findings import Report, modality_names
from srmm.report.style import LIGHT, LineStyle, add_tips, draw_line, numbers, report_style, to_svg
from srmm.report.words import pattern_text, percent

_MOST_PANELS = 8
_FEWEST = 5  # items in a bin that is drawn: of fewer, its share is noise
_LOOK = LineStyle("accuracy", "c0", (), "o", 2.0)


def reliability_panels(report: Report) -> list[tuple[str, Any]]:
    """(title, SVG): accuracy against confidence, of the test set as it is and of patterns.

    Eight at most, and none that would be empty: `reliability_left` says how many there are beside.
    """
    panels = []
    for i, (title, entry) in enumerate(_drawable(report)[:_MOST_PANELS]):
        with report_style():
            figure = Figure(figsize=(3.2, 2.9), layout="constrained")
            _draw_reliability(figure.subplots(), entry)
        about = (
            f"Reliability diagram, {title}: share of right answers against the probability given; "
            f"calibration error {percent(entry['calibration_error'])} percent"
        )
        panels.append((title, to_svg(figure, f"reliability-{i}", about)))
    return panels


def reliability_left(report: Report) -> str:
    """How many diagrams are not drawn, as the end of a sentence; empty if all are."""
    drawable = len(_drawable(report))
    empty, more = len(_diagrams(report)) - drawable, max(0, drawable - _MOST_PANELS)
    if not empty + more:
        return ""
    parts = [several(empty, "empty diagram")] if empty else []
    parts += [f"{more} more" if empty else several(more, "more diagram")] if more else []
    return f"; {' and '.join(parts)} {'is' if empty + more == 1 else 'are'} left out"


def _diagrams(report: Report) -> list[tuple[str, Mapping[str, Any]]]:
    """(title, its numbers) of the test set as it is, and of each pattern if there are several."""
    trust = report.get("trust") or {}
    names = modality_names(report)
    diagrams: list[tuple[str, Mapping[str, Any]]] = []
    if trust.get("overall"):
        diagrams.append(("The test set as it is", trust["overall"]))
    if len(names) > 1:
        for entry in trust.get("patterns") or []:
            text = pattern_text(entry["present"], names)
            diagrams.append((f"With {text}", entry))
    return diagrams


def _drawable(report: Report) -> list[tuple[str, Mapping[str, Any]]]:
    return [(title, entry) for title, entry in _diagrams(report) if _bins(entry)]


def _bins(entry: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [b for b in entry["bins"] if b["n"] >= _FEWEST]


def selective_panel(report: Report) -> Any:
    """SVG of the accuracy on the items of highest probability against their share, or None."""
    chosen = (report.get("trust") or {}).get("selective")
    if not chosen:
        return None
    answered, accuracy = 100 * numbers(chosen["answered"]), 100 * numbers(chosen["accuracy"])
    with report_style():
        figure = Figure(figsize=(5.2, 3.0), layout="constrained")
        axes = figure.subplots()
        draw_line(axes, answered, accuracy, _LOOK._replace(marker=""))
        axes.set_xlim(0, 100)
        axes.set_ylim(min(90.0, float(accuracy.min()) - 2), 100.0)
        axes.set(xlabel="answered, %; the rest goes to a person", ylabel="right, %")
        said = zip(answered, accuracy, strict=True)
        tips = [f"{a:.0f} % answered: {r:.1f} % of them right" for a, r in said]
        add_tips(axes, answered, tips)
    about = "Accuracy of the items that are answered, against their share, the surest first"
    return to_svg(figure, "selective", about)


def _draw_reliability(axes: Axes, entry: Mapping[str, Any]) -> None:
    """Bins as points, their size the share of items; on the diagonal probabilities are honest."""
    bins = _bins(entry)
    x = 100 * numbers([b["confidence"] for b in bins])
    y = 100 * numbers([b["accuracy"] for b in bins])
    share = numbers([b["n"] for b in bins]) / max(entry["n"], 1)
    axes.plot([0, 100], [0, 100], color=LIGHT["muted"], lw=1, ls=(0, (3, 3)))
    axes.bar(x, share * 100, width=4, color=LIGHT["rule"], zorder=1)
    draw_line(axes, x, y, _LOOK)
    axes.set_xlim(0, 100)
    axes.set_ylim(0, 100)
    axes.set(xlabel="probability given, %", ylabel="right, %")
    said = zip(bins, x, y, strict=True)
    tips = [f"{several(b['n'], 'item')}: {c:.0f} % given, {r:.0f} % right" for b, c, r in said]
    add_tips(axes, x, tips)
