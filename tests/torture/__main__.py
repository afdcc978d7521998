"""Everything that could break a promise of docs/reliability.md, tried: `make torture`."""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from multiprocessing import get_context
from pathlib import Path

import torch

from tests.torture import damage, kills, races, service
from tests.torture.commands import make_workshop


def main(loads: int = 10_000, damages: int = 3_000, every: int = 1, uploads: int = 10_000) -> None:
    """Try it, and print how often; any broken promise ends it with an error.

    Commands are ended before each `every`-th of their file operations; a server gets so many
    broken `uploads`, and all else that is rude in proportion (0: none of it).
    """
    torch.set_num_threads(1)  # a process that forks has used no other
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        room = Path(name)
        workshop = make_workshop(room / "workshop")
        readers = get_context("fork").Process(target=_read, args=(room, workshop, loads, damages))
        readers.start()
        _say(kills.main(room / "kills", workshop, every))
        readers.join()
        if uploads and not readers.exitcode:
            _say(service.main(room / "service", uploads))
    if readers.exitcode:
        sys.exit("a promise of those who read was broken, see above")
    print(f"nothing was lost or changed in silence; {time.monotonic() - begun:.0f} s")


def _read(room: Path, workshop: Path, loads: int, damages: int) -> None:
    _say(damage.main(room / "damage", workshop, damages))
    _say(races.read_often(room / "races", loads))


def _say(done: Counter[str]) -> None:
    for what, times in done.items():
        print(f"{what}: {times:,}", flush=True)


def only_service(uploads: int) -> None:
    """The server's part alone."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        _say(service.main(Path(name) / "service", uploads))
    print(f"no wrong answer, nothing kept, nothing let out; {time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    if sys.argv[1:2] == ["service"]:
        only_service(int(sys.argv[2]) if sys.argv[2:] else 10_000)
    else:
        main(*(int(number) for number in sys.argv[1:]))
