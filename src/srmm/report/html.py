"""The report as one HTML file, drawn from its numbers."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from srmm.errors import InputError, SrmmError, damage_explained
from srmm.files import replacing_file
from srmm.report import (
    advice,
    class_table,
    data_words,
    drawings,
    figures,
    findings,
    trust_figures,
    words,
)
from srmm.report.style import PALETTE

_COMMAND = re.compile("`([^`]+)`")
FORMAT = "srmm-report"
VERSION = 1

Thumbnail = Callable[[str, Any], bytes | None]

_HERE = Path(__file__).parent
_SIGNATURES = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
}
_LONGEST_TEXT = 700
_LEGEND_CLASSES = 20
# Legal in a Python string, but not in an HTML page.
_CONTROLS = {code: "\N{REPLACEMENT CHARACTER}" for code in range(32) if chr(code) not in "\t\n\r"}


def write_report(
    report: Mapping[str, Any], path: str | Path, *, thumbnail: Thumbnail | None = None
) -> Path:
    """Write the report as one HTML file that needs no network, atomically, and return the path.

    The same report gives the same bytes.

    Parameters
    ----------
    report : mapping
        The content of `report.json`.
    path : path
        The file to write; its folder is made if it does not exist.
    thumbnail : callable (modality, raw item) -> bytes or None, optional
        A small PNG or JPEG of a mistake's raw item, or None if it has no picture; then the raw
        item is printed as text.

    Raises
    ------
    InputError
        If `report` is not a report, or one of a newer version.
    """
    _check(report)
    with damage_explained("The report", "Make it again with `srmm evaluate MODEL`."):
        html = render(report, thumbnail)
    return write_page(html, Path(path))


def write_page(html: str, path: Path) -> Path:
    """Write a page atomically; what no page may hold becomes a sign that says so."""
    with replacing_file(path) as temporary:
        # A lone surrogate, as in the name of a file that is not UTF-8, becomes "?".
        temporary.write_bytes(html.translate(_CONTROLS).encode("utf-8", errors="replace"))
    return path


def render(report: Mapping[str, Any], thumbnail: Thumbnail | None = None) -> str:
    """The page as a string."""
    template = environment().get_template("template.html.j2")
    script = (_HERE / "script.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    names = findings.modality_names(report)
    metrics = [name for name in report["metrics"] if name in words.METRICS]
    rows = {metric: findings.pattern_rows(report, metric) for metric in metrics}
    return template.render(
        report=report,
        baselines=report.get("baselines") or {},
        style=style_sheet(),
        script=Markup(script),
        script_digest=digest,
        modalities=names,
        metrics=metrics,
        headline=findings.headline(report),
        rows=rows,
        scales={metric: drawings.interval_scale(rows[metric]) for metric in metrics},
        beaten=findings.beaten_rows(rows["accuracy"]),
        curves=findings.drawable_curves(report),
        panels={metric: figures.curve_panels(report, metric) for metric in metrics},
        corruption=figures.corruption_panels(report),
        maps=drawings.projection_svgs(report),
        pairs=findings.confused_pairs(report["confusion"]),
        remarks=findings.class_remarks(report),
        class_rows=class_table.class_rows(report),
        class_choice=class_table.class_choice(report),
        most_drawn=class_table.MOST,
        noisy=data_words.noisy_items(report),
        majority=findings.majority_share(report),
        training=figures.training_panels(report),
        **{
            name: [_mistake(report, item, thumbnail) for item in items]
            for name, items in findings.item_lists(report).items()
        },
        advice=advice.advice(report),
        rival=advice.best_baseline(report),
        worst=findings.worst_same(report),
        left_out_patterns=findings.left_out_patterns(report),
        absence=data_words.absence_remarks(report),
        reliability=trust_figures.reliability_panels(report),
        reliability_left=trust_figures.reliability_left(report),
        selective=trust_figures.selective_panel(report),
        left_out=data_words.left_out_lines(report),
        duplicates=data_words.duplicate_lines(report),
        warning=data_words.duplicate_warning(report),
        legend_classes=_LEGEND_CLASSES,
    )


def _check(report: Mapping[str, Any]) -> None:
    if report.get("format") != FORMAT:
        raise InputError(
            f"This is not a report: its format is {report.get('format')!r}, expected {FORMAT!r}. "
            "Pass the content of a report.json written by `srmm evaluate`."
        )
    if report.get("version", VERSION) > VERSION:
        raise InputError(
            f"The report was written by a newer version (report version {report['version']}, this "
            f"one reads {VERSION}). Upgrade with: pip install -U srmm"
        )


@cache
def environment() -> jinja2.Environment:
    """The templates, which take a third of a second to compile, once a process."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: "" if value is None else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": words.percent,
        "points": words.points,
        "interval": words.interval,
        "count": words.count,
        "many": words.many,
        "label": words.label_text,
        "short": words.shorten,
        "baseline": words.baseline_text,
        "method": words.method_text,
        "date": words.date_text,
        "duration": words.duration_text,
        "is_number": words.is_number,
        "signed": words.signed_interval,
        "p": words.p_text,
        "code": _with_code,
    }
    environment.globals |= {
        "METRICS": words.METRICS,
        "SEVERE": findings.SEVERE,
        "pattern_text": words.pattern_text,
        "curve_limits": figures.curve_limits,
        "drawn_styles": figures.drawn_styles,
        "interval_bar": drawings.interval_bar,
        "confusion_svg": drawings.confusion_svg,
        "line_sample": drawings.line_sample,
        "class_sample": drawings.class_sample,
        "encoder_lines": data_words.encoder_lines,
    }
    return environment


