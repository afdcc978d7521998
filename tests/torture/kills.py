"""Every command, ended before every one of its file operations: what is there then, and after."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import numpy as np

from tests.torture.commands import COMMANDS, Command
from tests.torture.crash import FOREIGN, KILLED, in_a_child, operations


def end_everywhere(command: Command, workshop: Path, room: Path, *, every: int = 1) -> Counter[str]:
    """End the command at each `every`-th operation, by a kill and by a full disk.

    Raises if anything is lost: after each the outputs are the old or the new ones, whole; the same
    command then makes them as an uninterrupted run does, and leaves nothing else behind.
    """
    command.prepare(workshop, room / "imports")  # once for all the children
    assert command.run(room / "imports") == 0, (room / "said.txt").read_text(encoding="utf-8")
    whole = room / "whole"
    command.prepare(workshop, whole)
    before = command.look(whole)
    count = operations(lambda: command.run(whole), whole)
    after, names = command.look(whole), _names(whole)
    done: Counter[str] = Counter()
    for how in ("kill", "full"):
        rng = np.random.default_rng(count)
        for place in range(1, count + 1, every):
            folder = room / f"{how} at {place}"
            command.prepare(workshop, folder)
            code, _ = in_a_child(lambda folder=folder: command.run(folder), folder, place, how)
            done[f"{how}: {command.name}"] += 1
            where = f"{command.name}, {how} at operation {place} of {count}"
            if how == "kill":
                assert code == KILLED, f"{where}: ended with {code}"
            else:
                assert code != FOREIGN, f"{where}: an exception was left uncaught"
            for name, now in command.look(folder).items():
                expected = (before[name], after[name], *_partly(name))
                assert now in expected, f"{where}: {name} is {now}"
            if how == "kill":  # and the one that puts it right is killed, too
                at = int(rng.integers(1, count + 1))
                code, _ = in_a_child(lambda folder=folder: command.run(folder), folder, at, how)
                done[f"{how}: {command.name}"] += code == KILLED
            code, _ = in_a_child(lambda folder=folder: command.run(folder), folder, None, "kill")
            assert code == 0, f"{where}: the next run ended with {code}"
            again = command.look(folder)
            assert again == after, f"{where}: then {again}, not {after}"
            left = set(_names(folder)) ^ set(names)
            assert not left, f"{where}: then there is more or less: {sorted(left)}"
            shutil.rmtree(folder)
    shutil.rmtree(room)
    return done


def _partly(name: str) -> list[str]:
    """Of a folder of finished pieces any number may be there."""
    return [f"{n} whole" for n in range(10)] if name.endswith("cells") else []


def _names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def main(room: Path, workshop: Path, every: int = 1) -> Counter[str]:
    """Every command, killed and with a full disk, at each `every`-th operation."""
    done: Counter[str] = Counter()
    for command in COMMANDS:
        done += end_everywhere(command, workshop, room / command.name, every=every)
    return done
