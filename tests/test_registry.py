"""Tests of `srmm.registry`: what it finds in a package of srmm's kind, and in plug-ins."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

from srmm.errors import InputError
from srmm.registry import Registry


@dataclass(frozen=True)
class Colour:
    """What an `ABOUT` is in these tests."""

    name: str

    def check(self, module: ModuleType) -> None:
        if self.name == "grey":
            raise TypeError(f"{module.__name__} has no colour")


@pytest.fixture
def colours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder to import from, in which the package of this test's colours has two modules."""
    package = tmp_path / "colours"
    (package / "shades").mkdir(parents=True)
    write(package / "__init__.py")
    write(package / "base.py", about=None)
    write(package / "red.py", about="Colour('red')")
    write(package / "blue.py", about="(Colour('blue'), Colour('navy'))")
    write(package / "_hidden.py", about="Colour('hidden')")
    write(package / "shades" / "__init__.py", about="Colour('shade')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "colour_abouts", sys.modules[__name__])
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in ("colours", "plug_in", "elsewhere"):
            del sys.modules[name]


def write(path: Path, about: str | None = None) -> None:
    line = "" if about is None else f"from colour_abouts import Colour\nABOUT = {about}\n"
    path.write_text(line)


def plug_in(folder: Path, value: str, code: str | None, name: str = "plug-in") -> None:
    """An installed distribution with one entry point, and its module `plug_in`."""
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[colours]\nmine = {value}\n")
    if code is not None:
        (folder / "plug_in.py").write_text(code)


def registry(*more: str) -> Registry[Colour]:
    return Registry("colour", "colours", Colour, more)


ABOUT_GREEN = "from colour_abouts import Colour\nABOUT = Colour('green')\n"


def test_finds_every_public_module_with_an_about(colours: Path):
    entries = registry().entries()
    assert list(entries) == ["blue", "navy", "red"]
    assert entries["navy"].about == Colour("navy")
    assert entries["navy"].module.__name__ == "colours.blue"


def test_more_modules_come_first(colours: Path):
    write(colours / "elsewhere.py", about="Colour('white')")
    assert list(registry("elsewhere").entries()) == ["white", "blue", "navy", "red"]


def test_looks_once(colours: Path):
    found = registry()
    assert found.entries() is found.entries()


def test_find_suggests_a_name(colours: Path):
    assert registry().find("red").about == Colour("red")
    with pytest.raises(InputError, match=r"The colour is 'rde', which is unknown\. .*'red'"):
        registry().find("rde")


def test_a_name_twice_in_srmm_is_a_fault_of_srmm(colours: Path):
    write(colours / "colours" / "rouge.py", about="Colour('red')")
    with pytest.raises(ValueError, match="Two colours are called 'red'"):
        registry().entries()


def test_a_plug_in_comes_last(colours: Path):
    plug_in(colours, "plug_in", ABOUT_GREEN)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        entries = registry().entries()
    assert list(entries) == ["blue", "navy", "red", "green"]
    assert entries["green"].module.__name__ == "plug_in"


@pytest.mark.parametrize(
    ("value", "code", "cause"),
    [
        ("plug_in", None, "ModuleNotFoundError: No module named 'plug_in'"),
        ("plug_in", "raise RuntimeError('no licence')", "RuntimeError: no licence"),
        ("plug_in", "", "plug_in has no ABOUT, which must be of type Colour, or a tuple"),
        ("plug_in", ABOUT_GREEN.replace("green", "grey"), "plug_in has no colour"),
        ("plug_in", "ABOUT = 'green'", "must be of type Colour, or a tuple of them, got 'green'"),
        (
            "plug_in",
            "ABOUT = ('green', 1)",
            "must be of type Colour, or a tuple of them, got 'green'",
        ),
        ("plug_in:ABOUT", ABOUT_GREEN, r"it names Colour\(name='green'\), where a module"),
    ],
)
def test_a_broken_plug_in_warns_and_is_left_out(
    colours: Path, value: str, code: str | None, cause: str
):
    plug_in(colours, value, code)
    with pytest.warns(UserWarning, match=cause) as caught:
        entries = registry().entries()
    assert list(entries) == ["blue", "navy", "red"]
    (message,) = [str(warning.message) for warning in caught]
    assert "of plug-in is left out" in message
    assert f"entry point 'mine' in 'colours', {value!r}" in message


def test_a_plug_in_takes_no_name_that_is_taken(colours: Path):
    code = "from colour_abouts import Colour\nABOUT = (Colour('red'), Colour('green'))\n"
    plug_in(colours, "plug_in", code)
    with pytest.warns(UserWarning, match=r"the name 'red' is taken by colours\.red"):
        entries = registry().entries()
    assert entries["red"].module.__name__ == "colours.red"
    assert "green" in entries


@pytest.mark.workflow
def test_imports_no_torch():
    code = "import sys, srmm.registry; assert not {'torch', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
