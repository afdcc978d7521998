"""What `srmm demo` says at the end. The jobs that it runs have tests of their own."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

import srmm.workflows
from srmm.cli import run


@pytest.fixture(autouse=True)
def _nothing_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    patterns = [{"present": ["image", "text"], "n": 474, "accuracy": 0.9}]
    content = {"model": {"method": "srmm"}, "patterns": patterns, "baselines": {}}
    fitted = SimpleNamespace(summary="1,897 pictures encoded")
    monkeypatch.setattr(srmm.workflows, "fit_workflow", lambda *_, **__: fitted)
    report = SimpleNamespace(content=content)
    monkeypatch.setattr(srmm.workflows, "evaluate_workflow", lambda *_, **__: report)


def test_the_demo_ends_with_what_to_open_and_what_to_see(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["demo", "-o", str(tmp_path), "-q"]) == 0
    said = capsys.readouterr().out
    ending = said[said.index("\nopen ") + 1 :].splitlines()
    assert ending[0] == f"open {tmp_path / 'report.html'}"
    assert "presence pattern" in ending[1]
    assert len(ending) == 4
    assert "90.0" in said


def test_as_json_it_gives_places_and_numbers_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["demo", "-o", str(tmp_path), "-q", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["report"] == str(tmp_path / "report.html")
    assert facts["patterns"][0]["n"] == 474
