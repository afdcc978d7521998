"""Work in several processes, on this machine or a cluster: what to do goes out, outcomes come back.

Each piece of work comes back once, in whatever order; one whose process dies is given to another.
"""

from srmm.processes.lives import Lost, Run, outcomes
from srmm.processes.worker import LIVES, pack_task
from srmm.processes.workers import Workers, check_daft, open_workers, run_tasks

__all__ = [
    "LIVES",
    "Lost",
    "Run",
    "Workers",
    "check_daft",
    "open_workers",
    "outcomes",
    "pack_task",
    "run_tasks",
]
