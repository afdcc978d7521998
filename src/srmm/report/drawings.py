"""SVG drawn by hand, where there are many small marks and each has a hover title.

Interval bars, the confusion matrix, the t-SNE maps and the legends' samples. Colours are classes
or CSS variables of the page; every text from the data is escaped here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from markupsafe import Markup

from srmm.report.findings import Report, modality_names
from srmm.report.style import LineStyle
from srmm.report.words import (
    baseline_text,
    interval,
    is_number,
    label_text,
    pattern_text,
    percent,
    shorten,
)

MAP_POINTS = 2000
"""Points drawn per t-SNE panel; more would weigh megabytes and hide each other."""

_CLASS_COLOURS = 8
_CLASS_SHAPES = "osD^v"  # 5 and 8 have no common factor: 40 classes before a look returns
_POLYGONS = {
    "s": [(-0.86, -0.86), (0.86, -0.86), (0.86, 0.86), (-0.86, 0.86)],
    "D": [(-1.1, 0), (0, -1.1), (1.1, 0), (0, 1.1)],
    "^": [(-1.05, 0.8), (0, -1.05), (1.05, 0.8)],
    "v": [(-1.05, -0.8), (0, 1.05), (1.05, -0.8)],
    "X": [(-1, -0.6), (-0.6, -1), (1, 0.6), (0.6, 1), (0, 0.4), (-0.6, 1), (-1, 0.6), (1, -0.6)],
    "P": [
        (-0.4, -1),
        (0.4, -1),
        (0.4, 1),
        (-0.4, 1),
        (-0.4, 0.4),
        (-1, 0.4),
        (-1, -0.4),
        (1, -0.4),
    ],
}


def marker(shape: str, x: float, y: float, r: float) -> str:
    """The SVG path of one filled mark of half width `r` around (x, y); a circle if unknown."""
    if shape in _POLYGONS:
        corners = "L".join(f"{x + r * u:.1f} {y + r * v:.1f}" for u, v in _POLYGONS[shape])
        return f"M{corners}z"
    return f"M{x - r:.1f} {y:.1f}a{r:g} {r:g} 0 1 0 {2 * r:g} 0a{r:g} {r:g} 0 1 0-{2 * r:g} 0z"


def line_sample(style: LineStyle) -> Markup:
    """A legend's sample of a line: its colour, dash and marker."""
    dash = " ".join(f"{1.4 * part:g}" for part in style.dash)
    return Markup(
        '<svg class="sample" viewBox="0 0 44 14" aria-hidden="true">'
        '<path d="M2 7H42" style="stroke:var(--{0})" stroke-width="{1}" stroke-dasharray="{2}"/>'
        '<path d="{3}" style="fill:var(--{0})"/></svg>'
    ).format(style.colour, style.width, dash, marker(style.marker, 22, 7, 4.5))


class Scale(NamedTuple):
    """A horizontal axis of shares that all interval bars of a table have in common."""

    low: float
    high: float
    width: int = 160

    def x(self, share: float) -> float:
        """Where a share lies, in pixels; what is outside sticks to the edge."""
        inside = min(max(share, self.low), self.high)
        return 6 + (self.width - 12) * (inside - self.low) / (self.high - self.low)


def interval_scale(rows: Sequence[Mapping[str, Any]]) -> Scale:
    """The scale that holds every row's interval and its best baseline, from ten to ten percent."""
    shares = []
    for row in rows:
        for cell in (row["ours"], row["rival"] or {}):
            shares += [s for s in (cell.get("value"), *(cell.get("ci") or [])) if is_number(s)]
    low = math.floor(10 * min(shares, default=0) + 1e-9) / 10
    return Scale(max(0.0, low), max(math.ceil(10 * max(shares, default=1) - 1e-9) / 10, low + 0.1))


def interval_bar(row: Mapping[str, Any], scale: Scale) -> Markup:
    """The method's value (dot) on its interval (bar), and the best baseline (open diamond)."""
    ours, rival = row["ours"], row["rival"]
    if not is_number(ours["value"]):
        return Markup("")
    about = f"{percent(ours['value'])} % ({interval(ours['ci']) or 'no interval'})"
    tenths = range(round(10 * scale.low), round(10 * scale.high) + 1)
    marks = grid_lines(scale, [tenth / 10 for tenth in tenths])
    if rival is not None:
        about += f"; best baseline {baseline_text(rival['name'])} {percent(rival['value'])} %"
        marks += rival_marks(scale, rival["value"], rival["ci"])
    return framed_bar(scale, about, marks + our_marks(scale, ours["value"], ours["ci"]))


