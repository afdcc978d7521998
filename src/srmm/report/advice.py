"""One sentence of advice: use this model, or that simpler one, or the difference is chance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from srmm.report.findings import Report, the
from srmm.report.words import (
    baseline_text,
    is_number,
    many,
    p_text,
    percent,
    points,
    signed_interval,
)

SIGNIFICANT = 0.05
"""Of p-values after Holm's correction, wherever a page calls a difference real."""

_USE = "use this model"
_FEWEST = 6
"""Test items: with fewer, all of them pointing the same way is within chance."""


def best_baseline(report: Report) -> tuple[str, Mapping[str, Any]] | None:
    """The baseline that is right most often on the test set as it is, and its scores there.

    Of equals the simplest: one modality alone, then logistic regression.
    """
    table = {n: e for n, e in (report.get("comparison") or {}).items() if is_number(e["accuracy"])}
    if not table:
        return None
    name = max(table, key=lambda name: (table[name]["accuracy"], -_complexity(name)))
    return name, table[name]


def advice(report: Report) -> str | None:
    """What to do with the model, in one sentence; None for a report without the figures for it.

    On the test set as it is, against the best baseline there: McNemar's test on the same rows, with
    Holm's correction as the baseline is the best of several. Where that finds nothing, what the
    presence patterns say decides.
    """
    overall = report.get("overall")
    if not overall or "comparison" not in report:
        return None
    method = baseline_text(str(report["model"]["method"]))  # within a sentence
    said = f"On its {many(overall['n'], 'test item')} as "
    said += f"{'it is' if overall['n'] == 1 else 'they are'}, {method} is right on "
    said += f"{percent(overall['accuracy'])} %"
    found = best_baseline(report)
    if found is None:
        return said + "; no baseline was run, so this does not show what a simpler model would do."
    name, rival = found
    said += f" and the best baseline, {the(name)}, on {percent(rival['accuracy'])} %"
    without = rival.get("n_without")
    if without:
        said += f" (with the most frequent class for {without:,} it knows nothing of)"
    said += ": "
    return said + _verdict(report["model"]["method"], name, rival, overall["n"])


def _verdict(method: str, name: str, rival: Mapping[str, Any], n: int) -> str:
    ahead = rival["difference"] > 0
    if rival["p_holm"] < SIGNIFICANT:
        evidence = f"{p_text(rival['p_holm'])} on the same items"
        return f"{_USE if ahead else _instead(name)} ({evidence})."
    chance = (
        f"the difference is within chance ({points(rival['difference'])} points, 95 % interval "
        f"{signed_interval(rival['difference_ci'])}"
    )
    least, most = rival["difference_ci"] or (0.0, 0.0)
    if least > 0 or most < 0:  # of this pair alone
        chance += f"; {p_text(rival['p_holm'])} with Holm's correction"
    chance += ")"
    low, high = rival["patterns"]["difference_ci"] or (0.0, 0.0)
    if n < _FEWEST:
        low = high = 0.0
    over_all = f"{points(rival['patterns']['difference'])} points over all presence patterns"
    if low > 0:
        return f"{chance}; {_USE} if modalities may go missing ({over_all})."
    if high < 0:
        return f"{chance}; where modalities go missing it is worse ({over_all}): {_instead(name)}."
    if rival.get("n_without"):
        return f"{chance}; {_USE}, which answers every item."
    if _complexity(name) < _complexity(method):
        return f"{chance}, and {the(name)} is the simpler: {_instead(name)}."
    if name == "router" and method.startswith("srmm"):
        return f"{chance}; either will do, and this is one model, not one per presence pattern."
    return f"{chance}; either will do."


def _instead(name: str) -> str:
    return f"use {the(name)} instead, `srmm fit … --method {name}`"


def _complexity(name: str) -> int:
    return 0 if name.startswith("unimodal:") else 1 if name.startswith("logreg") else 2
