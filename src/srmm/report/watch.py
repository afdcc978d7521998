"""The page of `srmm check MODEL DATA`: what of new rows differs from training, and by how much."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup

from srmm.report.drawings import Scale, framed_bar, grid_lines, our_marks, rival_marks
from srmm.report.html import data_uri, environment, style_sheet, write_page
from srmm.report.watch_words import (
    KIND_WORDS,
    accuracy_lines,
    headline,
    moments_text,
    pattern_words,
)
from srmm.report.words import interval, is_number, percent, shorten

_CLASSES = 30
_FEWEST = 3
_LONGEST_TEXT = 400
_SHARES = Scale(0.0, 1.0)


def write_watch(
    content: Mapping[str, Any], path: Path, *, pictures: Mapping[tuple[str, int], bytes]
) -> Path:
    """Write the check as one HTML file that needs no network, atomically.

    `pictures` are small PNGs or JPEGs of the strangest items, by modality and row.
    """
    template = environment().get_template("watch.html.j2")
    modalities = content["model"]["modalities"]
    prediction = content["prediction"] or {}
    shares = (prediction.get("classes") or {}).get("shares") or []
    shares = sorted(shares, key=lambda share: -abs(share["difference"] or 0.0))
    html = template.render(
        content=content,
        style=style_sheet(),
        sentence=headline(content),
        kinds=KIND_WORDS,
        accuracy_lines=accuracy_lines(content),
        modalities=modalities,
        pattern_words=lambda test: pattern_words(test, modalities),
        moments_text=moments_text,
        share_bar=share_bar,
        auc_bar=auc_bar,
        shares=shares[:_CLASSES],
        class_scale=_scale_of(shares[:_CLASSES]),
        everything=_SHARES,
        items={entry["modality"]: _items(entry, pictures) for entry in content["shift"]},
    )
    return write_page(html, path)


def share_bar(entry: Mapping[str, Any], scale: Scale) -> Markup:
    """The new share (dot) on its interval (bar), and that of training (open diamond) on its own."""
    if not is_number(entry["share"]):
        return Markup("")
    about = f"{percent(entry['share'])} % ({interval(entry['share_ci'])})"
    marks = grid_lines(scale, _parts_of(scale, 5))
    if is_number(entry["share_before"]):
        about += (
            f"; before {percent(entry['share_before'])} % ({interval(entry['share_before_ci'])})"
        )
        marks += rival_marks(scale, entry["share_before"], entry["share_before_ci"])
    return framed_bar(scale, about, marks + our_marks(scale, entry["share"], entry["share_ci"]))


def auc_bar(entry: Mapping[str, Any]) -> Markup:
    """The AUC (dot) on its interval, from 0.4 to 1, with a line at 0.5: not told apart."""
    scale = Scale(0.4, 1.0)
    low, high = entry["auc_ci"]
    about = f"AUC {entry['auc']:.2f} ({low:.2f} to {high:.2f})"
    marks = grid_lines(scale, _parts_of(scale, 6))
    marks += Markup('<path class="rival" d="M{0:.1f} 2V22"/>').format(scale.x(0.5))
    return framed_bar(scale, about, marks + our_marks(scale, entry["auc"], [low, high], y=12))


def _parts_of(scale: Scale, parts: int) -> list[float]:
    return [scale.low + part * (scale.high - scale.low) / parts for part in range(parts + 1)]


def _scale_of(shares: list[Mapping[str, Any]]) -> Scale:
    ends = [
        end for s in shares for side in ("share_ci", "share_before_ci") for end in s[side] or ()
    ]
    return Scale(0.0, min(1.0, max(ends, default=1.0) * 1.05 + 1e-6))


def _items(
    entry: Mapping[str, Any], pictures: Mapping[tuple[str, int], bytes]
) -> list[dict[str, Any]]:
    """The strange items, three at least, with what can be shown of each."""
    shown = []
    for place, item in enumerate(entry["strangest"]):
        if place >= _FEWEST and item["times"] <= 1:
            break
        picture = data_uri(pictures.get((entry["modality"], item["row"])))
        text = None if picture or item["raw"] is None else shorten(item["raw"], _LONGEST_TEXT)
        shown.append({**item, "picture": picture, "text": text})
    return shown
