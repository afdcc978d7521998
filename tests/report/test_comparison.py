"""The page of `srmm compare`: what it says of few seeds, and of differences that are none."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

from srmm.report.comparison import difference_matrix, headline, write_comparison


def comparison(scores: dict[str, list[float]], p: float, modalities: int = 2) -> dict[str, Any]:
    """The content of comparison.json, every pair with the same p."""
    pairs = []
    for a, b in combinations(scores, 2):
        gap = sum(scores[a]) / len(scores[a]) - sum(scores[b]) / len(scores[b])
        part = {"difference": gap, "interval": [gap - 0.01, gap + 0.02], "p": p, "p_holm": p}
        pairs.append({"better": a, "other": b, "score": part, "as_is": part})
    names = [f"m{i}" for i in range(modalities)]
    return {
        "data": {
            "name": "goods <b>",
            "instances": 1200,
            "tested": 400,
            "classes": 3,
            "modalities": dict.fromkeys(names, 8),
            "present": dict.fromkeys(names, 900),
            "own_split": False,
        },
        "seeds": len(next(iter(scores.values()))),
        "methods": [
            {
                "method": name,
                "score": values,
                "as_is": values,
                "patterns": [{"present": names, "accuracy": [None] * len(values)}],
                "n_parameters": None,
                "fit_seconds": [1.0] * len(values),
            }
            for name, values in scores.items()
        ],
        "pairs": pairs,
        "versions": {"srmm": "1", "torch": "2", "scikit-learn": "3"},
    }


def test_one_training_is_said_to_be_one(tmp_path: Path) -> None:
    one = comparison({"a": [0.9], "b": [0.8]}, p=0.001)
    assert headline(one) == "a is better than every other method here, in one training of each."
    source = write_comparison(one, tmp_path / "one.html").read_text(encoding="utf-8")
    assert "With one seed, that another training would give other results" in source
    assert "goods &lt;b&gt;" in source
    header = source[source.index("<header>") : source.index("</header>")]
    assert header.count("1,200 instances, 3 classes; m0 (8 numbers, there for 900), ") == 1
    assert header.count("<p ") == 3  # what it is, on what data, and the verdict
    two = comparison({"a": [0.9, 0.91], "b": [0.8, 0.81]}, p=0.001)
    assert headline(two) == "a is better than every other method here."


def test_no_page_holds_what_no_page_may(tmp_path: Path) -> None:
    content = comparison({"a": [0.9], "b": [0.8]}, p=0.001)
    content["data"]["name"] = "goods\x00\x0b\ud800"
    source = write_comparison(content, tmp_path / "c.html").read_text(encoding="utf-8")
    assert "<h1>goods\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}?</h1>" in source


def test_what_was_left_out_is_on_the_page(tmp_path: Path) -> None:
    content = comparison({"a": [0.9, 0.91], "b": [0.8, 0.81]}, p=0.001)
    assert "<li>" not in write_comparison(content, tmp_path / "c.html").read_text(encoding="utf-8")
    content["data"] |= {"left_out": 15, "notes": ["Labels are <numbers>."]}
    source = write_comparison(content, tmp_path / "c.html").read_text(encoding="utf-8")
    assert "<li>Labels are &lt;numbers&gt;.</li>" in source
    assert "<li>15 rows are left out, without a label or without an item.</li>" in source


def test_comparisons_are_counted(tmp_path: Path) -> None:
    for n, said in ((2, "for 1 comparison."), (3, "for 3 comparisons.")):
        some = comparison({name: [0.8, 0.9] for name in "abc"[:n]}, p=0.5)
        assert said in write_comparison(some, tmp_path / "page.html").read_text(encoding="utf-8")


def test_what_chance_explains_is_no_order() -> None:
    tied = comparison({"a": [0.9, 0.9], "b": [0.9, 0.9]}, p=1.0)
    assert "no method is significantly worse" in headline(tied)
    cell = difference_matrix(tied)[1]["cells"][0]
    assert cell == {"points": "0.0", "interval": "−2.0 to +1.0", "p": 1.0, "real": False}
