"""A slow stand-in for a network that says where it runs, and ends its process where it is told."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np

from tests.encoding.hash_encoder import HashEncoder


class DeadlyEncoder(HashEncoder):
    """Leaves a file named by its process in `folder` for each batch; the text "die" kills it."""

    def __init__(self, folder: Path, *, seconds: float = 0.02) -> None:
        super().__init__("text")
        self.folder = folder
        self.seconds = seconds

    def encode(self, prepared: Any) -> np.ndarray:
        (self.folder / f"{os.getpid()}").touch()
        time.sleep(self.seconds)
        if "die" in prepared:
            os.kill(os.getpid(), signal.SIGKILL)
        if "raise" in prepared:
            raise ZeroDivisionError("the encoder's own fault")
        return super().encode(prepared)
