"""A Dockerfile read as far as ours goes: stages, their instructions, and the variables in them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

NO_VARIABLES = ("CMD", "ENTRYPOINT", "HEALTHCHECK", "RUN")
"""Instructions whose variables a shell replaces, or nobody."""


class Instruction(NamedTuple):
    """One instruction: its word in capitals, and the rest of its line."""

    word: str
    rest: str

    @property
    def listed(self) -> list[str]:
        """The words of the exec form; `ValueError` where it is not that."""
        words = json.loads(self.rest[self.rest.index("[") :])
        if not all(isinstance(word, str) for word in words):
            raise ValueError(self.rest)
        return words


class Stage(NamedTuple):
    """What a FROM begins."""

    name: str
    base: str
    instructions: list[Instruction]

    def all(self, word: str) -> list[Instruction]:
        """The instructions of this word."""
        return [one for one in self.instructions if one.word == word]


def read_dockerfile(path: Path) -> list[Stage]:
    """The stages, in order; one without a name is called by its number."""
    stages: list[Stage] = []
    for line in _lines(path.read_text(encoding="utf-8")):
        word, _, rest = line.partition(" ")
        if word.upper() == "FROM":
            base, _, name = rest.partition(" AS ")
            stages.append(Stage(name.strip() or str(len(stages)), base.strip(), []))
        else:
            stages[-1].instructions.append(Instruction(word.upper(), rest.strip()))
    return stages


def ancestry(stages: list[Stage], name: str) -> list[Instruction]:
    """The instructions of a stage after those of the stages that it is from."""
    known = {stage.name: stage for stage in stages}
    stage = known[name]
    before = ancestry(stages, stage.base) if stage.base in known else []
    return before + stage.instructions


def assigned(rest: str, values: Mapping[str, str]) -> dict[str, str]:
    """The variables that an ENV or an ARG sets, those of `values` filled in."""
    pairs = [pair.partition("=") for pair in rest.split()]
    return {name: filled(value.strip('"'), values) for name, _, value in pairs}


def filled(text: str, values: Mapping[str, str]) -> str:
    """A text with its $NAME and ${NAME} replaced."""
    return re.sub(r"\$\{?(\w+)\}?", lambda found: values.get(found[1], ""), text)


def _lines(text: str) -> list[str]:
    """The instructions, each in one line; comments are none, even within one."""
    kept = [
        line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")
    ]
    return re.sub(r"\\\s*\n\s*", " ", "\n".join(kept)).splitlines()
