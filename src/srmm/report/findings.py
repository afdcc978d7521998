"""Findings of a report, in sentences: the headline, who is best where, what is confused with what.

Pure functions from the report (the dict that is also report.json) to small dicts and sentences.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from srmm.errors import first_few
from srmm.report.words import (
    baseline_text,
    count,
    is_number,
    label_text,
    many,
    method_text,
    pattern_text,
    percent,
    rounded,
    shorten,
)

SEVERE = 0.7
"""The missing rate of the headline: the paper's "severely missing" (30 % available, Table I)."""

Report = Mapping[str, Any]

_ALL_PATTERNS = 5  # modalities up to which all are evaluated, as in `usable_patterns`
_FEWEST = 10  # items of a class that have everything, to say what it loses


def modality_names(report: Report) -> list[str]:
    """The modalities in the model's order."""
    return list(report["data"]["modalities"])


def left_out_patterns(report: Report) -> str | None:
    """A sentence on presence patterns that have no row; None where each has one."""
    several, shown = len(modality_names(report)), len(report["patterns"])
    if shown == 2**several - 1:
        return None
    are = "is" if shown == 1 else "are"
    of = f"Of {count(2**several - 1)} patterns {count(shown)} {are} shown: "
    if several > _ALL_PATTERNS:
        return of + "everything, all but one, and one modality alone, where a test item has them."
    return of + "no test item has the others."


def find_pattern(patterns: Sequence[Mapping[str, Any]], present: Sequence[str]) -> Any:
    """The entry of a patterns list for exactly these modalities, or None."""
    wanted = set(present)
    return next((entry for entry in patterns if set(entry["present"]) == wanted), None)


def baseline_entry(name: str, patterns: Sequence[Mapping[str, Any]], present: Sequence[str]) -> Any:
    """A baseline's entry for a pattern, or None.

    A unimodal model says the same whatever else is there: its one entry serves every pattern with
    its modality.
    """
    kind, _, modality = name.partition(":")
    exact = find_pattern(patterns, present)
    if exact is None and kind == "unimodal" and modality in present:
        return find_pattern(patterns, [modality])
    return exact


def pattern_rows(report: Report, metric: str) -> list[dict[str, Any]]:
    """One row per presence pattern: the method's value, each baseline's, and which are best.

    "Best" compares the numbers as printed, so a tie on the page is a tie here. A baseline that was
    measured on another number of instances (a test set with holes) is shown but not compared.
    """
    baselines = report.get("baselines") or {}
    rows = []
    for entry in report["patterns"]:
        cells = [_cell(entry, metric, None)]
        for name, patterns in baselines.items():
            cells.append(_cell(baseline_entry(name, patterns, entry["present"]), metric, name))
        compared = [c for c in cells if is_number(c["value"]) and c["n"] == entry["n"]]
        top = max((rounded(cell["value"]) for cell in compared), default=None)
        for cell in compared:
            cell["best"] = len(compared) > 1 and rounded(cell["value"]) == top
        others = [cell for cell in compared if cell["name"] is not None]
        rows.append(
            {
                "entry": entry,
                "ours": cells[0],
                "baselines": cells[1:],
                "rival": max(others, key=lambda cell: cell["value"], default=None),
            }
        )
    return rows


def _cell(entry: Any, metric: str, name: str | None) -> dict[str, Any]:
    entry = entry or {}
    values = {"value": entry.get(metric), "ci": entry.get(f"{metric}_ci"), "n": entry.get("n")}
    return {"name": name, "best": False, **values}