def framed_bar(scale: Scale, about: str, marks: Markup) -> Markup:
    """The picture of an interval bar, with what it shows in words."""
    return Markup(
        '<svg class="bar" width="{0}" height="24" viewBox="0 0 {0} 24" role="img" '
        'aria-label="{1}"><title>{1}</title>{2}</svg>'
    ).format(scale.width, about, marks)


def grid_lines(scale: Scale, shares: Iterable[float]) -> Markup:
    """A line at each of these shares."""
    line = Markup('<path class="grid" d="M{0:.1f} 2V22"/>')
    return Markup("").join(line.format(scale.x(share)) for share in shares)


def our_marks(scale: Scale, value: float, ends: Sequence[float] | None, y: int = 8) -> Markup:
    """A value as a dot on its interval, if it has one."""
    marks = Markup("")
    if interval(ends):
        low, high = map(scale.x, ends or ())
        marks = Markup('<path class="ours" d="M{:.1f} {}H{:.1f}"/>').format(low, y, high)
    dot = marker("o", scale.x(value), y, 4.2)
    return marks + Markup('<path class="ours dot" d="{}"/>').format(dot)


def rival_marks(scale: Scale, value: float, ends: Sequence[float] | None) -> Markup:
    """What stands beside it, as an open diamond on its interval, if it has one."""
    marks = Markup("")
    if interval(ends):
        low, high = map(scale.x, ends or ())
        marks = Markup('<path class="rival" d="M{:.1f} 17H{:.1f}"/>').format(low, high)
    diamond = marker("D", scale.x(value), 17, 3.6)
    return marks + Markup('<path class="rival open" d="{}"/>').format(diamond)


class _Grid(NamedTuple):
    """Sizes of a confusion matrix in pixels: cells shrink, labels stay readable."""

    cell: int
    font: int
    left: int
    top: int
    level: bool  # column labels lie level, not turned


def _grid(names: Sequence[str]) -> _Grid:
    n, longest = len(names), max(map(len, names), default=1)
    sizes = ((6, 48, 13), (10, 36, 12), (40, 26, 11), (n, 12, 10))
    cell, font = next(rest for most, *rest in sizes if n <= most)
    space = round(longest * font * 0.62) + 30
    level = longest * font * 0.62 < 0.9 * cell
    return _Grid(cell, font, max(space, 52), 46 if level else space, level)  # room for "true ↓"


def confusion_svg(confusion: Mapping[str, Any]) -> Markup:
    """The matrix as a heat map, true classes down, predicted ones across.

    Right answers and mistakes have different colours; the strength is the square root of the
    share of the true class, so that rare mistakes are seen.
    """
    names = [label_text(label) for label in confusion["labels"]]
    matrix = np.asarray(confusion["matrix"], dtype=int).reshape(len(names), len(names))
    grid = _grid([shorten(name, 22) for name in names])
    side = len(names) * grid.cell
    width, height = grid.left + side + 8, grid.top + side + 8
    parts = [
        Markup('<rect class="ground" x="{0}" y="{1}" width="{2}" height="{2}"/>').format(
            grid.left, grid.top, side
        ),
        Markup('<text class="axis" x="{}" y="12">predicted →</text>').format(grid.left),
        Markup('<text class="axis" x="{}" y="{}" text-anchor="end">true ↓</text>').format(
            grid.left - 6, grid.top - 7
        ),
    ]
    for i, name in enumerate(names):
        parts += _class_names(grid, i, name)
    for i, row in enumerate(matrix):
        for j in np.flatnonzero(row):
            said = f"{_apart(shorten(names[i], 80))} → {_apart(shorten(names[j], 80))}"
            share = row[j] / row.sum()
            said += f": {row[j]:,} of {row.sum():,} ({percent(float(share))} %)"
            parts.append(_cell(grid, i, int(j), int(row[j]), share, said))
    return Markup(
        '<svg class="confusion" width="{0}" height="{1}" viewBox="0 0 {0} {1}" role="img" '
        'aria-label="Confusion matrix of {2} classes, true classes in rows; the most confused '
        'pairs are listed in a table below">{3}</svg>'
    ).format(width, height, len(names), Markup("").join(parts))


def _apart(name: str) -> str:
    """A name whose direction changes nothing around it, where no style sheet can say so.

    Between two that are read from right to left an arrow would lead from the second to the first.
    """
    if name.isascii():
        return name
    return f"\N{FIRST STRONG ISOLATE}{name}\N{POP DIRECTIONAL ISOLATE}"


