"""Every piece of work comes back, however many workers are lost on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from typing import Any, NamedTuple

from srmm.processes.worker import LIVES

_WAVE_PIECES = 512
_WAVE_BYTES = 1 << 27
_WAVE_EACH = 4
"""What is handed to Daft at a time, which holds it several times over: so many pieces, or bytes if
these are at least some pieces for each worker. Every wave starts its workers anew."""

Run = Callable[[list[tuple[int, bytes]]], Generator[tuple[int, Any], None, None]]
"""Packed pieces of work, by number → number and outcome of each, as they come."""


class Lost(NamedTuple):
    """In the place of an outcome: the piece of work has cost all its lives."""

    cause: Exception | None
    """The last failure, where one is known."""


def outcomes(
    run: Run, packed: Iterable[tuple[int, bytes]], workers: int
) -> Generator[tuple[int, Any], None, None]:
    """Number and outcome of each piece of work, in the order in which they come.

    `packed` is read as far as `workers` can be kept busy for a while, not to its end. Raises the
    exception that was raised in a worker. A piece that costs `LIVES` workers comes as `Lost`, after
    others, so that these are kept; the second such ends it, for then it is hardly the work.
    """
    for wave in _waves(packed, _WAVE_EACH * workers):
        yield from _with_lost_workers(run, wave, workers)


def _waves(packed: Iterable[tuple[int, bytes]], least: int) -> Iterator[dict[int, bytes]]:
    wave: dict[int, bytes] = {}
    size = 0
    for number, piece in packed:
        full = len(wave) >= least and size + len(piece) > _WAVE_BYTES
        if full or len(wave) == _WAVE_PIECES:
            yield wave
            wave, size = {}, 0
        wave[number] = piece
        size += len(piece)
    if wave:
        yield wave


def _with_lost_workers(run: Run, wave: dict[int, bytes], workers: int) -> Iterator[tuple[int, Any]]:
    """As `outcomes`, of pieces that are all at hand.

    Daft ends the whole run when it loses a worker of this machine, and does not say on which piece.
    The rest is run again, with those that may have been at work last. When nothing gets done any
    more, one piece is run at a time, which finds the one that kills.
    """
    left = dict(wave)
    lost: Counter[int] = Counter()
    dead: dict[int, Exception | None] = {}
    alone = False
    while left and len(dead) < 2:
        tried = list(left.items())[: 1 if alone else None]
        failure = None
        advanced = False
        with closing(run(tried)) as came:
            while True:
                try:
                    number, outcome = next(came)
                except StopIteration:
                    break
                except Exception as error:
                    failure = error
                    break
                if isinstance(outcome, Exception):
                    raise outcome
                del left[number]
                advanced = True
                if outcome is None:
                    dead[number] = None
                else:
                    yield number, outcome
        if failure is None:
            alone = False
        elif advanced:
            for number in list(left)[: 2 * workers]:
                left[number] = left.pop(number)
        elif len(tried) > 1:
            alone = True
        else:
            number = tried[0][0]
            lost[number] += 1
            if lost[number] == LIVES:
                dead[number] = failure
                del left[number]
    for number, cause in dead.items():
        yield number, Lost(cause)