def beaten_rows(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The patterns where a baseline does better than the method, worst first."""
    beaten = []
    for row in rows:
        ours, rival = row["ours"], row["rival"]
        if rival is None or not is_number(ours["value"]):
            continue
        by = rounded(rival["value"]) - rounded(ours["value"])
        if by > 0:
            apart = bool(ours["ci"] and rival["ci"] and rival["ci"][0] > ours["ci"][1])
            beaten.append({"row": row, "rival": rival, "by": by, "apart": apart})
    return sorted(beaten, key=lambda item: -item["by"])


def drawable_curves(report: Report, metric: str = "accuracy") -> dict[str, Any]:
    """The missing-rate curves that have points; none of them for a model of one modality."""
    curves = (report.get("curves") or {}).items()
    return {name: c for name, c in curves if c and c.get("missing_rate") and c.get(metric)}


def baseline_names(report: Report) -> list[str]:
    """Every baseline that has patterns or curves, in the report's order."""
    both = [*(report.get("baselines") or {}), *(report.get("baseline_curves") or {})]
    return list(dict.fromkeys(both))


def baseline_curve(report: Report, name: str, modality: str) -> Mapping[str, Any]:
    """A baseline's missing-rate curve; {} if it has none."""
    return (report.get("baseline_curves") or {}).get(name, {}).get(modality) or {}


def value_at(curve: Mapping[str, Any], rate: float, metric: str = "accuracy") -> float:
    """The curve's value at a missing rate (between two points: exact, as accuracy is linear)."""
    values = np.array([np.nan if v is None else v for v in curve[metric]], dtype=float)
    return float(np.interp(rate, curve["missing_rate"], values))


def alone_beside(report: Report, name: str, modality: str) -> Mapping[str, Any]:
    """A unimodal model's entry on the items that have its modality and the one that goes missing.

    Where not all patterns are known, or no item has both, it is of the items that have everything,
    or its own; {} if it has none.
    """
    patterns = (report.get("baselines") or {}).get(name, [])
    own = name.partition(":")[2]
    found = (find_pattern(patterns, p) for p in ([own, modality], modality_names(report), [own]))
    return next((entry for entry in found if entry), {})


def baseline_value_at(report: Report, name: str, modality: str, rate: float) -> float | None:
    """A baseline's accuracy when `rate` of `modality` is missing, None if it is not known.

    From its curve if it has one; of a model of another modality, which says the same at every rate,
    what it is right on; otherwise from (1−r)·complete + r·without, which is exact: each only if it
    was measured on the instances of the method's own curve.
    """
    n = drawable_curves(report)[modality].get("n")
    curve = baseline_curve(report, name, modality)
    if curve and curve.get("n") == n:
        return value_at(curve, rate)
    if name.startswith("unimodal:"):
        entry = alone_beside(report, name, modality)
        known = name != f"unimodal:{modality}" and entry.get("n") == n
        return entry["accuracy"] if known and is_number(entry.get("accuracy")) else None
    patterns = (report.get("baselines") or {}).get(name, [])
    names = modality_names(report)
    rest = [other for other in names if other != modality]
    ends = [baseline_entry(name, patterns, present) for present in (names, rest)]
    if not all(end and is_number(end.get("accuracy")) and end["n"] == n for end in ends):
        return None
    return (1 - rate) * ends[0]["accuracy"] + rate * ends[1]["accuracy"]


def severe_case(report: Report) -> dict[str, Any] | None:
    """70 % of the modality that is missed most: the method against the best baseline there."""
    curves = drawable_curves(report)
    ends = {name: value_at(curve, 1.0) for name, curve in curves.items()}
    ends = {name: value for name, value in ends.items() if is_number(value)}
    if not ends:
        return None
    modality = min(ends, key=lambda name: ends[name])
    start, ours = (value_at(curves[modality], rate) for rate in (0.0, SEVERE))
    values = {
        name: baseline_value_at(report, name, modality, SEVERE) for name in baseline_names(report)
    }
    known = {name: value for name, value in values.items() if value is not None}
    rival = max(known, key=lambda name: known[name], default=None)
    return {
        "modality": modality,
        "start": start,
        "value": ours,
        "n": curves[modality].get("n"),
        "rival": rival,
        "rival_value": known[rival] if rival is not None else None,
        "lead": rounded(ours) - rounded(known[rival]) if rival is not None else None,
    }


def headline(report: Report) -> dict[str, Any]:
    """The four numbers at the top, and the sentence that says them honestly."""
    patterns = report["patterns"]
    measured = [entry for entry in patterns[1:] if is_number(entry.get("accuracy"))]
    dropped = [entry for entry in measured if is_number(entry.get("relative_drop"))]
    return {
        "complete": patterns[0],
        "worst": min(measured, key=lambda entry: entry["accuracy"], default=None),
        "largest_drop": max(dropped, key=lambda entry: entry["relative_drop"], default=None),
        "severe": severe_case(report),
        "sentence": verdict(report),
    }


def verdict(report: Report) -> str:
    """One sentence: how good, how robust, and whether a simpler model does better.

    The first pattern is the complete one, or the fullest that a test set with holes has.
    """
    names, complete = modality_names(report), report["patterns"][0]
    severe = severe_case(report)
    method = method_text(report["model"]["method"])
    n = many(complete["n"], "test item")
    said = f"{method} is right on {percent(complete['accuracy'])} % of {n}" + (
        f" with {pattern_text(complete['present'], names)}" if len(names) > 1 else ""
    )
    if severe is not None:
        gone = f"when {100 * SEVERE:.0f} % of {severe['modality']} is missing"
        same = (severe["n"], percent(severe["start"])) == (
            complete["n"],
            percent(complete["accuracy"]),
        )
        said += (
            f" and keeps {percent(severe['value'])} % {gone}"
            if same
            else f"; on the {count(severe['n'])} that have {severe['modality']} and something "
            f"else, its {percent(severe['start'])} % become {percent(severe['value'])} % {gone}"
        )
        if severe["lead"] is not None:
            said += f", {_compared(severe['lead'])} {the(severe['rival'])}, the best baseline there"
    if not report.get("baselines"):
        return said + "; no baseline was run, so this does not show what a simpler model would do."
    rows = pattern_rows(report, "accuracy")
    beaten = beaten_rows(rows)
    if not beaten:
        where = f" in any of the {len(rows)} presence patterns" if len(rows) > 1 else ""
        return said + f"; no baseline does better{where}."
    worst = beaten[0]
    overlap = "the intervals do not overlap" if worst["apart"] else "the intervals overlap"
    where = f" in {len(beaten)} of {len(rows)} presence patterns" if len(rows) > 1 else ""
    most = "" if len(beaten) == 1 else "most of all "
    rival, pattern = worst["rival"], pattern_text(worst["row"]["entry"]["present"], names)
    return said + (
        f"; a baseline does better{where}: {most}{the(rival['name'])}"
        + (f" with {pattern}" if len(rows) > 1 else "")
        + f", by {worst['by']:.1f} points ({overlap})."
    )


def _compared(lead: float) -> str:
    if round(lead, 1) == 0:
        return "level with"
    return f"{abs(lead):.1f} points {'above' if lead > 0 else 'below'}"


def the(name: str) -> str:
    """A baseline's name within a sentence."""
    text = baseline_text(name)
    return f"the {text}" if name == "router" else text


def majority_share(report: Report) -> float | None:
    """The accuracy of always answering the most frequent class of the test set.

    Items of a class that the model does not know are wrong here, as everywhere.
    """
    sizes = [entry["n"] for entry in report.get("classes") or []]
    n = sum(sizes) + (report["data"].get("n_unknown_labels") or 0)
    return max(sizes) / n if n and sizes else None


def confused_pairs(confusion: Mapping[str, Any], limit: int = 12) -> list[dict[str, Any]]:
    """The off-diagonal cells with the most instances: true, predicted, n, share of the true."""
    labels = confusion["labels"]
    if "cells" in confusion:
        rows, columns, counts = np.asarray(confusion["cells"], dtype=int).reshape(-1, 3).T
    else:
        matrix = np.asarray(confusion["matrix"], dtype=int).reshape(len(labels), len(labels))
        rows, columns = np.nonzero(matrix)
        counts = matrix[rows, columns]
    totals = np.bincount(rows, counts, minlength=len(labels))
    share = counts / totals[rows]
    wrong = np.flatnonzero(rows != columns)
    # Stable order: by count, then by share of the class, then as in the matrix.
    order = wrong[np.lexsort((-share[wrong], -counts[wrong]))][:limit]
    return [
        {
            "true": labels[rows[i]],
            "predicted": labels[columns[i]],
            "n": int(counts[i]),
            "of": int(totals[rows[i]]),
            "share": float(share[i]),
        }
        for i in order
    ]


def class_remarks(report: Report) -> list[str]:
    """The hardest class, and per modality the class that loses most when it goes missing."""
    classes = [entry for entry in report.get("classes") or [] if entry["n"]]
    scored = [entry for entry in classes if is_number(entry.get("f1"))]
    if len(scored) < 2:
        return []
    names = modality_names(report)
    hardest = min(scored, key=lambda entry: entry["f1"])
    alike = sum(rounded(entry["f1"]) == rounded(hardest["f1"]) for entry in scored) - 1
    hard = f"“{_short(hardest['label'])}”" + (f" and {count(alike)} more" if alike else "")
    remarks = [f"Hardest: {hard} (F1 {percent(hardest['f1'])} %)."]
    if alike == len(scored) - 1:
        remarks = [f"All classes are equally hard (F1 {percent(hardest['f1'])} %)."]
    untested = [entry["label"] for entry in report["classes"] if not entry["n"]]
    if untested:
        named = first_few((f"“{_short(label)}”" for label in untested), 3)
        remarks.append(
            f"No test item is of {named}: nothing here says how well that is known, and where it "
            "is predicted, macro-F1 counts it as 0."
        )
    for modality in names if len(names) > 1 else []:
        kept = [name for name in names if name != modality]
        losses: list[tuple[float, Mapping[str, Any]]] = []
        for entry in classes:
            recalls = entry.get("recall_by_pattern") or []
            loss = lost_recall(recalls, names, kept)
            if loss is not None:
                losses.append((loss, entry))
        if losses and max(loss for loss, _ in losses) > 0:
            loss, entry = max(losses, key=lambda pair: pair[0])
            remarks.append(
                f"Loses most without {modality}: “{_short(entry['label'])}” "
                f"(recall −{percent(loss)} points)."
            )
    return remarks


def item_lists(report: Report) -> dict[str, list[dict[str, Any]]]:
    """The items a report shows, by the name of their list: mistakes, right answers, suspects."""
    labels = report.get("label_errors") or {}
    return {
        "mistakes": list(report.get("mistakes") or []),
        "right": list(report.get("right") or []),
        "suspects": list(labels.get("items") or []),
    }


def worst_same(report: Report) -> Any:
    """The pattern that loses most against everything on the same items; None if none is known."""
    known = [e for e in report["patterns"] if is_number(e.get("difference"))]
    less = [e for e in known if len(e["present"]) < len(modality_names(report))]
    return min(less, key=lambda entry: entry["difference"], default=None)


def lost_recall(
    recalls: Sequence[Mapping[str, Any]], names: Sequence[str], kept: Sequence[str]
) -> float | None:
    """What a class loses of recall with only `kept`, on the same items; None if few have all."""
    left = find_pattern(recalls, kept) or {}
    if "lost" in left:
        return left["lost"] if is_number(left["lost"]) and left["n_same"] >= _FEWEST else None
    full = (find_pattern(recalls, names) or {}).get("recall")
    known = is_number(full) and is_number(left.get("recall"))
    return full - left["recall"] if known else None


def _short(label: Any) -> str:
    return shorten(label_text(label), 40)
