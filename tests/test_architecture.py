"""The rules of the house that hold in every file: who imports whom, what is where, how long.

The floors, and the files that encoders, methods and data sets may share, are read from the
contracts of import-linter in pyproject.toml, which `make lint` checks as they stand.
"""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SRC = ROOT / "src" / "srmm"
MAX_LINES = 400
MAX_FILES_AT_THE_ROOT = 10
REGISTERED = ("encoders", "methods", "datasets")
"""Rooms whose every file is found by its `ABOUT`."""


def name_of(path: Path) -> str:
    """`srmm.data.table` for its file; `srmm.data` for the room's `__init__`."""
    parts = path.relative_to(SRC.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in sorted(SRC.rglob("*.py"))}


@cache
def tree_of(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


@cache
def contracts() -> dict[str, dict]:
    """What pyproject.toml says to import-linter, by the contracts' ids."""
    content = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return {contract["id"]: contract for contract in content["tool"]["importlinter"]["contracts"]}


def floors() -> list[set[str]]:
    """The rooms of each floor, from the top."""
    lines: list[str] = contracts()["floors"]["layers"]
    return [{room.strip(" ()") for room in line.split("|")} for line in lines]


def shared(room: str) -> set[str]:
    """The modules of a room that its other modules may import."""
    start = f"srmm.{room}.* -> "
    named = [line.removeprefix(start) for line in contracts()[room]["ignore_imports"]
             if line.startswith(start)]  # fmt: skip
    assert named
    return {name.removesuffix(".*") for name in named}


def public_names() -> dict[str, str]:
    """The names that `import srmm` offers, and the module that each is fetched from."""
    for node in tree_of("srmm").body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_HOMES":
            homes: dict[str, str] = ast.literal_eval(node.value)
            return {name: f"srmm.{home}" for name, home in homes.items()}
    raise AssertionError("srmm/__init__.py has no _HOMES")


def in_types_only(module: str) -> set[ast.AST]:
    """All that stands under `if TYPE_CHECKING:`, which no run executes."""
    return {
        inner
        for node in ast.walk(tree_of(module))
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        for statement in node.body
        for inner in ast.walk(statement)
    }


@cache
def imports_of(module: str) -> frozenset[str]:
    """The modules of srmm that one imports: anywhere in it, and through the public names, too."""
    found = set()
    skipped = in_types_only(module)
    for node in ast.walk(tree_of(module)):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports by a relative name"
            assert node.module is not None
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                if inner in MODULES:
                    found.add(inner)
                elif node.module == "srmm":
                    found.add(public_names().get(alias.name, "srmm"))
                else:
                    found.add(node.module)
    return frozenset(found & MODULES.keys())


def classes_of(module: str) -> Iterator[str]:
    return (node.name for node in ast.walk(tree_of(module)) if isinstance(node, ast.ClassDef))


def test_the_imports_are_found() -> None:
    """Else the tests below would hold of nothing."""
    assert imports_of("srmm.classifier") >= {"srmm.single_branch", "srmm.learning.network"}
    assert "srmm.encoding.daft.driver" in imports_of("srmm.encoding.one_modality")  # in a function
    assert imports_of("srmm.errors") == frozenset()
    assert shared("encoders") >= {"srmm.encoders.base", "srmm.encoders.networks"}


def test_no_import_goes_up() -> None:
    """Even inside functions, and by way of `from srmm import …`."""
    height = {room: -i for i, rooms in enumerate(floors()) for room in rooms}
    up = []
    for module in MODULES.keys() - {"srmm"}:
        room = module.split(".")[1]
        for target in imports_of(module) - {"srmm"}:
            other = target.split(".")[1]
            if other != room and height[other] >= height[room]:
                up.append(f"{module} -> {target}")
    assert sorted(up) == []


def test_no_imports_circle() -> None:
    """Not even inside functions. The package itself, which fetches its names late, is left out."""
    graph = {module: imports_of(module) - {"srmm"} for module in MODULES.keys() - {"srmm"}}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" <- ".join(error.args[1]))


