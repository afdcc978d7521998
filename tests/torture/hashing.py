"""A plug-in with the encoder "hash", for servers that are processes of their own."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from srmm.encoders.base import EncoderAbout
from tests.encoding.hash_encoder import HashEncoder


class ForgetfulEncoder(HashEncoder):
    """As it is, but for the memory of what it has seen."""

    def encode(self, prepared: Any) -> np.ndarray:
        return np.stack([self.embed(item) for item in prepared])


ABOUT = EncoderAbout(
    name="hash",
    embedding_dim="8",
    description="a function of the content",
    preprocessing="none",
    source="the tests",
    licence="Apache-2.0",
    needs_network="no",
    classes={kind: partial(ForgetfulEncoder, kind) for kind in ("text", "image")},
)


def install(folder: Path) -> Path:
    """A folder for PYTHONPATH in which this is a plug-in of srmm."""
    about = folder / "torture_hashing-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: torture-hashing\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[srmm.encoders]\nhash = tests.torture.hashing\n")
    return folder
