"""The pictures of the architecture page, drawn from the code: the tree, the floors, the figures.

It reads the source with `ast` and runs none of it; it needs Python alone.

    python docs/draw_architecture.py tree       one line per file, its docstring's first sentence
    python docs/draw_architecture.py floors     the rooms by floor, and what each imports
    python docs/draw_architecture.py figures    how many rooms, floors, arrows, circles
    python docs/draw_architecture.py measure    the same as JSON; --source for another tree

A *room* is what lies directly in `srmm`: a folder, or a file of its own. An *arrow* goes from room
to room where a file of the one imports anything of the other, inside functions too, and also by a
name of `srmm` itself. Imports for types alone, which no run executes, do not count.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parent / "src" / "srmm"
BEFORE = HERE / "architecture_before.json"

# From the top: a room imports only from lines below its own. The same order is kept by the
# linter; a room that is new here stands on no floor, and the page says so.
ORDER = """
cli
exporting serving
workflows
experiments
evaluation
saving
methods
classifier
single_branch
encoding learning
encoders datasets recipe
report data fusion
registry
files switching
errors
version
"""

Arrows = dict[str, set[str]]


class House:
    """The package in a folder: its modules, and who imports whom."""

    def __init__(self, source: Path) -> None:
        self.source = source
        self.modules = {self._name(path): path for path in sorted(source.rglob("*.py"))}

    def _name(self, path: Path) -> str:
        parts = path.relative_to(self.source.parent).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @cached_property
    def trees(self) -> dict[str, ast.Module]:
        return {name: ast.parse(path.read_text("utf-8")) for name, path in self.modules.items()}

    @cached_property
    def homes(self) -> dict[str, str]:
        """The names that `srmm` offers → the modules they are fetched from."""
        for node in self.trees["srmm"].body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_HOMES":
                return {n: f"srmm.{home}" for n, home in ast.literal_eval(node.value).items()}
        return {}

    @cached_property
    def imports(self) -> Arrows:
        """Module → the modules it imports, anywhere in it; the package's own door is left out."""
        return {name: self._imports_of(name) for name in self.modules if name != "srmm"}

    def _imports_of(self, module: str) -> set[str]:
        found = set()
        for node in executed(self.trees[module]):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    inner = f"{node.module}.{alias.name}"
                    outer = self.homes.get(alias.name) if node.module == "srmm" else node.module
                    found.add(inner if inner in self.modules else outer or "srmm")
        return found & self.modules.keys() - {"srmm", module}

    @cached_property
    def rooms(self) -> Arrows:
        """Room → the rooms it imports from."""
        rooms: Arrows = {room_of(module): set() for module in self.imports}
        for module, targets in self.imports.items():
            rooms[room_of(module)] |= {room_of(target) for target in targets} - {room_of(module)}
        return rooms

    def summary(self, module: str) -> str:
        """The first sentence of a module's docstring."""
        text = " ".join((ast.get_docstring(self.trees[module]) or "").split("\n\n")[0].split())
        return re.split(r"\.(?= [A-Z`]|$)", text)[0].rstrip(".") or "(no docstring)"


def executed(tree: ast.AST) -> Iterable[ast.AST]:
    """All nodes but those under `if TYPE_CHECKING:`."""
    todo: list[ast.AST] = [tree]
    while todo:
        node = todo.pop()
        yield node
        types_only = isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        todo += node.orelse if types_only else ast.iter_child_nodes(node)


def room_of(module: str) -> str:
    return module.split(".")[1]


def circles(arrows: Arrows) -> list[list[str]]:
    """The knots: sets of more than one node that all reach one another."""
    reach = {node: reached(node, arrows) for node in arrows}
    knots = {frozenset(m for m in reach[n] if n in reach[m]) for n in arrows if n in reach[n]}
    return sorted(sorted(knot) for knot in knots)


def reached(start: str, arrows: Arrows) -> set[str]:
    found: set[str] = set()
    todo = list(arrows[start])
    while todo:
        node = todo.pop()
        if node not in found:
            found.add(node)
            todo += arrows[node]
    return found


def run_up(arrows: Arrows) -> set[tuple[str, str]]:
    """The fewest arrows without which nothing runs in a circle: those that run back up.

    Of every knot the best order of its nodes, found over all subsets.
    """
    back = set()
    for knot in circles(arrows):
        inside = {node: [m for m in knot if m in arrows[node]] for node in knot}
        best: dict[frozenset[str], list[tuple[str, str]]] = {frozenset(): []}
        for _ in knot:  # sets of lower rooms, grown by one room at a time
            grown: dict[frozenset[str], list[tuple[str, str]]] = {}
            for below, cost in best.items():
                for node in knot:
                    if node not in below:
                        up = [(node, m) for m in inside[node] if m not in below]
                        key = below | {node}
                        if key not in grown or len(cost) + len(up) < len(grown[key]):
                            grown[key] = cost + up
            best = grown
        back |= set(best[frozenset(knot)])
    return back


