"""The several processes of a server: how they are watched, and what each does about the others."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import re
import signal
import threading
from pathlib import Path

import psutil
import uvicorn
from prometheus_client.multiprocess import mark_process_dead
from uvicorn.supervisors import Multiprocess

from srmm.serving.counts import SEVERAL, hold_counts

_GAUGE = re.compile(r"gauge_live\w*_(\d+)\.db")


class Watch(Multiprocess):
    """uvicorn's watch over its processes, which notices at once when one dies over its question.

    uvicorn keeps the far end of the pipe through which it asks a process whether it lives: if it
    is killed before it answers, the pipe never ends, and uvicorn waits for as long as one that
    hangs is given, in which it neither replaces it nor heeds a signal.
    """

    def keep_subprocess_alive(self) -> None:
        """Replace those that have died."""
        for process in self.processes:
            process.child_conn.close()  # the process has its own
        super().keep_subprocess_alive()


def run_workers(config: uvicorn.Config) -> None:
    """Run as many processes as the configuration says until a signal ends them."""
    Watch(config, sockets=[config.bind_socket()]).run()


def begin_worker() -> None:
    """To be called first: the dead are no longer counted, and the end of the parent is this one's.

    Without it a worker whose parent was killed would go on, and hold the port for ever.
    """
    hold_counts()
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
        if match and not psutil.pid_exists(int(match[1])):
            with contextlib.suppress(FileNotFoundError):  # another worker was faster
                mark_process_dead(int(match[1]), folder)
