"""What the page shows of more classes than anyone reads."""

from __future__ import annotations

from pathlib import Path

from srmm.report import write_report
from srmm.report.class_table import MOST, class_choice, class_rows
from tests.report.simulated_report import make_report


def test_few_classes_are_all_shown_in_their_order() -> None:
    report = make_report(70, ["image", "text"])
    assert [row["label"] for row in class_rows(report)] == report["data"]["classes"]
    assert class_choice(report) is None


def test_of_many_classes_the_weakest_and_the_largest_are_shown() -> None:
    report = make_report(MOST + 50, ["image", "text"])
    for c, entry in enumerate(report["classes"]):
        entry["n"], entry["f1"] = 3 + c % 2, 0.9
    untested, weak, weak_too, large = report["classes"][7:11]
    untested |= {"n": 0, "f1": None, "recall": None}
    weak |= {"f1": 0.1}
    weak_too |= {"f1": 0.1, "n": 40}
    large |= {"n": 900}
    rows = class_rows(report)
    assert [row["label"] for row in rows[:2]] == [weak_too["label"], weak["label"]]
    assert untested["label"] not in [row["label"] for row in rows]
    assert large["label"] in [row["label"] for row in rows]
    assert len({row["label"] for row in rows}) == len(rows) <= 200
    assert "350 classes" in str(class_choice(report))


def test_a_page_of_very_many_classes_is_small(tmp_path: Path) -> None:
    report = make_report(MOST + 50, ["image", "text"])
    html = write_report(report, tmp_path / "page.html").read_text(encoding="utf-8")
    assert str(class_choice(report)).replace("'", "&#39;") in html
    assert "350 classes are too many to draw" in html
    assert 'class="confusion"' not in html


def test_the_page_says_how_many_rows_got_noise(tmp_path: Path) -> None:
    report = make_report(3, ["image", "text"])
    for entry in report["corruption"]:
        entry |= {"n": 2_500, "of": 20_000}
    html = write_report(report, tmp_path / "page.html").read_text(encoding="utf-8")
    assert "2,500 test items, drawn at random from 20,000" in html
    report = make_report(3, ["image", "text"])
    html = write_report(report, tmp_path / "page.html").read_text(encoding="utf-8")
    assert "of all test items. Bands" in html