def heights(arrows: Arrows) -> dict[str, int]:
    """Room → its floor: 1 if it imports nothing, else one above the highest it imports.

    Arrows that run back up do not count.
    """
    back = run_up(arrows)
    down = {n: {m for m in targets if (n, m) not in back} for n, targets in arrows.items()}
    found: dict[str, int] = {}

    def height(node: str) -> int:
        if node not in found:
            found[node] = 1 + max(map(height, down[node]), default=0)
        return found[node]

    return {node: height(node) for node in arrows}


def against_order(arrows: Arrows) -> list[str]:
    """The arrows that do not go down in ORDER, and the rooms it does not name."""
    lines = [line.split() for line in ORDER.split("\n")]
    place = {room: i for i, rooms in enumerate(lines) for room in rooms}
    wrong = [f"`{room}` has no place" for room in arrows if room not in place]
    for room, targets in arrows.items():
        for target in sorted(targets):
            if place.get(target, 99) <= place.get(room, -1):
                wrong.append(f"`{room}` → `{target}`")
    return wrong


def measure(house: House) -> dict[str, int]:
    """The figures of the page, by the words they are printed with."""
    rooms, modules = house.rooms, house.modules
    return {
        "modules (files of Python)": len(modules),
        "modules directly in `srmm`": sum(name.count(".") <= 1 and path.name != "__init__.py"
                                          for name, path in modules.items()),
        "rooms": len(rooms),
        "floors (the longest way down)": max(heights(rooms).values()),
        "arrows between rooms": sum(map(len, rooms.values())),
        "arrows that run back up": len(run_up(rooms)),
        "circles of rooms": len(circles(rooms)),
        "circles of modules": len(circles(house.imports)),
        "lines of the longest module": max(
            len(path.read_text("utf-8").splitlines()) for path in modules.values()
        ),
    }  # fmt: skip


def figures(house: House) -> str:
    """The table before / after, and what is wrong if anything is."""
    before, after = json.loads(BEFORE.read_text("utf-8")), measure(house)
    rows = ["| | before | after |", "| --- | ---: | ---: |"]
    rows += [f"| {key} | {before[key]} | {value} |" for key, value in after.items()]
    wrong = against_order(house.rooms)
    said = "Every arrow goes down in the order that the linter keeps."
    if wrong:
        said = f"Against the order that the linter keeps: {', '.join(wrong)}."
    return "\n".join([*rows, "", said])


def floors(house: House) -> str:
    """The rooms by floor from the top, and what each imports."""
    height = heights(house.rooms)
    rows = ["| floor | room | imports from |", "| ---: | --- | --- |"]
    for floor in sorted(set(height.values()), reverse=True):
        for room in sorted(room for room in height if height[room] == floor):
            below = sorted(house.rooms[room], key=lambda name: (-height[name], name))
            names = " ".join(f"`{name}`" for name in below) or "nothing"
            rows.append(f"| {floor} | `{room}` | {names} |")
    return "\n".join(rows)


def tree(house: House) -> str:
    """A list of every file by room, each with the first sentence of its docstring."""
    parts = []
    for folder in sorted({path.parent for path in house.modules.values()}):
        inside = folder.relative_to(house.source).as_posix()
        title = "srmm/" if inside == "." else f"srmm/{inside}/"
        door = ".".join([house.source.name, *folder.relative_to(house.source).parts])
        parts.append(
            f"### `{title}`\n\n{house.summary(door)}.\n\n| file | what it is |\n| --- | --- |"
        )
        for name, path in house.modules.items():
            if path.parent == folder and path.name != "__init__.py":
                cell = house.summary(name).replace("|", "\\|")
                parts[-1] += f"\n| `{path.name}` | {cell} |"
    empty = "\n\n| file | what it is |\n| --- | --- |"
    return "\n\n".join(part.removesuffix(empty) for part in parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("what", choices=["tree", "floors", "figures", "measure"])
    parser.add_argument("--source", type=Path, default=SOURCE, help="the folder of the package")
    given = parser.parse_args()
    house = House(given.source.resolve())
    if given.what == "measure":
        print(json.dumps(measure(house), indent=1))
    else:
        print({"tree": tree, "floors": floors, "figures": figures}[given.what](house))


if __name__ == "__main__":
    main()
