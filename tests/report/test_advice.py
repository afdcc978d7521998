"""The sentence at the top: which of a model and its baselines to use, and on what evidence."""

from __future__ import annotations

from typing import Any

from srmm.report import write_report
from srmm.report.advice import advice, best_baseline
from srmm.report.data_words import (
    absence_remarks,
    duplicate_lines,
    duplicate_warning,
    encoder_lines,
    left_out_lines,
)
from srmm.report.figures import curve_limits
from srmm.report.findings import class_remarks, worst_same
from srmm.report.words import shorten
from tests.report.simulated_report import make_report


def rival(accuracy: float, p: float, over_patterns: float = 0.0) -> dict[str, Any]:
    difference = 0.8 - accuracy
    return {
        "accuracy": accuracy,
        "difference": difference,
        "difference_ci": [difference - 0.02, difference + 0.02],
        "p_holm": p,
        "patterns": {
            "difference": over_patterns,
            "difference_ci": [over_patterns - 0.01, over_patterns + 0.01],
        },
    }


def said(n: int = 500, method: str = "srmm", **rivals: dict[str, Any]) -> str:
    table = {name.replace("_", ":"): entry for name, entry in rivals.items()}
    overall = {"n": n, "accuracy": 0.8}
    report = {"model": {"method": method}, "overall": overall, "comparison": table}
    sentence = advice(report)
    assert sentence is not None
    return sentence


def test_a_better_model_is_recommended() -> None:
    sentence = said(router=rival(0.7, 0.001), unimodal_text=rival(0.6, 0.0001))
    assert sentence == (
        "On its 500 test items as they are, SRMM is right on 80.0 % and the best baseline, the "
        "availability router, on 70.0 %: use this model (p = 0.001 on the same items)."
    )


def test_what_was_not_looked_at_is_not_said_to_be_none() -> None:
    reason = {"reason": "4 numbers are too few to tell"}
    found = {"n": 39, "of": 39, "cosine": 0.99, "modalities": {"a": reason, "b": reason}}
    found["rows"] = {"near": 0, "accuracy_near": None, "accuracy_others": 0.8}
    (line,) = duplicate_lines({"data": {"near_duplicates": found}})
    assert line == (
        "Whether test items are nearly items of training was not looked at: a, 4 numbers are too "
        "few to tell; b, 4 numbers are too few to tell."
    )
    found["modalities"]["a"] = {"n": 39, "near": 0}
    assert "Of 39 test rows, 0 have" in duplicate_lines({"data": {"near_duplicates": found}})[0]


def test_one_item_is_one_item() -> None:
    assert said(n=1, router=rival(0.8, 1.0)).startswith("On its 1 test item as it is, SRMM")
    found = {"n": 1, "of": 1, "cosine": 0.99, "modalities": {}}
    found["rows"] = {"near": 1, "accuracy_near": 1.0, "accuracy_others": None}
    (line,) = duplicate_lines({"data": {"near_duplicates": found}})
    assert line.startswith("Of 1 test row, 1 has an item")


def test_a_better_baseline_is_recommended_with_its_command() -> None:
    sentence = said(unimodal_text=rival(0.9, 0.0001))
    assert "use text alone instead, `srmm fit … --method unimodal:text` (p < 0.001" in sentence


def test_chance_is_called_chance_and_the_simpler_one_recommended() -> None:
    sentence = said(unimodal_text=rival(0.81, 0.6))
    assert "within chance (−1.0 points, 95 % interval −3.0 to +1.0)" in sentence
    assert "text alone is the simpler: use text alone instead" in sentence
    beyond = said(unimodal_text=rival(0.81, 0.06) | {"difference_ci": [-0.066, -0.001]})
    assert "95 % interval −6.6 to −0.1; p = 0.06 with Holm's correction)" in beyond
    alike = said(router=rival(0.81, 0.6))
    assert alike.endswith("either will do, and this is one model, not one per presence pattern.")


def test_five_items_prove_nothing_over_the_patterns() -> None:
    few = said(n=5, logreg=rival(0.8, 1.0, over_patterns=0.3))
    assert "over all presence patterns" not in few
    assert "over all presence patterns" in said(n=6, logreg=rival(0.8, 1.0, over_patterns=0.3))


def test_what_is_no_simpler_is_not_called_so() -> None:
    assert said(method="logreg", logreg=rival(0.8, 1.0)).endswith("; either will do.")
    alone = said(method="logreg", unimodal_text=rival(0.8, 1.0))
    assert "text alone is the simpler" in alone


def test_a_simpler_model_that_cannot_answer_all_is_not_recommended() -> None:
    sentence = said(unimodal_text=rival(0.81, 0.5) | {"n_without": 27})
    assert "on 81.0 % (with the most frequent class for 27 it knows nothing of): " in sentence
    assert sentence.endswith("use this model, which answers every item.")


def test_a_class_without_test_items_is_named() -> None:
    classes = [
        {"label": label, "n": n, "f1": f1, "recall_by_pattern": []}
        for label, n, f1 in [("a", 3, 0.9), ("b", 4, 0.8), ("c", 0, None)]
    ]
    remarks = " ".join(class_remarks({"classes": classes, "data": {"modalities": ["text"]}}))
    assert "Hardest: “b”" in remarks
    assert "No test item is of “c”" in remarks


