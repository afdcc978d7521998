"""What a check of new rows found, in sentences: for the page, and for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from srmm.report.words import (
    interval,
    many,
    p_text,
    pattern_text,
    percent,
    points,
    shorten,
    signed_interval,
)

KIND_WORDS = {
    "presence": "Presence",
    "never": "Never trained on",
    "shift": "Items",
    "prediction": "Predictions",
    "accuracy": "Accuracy",
}


def finding(kind: str, test: Mapping[str, Any], modalities: Sequence[str]) -> str:
    """One difference as a sentence."""
    p = p_text(test["p_holm"])
    if kind == "shift":
        return (
            f"The {test['modality']} items are other ones than in training: a classifier tells "
            f"them apart with an AUC of {test['auc']:.2f} (0.5 is chance; {p})."
        )
    if kind == "never":
        who = pattern_words(test, modalities)
        share = percent(test["share"])
        return f"{share} % of the rows have {who}, which no training row was like ({p})."
    if kind == "presence":
        if "modality" in test:
            return f"{test['modality']} is there in {_shares(test)} ({p})."
        return f"Rows with {pattern_words(test, modalities)} are {_shares(test)} ({p})."
    if kind == "prediction":
        return _prediction(test, p)
    return _accuracy(test, p)


def pattern_words(test: Mapping[str, Any], modalities: Sequence[str]) -> str:
    """The pattern of a line of the table."""
    if test["present"] is None:
        return many(test["patterns"], "rarer pattern")
    return pattern_text(test["present"], modalities)


def headline(content: Mapping[str, Any]) -> str:
    """What was found, in a sentence."""
    data, alarms = content["data"], content["alarms"]
    rows = many(data["rows"], "row")
    if alarms:
        kinds = dict.fromkeys(KIND_WORDS[alarm["kind"]].lower() for alarm in alarms)
        return f"{many(len(alarms), 'alarm')} on {rows}: {', '.join(kinds)}."
    if not content["n_tests"]:
        return f"Nothing could be tested on {rows}."
    return (
        f"No alarm on {rows}: {many(content['n_tests'], 'comparison')} with training, "
        f"{'none' if content['n_tests'] > 1 else 'not'} both significant and large."
    )


def summary_lines(content: Mapping[str, Any]) -> list[str]:
    """The check for a terminal: what each part found, alarm or not."""
    lines = [headline(content)]
    lines += [f"ALARM {alarm['kind']}: {alarm['text']}" for alarm in content["alarms"]]
    shares = [
        f"{t['modality']} {percent(t['share'])} % (training {percent(t['share_before'])} %)"
        for t in content["presence"]
    ]
    lines += [f"presence: {', '.join(shares)}"] if shares else []
    told = [
        f"{t['modality']} AUC {t['auc']:.2f} ({t['auc_ci'][0]:.2f}–{t['auc_ci'][1]:.2f})"
        if t["auc"] is not None
        else f"{t['modality']}: {t['reason']}{moments_text(t)}"
        for t in content["shift"]
    ]
    lines.append(f"items told from training's: {', '.join(told)}")
    prediction = content["prediction"]
    if prediction:
        sure = prediction["confidence"]
        lines.append(
            f"mean confidence: {percent(sure['mean'])} % "
            f"(held-out rows {percent(sure['mean_before'])} %)"
        )
    lines += accuracy_lines(content)
    lines += [f"note: {note}" for note in content["notes"]]
    return lines


def accuracy_lines(content: Mapping[str, Any]) -> list[str]:
    """What accuracy is to be expected, and what labels say."""
    lines = []
    expected, observed = content["accuracy"]["expected"], content["accuracy"]["observed"]
    if expected and expected["expected"] is not None:
        now, then = percent(expected["expected"]), percent(expected["before"])
        said = (
            f"accuracy to be expected of this mix of presence: {now} % "
            f"({interval(expected['expected_ci'])}); of the training mix {then} %"
        )
        if expected["without"]:
            share = percent(expected["without"])
            said += f"; {share} % of the rows have a pattern without a figure, and are left out"
        lines.append(said)
    if observed:
        now, then = percent(observed["share"]), percent(observed["share_before"])
        lines.append(
            f"accuracy on {many(observed['n'], 'row')} with a label: {now} % "
            f"({interval(observed['share_ci'])}); on held-out rows {then} %"
        )
    return lines


def moments_text(test: Mapping[str, Any]) -> str:
    """What is said of a modality of whose training only mean and spread are known; or nothing."""
    said = test.get("moments")
    if not said or said["mean_shift"] is None:
        return ""
    spread = "" if said["spread"] is None else f", their spread is {said['spread']:.2f} times"
    return (
        f" (by the model's own means they lie {said['mean_shift']:.2f} standard deviations off, "
        f"{said['mean_shift_by_chance']:.2f} by chance{spread}; not tested)"
    )


def _shares(test: Mapping[str, Any]) -> str:
    gap = f"{points(test['difference'])} points, {signed_interval(test['difference_ci'])}"
    now, then = percent(test["share"]), percent(test["share_before"])
    return f"{now} % of the rows, in training {then} %: {gap}"


def _prediction(test: Mapping[str, Any], p: str) -> str:
    if "variation" in test:
        most = max(test["shares"], key=lambda share: abs(share["difference"]))
        name = shorten(most["label"], 40)
        return (
            f"The predicted classes are others: {percent(test['variation'])} % of the rows would "
            f"have to change theirs; most of all {name!r}, {percent(most['share'])} % of the rows, "
            f"of held-out rows {percent(most['share_before'])} % ({p})."
        )
    if "share" in test:
        said = (
            f"What modalities say alone agrees in {percent(test['share'])} % of the rows that "
            f"have several, of held-out rows in {percent(test['share_before'])} % ({p})"
        )
        less = test["share"] < test["share_before"]
        return f"{said}: do the items of a row belong together?" if less else f"{said}."
    return (
        f"Mean confidence is {percent(test['mean'])} %, on held-out rows "
        f"{percent(test['mean_before'])} % ({p})."
    )


def _accuracy(test: Mapping[str, Any], p: str) -> str:
    if "expected" in test:
        unsure = test["difference_ci"][1] >= 0  # of how right each pattern is, which p is not of
        return (
            f"With this mix of presence {percent(test['expected'])} % right answers are to be "
            f"expected, {percent(test['before'])} % with that of training "
            f"({points(test['difference'])} points, {signed_interval(test['difference_ci'])}). "
            f"The mixes differ beyond chance ({p}){', what that costs may not' * unsure}."
        )
    return (
        f"{percent(test['share'])} % of the {many(test['n'], 'row')} with a label are answered "
        f"right, of held-out rows {percent(test['share_before'])} % ({p})."
    )
