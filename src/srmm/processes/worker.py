"""One worker process: it is sent pieces of work, one after the other, and returns what came out."""

from __future__ import annotations

import contextlib
import io
import pickle
import traceback
from collections.abc import Callable
from typing import Any

from srmm.errors import SrmmError

LIVES = 3
"""Workers that a piece of work may cost before it is taken to be what kills them."""

NAMESPACE = "srmm"
"""Where in a Ray cluster the actor that counts lives is found."""

Task = Callable[[bytes], Any]
"""What a worker does with a piece of work, as it was sent."""


class TaskWorker:
    """Does pieces of work, with a task that is made when the first one comes.

    Parameters
    ----------
    task : bytes
        From `pack_task`.
    lives : str or None
        The name of the Ray actor that counts how often each piece was begun. Ray gives that of a
        worker that died to the next one, and the next, for ever: so a worker refuses it.
    """

    def __init__(self, task: bytes, lives: str | None):
        self.packed = task
        self.lives = lives
        self.task: Task | None = None

    def run(self, number: Any, work: Any) -> list[bytes]:
        """Per piece (two `daft.Series`, its number and what was sent) its number and outcome."""
        pieces = zip(number.to_pylist(), work.to_pylist(), strict=True)
        return [pickle.dumps((n, self._outcome(n, piece))) for n, piece in pieces]

    def _outcome(self, number: int, piece: bytes) -> Any:
        """What came out; the exception, if there was one; None if it has cost all its lives."""
        # Daft prints what a worker says among the results that the command prints.
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            try:
                if self.lives is not None and _begun(self.lives, number) > LIVES:
                    return None
                if self.task is None:
                    self.task = pickle.loads(self.packed)()
                return self.task(piece)
            except Exception as error:  # as it is there: trying again elsewhere would not help
                return _portable_error(error)


def pack_task(make: Callable[[], Task]) -> bytes:
    """What a worker makes its task from, in a process that may be on another machine."""
    from daft import pickle as by_value  # also takes classes of a notebook, or of the main program

    return by_value.dumps(make)


def _begun(lives: str, number: int) -> int:
    import ray

    return ray.get(ray.get_actor(lives, namespace=NAMESPACE).begin.remote(number))


def _portable_error(error: Exception) -> Exception:
    if not isinstance(error, SrmmError):
        error.add_note(f"In a worker process:\n{traceback.format_exc()}")
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # exceptions with arguments of their own often cannot be made again
        return SrmmError(f"{type(error).__name__}: {error}")
    return error