def test_patterns_decide_where_the_test_set_does_not() -> None:
    better = said(unimodal_text=rival(0.81, 0.6, over_patterns=0.1))
    assert "use this model if modalities may go missing (+10.0 points" in better
    worse = said(router=rival(0.81, 0.6, over_patterns=-0.1))
    assert "where modalities go missing it is worse (−10.0 points" in worse
    assert "--method router" in worse


def test_of_equal_baselines_the_simplest_stands_for_them() -> None:
    table = {"router": rival(0.8, 1.0), "logreg-concat": rival(0.8, 1.0)}
    found = best_baseline({"comparison": table | {"unimodal:a": rival(0.8, 1.0)}})
    assert found is not None
    assert found[0] == "unimodal:a"


def test_without_figures_there_is_no_advice() -> None:
    assert advice({"model": {"method": "srmm"}, "patterns": []}) is None
    assert "no baseline was run" in said()


def test_a_page_of_before_is_still_drawn(tmp_path) -> None:
    report = make_report(3, ["image", "text"])
    for key in ("overall", "comparison", "absence", "trust", "shapley", "right", "label_errors"):
        del report[key]
    for key in ("notes", "left_out", "near_duplicates"):
        del report["data"][key]
    for entry in report["patterns"]:
        for key in ("n_same", "accuracy_same", "complete_same", "difference", "difference_ci"):
            del entry[key]
    for mistake in report["mistakes"]:
        del mistake["shares"], mistake["prior"]
    html = write_report(report, tmp_path / "r.html").read_text()
    assert "Everything present" in html
    assert 'id="trust"' not in html


def test_patterns_are_compared_on_the_same_items(tmp_path) -> None:
    report = make_report(3, ["image", "text"])
    both, image, text = report["patterns"]
    image |= {"n": 900, "accuracy": 0.95}  # easier items
    html = write_report(report, tmp_path / "r.html").read_text()
    assert "On the same 480" in html
    assert f"{100 * image['accuracy_same']:.1f}" in html
    for entry in (both, image, text):
        recomputed = 1 - entry["accuracy_same"] / entry["complete_same"]
        assert abs(entry["relative_drop"] - recomputed) < 1e-12
    worst = min(image["difference"], text["difference"])
    assert worst_same(report)["difference"] == worst


def test_absence_is_put_into_words() -> None:
    entry = {
        "modality": "text", "n_absent": 1100, "n_hidden": 260, "accuracy_absent": 0.85,
        "accuracy_hidden": 0.75, "difference": 0.1, "p_holm": 0.0002, "classes_p": 0.2,
        "cramers_v": 0.05,
    }  # fmt: skip
    (remark,) = absence_remarks({"absence": [entry]})
    assert "not at random, items without it are easier" in remark
    assert "other classes" not in remark
    (remark,) = absence_remarks({"absence": [entry | {"p_holm": 0.4, "classes_p": 1e-6}]})
    assert "no more than chance" in remark
    assert "other classes" in remark


def test_data_in_words() -> None:
    report = make_report(3, ["image", "text"])
    assert left_out_lines(report) == [
        "7 rows are the same as another one.",
        "4 test items without a label were left out.",
    ]
    assert duplicate_warning(report) is None  # 12 of 480: they hardly move the figure
    report["data"]["near_duplicates"]["rows"]["near"] = 120
    assert "25.0 % of the test rows" in (duplicate_warning(report) or "")
    report["data"]["near_duplicates"]["rows"]["near"] = 12
    counted, meaning = duplicate_lines(report)
    assert "12 have an item that is nearly one of training" in counted
    assert "100.0 % of these and on 71.0 % of the others" in meaning
    encoder = {
        "spec": "minilm",
        "weights": "d2013c4aa9df",
        "preprocessing": {"max_tokens": 256},
        "about": {"description": "sentence encoder (English)", "preprocessing": "256 tokens"},
        "cut": {"items": 37, "of": 900, "limit": "256 tokens"},
    }
    assert encoder_lines(encoder) == [
        "minilm", "sentence encoder (English)", "256 tokens",
        "37 of 900 items were cut at 256 tokens",
    ]  # fmt: skip
    assert encoder_lines(None) == []
    about = {"description": "vectors as they are", "preprocessing": "none"}
    assert encoder_lines({"spec": "identity", "about": about}) == [
        "identity",
        "vectors as they are",
    ]


def test_texts_are_cut_between_words() -> None:
    text = "one two three four five"
    for length in range(1, 30):
        cut = shorten(text, length)
        assert len(cut) <= max(length, 1)
        assert cut == text or cut.endswith("…")
    assert shorten(text, 14) == "one two three…"
    assert shorten(text, 16) == "one two three…"
    assert shorten("x" * 30, 10) == "x" * 9 + "…"


def test_no_axis_goes_beyond_what_a_share_can_be() -> None:
    report = make_report(2, ["image", "text"])
    report["curves"]["text"]["auroc"] = [0.999] * 11
    report["curves"]["text"]["auroc_sd"] = [0.1] * 11
    assert curve_limits(report, "auroc")[1] == 100