def _class_names(grid: _Grid, i: int, name: str) -> list[Markup]:
    """The label of row i and of column i."""
    middle = (i + 0.5) * grid.cell
    row = f"translate({grid.left - 6} {grid.top + middle:g})"
    column = f"translate({grid.left + middle:g} {grid.top - 7})"
    places = [
        ("end", "central", row),
        ("middle", "auto", column) if grid.level else ("start", "central", column + " rotate(-90)"),
    ]
    return [
        Markup(
            '<text font-size="{}" text-anchor="{}" dominant-baseline="{}" transform="{}">{}'
            "<title>{}</title></text>"
        ).format(grid.font, *place, shorten(name, 22), shorten(name, 200))
        for place in places
    ]


def _cell(grid: _Grid, i: int, j: int, number: int, share: float, said: str) -> Markup:
    x, y, gap = grid.left + j * grid.cell, grid.top + i * grid.cell, 1 if grid.cell > 12 else 0.5
    kind, strength = "right" if i == j else "wrong", math.sqrt(share)
    drawn = Markup(
        '<rect class="{}" x="{:g}" y="{:g}" width="{w:g}" height="{w:g}" fill-opacity="{:.2f}">'
        "<title>{}</title></rect>"
    ).format(kind, x + gap / 2, y + gap / 2, strength, said, w=grid.cell - gap)
    if grid.cell > 12 and number < 10 ** (grid.cell // 8):
        drawn += Markup(
            '<text class="{}" x="{:g}" y="{:g}" font-size="{}" text-anchor="middle" '
            'dominant-baseline="central">{}</text>'
        ).format("on" if strength > 0.6 else "", x + grid.cell / 2, y + grid.cell / 2, 12, number)
    return drawn


def class_look(index: int) -> tuple[str, str]:
    """(role of PALETTE, shape) of a class in the t-SNE maps."""
    return f"c{index % _CLASS_COLOURS}", _CLASS_SHAPES[index % len(_CLASS_SHAPES)]


def class_sample(index: int) -> Markup:
    """A legend's sample of a class: its colour and shape."""
    colour, shape = class_look(index)
    return Markup(
        '<svg class="dot" viewBox="0 0 14 14" aria-hidden="true">'
        '<path style="fill:var(--{})" d="{}"/></svg>'
    ).format(colour, marker(shape, 7, 7, 5))


def projection_svgs(report: Report) -> list[dict[str, Any]]:
    """One t-SNE panel per pattern, all on the same axes: its title, its SVG, n and how many drawn.

    A class is one path with its label as hover title and its index in `data-class`.
    """
    panels = (report.get("projection") or {}).get("panels") or []
    index = {label: i for i, label in enumerate(report["data"]["classes"])}
    points = np.array(
        [pair for panel in panels for pair in zip(panel["x"], panel["y"], strict=True)], dtype=float
    ).reshape(-1, 2)
    if not len(points):
        return []
    extent = max(float(np.ptp(points, axis=0).max()), 1e-9)
    corner = (points.min(axis=0) + points.max(axis=0) - extent) / 2
    size, names, drawn = 320.0, modality_names(report), []
    for panel in panels:
        n = len(panel["x"])
        # At random, as every k-th of an ordered test set may be of few classes; the same each time.
        chosen = np.sort(np.random.default_rng(0).permutation(n)[:MAP_POINTS]).tolist()
        paths: dict[Any, list[str]] = {}
        for i in chosen:
            label = panel["label"][i]
            x, y = (np.array([panel["x"][i], panel["y"][i]]) - corner) / extent
            _, shape = class_look(index.get(label, 0))
            mark = marker(shape, 8 + (size - 16) * x, size - 8 - (size - 16) * y, 2.6)
            paths.setdefault(label, []).append(mark)
        classes = [
            Markup(
                '<path class="k" data-class="{}" style="fill:var(--{})" d="{}">'
                "<title>{}</title></path>"
            ).format(
                index.get(label, -1),
                class_look(index.get(label, 0))[0],
                "".join(marks),
                shorten(label_text(label), 200),
            )
            for label, marks in sorted(paths.items(), key=lambda item: index.get(item[0], -1))
        ]
        title = pattern_text(panel["present"], names)
        svg = Markup(
            '<svg class="map" viewBox="0 0 {0:g} {0:g}" role="img" aria-label="Map of {1:,} test '
            'items with {2}, coloured by class">{3}</svg>'
        ).format(size, len(chosen), title, Markup("").join(classes))
        drawn.append({"title": title, "svg": svg, "n": n, "drawn": len(chosen)})
    return drawn