def style_sheet() -> Markup:
    """The one style sheet of all pages, its colours with it."""
    return Markup(variables() + (_HERE / "styles.css").read_text(encoding="utf-8"))


def variables() -> str:
    """The palette as CSS variables: light, dark where the reader prefers it, light on paper."""
    light, dark = (
        "".join(f"--{role}:{colours[mode]};" for role, colours in PALETTE.items())
        for mode in (0, 1)
    )
    return (
        f":root{{color-scheme:light dark;{light}}}\n"
        f"@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}\n"
    )


def _mistake(
    report: Mapping[str, Any], mistake: Mapping[str, Any], thumbnail: Thumbnail | None
) -> dict[str, Any]:
    """The mistake with its raw items made showable: a picture as data URI, or a text cut short."""
    shown = []
    for modality in findings.modality_names(report):
        raw = (mistake.get("raw") or {}).get(modality)
        picture = None if raw is None else _picture(thumbnail, modality, raw)
        text = raw if isinstance(raw, str) else None
        shown.append(
            {
                "modality": modality,
                "present": modality in mistake["present"],
                "picture": data_uri(picture),
                "text": text and words.shorten(text, _LONGEST_TEXT),
                "length": len(text or ""),
                "alone": (mistake.get("alone") or {}).get(modality),
            }
        )
    return {**mistake, "items": shown}


def _with_code(text: str) -> Markup:
    """A sentence whose `commands` are set as such."""
    return Markup(_COMMAND.sub(r"<code>\1</code>", str(escape(text))))


def _picture(thumbnail: Thumbnail | None, modality: str, raw: Any) -> bytes | None:
    try:
        return None if thumbnail is None else thumbnail(modality, raw)
    except Exception as error:  # of whoever's function it is; the report is not to blame
        said = f"The picture of a {modality} item could not be made ({error})."
        raise SrmmError(said) from error


def data_uri(picture: bytes | None) -> str | None:
    """The picture inside the page; None for bytes that no browser would show."""
    for signature, kind in _SIGNATURES.items():
        if picture and picture.startswith(signature):
            return f"data:{kind};base64,{base64.b64encode(picture).decode()}"
    return None
