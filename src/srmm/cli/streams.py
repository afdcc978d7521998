"""Standard streams that every command can write to: closed ones, narrow ones, full ones."""

from __future__ import annotations

import contextlib
import os
import select
import sys
from pathlib import Path

from rich.console import Console

_NAMES = ("stdin", "stdout", "stderr")


def prepare_streams() -> None:
    """Make closed streams those of the null device, and let none refuse a character.

    A service or `2>&-` leaves a stream closed: Python has None for it, and the next file that is
    opened would get its number, and what a library prints.
    """
    handle = os.open(os.devnull, os.O_RDWR)
    while handle < len(_NAMES):
        os.set_inheritable(handle, True)  # to workers, as any standard stream
        handle = os.open(os.devnull, os.O_RDWR)
    os.close(handle)
    for name in _NAMES:
        stream = getattr(sys, name)
        if stream is None:
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115
        elif name != "stdin" and hasattr(stream, "reconfigure"):
            # What the terminal or the file lacks is replaced: half a result is worse than a "?".
            stream.reconfigure(errors="replace" if name == "stdout" else "backslashreplace")


def speaks_unicode(stream: object) -> bool:
    """Whether every character can be written to the stream as it is."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return encoding.lower().replace("-", "").replace("_", "").startswith("utf")


class Printer(Console):
    """A console that leaves it to the command what a reader who has left means."""

    def on_broken_pipe(self) -> None:
        """Raise the `BrokenPipeError` again, where rich would end the process with 1."""
        raise  # rich calls this while it handles the error


def reader_left() -> bool:
    """Whether nobody reads standard output or standard error any more, as after `| head -1`."""
    poll = select.poll()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # it has no number, or is closed
            poll.register(stream.fileno(), 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def flushed() -> OSError | None:
    """Write out what standard output still holds; the error if it cannot be.

    The stream then leads nowhere, or Python would try again at its end and complain.
    """
    try:
        sys.stdout.flush()
    except OSError as error:
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, sys.stdout.fileno())
            os.close(nowhere)
        return error
    return None
