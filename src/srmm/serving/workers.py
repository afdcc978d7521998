"""One of several processes of a server: what it has to do with the others."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import re
import signal
import threading
from pathlib import Path

from prometheus_client.multiprocess import mark_process_dead

from srmm.serving.measures import SEVERAL

_GAUGE = re.compile(r"gauge_live\w*_(\d+)\.db")


def begin_worker() -> None:
    """To be called first: the dead are no longer counted, and the end of the parent is this one's.

    Without it a worker whose parent was killed would go on, and hold the port for ever.
    """
    forget_the_dead()
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def follow() -> None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)  # what was accepted is answered first

    threading.Thread(target=follow, name="parent", daemon=True).start()


def forget_the_dead() -> None:
    """Remove what processes that are gone said of themselves alone, such as how many wait.

    What they counted stays: requests that a killed process answered were answered.
    """
    folder = os.environ.get(SEVERAL)
    for file in Path(folder).glob("gauge_live*.db") if folder else ():
        match = _GAUGE.fullmatch(file.name)
        if match and not _lives(int(match[1])):
            with contextlib.suppress(FileNotFoundError):  # another worker was faster
                mark_process_dead(int(match[1]), folder)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