def test_every_room_has_its_floor() -> None:
    rooms = {module.split(".")[1] for module in MODULES if module != "srmm"}
    assert rooms - set().union(*floors()) == set()


def test_no_module_is_long() -> None:
    lines = {m: len(path.read_text(encoding="utf-8").splitlines()) for m, path in MODULES.items()}
    assert {module: n for module, n in lines.items() if n > MAX_LINES} == {}


def test_nothing_is_left_of_a_merge() -> None:
    """Templates, scripts and styles are no modules: no other check reads them as a whole."""
    ours = [path for path in SRC.rglob("*") if path.suffix in (".py", ".j2", ".js", ".css")]
    marks = tuple(sign * 7 + " " for sign in "<>")
    torn = [
        path.name
        for path in ours
        if any(one.startswith(marks) for one in path.read_text(encoding="utf-8").splitlines())
    ]
    assert torn == []
    assert {path.suffix for path in ours} == {".py", ".j2", ".js", ".css"}


def test_the_root_is_the_paper() -> None:
    assert len(list(SRC.glob("*.py"))) <= MAX_FILES_AT_THE_ROOT


def test_a_class_name_means_one_thing() -> None:
    homes = defaultdict(list)
    for module in MODULES:
        if any(part.startswith("_") for part in module.split(".")):
            continue
        for name in classes_of(module):
            if not name.startswith("_"):
                homes[name].append(module)
    assert {name: where for name, where in homes.items() if len(where) > 1} == {}


@pytest.mark.parametrize("room", REGISTERED)
def test_what_srmm_knows_by_name_says_what_it_is(room: str) -> None:
    silent = []
    for module in MODULES:
        if not module.startswith(f"srmm.{room}."):
            continue
        if any(module == helper or module.startswith(f"{helper}.") for helper in shared(room)):
            continue
        assigned = {
            ast.unparse(target)
            for node in tree_of(module).body
            if isinstance(node, ast.Assign | ast.AnnAssign)
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        }
        if "ABOUT" not in assigned:
            silent.append(module)
    assert silent == []


def light(*rooms: str, but: tuple[str, ...] = ()) -> list[str]:
    """The modules of those rooms, without some."""
    return [
        module
        for module in MODULES
        if module.split(".")[1:2] and module.split(".")[1] in rooms
        if not any(module == other or module.startswith(f"{other}.") for other in but)
    ]


@pytest.mark.workflow
@pytest.mark.parametrize(
    ("modules", "heavy"),
    [
        (light("report"), ("torch", "sklearn")),
        (
            light(
                "cli",
                "data",
                "encoders",
                but=(
                    "srmm.encoders.networks",
                    "srmm.encoders.engines",
                    "srmm.encoders.onnx_engine",
                ),
            ),
            ("torch",),
        ),
        (light("learning", "ensemble", "workflows"), ("huggingface_hub.hf_api", "skops")),
    ],
    ids=["report", "cli data encoders", "learning workflows"],
)
def test_importing_loads_nothing_heavy(modules: list[str], heavy: tuple[str, ...]) -> None:
    """So that help, lists, pages and the reading of data start at once."""
    assert len(modules) > 5
    code = (
        "import importlib, sys\n"
        f"for module in {modules!r}:\n"
        "    importlib.import_module(module)\n"
        f"    loaded = [name for name in {heavy!r} if name in sys.modules]\n"
        "    if loaded: sys.exit(f'{module} loads {loaded}')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_no_parameter_of_a_test_has_the_time_in_it() -> None:
    """As gzip has: workers that collect in two seconds find different tests, and none runs."""
    calls = [
        (path.name, node.lineno)
        for path in Path(__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "gzip.compress"
        and "mtime" not in {keyword.arg for keyword in node.keywords}
    ]
    assert not calls
