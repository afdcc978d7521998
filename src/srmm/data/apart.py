"""Decoding items in a process apart: one that crashes, hangs or fills memory costs that process.

A process decodes many items, and another takes its place when it has died. Nothing but pixels and
samples comes back from it: no object is made of what it says.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from srmm.data.broken import UnreadableItem
from srmm.data.limits import changed_limits, limit, raised_by
from srmm.errors import SrmmError

LIVES = 2
"""Processes that an item may cost: one may die of something else, such as another's memory."""

LONGEST_HEAD = 1 << 16
_PIPE_BYTES = 1 << 20
"""What Linux lets a pipe hold: a photo in fewer turns than with 64 kB."""

_OUT_OF_TIME = {getattr(signal, name, None) for name in ("SIGPROF", "SIGALRM")} - {None}


class Decoder:
    """One process that decodes items, one at a time."""

    def __init__(self) -> None:
        paths = [os.path.abspath(path) for path in sys.path if path]  # noqa: PTH100 - no links
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(paths),
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            # glibc: keep the memory of one picture for the next; asking for it anew takes longer
            # than decoding.
            "MALLOC_TRIM_THRESHOLD_": str(256 << 20),
            "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
        }
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "srmm.data.decoder"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment,
                start_new_session=True,  # Ctrl-C is for this process, which then ends that one
            )
        except (OSError, ValueError) as error:
            raise SrmmError(f"No process to decode items in can be started ({error}).") from None
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.to, self.answers = self.process.stdin, self.process.stdout
        with contextlib.suppress(ImportError, AttributeError, OSError):
            import fcntl

            for pipe in (self.to, self.answers):
                fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        if self.answers.readline(LONGEST_HEAD) != b"ready\n":
            self.close()
            raise SrmmError(
                "The process to decode items in did not start: "
                f"`{sys.executable} -m srmm.data.decoder` says why."
            )

    def ask(self, head: Mapping[str, Any], data: bytes) -> tuple[dict[str, Any], bytes] | None:
        """What it answers: a head, and bytes; None if it has died over it."""
        question = json.dumps({**head, "size": len(data), "limits": changed_limits()})
        try:
            self.to.write(question.encode() + b"\n")
            self.to.write(data)
            self.to.flush()
            answer = json.loads(self.answers.readline(LONGEST_HEAD))
            content = self.answers.read(answer["size"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return (answer, content) if len(content) == answer["size"] else None

    def close(self) -> int:
        """End the process if it has not ended; its exit status."""
        for pipe in (self.to, self.answers):
            with contextlib.suppress(OSError):
                pipe.close()
        try:
            return self.process.wait(1)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


class Decoders:
    """The processes of this one: as many as threads decode at the same time."""

    def __init__(self) -> None:
        self._idle: list[Decoder] = []
        self._lock = threading.Lock()

    def ask(self, head: Mapping[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
        """The answer; `UnreadableItem` if the item kills whoever decodes it."""
        status = 0
        for _ in range(LIVES):
            with self._lock:
                decoder = self._idle.pop() if self._idle else None
            decoder = decoder or Decoder()
            answer = None
            try:
                answer = decoder.ask(head, data)
            finally:  # also of Ctrl-C in between, whose answer nobody will read
                if answer is None:
                    status = decoder.close()
            if answer is not None:
                with self._lock:
                    self._idle.append(decoder)
                return answer
            if -status in _OUT_OF_TIME:
                break
        raise UnreadableItem(_cause_of_death(status))

    def close(self) -> None:
        """End all that are idle."""
        with self._lock:
            idle, self._idle = self._idle, []
        for decoder in idle:
            decoder.close()

    def forget(self) -> None:
        """In a process that was forked: the others belong to the one it comes from."""
        self._lock = threading.Lock()
        for decoder in self._idle:
            for pipe in (decoder.to, decoder.answers):
                with contextlib.suppress(OSError):
                    pipe.close()
        self._idle = []


_DECODERS = Decoders()
atexit.register(_DECODERS.close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_DECODERS.forget)


def decoded_apart(kind: str, data: bytes, **settings: Any) -> Any:
    """The picture ("image") or the samples and their rate ("audio") in the bytes of a file.

    Raises `UnreadableItem` with the decoder's reason, or how the process ended that tried.
    """
    answer, content = _DECODERS.ask({"kind": kind, **settings}, data)
    if "unreadable" in answer:
        raise UnreadableItem(str(answer["unreadable"]))
    if kind == "image":
        return Image.frombytes("RGB", (answer["width"], answer["height"]), content)
    return np.frombuffer(content, dtype=np.float32).copy(), int(answer["rate"])


def _cause_of_death(status: int) -> str:
    if -status in _OUT_OF_TIME:
        return (
            f"took more than {limit('SRMM_MAX_DECODE_SECONDS')} seconds to decode "
            f"{raised_by('SRMM_MAX_DECODE_SECONDS')}"
        )
    if status >= 0:
        return f"killed the process that decoded it (exit status {status})"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    return f"killed the process that decoded it ({name})"
