"""One look for everything the report draws: colours, line styles, and how a figure becomes SVG."""

from __future__ import annotations

import contextlib
import io
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import matplotlib
import matplotlib.style
import numpy as np
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from srmm.report.findings import Report, baseline_names
from srmm.report.words import baseline_text, is_number, method_text

PALETTE: dict[str, tuple[str, str]] = {
    "surface": ("#ffffff", "#1a1e26"),
    "ink": ("#1b2230", "#e8eaee"),
    "muted": ("#5b6576", "#a3adbb"),
    "rule": ("#dde1e7", "#363e4b"),
    # Eight colours after Okabe and Ito, darkened (lightened) to 3:1 against the surface.
    "c0": ("#0068b0", "#58b0f2"),
    "c1": ("#cc4e00", "#ff9350"),
    "c2": ("#008262", "#35c79d"),
    "c3": ("#b14a86", "#ea9ccb"),
    "c4": ("#846a00", "#dcc148"),
    "c5": ("#2f8fc7", "#9adcff"),
    "c6": ("#5a4fa5", "#b0a4ff"),
    "c7": ("#4b4b4b", "#c9c9c9"),
}
"""Role → colour in light and in dark mode. Every figure and the style sheet take theirs here."""

LIGHT = {role: light for role, (light, _) in PALETTE.items()}

_RC: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib: the same bytes everywhere
    "font.size": 9.5,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlecolor": LIGHT["ink"],
    "axes.edgecolor": LIGHT["rule"],
    "axes.labelcolor": LIGHT["muted"],
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "grid.color": LIGHT["rule"],
    "grid.linewidth": 0.7,
    "text.color": LIGHT["ink"],
    "xtick.color": LIGHT["rule"],
    "xtick.labelcolor": LIGHT["muted"],
    "ytick.color": LIGHT["rule"],
    "ytick.labelcolor": LIGHT["muted"],
    "ytick.left": False,
    "figure.facecolor": LIGHT["surface"],
    "savefig.facecolor": "auto",
    "legend.frameon": False,
    "legend.handlelength": 3.2,
    "svg.fonttype": "none",
}


class LineStyle(NamedTuple):
    """How one method's line looks everywhere: told apart by dash and marker, not only by colour."""

    label: str
    colour: str  # a role of PALETTE
    dash: tuple[float, ...]  # on, off, … in points; empty for a solid line
    marker: str  # of matplotlib; empty for none
    width: float


def line_styles(report: Report) -> dict[str, LineStyle]:
    """The style of the method's line (under the key "") and of every baseline's."""
    styles = {"": LineStyle(method_text(report["model"]["method"]), "c0", (), "o", 2.3)}
    names = baseline_names(report)
    alone = iter([("c2", "^"), ("c3", "D"), ("c4", "v"), ("c6", "P")] * len(names))
    others = iter([("c7", (7.0, 2.0, 1.5, 2.0), "X"), ("c5", (9.0, 3.0), "*")] * len(names))
    for name in names:
        if name.startswith("unimodal:"):
            colour, marker = next(alone)
            style = LineStyle(baseline_text(name), colour, (1.2, 2.0), marker, 1.8)
        elif name == "router":
            style = LineStyle(baseline_text(name), "c1", (5.0, 2.5), "s", 1.8)
        else:
            style = LineStyle(baseline_text(name), *next(others), 1.6)
        styles[name] = style
    return styles


@contextlib.contextmanager
def report_style() -> Iterator[None]:
    """Matplotlib's defaults with the report's style on top; the user's rcParams come back after."""
    with matplotlib.style.context(["default", _RC]):
        yield


def draw_line(
    axes: Axes, x: np.ndarray, y: np.ndarray, style: LineStyle, size: float = 5.5
) -> None:
    """Add a line in this style to the axes and make room for it."""
    axes.add_line(line_handle(style, x, y, size))
    axes.autoscale_view()


def line_handle(
    style: LineStyle, x: Sequence[float] | np.ndarray = (), y: Any = (), size: float = 5.5
) -> Line2D:
    """A line in this style; without points, the sample that a legend shows."""
    return Line2D(
        x,
        y,
        color=LIGHT[style.colour],
        lw=style.width,
        ls=(0, style.dash) if style.dash else "-",
        marker=style.marker or None,
        markersize=size * (1.3 if style.marker in ("^", "v") else 1),
        markeredgecolor=LIGHT["surface"],
        markeredgewidth=0.8,
        label=style.label,
        clip_on=False,
    )


def add_tips(axes: Axes, x: np.ndarray, texts: Sequence[str]) -> None:
    """Invisible columns, one around each x, that `to_svg` gives a hover title."""
    if len(x) < 2:
        return
    middles = (x[1:] + x[:-1]) / 2
    edges = np.concatenate([[x[0] - (middles[0] - x[0])], middles, [x[-1] + (x[-1] - middles[-1])]])
    limits = axes.get_xlim()
    for left, right, text in zip(edges, edges[1:], texts, strict=False):
        column = axes.axvspan(left, right, color=LIGHT["ink"], alpha=0, lw=0, zorder=9)
        column.set_gid("tip:" + text.replace('"', "”"))
    axes.set_xlim(limits)


def number(value: Any) -> float:
    """The value as a float, NaN where the report has none."""
    return float(value) if is_number(value) else math.nan


def numbers(values: Sequence[Any]) -> np.ndarray:
    """The values as an array, NaN where the report has none."""
    return np.array([number(value) for value in values], dtype=float)


def to_svg(figure: Figure, name: str, about: str) -> Markup:
    """The figure as an `<svg>` element for a page: themed by CSS, labelled, the same bytes always.

    Its ids get `name` as a prefix, as a page holds several figures. Matplotlib's prolog, metadata
    and style sheet (which would hit the whole page) are left out.
    """
    buffer = io.StringIO()
    with report_style(), matplotlib.rc_context({"svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    start = text.index("<svg")
    end = text.index(">", start)
    viewbox = re.search(r'viewBox="([^"]+)"', text[start:end])
    assert viewbox is not None
    body = text[end + 1 : text.rindex("</svg>")]
    body = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", body, flags=re.DOTALL)
    body = re.sub(r'<g id="tip:([^"]*)">', r'<g class="tip"><title>\1</title>', body)
    body = body.replace("xlink:href", "href")
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', body))
    body = re.sub(r' id="([^"]+)"', lambda m: f' id="{name}-{m[1]}"' if m[1] in used else "", body)
    body = re.sub(r'(href="#|url\(#)', rf"\g<1>{name}-", body)
    for role, colour in LIGHT.items():
        body = body.replace(colour, f"var(--{role})")
    head = f'<svg class="figure" role="img" aria-label="{escape(about)}" viewBox="{viewbox[1]}">'
    return Markup(f"{head}{body.strip()}</svg>")
