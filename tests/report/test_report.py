"""The report page: complete, safe, self-contained, the same bytes every time."""

from __future__ import annotations

import base64
import copy
import hashlib
import re
import shutil
import subprocess
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import matplotlib
import pytest

from srmm.report import write_report
from srmm.report.html import _with_code
from srmm.report.words import interval, percent
from tests.report.simulated_report import make_report

VOID = {"meta", "img", "br", "link", "input", "hr"}
SIZES = {
    "two classes": (2, ["image", "text"]),
    "eight classes": (8, ["image", "text"]),
    "three modalities": (7, ["audio", "motion", "video"]),
    "four modalities": (5, ["image", "text", "audio", "face"]),
    "one modality": (4, ["image"]),
    "many classes": (70, ["image", "text"]),
}
PNG = b"\x89PNG\r\n\x1a\n" + bytes(16)


class Page(HTMLParser):
    """What a browser would find: elements, attributes, text, table cells; checks the nesting."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""
        self.cells: list[str] = []
        self.open: list[str] = []
        self.feed(self.source)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag in ("td", "th"):
            self.cells.append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("script", "style"):
            return
        self.text += data
        if "td" in self.open or "th" in self.open:
            self.cells[-1] += data + " "

    def values(self, attribute: str) -> list[str]:
        return [value for _, name, value in self.attributes if name == attribute]


def page(report: dict[str, Any], folder: Path, **options: Any) -> Page:
    return Page(write_report(report, folder / "report.html", **options))


@pytest.fixture(scope="module", params=SIZES)
def sized(request, tmp_path_factory) -> tuple[dict[str, Any], Page]:
    """A report of each size, and its page."""
    report = make_report(*SIZES[request.param])
    return report, page(report, tmp_path_factory.mktemp("report"))


def test_page_needs_nothing_from_outside(sized):
    _, html = sized
    assert "://" not in html.source
    assert not html.tags.keys() & {"link", "iframe", "object", "base", "form"}
    assert all(href.startswith("#") for href in html.values("href"))
    assert all(src.startswith("data:") for src in html.values("src"))
    assert not re.search(r"@import|url\((?!#)", html.source)


def test_ids_are_unique_and_every_reference_has_one(sized):
    _, html = sized
    ids = Counter(html.values("id"))
    assert max(ids.values()) == 1
    assert {h[1:] for h in html.values("href")} | set(
        re.findall(r"url\(#([^)]+)\)", html.source)
    ) <= ids.keys()


def test_every_number_of_the_pattern_table_is_there(sized):
    report, html = sized
    cells = Counter(" ".join(cell.split()) for cell in html.cells)
    lists = [report["patterns"], *report["baselines"].values()]
    for entry in (entry for patterns in lists for entry in patterns):
        for metric in report["metrics"]:
            assert cells[f"{percent(entry[metric])} {interval(entry[f'{metric}_ci'])}"]
    for entry in report["patterns"]:
        assert cells[f"{entry['n']:,}"]
        assert cells[percent(entry["relative_drop"])]


def test_available_share_stands_beside_the_missing_rate(tmp_path):
    html = page(make_report(2, ["image", "text"]), tmp_path)
    assert "70 % missing, 30 % available" in html.text
    assert "text available, %" in html.text


def test_pictures_and_tables_are_described(tmp_path):
    html = page(make_report(8, ["image", "text"]), tmp_path, thumbnail=lambda m, raw: PNG)
    described = [attrs for attrs in html.attributes if attrs[1] in ("aria-label", "aria-hidden")]
    assert sum(tag == "svg" for tag, _, _ in described) == html.tags["svg"]
    assert len(html.values("alt")) == html.tags["img"] > 0
    assert html.tags["caption"] == html.tags["table"]


HOSTILE = "<script>x</script><marquee>$\"' onclick=x &amp;\x00\ud800 🧢" + "long " * 3000


def poison(value: Any) -> Any:
    """The same report with a hostile text for every class, id, raw text, name and setting."""
    if isinstance(value, dict):
        return {key: poison(item) for key, item in value.items()}
    if isinstance(value, list):
        return [poison(item) for item in value]
    free = isinstance(value, str) and value.startswith(("class ", "item-", "raw ", "minilm", "sim"))
    return value + HOSTILE if free else value


def test_hostile_text_stays_text(tmp_path):
    report = make_report(3, ["image", "text"])
    bad = poison(report) | {"title": HOSTILE, "attribution": HOSTILE, "created": HOSTILE}
    bad["model"] |= {"recipe": HOSTILE, "method": HOSTILE, "parameters": {HOSTILE: HOSTILE}}
    bad["baselines"] = {HOSTILE: report["baselines"]["router"], **report["baselines"]}
    bad["baseline_curves"][HOSTILE] = report["baseline_curves"]["router"]
    html = page(bad, tmp_path)
    assert html.tags["script"] == 1
    assert html.tags["marquee"] == 0
    assert html.text.count("<marquee>") > 50
    assert not any(name.startswith("on") for _, name, _ in html.attributes)
    assert "\x00" not in html.source
    assert len(html.source) < 600_000  # long texts are cut, not repeated everywhere


def test_the_only_script_is_ours(tmp_path):
    html = page(make_report(3, ["image", "text"]), tmp_path)
    (script,) = re.findall(r"<script>(.*?)</script>", html.source, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = [value for value in html.values("content") if "default-src" in value]
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy


def test_labels_that_are_no_text(tmp_path):
    report = make_report(3, ["image", "text"])
    names = dict(zip(report["data"]["classes"], [None, "", 7], strict=True))
    report = _renamed(report, names)
    html = page(report, tmp_path)
    assert {"(none)", "(empty)", "7"} <= {cell.strip() for cell in html.cells}


def _renamed(value: Any, names: dict[str, Any]) -> Any:
    if isinstance(value, dict):
        return {key: _renamed(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [_renamed(item, names) for item in value]
    return names.get(value, value) if isinstance(value, str) else value


ABSENT: dict[str, dict[str, Any]] = {
    "projection": {"projection": None},
    "mistakes": {"mistakes": []},
    "baselines": {"baselines": {}, "baseline_curves": {}},
    "curves": {"curves": {}, "baseline_curves": {}},
    "corruption": {"corruption": []},
    "classes": {"classes": [], "confusion": {"labels": [], "matrix": []}},
    "attribution": {"attribution": None},
}


@pytest.mark.parametrize("absent", [*ABSENT, "everything"])
def test_absent_sections(absent, tmp_path):
    changes = ABSENT.get(absent) or {k: v for part in ABSENT.values() for k, v in part.items()}
    report = make_report(3, ["image", "text"]) | changes
    html = page(report, tmp_path)
    assert html.tags["section"] == 11  # each says what is not there
    linked = {href[1:] for href in html.values("href")}
    assert not linked & (changes.keys() - {"baselines"})
    assert "None" not in html.text
    assert "nan" not in html.text.lower().split()


def test_undefined_numbers_are_dashes(tmp_path):
    report = make_report(2, ["image", "text"])
    curve = report["curves"]["text"]
    report["patterns"][1] |= {"auroc": None, "auroc_ci": None, "macro_f1": None}
    curve["auroc"] = [None] * 11
    curve["accuracy"][-1] = curve["accuracy_ci"][-1] = None
    report["training"] |= {"history": [], "best_epoch": None, "seconds": None, "epochs": None}
    report["model"]["n_parameters"] = None
    report["curves"]["image"] = {}
    assert "–" in page(report, tmp_path).text


def test_a_test_set_with_holes(tmp_path):
    report = make_report(3, ["image", "text"])
    report["data"]["test_presence"] = [
        {"present": ["text"], "n": 300},
        {"present": ["image"], "n": 9},
    ]
    report["patterns"] = report["patterns"][1:]  # no test item is complete
    report["baselines"]["unimodal:image"][0]["n"] = 77
    report["overall"] = {"n": 309, "accuracy": 0.8123, "accuracy_ci": [0.7, 0.9]}
    html = page(report, tmp_path)
    assert "right on 81.2 %" in html.text
    assert "n = 77" in html.text
    assert "Everything present" not in html.text


def test_same_report_same_bytes_whatever_the_users_style(tmp_path):
    report = make_report(8, ["image", "text"])
    first = write_report(report, tmp_path / "a.html").read_bytes()
    with matplotlib.rc_context({"axes.facecolor": "black", "font.size": 30, "lines.linewidth": 9}):
        before = dict(matplotlib.rcParams)
        second = write_report(copy.deepcopy(report), tmp_path / "b" / "b.html").read_bytes()
        assert dict(matplotlib.rcParams) == before
    assert first == second


@pytest.mark.workflow
def test_neither_pyplot_nor_torch_is_imported():
    code = "import sys, srmm.report; print({'torch', 'matplotlib.pyplot'} & sys.modules.keys())"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"


def test_a_pattern_that_changes_nothing_has_an_interval_too(tmp_path: Path) -> None:
    report = make_report(3, ["image", "text"])
    report["patterns"][1] |= {"difference": 0.0, "difference_ci": [-0.0312, 0.0312]}
    source = write_report(report, tmp_path / "report.html").read_text(encoding="utf-8")
    assert '<td class="n">0.0<small>−3.1 to +3.1</small></td>' in source


def test_a_number_after_a_label_stays_after_it(tmp_path: Path) -> None:
    """Written from right to left, a label would draw the number and the sign around itself."""
    source = write_report(make_report(3, ["image", "text"]), tmp_path / "report.html").read_text()
    assert ".answer b { unicode-bidi: isolate; }" in source
    assert re.search(r'<p class="answer"><span>said</span> <b [^>]*>[^<]+</b> <small>', source)


def test_a_command_within_a_sentence_is_code_and_a_name_stays_text() -> None:
    said = _with_code("use <b> instead, `srmm fit --method a&b`; a lone ` is nothing")
    assert said == (
        "use &lt;b&gt; instead, <code>srmm fit --method a&amp;b</code>; a lone ` is nothing"
    )


def test_what_is_read_aloud_has_a_role(tmp_path: Path) -> None:
    """On a bare span screen readers pass over a label, and the chips within it are hidden."""
    html = page(make_report(3, ["image", "text"]), tmp_path)
    labelled = re.findall(r"<(?:span|div)[^>]*aria-label[^>]*>", html.source)
    assert labelled
    # Whoever has no mouse scrolls what has the focus.
    boxes = re.findall(r'<div class="scroll[^>]*>', html.source)
    assert boxes
    assert all('tabindex="0" role="region" aria-label="' in box for box in boxes)
    assert all("role=" in tag for tag in labelled)


def test_the_way_back_to_the_top_is_called_as_the_data(tmp_path: Path) -> None:
    report = make_report(3, ["image", "text"])
    report["data"]["name"] = "orders.csv"
    report["title"] = "Robustness to missing modalities: orders.csv"
    assert 'href="#top">orders.csv</a>' in page(report, tmp_path).source
    report["title"] = "Returned parcels"
    assert 'href="#top">Returned parcels</a>' in page(report, tmp_path).source


def test_a_diagram_without_a_bin_is_not_drawn_but_counted(tmp_path: Path) -> None:
    report = make_report(3, ["image", "text"])
    trust = report["trust"]
    trust["overall"] = trust["patterns"][0] if trust["patterns"] else trust["overall"]
    one = trust["overall"]
    empty = one | {"bins": [b | {"n": 4} for b in one["bins"]]}
    several = [one | {"present": ["image"]}, empty | {"present": ["text"]}]
    trust["patterns"] = several
    source = page(report, tmp_path).source
    assert source.count("Reliability diagram, ") == 2
    assert "are not drawn; 1 empty diagram is left out." in source
    trust["patterns"] = [*(one | {"present": ["image"]} for _ in range(9)), several[1]]
    source = page(report, tmp_path).source
    assert source.count("Reliability diagram, ") == 8
    assert "are not drawn; 1 empty diagram and 2 more are left out." in source
    trust["overall"] = empty
    trust["patterns"] = []
    assert "Reliability diagram, " not in page(report, tmp_path).source


def test_heads_wrap_where_nothing_can_be_scrolled(tmp_path: Path) -> None:
    """On paper the last columns, the baselines, were cut off."""
    source = page(make_report(3, ["image", "text"]), tmp_path).source
    paper = source[source.index("@media print") :]
    assert re.search(r"thead th, thead th\.n \{[^}]*white-space: normal", paper)
    assert re.search(r"svg\.bar \{ width: 90px; height: auto; \}", paper)


@pytest.mark.parametrize(("suspects", "says"), [(0, "no label stands out"), (31, "For 31 of them")])
def test_labels_that_nothing_contradicts_are_not_called_wrong(
    tmp_path: Path, suspects: int, says: str
) -> None:
    report = make_report(3, ["image", "text"])
    report["label_errors"] = {"n": 90, "n_suspect": suspects, "items": []}
    text = write_report(report, tmp_path / "r.html").read_text(encoding="utf-8")
    assert says in text
    assert ("wrong labels are among these" in text) == bool(suspects)
    report["training"]["step"] = 64
    report["model"]["parameters"] = {"batch_size": None}
    text = write_report(report, tmp_path / "r.html").read_text(encoding="utf-8")
    assert "in steps of 64 instances" in text
    assert "<dt>batch_size</dt><dd>by default</dd>" in text


@pytest.mark.workflow
@pytest.mark.slow
def test_figures_are_read_on_a_phone(tmp_path: Path) -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    chromium = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
    if chromium is None:
        pytest.skip("no Chromium on this machine")
    path = write_report(make_report(3, ["image", "text"]), tmp_path / "r.html")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 390, "height": 844})
        page.goto(path.as_uri())
        sizes = page.evaluate(
            """() => [...document.querySelectorAll("svg.figure text")].map((text) => {
              const svg = text.ownerSVGElement;
              const scale = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
              return parseFloat(getComputedStyle(text).fontSize) * scale;
            })"""
        )
        browser.close()
    assert min(sizes) > 9.5
