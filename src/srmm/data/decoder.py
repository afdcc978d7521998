"""The process in which items are decoded: `python -m srmm.data.decoder`, for `srmm.data.apart`.

Each question is a line of JSON (kind, size, limits) and the bytes of a file; each answer a line of
JSON and the pixels or samples. It has limits of its own on memory and time, for what no look at a
file can tell, and ends when nobody asks any more.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from srmm.data.broken import UnreadableItem
from srmm.data.limits import LIMITS, limit, raised_by

WAITS = 20
"""Times the limit of processor time that may pass by the clock: machines are busy."""


def answer(question: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
    """The head and the content of the answer."""
    try:
        return decoded(question, data)
    except UnreadableItem as error:
        return {"unreadable": str(error)}, b""
    except MemoryError:
        most = limit("SRMM_MAX_DECODE_BYTES") / 1e9
        reason = (
            f"needs more than {most:.1f} GB of memory to decode "
            f"{raised_by('SRMM_MAX_DECODE_BYTES')}"
        )
        return {"unreadable": reason}, b""


def decoded(question: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
    """`answer` of what can be decoded; raises `UnreadableItem`."""
    if question["kind"] == "image":
        from srmm.data.pictures import decode_here

        Image.MAX_IMAGE_PIXELS = question["pixels"]
        picture = decode_here(data)
        return {"width": picture.width, "height": picture.height}, picture.tobytes()
    from srmm.data.audio import decode_here as hear

    sound = hear(data)
    return {"rate": sound.rate}, np.ascontiguousarray(sound.samples, dtype=np.float32).tobytes()


def main() -> None:
    """Answer questions until there are none."""
    questions, answers = sys.stdin.buffer, _answers()
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource  # where there is none, memory has no limit

        most = limit("SRMM_MAX_DECODE_BYTES")
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):  # the first to go where the machine has no memory left
        Path("/proc/self/oom_score_adj").write_text("1000")
    answers.write(b"ready\n")
    answers.flush()
    while line := questions.readline():
        question = json.loads(line)
        data = questions.read(question["size"])
        for variable in LIMITS:
            os.environ.pop(variable, None)
        os.environ.update(question["limits"])
        _let_live(limit("SRMM_MAX_DECODE_SECONDS"))
        head, content = answer(question, data)
        _let_live(0)
        answers.write(json.dumps({**head, "size": len(content)}).encode() + b"\n")
        answers.write(content)
        answers.flush()


def _answers() -> BinaryIO:
    """What goes to the asker; what libraries print goes nowhere."""
    own = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return os.fdopen(own, "wb")


def _let_live(seconds: int) -> None:
    """End this process, in whichever library it is, after so much work; 0: never."""
    if not hasattr(signal, "setitimer"):
        return
    for timer, sign, most in (
        (signal.ITIMER_PROF, signal.SIGPROF, seconds),
        (signal.ITIMER_REAL, signal.SIGALRM, seconds * WAITS),
    ):
        signal.signal(sign, signal.SIG_DFL)
        signal.setitimer(timer, most)


if __name__ == "__main__":
    main()
