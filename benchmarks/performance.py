"""Write the page of measured speed, docs/performance.md, from what the benchmarks have left.

    python benchmarks/performance.py FOLDER [--output docs/performance.md]

FOLDER, benchmarks/measured, holds the JSON files that `make bench` and `make bench-full` write, one
for each script. The words of the page, and what it says of runs that are not repeated here, stand
in benchmarks/performance.md; where it says {{measured}} the tables come in. A file is {"machine":
…, "command": …, "tables": [{"title": …, "rows": [{…}]}]}; of one that looks otherwise, whatever is
a table is shown as one.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
FRAME = HERE / "performance.md"
PLACE = "{{measured}}"
TITLES = {
    "training": "Training", "training_one_thread": "Training, one thread",
    "prediction": "Prediction and evaluation", "serve": "Serving",
    "classes": "Reports of 10,000 classes", "growth": "How time grows",
    "batch": "Many rows in batches", "larger_than_memory": "A store larger than memory",
    "against": "What the last change brought",
}  # fmt: skip
LEFT_OUT = ("machine", "command", "about", "format", "rounds", "runs")


def page(folder: Path) -> str:
    """The frame with a section for each file of the folder, in the order of `TITLES`."""
    files = sorted(folder.glob("*.json"), key=lambda file: (place(file.stem), file.stem))
    if not files:
        raise SystemExit(f"{folder} holds no .json file: run `make bench` first.")
    contents = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in files}
    sections = [section(name, content) for name, content in contents.items()]
    return FRAME.read_text(encoding="utf-8").replace(PLACE, "\n\n".join(sections))


def place(name: str) -> int:
    """Where a file's section stands on the page."""
    return list(TITLES).index(name) if name in TITLES else len(TITLES)


def section(name: str, content: dict[str, Any]) -> str:
    """One file: the command, the machine, its tables."""
    parts = [f"### {TITLES.get(name, name)}"]
    if command := content.get("command"):
        parts.append(f"`python {command}`")
    if isinstance(machine := content.get("machine"), dict):
        parts.append("; ".join(f"{key}: {shown(value)}" for key, value in machine.items()) + ".")
    for title, rows in tables(content):
        parts += [f"**{title}**"] if title else []
        parts.append(markdown(rows))
    return "\n\n".join(parts)


def tables(content: dict[str, Any]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The tables of a file, with their titles; single values stand in one line of the first."""
    single = {
        name.replace("_", " "): value
        for name, value in content.items()
        if name not in LEFT_OUT and not isinstance(value, dict | list)
    }
    if single:
        yield "", [single]
    for name, value in content.items():
        if name == "tables":
            yield from ((table["title"], table["rows"]) for table in value)
        elif name not in LEFT_OUT and isinstance(value, dict | list):
            yield name.replace("_", " "), as_rows(value)


def as_rows(value: Any) -> list[dict[str, Any]]:
    """Rows of whatever it is: a list of rows, rows by name, numbers by name, a number."""
    if isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
        return value
    if isinstance(value, dict) and value and all(isinstance(row, dict) for row in value.values()):
        return [{"": name, **row} for name, row in value.items()]
    if isinstance(value, dict):
        pairs = {name: one if isinstance(one, list) else [one] for name, one in value.items()}
        return [{"": name, "value": " / ".join(map(shown, some))} for name, some in pairs.items()]
    return [{"value": value}]


def markdown(rows: list[dict[str, Any]]) -> str:
    """A table; a row without one of the columns has an empty cell there."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    for row in rows:
        lines.append("| " + " | ".join(shown(row.get(name, "")) for name in columns) + " |")
    return "\n".join(lines)


def shown(value: Any) -> str:
    """A cell: numbers to three digits or whole, with commas; no character that ends a cell."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: ""}[value]
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value).replace("|", "\\|")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--output", type=Path, default=HERE.parent / "docs" / "performance.md")
    given = parser.parse_args()
    given.output.write_text(page(given.folder), encoding="utf-8")
    print(f"written: {given.output}")
