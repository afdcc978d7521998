"""Faces of 40 people and voices of 40 others, paired up: both real, only the pairing is not."""

from __future__ import annotations

import re
from pathlib import Path

from srmm.data.table import Table
from srmm.datasets.base import DatasetAbout
from srmm.datasets.completeness import Completeness, open_with
from srmm.errors import InputError

ABOUT = DatasetAbout(
    name="face_voice40",
    description="40 identities, each with 10 face pictures and 9 or 10 voice clips of 1.6 s; the "
    "pairing of faces and voices is made up",
    modalities=("face", "audio"),
    source="AT&T Laboratories Cambridge (Database of Faces) and LibriSpeech, Panayotov et al. "
    "2015 (https://www.openslr.org/12)",
    licence="faces: research use with credit to AT&T Laboratories Cambridge; voices: CC BY 4.0",
    how_to_get="It is read from meta.csv (identity, modality, file, segment), faces/ and voices/ "
    "in one folder, the root: the 400 pictures of the AT&T database, as at "
    "https://github.com/Radhikadua123/Face-recognition, and clips of one LibriSpeech utterance "
    "per speaker, as in audio_data of https://github.com/resemble-ai/Resemblyzer.",
)

COUNTS = {"face": 400, "voice": 379}
"""Items per modality, as published."""

_TRAIN = 5
"""Faces 1 to 5 and voice segments 0 to 4 are for training, the rest for the test."""


def load(root: Path) -> Table:
    """A table with a row per face: face k of an identity with its voice segment k − 1.

    400 rows, half of them train; 21 rows of the test have no voice, as 21 identities have 9 clips.
    The labels are "id00" to "id39".
    """
    download = Completeness(ABOUT, root)
    path = download.file("meta.csv")
    items = {} if path is None else _read(path)
    for modality, published in COUNTS.items():
        if path is not None:
            found = sum(key[0] == modality for key in items)
            download.count(f"{modality}s in {path.name}", found, published)
    rows = sorted({(identity, k) for _, identity, k in items})
    return download.table(
        {
            "face": download.keep_existing("faces", [items.get(("face", *row)) for row in rows]),
            "audio": download.keep_existing("voices", [items.get(("voice", *row)) for row in rows]),
        },
        {"face": "face", "audio": "voice"},
        ids=[f"id{identity:02}_{k:02}" for identity, k in rows],
        labels=[f"id{identity:02}" for identity, _ in rows],
        split=["train" if k <= _TRAIN else "test" for _, k in rows],
    )


def _read(path: Path) -> dict[tuple[str, int, int], str]:
    """(modality, identity, k) → file, where k counts from 1 for faces and voices."""
    wanted = ["identity", "modality", "file", "segment"]
    columns = open_with(path, wanted).read(wanted)
    items: dict[tuple[str, int, int], str] = {}
    for row, (identity, modality, file, segment) in enumerate(
        zip(*(columns.cells[column] for column in wanted), strict=True)
    ):
        number = re.search(r"_(\d+)\.", file or "")
        try:
            k = int(number[1]) if modality == "face" and number else int(segment) + 1
            items[modality, int(identity), k] = file
        except (TypeError, ValueError):
            line = row + 2 if columns.lines is None else columns.lines[row]
            raise InputError(
                f"Line {line} of {path} is not understood: expected an identity, a modality, a "
                "file such as faces/id00_01.pgm and, of a voice, a segment."
            ) from None
    return items
