"""What ends a command from outside ends it as Ctrl-C does: nothing half written is left behind.

By itself a SIGTERM, which schedulers and containers send before they kill, ends Python at once.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType

ENDED = 128
"""What a shell adds to the number of the signal that ended a command."""

_ENDING = ("SIGTERM", "SIGHUP")


class Ended(BaseException):
    """A signal asks for the end of the process; as `KeyboardInterrupt`, no error."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number

    def __str__(self) -> str:
        return f"Ended by {signal.Signals(self.number).name}."


def heed_signals() -> None:
    """Raise `Ended` in the main thread when the system asks for the end; for `main` alone.

    A signal that is ignored, as under `nohup`, stays so. Once is enough: what comes while things
    are tidied up is ignored (`timeout` sends everything twice).
    """
    if threading.current_thread() is not threading.main_thread():
        return
    process = os.getpid()

    def end(number: int, frame: FrameType | None) -> None:
        if os.getpid() != process:  # a copy of this process, which ends as it would
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        signal.signal(number, signal.SIG_IGN)
        raise Ended(number)

    for name in _ENDING:
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, end)


def leave_workers(code: int) -> None:
    """End now where Daft was at work: its threads go on, and would crash Python as it ends.

    Its workers end with this process.
    """
    if "daft" in sys.modules:
        sys.stderr.flush()
        os._exit(code)
