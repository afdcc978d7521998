"""What the README shows is run: its commands and its Python, in order, in a folder with a table."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pandas as pd
import pytest

from srmm.cli import run
from tests.cli.test_cli import shop  # noqa: F401 - the fixture

README = Path(__file__).resolve().parents[1] / "README.md"
pytestmark = pytest.mark.usefixtures("brief_training")

BLOCK = re.compile(r"<!-- test: (\w+) -->\n```\w+\n(.*?)```", re.DOTALL)


@pytest.fixture
def folder(shop: Path, monkeypatch: pytest.MonkeyPatch) -> Path:  # noqa: F811
    new = pd.DataFrame({"photo": ["pictures/0.png", None], "title": [None, "a black cross"]})
    new.to_csv(shop / "new_products.csv", index=False)
    monkeypatch.chdir(shop)
    return shop


def blocks(kind: str) -> list[str]:
    return [text for found, text in BLOCK.findall(README.read_text()) if found == kind]


def test_commands(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [line for block in blocks("cli") for line in block.splitlines()]
    assert len(lines) == 4
    for line in lines:
        program, *arguments = shlex.split(line)
        assert program == "srmm"
        assert run([*arguments, "--quiet"]) == 0, capsys.readouterr().err
    assert (folder / "report.html").stat().st_size > 50_000
    assert len(pd.read_csv(folder / "predictions.csv")) == 2


def test_python(folder: Path) -> None:
    names: dict[str, object] = {}
    assert len(blocks("python")) == 2
    for block in blocks("python"):
        exec(compile(block, str(README), "exec"), names)
    assert names["report"].content["patterns"][0]["present"] == ["image", "audio"]


def test_commands_have_the_options_that_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    found = re.search(
        r"\*\*Commands\*\*: (.*?), each with (.*?)\n- ", README.read_text(), re.DOTALL
    )
    assert found is not None
    commands = re.findall("`(.*?)`", found[1])
    assert {"fit", "serve", "push"} <= set(commands)
    assert found[2] == "`--help` and `--config`, all but `serve` with `--json`."
    for command in commands:
        assert run([command, "--help"]) == 0
        said = capsys.readouterr().out
        assert "--config" in said
        assert ("--json " in said) == (command != "serve"), command
