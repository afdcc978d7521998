"""Spoken digits (FSDD), each paired with a handwritten one (scikit-learn) of the same class."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from srmm.data.table import Table
from srmm.datasets.base import DatasetAbout
from srmm.datasets.completeness import Completeness, is_there

ABOUT = DatasetAbout(
    name="av_digits",
    description="Spoken digits of 6 speakers, each paired with a handwritten digit of the class; "
    "10 classes, two speakers held out",
    modalities=("image", "audio"),
    source="Free Spoken Digit Dataset (https://github.com/Jakobovski/free-spoken-digit-dataset) "
    "and UCI Optical Recognition of Handwritten Digits, as in scikit-learn",
    licence="CC BY-SA 4.0 (speech), CC BY 4.0 (pictures)",
    how_to_get="Get https://github.com/Jakobovski/free-spoken-digit-dataset and put its "
    "recordings/ (or a recordings.zip) into a folder, the root; the pictures come with "
    "scikit-learn.",
)

SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
TEST_SPEAKERS = ("theo", "yweweler")
"""The last two by name. FSDD's own split holds out clips of every speaker, which is too easy."""

_CLIPS = 50
"""Clips per speaker and digit."""


def load(root: Path) -> Table:
    """A table of 3,000 clips, 2,000 of them (four speakers) train, with a picture each.

    Of the pictures of a digit, in scikit-learn's order, the first two thirds go to the train rows
    in turn and the rest to the test rows, so no picture is in both; they repeat, as there are
    fewer than clips. Pictures are 8 × 8 pixels, white on black.
    """
    download = Completeness(ABOUT, root)
    clips = [
        (digit, speaker, k) for digit in range(10) for speaker in SPEAKERS for k in range(_CLIPS)
    ]
    ids = [f"{digit}_{speaker}_{k}" for digit, speaker, k in clips]
    if not is_there(root, "recordings"):
        download.file("recordings.zip", "recordings/")  # names the folder, not 3,000 files
        download.check()
    split = ["test" if speaker in TEST_SPEAKERS else "train" for _, speaker, _ in clips]
    audio = download.keep_existing("recordings", [f"recordings/{id}.wav" for id in ids])
    return download.table(
        {"image": _pictures([digit for digit, _, _ in clips], split), "audio": audio},
        {"image": "image", "audio": "audio"},
        ids=ids,
        labels=[str(digit) for digit, _, _ in clips],
        split=split,
        groups=[speaker for _, speaker, _ in clips],
    )


def _pictures(digits: list[int], split: list[str]) -> list[bytes]:
    """A picture per row, as PNG."""
    from sklearn.datasets import load_digits

    images, classes = load_digits(return_X_y=True)
    turns: dict[tuple[int, str], list[bytes]] = {}
    for digit in range(10):
        own = [_png(image.reshape(8, 8)) for image in images[classes == digit]]
        cut = 2 * len(own) // 3
        turns[digit, "train"], turns[digit, "test"] = own[:cut], own[cut:]
    taken = dict.fromkeys(turns, 0)
    pictures = []
    for key in zip(digits, split, strict=True):
        pictures.append(turns[key][taken[key] % len(turns[key])])
        taken[key] += 1
    return pictures


def _png(image: np.ndarray) -> bytes:
    """Ink from 0 to 16, as scikit-learn has it, as a grey PNG from 0 to 255."""
    grey = np.rint(image * (255 / 16)).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(grey).save(buffer, "PNG")
    return buffer.getvalue()
