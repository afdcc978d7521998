"""The scripts that measure speed run, at a tiny size, and the page is made of what they leave."""

from __future__ import annotations

import json
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from srmm.learning import gathered

ROOT = Path(__file__).resolve().parents[1]
BENCHMARKS = ROOT / "benchmarks"
WITH_TINY = sorted(
    file.stem for file in BENCHMARKS.glob("*.py") if '"--tiny"' in file.read_text(encoding="utf-8")
)
TOO_LONG = {"batch"}
"""Starts Daft several times, which takes minutes: `make bench-full` alone runs it."""


def python(script: str, *arguments: str) -> str:
    ran = subprocess.run(
        [sys.executable, str(BENCHMARKS / f"{script}.py"), *arguments],
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.workflow
@pytest.mark.slow
@pytest.mark.parametrize("script", sorted(set(WITH_TINY) - TOO_LONG))
def test_a_benchmark_runs_and_its_file_becomes_a_section(
    script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run in this process: a start of Python takes longer than what is tiny."""
    monkeypatch.setattr("srmm.learning.gathered.MADE_ONCE", gathered.MADE_ONCE)  # one sets it
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    file = BENCHMARKS / f"{script}.py"
    monkeypatch.setattr(
        sys, "argv", [str(file), "--tiny", "--json", str(tmp_path / f"{script}.json")]
    )
    runpy.run_path(str(file), run_name="__main__")
    content = json.loads((tmp_path / f"{script}.json").read_text(encoding="utf-8"))
    assert content
    python("performance", str(tmp_path), "--output", str(tmp_path / "page.md"))
    page = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert "{{" not in page
    assert page.count("\n|") > 3
    for measured in content.get("tables", ()):
        assert f"**{measured['title']}**" in page


@pytest.mark.parametrize(
    "file",
    [file for file in sorted(BENCHMARKS.rglob("*.py")) if file.stem not in WITH_TINY],
    ids=lambda file: file.stem,
)
def test_what_is_too_long_for_tests_finds_all_it_imports(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every experiment takes hours: a name that has gone from srmm would be seen by nobody."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.syspath_prepend(str(file.parent))
    runpy.run_path(str(file))


@pytest.mark.workflow
@pytest.mark.slow
def test_reports_of_many_classes_are_measured_alone(tmp_path: Path) -> None:
    file = tmp_path / "classes.json"
    python("prediction", "--tiny", "--many-classes", "--json", str(file))
    reports = json.loads(file.read_text(encoding="utf-8"))["reports"]
    assert [report["model"] for report in reports] == ["paper", "default"]
    assert all(report["peak memory, GB"] > 0.1 and report["page, MB"] > 0.1 for report in reports)


@pytest.mark.workflow
def test_the_page_shows_tables_of_any_shape_in_order(tmp_path: Path) -> None:
    training = {
        "machine": {"cores": 2, "GPU": False},
        "command": "benchmarks/training.py",
        "tables": [{"title": "Epochs", "rows": [{"a|b": "x|y", "s": 1234.5}, {"s": 0.12345}]}],
    }
    other = {"requests": [{"clients": 8, "ms": 2.0}], "by_name": {"one": {"ms": 1}}, "peak": 71}
    (tmp_path / "training.json").write_text(json.dumps(training), encoding="utf-8")
    (tmp_path / "another.json").write_text(json.dumps(other), encoding="utf-8")
    python("performance", str(tmp_path), "--output", str(tmp_path / "page.md"))
    page = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert page.index("### Training") < page.index("### another")
    assert "cores: 2; GPU: no." in page
    assert "| x\\|y | 1,234 |\n|  | 0.123 |" in page
    assert "| 8 | 2 |" in page
    assert "|  | ms |\n| --- | --- |\n| one | 1 |" in page
    assert "| 71 |" in page


@pytest.mark.workflow
def test_a_folder_without_figures_makes_no_page(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, str(BENCHMARKS / "performance.py"), str(tmp_path),
         "--output", str(tmp_path / "page.md")],
        capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip
    assert ran.returncode == 1
    assert "run `make bench` first" in ran.stderr
    assert not (tmp_path / "page.md").exists()


def test_the_default_is_said_to_be_what_was_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS / "recipe"))
    against_all = runpy.run_path(str(BENCHMARKS / "recipe" / "against_all.py"))
    monkeypatch.setattr("page.ROOT", tmp_path)
    monkeypatch.setattr("page.DOCS", tmp_path)
    shutil.copyfile(ROOT / "README.md", tmp_path / "README.md")
    against_all["write_page"](against_all["kept"](), list(against_all["METHODS"]))
    for name in ("README.md", "docs/results/default.md"):
        written = (ROOT / name).read_text(encoding="utf-8")
        assert (tmp_path / Path(name).name).read_text(encoding="utf-8") == written


def test_growth_goes_on_only_with_what_was_measured_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    growth = runpy.run_path(str(BENCHMARKS / "growth.py"))
    growth["use_clock"]("wall")  # whatever another test has left
    file, seconds = tmp_path / "growth.json", {"train": 1.5}
    machine = growth["described"]()
    for before, refused in [
        (machine, None),
        ({**machine, "load when started": 9.0}, None),
        ({**machine, "clock": "process"}, "clock process, and now it is clock wall"),
        ({**machine, "threads": 99}, "threads 99, and now"),
        ({}, "clock unknown, processor unknown"),
    ]:
        file.write_text(json.dumps({"machine": before, "runs": {"rows 100": seconds}}))
        if refused is None:
            assert growth["measured"]("rows", 100, {}, file) == seconds
            continue
        with pytest.raises(SystemExit, match=refused):
            growth["measured"]("rows", 100, {}, file)
    assert growth["kept_runs"](None) == growth["kept_runs"](tmp_path / "none.json") == {}


def test_make_bench_runs_every_script_with_a_tiny_size() -> None:
    rules = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert {"training", "growth"} <= set(WITH_TINY)
    for script in WITH_TINY:
        assert script in rules, f"make bench and bench-full leave benchmarks/{script}.py out"
