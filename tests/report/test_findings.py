"""What the report says of its numbers, and what it draws."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from srmm.errors import InputError, SrmmError
from srmm.report import curves_figure, figures, write_report
from srmm.report.drawings import MAP_POINTS, class_look, confusion_svg, projection_svgs
from srmm.report.findings import (
    alone_beside,
    class_remarks,
    confused_pairs,
    headline,
    left_out_patterns,
    lost_recall,
    majority_share,
    pattern_rows,
    severe_case,
    verdict,
)
from srmm.report.style import PALETTE, line_styles
from srmm.report.words import baseline_text
from tests.report.simulated_report import make_report


def entry(present: list[str], accuracy: float, n: int = 100) -> dict[str, Any]:
    ci = [accuracy - 0.05, accuracy + 0.05]
    return {
        "present": present,
        "n": n,
        "accuracy": accuracy,
        "accuracy_ci": ci,
        "relative_drop": 0.0,
    }


def small(ours: list[float], baselines: dict[str, Any]) -> dict[str, Any]:
    """A report with three patterns of image and text, and the curves that follow from them."""
    both, image, text = ours
    presents = [["image", "text"], ["image"], ["text"]]
    curves = {
        name: {"n": 100, "missing_rate": [0, 1], "accuracy": [both, left]}
        for name, left in (("image", text), ("text", image))
    }
    return {
        "data": {"modalities": {"image": {}, "text": {}}},
        "model": {"method": "srmm"},
        "patterns": [entry(p, a) for p, a in zip(presents, ours, strict=True)],
        "curves": curves,
        "baselines": baselines,
    }


def everywhere(accuracies: list[float], n: int = 100) -> list[dict[str, Any]]:
    presents = [["image", "text"], ["image"], ["text"]]
    return [entry(p, a, n) for p, a in zip(presents, accuracies, strict=True)]


def test_verdict_names_the_baseline_that_wins():
    said = verdict(small([0.9, 0.6, 0.8], {"router": everywhere([0.95, 0.6, 0.7])}))
    assert "90.0 % of 100 test items with everything" in said
    # 0.3 · 0.95 + 0.7 · 0.6 = 70.5, SRMM 69.0
    assert "keeps 69.0 % when 70 % of text is missing, 1.5 points below the availability" in said
    assert "better in 1 of 3 presence patterns: the availability router with everything" in said
    assert "by 5.0 points (the intervals overlap)" in said


def test_verdict_does_not_compare_a_curve_with_a_pattern_of_other_items():
    report = small([0.6, 0.6, 0.8], {})
    for name, left in (("image", 0.8), ("text", 0.62)):
        report["curves"][name] = {"n": 250, "missing_rate": [0, 1], "accuracy": [0.9, left]}
    assert (
        "60.0 % of 100 test items with everything; on the 250 that have text and something else, "
        "its 90.0 % become 70.4 % when 70 % of text is missing"
    ) in verdict(report)


def test_a_baselines_curve_of_other_items_is_no_rival():
    report = small([0.9, 0.6, 0.8], {})
    narrow = {"n": 100, "missing_rate": [0, 1], "accuracy": [1.0, 0.9]}
    report["baseline_curves"] = {"narrow": {"text": narrow, "image": narrow}}
    assert severe_case(report)["rival"] == "narrow"
    report["baseline_curves"]["narrow"]["text"] = narrow | {"n": 80}
    assert severe_case(report)["rival"] is None


def test_patterns_without_a_row_are_said():
    assert left_out_patterns(make_report(3, ["a", "b"])) is None
    report = small([0.9, 0.6, 0.8], {})
    report["patterns"].pop()
    assert left_out_patterns(report) == ("Of 3 patterns 2 are shown: no test item has the others.")
    report["data"]["modalities"] = dict.fromkeys("abcdefghijkl")
    assert "Of 4,095 patterns 2 are shown: everything, all" in (left_out_patterns(report) or "")


def test_the_hardest_class_is_not_alone_if_others_are_as_hard():
    def remark(*f1: float) -> str:
        classes = [{"label": "abc"[i], "n": 9, "f1": f} for i, f in enumerate(f1)]
        return class_remarks({"classes": classes, "data": {"modalities": ["text"]}})[0]

    assert remark(0.0, 0.0, 0.5) == "Hardest: “a” and 1 more (F1 0.0 %)."
    assert remark(1.0, 1.0, 1.0) == "All classes are equally hard (F1 100.0 %)."


def test_the_most_frequent_class_is_wrong_on_items_of_unknown_classes():
    report = {"data": {"n_unknown_labels": 20}, "classes": [{"n": 60}, {"n": 20}]}
    assert majority_share(report) == 0.6
    assert majority_share({"data": {}, "classes": []}) is None


def test_verdict_when_nothing_wins_nothing_was_run_or_all_is_level():
    assert "no baseline does better in any of the 3" in verdict(
        small([0.9, 0.6, 0.8], {"router": everywhere([0.9, 0.5, 0.8])})
    )
    assert "no baseline was run" in verdict(small([0.9, 0.6, 0.8], {}))
    # 0.02 points are level on the page, so they are level in the words.
    level = verdict(small([0.9, 0.6, 0.8], {"router": everywhere([0.9002, 0.6, 0.8])}))
    assert "level with the availability router" in level
    assert "no baseline does better" in level


def test_intervals_that_do_not_overlap_are_said():
    said = verdict(small([0.7, 0.6, 0.65], {"x": everywhere([0.9, 0.6, 0.65])}))
    assert "do not overlap" in said


def test_a_unimodal_model_serves_every_pattern_with_its_modality():
    report = small([0.7, 0.6, 0.65], {"unimodal:text": [entry(["text"], 0.75)]})
    complete, image, text = pattern_rows(report, "accuracy")
    assert complete["rival"]["value"] == text["rival"]["value"] == 0.75
    assert image["rival"] is None
    assert "text alone with only text, by 10.0 points" in verdict(report)


def test_other_items_are_not_compared():
    report = small([0.7, 0.6, 0.65], {"unimodal:text": [entry(["text"], 0.99, n=17)]})
    rows = pattern_rows(report, "accuracy")
    assert all(row["rival"] is None for row in rows)
    assert rows[0]["baselines"][0]["value"] == 0.99
    assert severe_case(report)["rival"] is None


def test_bold_is_what_is_best_as_printed():
    rows = pattern_rows(small([0.9, 0.6, 0.8], {"x": everywhere([0.9002, 0.7, 0.1])}), "accuracy")
    best = [[row["ours"]["best"], row["baselines"][0]["best"]] for row in rows]
    assert best == [[True, True], [False, True], [True, False]]


def test_severe_case_takes_the_modality_that_is_missed_most():
    case = severe_case(small([0.9, 0.8, 0.6], {}))
    assert case["modality"] == "image"
    assert case["value"] == pytest.approx(0.3 * 0.9 + 0.7 * 0.6)


def test_headline_finds_the_worst_pattern():
    report = make_report(3, ["audio", "motion", "video"])
    worst = headline(report)["worst"]
    assert worst["accuracy"] == min(e["accuracy"] for e in report["patterns"])
    assert headline(make_report(3, ["image"]))["worst"] is None


def test_confused_pairs_equal_a_plain_search():
    matrix = np.random.default_rng(0).integers(0, 9, (6, 6))
    pairs = confused_pairs({"labels": list("abcdef"), "matrix": matrix.tolist()}, limit=100)
    found = {(p["true"], p["predicted"]): p["n"] for p in pairs}
    expected = {
        ("abcdef"[i], "abcdef"[j]): matrix[i, j]
        for i, j in itertools.permutations(range(6), 2)
        if matrix[i, j]
    }
    assert found == expected
    assert [p["n"] for p in pairs] == sorted(expected.values(), reverse=True)
    assert all(p["of"] == matrix["abcdef".index(p["true"])].sum() for p in pairs)


def test_remarks_name_the_class_that_loses_most():
    report = make_report(4, ["image", "text"])
    for row in report["classes"]:
        row["recall_by_pattern"] = [
            {"present": ["image", "text"], "recall": 0.9},
            {"present": ["image"], "recall": 0.25 if row["label"] == "class 02" else 0.8},
            {"present": ["text"], "recall": 0.9},
        ]
    hardest, loses = class_remarks(report)
    assert min(report["classes"], key=lambda row: row["f1"])["label"] in hardest
    assert loses == "Loses most without text: “class 02” (recall −65.0 points)."


def test_a_class_loses_what_it_loses_on_the_same_items():
    both, image = ["image", "text"], ["image"]
    recalls = [
        {"present": both, "n": 20, "recall": 0.9, "n_same": 20, "lost": 0.0},
        {"present": image, "n": 90, "recall": 0.3, "n_same": 20, "lost": 0.1},
    ]
    assert lost_recall(recalls, both, image) == 0.1  # not 0.6: 70 others are harder
    recalls[1]["n_same"] = 4
    assert lost_recall(recalls, both, image) is None
    assert lost_recall([{"present": both, "recall": 0.9}], both, image) is None


def test_confusion_draws_every_cell_that_is_not_empty():
    matrix = np.diag([3] * 30) + np.eye(30, k=1, dtype=int)
    labels = [f"<{i}>" for i in range(30)]
    svg = str(confusion_svg({"labels": labels, "matrix": matrix.tolist()}))
    assert svg.count('class="right"') == 30
    assert svg.count('class="wrong"') == 29
    assert "&lt;0&gt; → &lt;1&gt;: 1 of 4 (25.0 %)" in svg


def test_an_arrow_between_names_from_right_to_left_leads_from_the_first() -> None:
    svg = str(confusion_svg({"labels": ["חתול", "כלב"], "matrix": [[3, 1], [0, 2]]}))
    assert "\u2068חתול\u2069 → \u2068כלב\u2069: 1 of 4" in svg


def test_a_matrix_of_up_to_18_long_names_leaves_room_for_its_pairs_beside_it():
    for n in range(2, 19):
        labels = [f"{i} of the longest names that a shop has" for i in range(n)]
        svg = str(confusion_svg({"labels": labels, "matrix": np.eye(n, dtype=int).tolist()}))
        assert int(re.search(r'width="(\d+)"', svg)[1]) <= 660  # of 1,130


def test_the_words_beside_a_matrix_of_short_names_are_not_cut_off():
    svg = str(confusion_svg({"labels": ["0", "1"], "matrix": [[3, 0], [1, 2]]}))
    end = int(re.search(r'x="(\d+)" y="\d+" text-anchor="end">true ↓', svg)[1])
    assert end >= 44  # six letters of 11 pixels, which end there


def test_map_draws_a_sample_of_every_class():
    n = 3 * MAP_POINTS
    labels = [f"class {i % 4:02d}" for i in range(n)]  # ordered: every second would lose classes
    points = np.random.default_rng(0).normal(size=(2, n)).tolist()
    panel = {"present": ["image"], "x": points[0], "y": points[1], "label": labels}
    report = make_report(4, ["image"]) | {"projection": {"method": "t-SNE", "panels": [panel]}}
    (drawn,) = projection_svgs(report)
    assert (drawn["drawn"], drawn["n"]) == (MAP_POINTS, n)
    assert str(drawn["svg"]).count("<title>class") == 4
    assert str(drawn["svg"]).count("M") >= MAP_POINTS


def test_curves_figure_has_a_panel_per_modality():
    figure = curves_figure(make_report(7, ["audio", "motion", "video"]))
    assert isinstance(figure, Figure)
    assert [axes.get_xlabel() for axes in figure.axes] == [
        "audio missing, %", "motion missing, %", "video missing, %",
    ]  # fmt: skip
    # SRMM, the router, and three levels.
    assert [len(axes.get_lines()) for axes in figure.axes] == [5, 5, 5]
    with pytest.raises(InputError, match="two modalities"):
        curves_figure(make_report(4, ["image"]))


def test_lines_and_classes_differ_without_colour():
    names = [f"unimodal:{m}" for m in "abcd"] + ["router", "logreg-concat", "other"]
    report = {"model": {"method": "srmm"}, "baselines": {name: [] for name in names}}
    looks = [(style.dash, style.marker) for style in line_styles(report).values()]
    assert len(set(looks)) == len(looks) == 8
    assert len({class_look(i) for i in range(40)}) == 40
    assert len({class_look(i)[1] for i in range(5)}) == 5


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


@pytest.mark.parametrize("mode", [0, 1], ids=["light", "dark"])
def test_colours_can_be_seen(mode):
    ground = _luminance(PALETTE["surface"][mode])
    for role, colours in PALETTE.items():
        if role in ("surface", "rule"):
            continue
        lighter, darker = sorted([ground, _luminance(colours[mode])], reverse=True)
        assert (lighter + 0.05) / (darker + 0.05) >= (4.5 if role in ("ink", "muted") else 3), role


PNG = b"\x89PNG\r\n\x1a\n" + bytes(16)


def test_pictures_are_inside_and_raw_texts_shown(tmp_path):
    report = make_report(3, ["image", "text"])
    asked = []

    def thumbnail(modality: str, raw: Any) -> bytes | None:
        asked.append((modality, raw))
        return PNG if modality == "image" else None

    html = write_report(report, tmp_path / "r.html", thumbnail=thumbnail).read_text()
    shown = [*report["mistakes"], *report["right"], *report["label_errors"]["items"]]
    raws = [m["raw"] for m in shown]
    assert asked == [(modality, raw[modality]) for raw in raws for modality in ("image", "text")]
    assert html.count("data:image/png;base64,") == len(raws)
    for raw in raws:
        assert raw["text"] in html
        assert raw["image"] not in html  # the picture says it


def test_bytes_that_are_no_picture_are_not_embedded(tmp_path):
    report = make_report(3, ["image", "text"])
    path = write_report(report, tmp_path / "r.html", thumbnail=lambda m, raw: b"<svg onload=x>")
    html = path.read_text()
    assert "data:image" not in html
    assert report["mistakes"][0]["raw"]["image"] in html


def test_a_failed_run_leaves_the_old_page(tmp_path):
    path = tmp_path / "r.html"
    path.write_text("old")

    def broken(modality: str, raw: Any) -> bytes | None:
        raise RuntimeError("disk")

    with pytest.raises(SrmmError, match=r"picture of a .* could not be made \(disk\)"):
        write_report(make_report(3, ["image", "text"]), path, thumbnail=broken)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["r.html"]


@pytest.mark.parametrize(
    ("content", "message"),
    [({}, "not a report"), ({"format": "srmm-report", "version": 2}, "newer version")],
)
def test_what_is_no_report_is_an_error(content, message, tmp_path):
    with pytest.raises(InputError, match=message):
        write_report(content, tmp_path / "r.html")
    assert not Path(tmp_path / "r.html").exists()


def test_a_model_of_one_modality_is_a_rival_where_another_goes_missing():
    """It says the same whatever is missing: what it is right on of the very items of the curve."""
    alone = [entry(["image", "text"], 0.8, 100), entry(["image"], 0.5, 250)]
    report = small([0.9, 0.6, 0.8], {"unimodal:image": alone})
    severe = severe_case(report)  # 70 % of the texts are gone
    assert severe is not None
    assert severe["modality"] == "text"
    assert severe["rival"] == "unimodal:image"
    assert severe["rival_value"] == 0.8
    alone[0]["n"] = 90
    severe = severe_case(report)
    assert severe is not None
    assert severe["rival"] is None


def test_dotted_levels_are_of_items_with_both_modalities():
    report = make_report(3, ["a", "b", "c"])
    alone = report["baselines"]["unimodal:a"]
    (own,) = alone
    alone[:] = [
        own | {"present": present, "n": n, "accuracy": accuracy}
        for present, n, accuracy in (
            (["a", "b", "c"], 20, 0.2), (["a", "b"], 300, 0.7), (["a"], 400, 0.6),
        )
    ]  # fmt: skip
    levels = [float(alone_beside(report, "unimodal:a", modality)["accuracy"]) for modality in "abc"]
    assert levels == [0.6, 0.7, 0.2]  # no pattern of a and c is known: where all are there
    (figure_level,) = {
        float(y[0])
        for name, _, y in figures._baseline_lines(report, "b", "accuracy")
        if name == "unimodal:a"
    }
    assert figure_level == 70.0


LONG = "everything that the shop knows of the condition of the parcel on its way back to the store"


def test_a_shortened_name_still_says_alone():
    said = baseline_text(f"unimodal:{LONG}")
    assert said.endswith("… alone")
    assert len(said) <= 60


def test_no_figure_is_narrower_than_what_is_written_beside_its_axes():
    figure = curves_figure(make_report(3, [LONG, f"{LONG}, too", "c"]))
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    width = figure.bbox.width
    axes = figure.axes
    written = [text for a in axes for text in (a.xaxis.label, a.title, a._left_title)]  # type: ignore[attr-defined]
    written += [child.xaxis.label for a in axes for child in a.child_axes]
    written += figure.legends[0].get_texts()
    for text in written:
        box = text.get_window_extent()
        assert 0 <= box.x0 <= box.x1 <= width, text.get_text()
