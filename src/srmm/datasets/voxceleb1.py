"""VoxCeleb1: voices of 1,251 celebrities in interviews, and crops of their faces."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from srmm.data.table import Table
from srmm.datasets.base import DatasetAbout
from srmm.datasets.completeness import Completeness, is_there
from srmm.datasets.titles import PICTURES
from srmm.errors import InputError

ABOUT = DatasetAbout(
    name="voxceleb1",
    description="Celebrities in interviews: a face and an utterance; the class is the person "
    "(1,251), official identification split",
    modalities=("face", "audio"),
    source="VoxCeleb1, Nagrani et al. 2017, VoxCeleb: a large-scale speaker identification "
    "dataset (https://www.robots.ox.ac.uk/~vgg/data/voxceleb/)",
    licence="CC BY 4.0 (audio and lists); the videos belong to their owners",
    how_to_get="Get it as https://www.robots.ox.ac.uk/~vgg/data/voxceleb/ says, and put "
    "iden_split.txt, vox1_meta.csv, wav/<id>/<video>/<k>.wav (both parts of the audio) and "
    "faces/<id or name>/…/<video>/<picture> into one folder, the root.",
)

COUNTS = {"train": 138_361, "validation": 6_904, "test": 8_251}
"""Utterances per split. The paper's 145,265 for training (section IV-A) are the first two."""

SPLITS = {"1": "train", "2": "validation", "3": "test"}
"""How iden_split.txt writes the splits."""

_FACES = ("faces", "unzippedFaces")
_NUMBERS = re.compile(r"(\D*)(\d*)")
_LINE = re.compile(r"([123])\s+(([^/\s]+)/([^/\s]+)/([^/\s]+)\.wav)\s*")


@dataclass(frozen=True)
class Utterance:
    """One line of iden_split.txt."""

    split: str
    path: str
    speaker: str
    video: str


def load(root: Path, *, allow_partial: bool = False) -> Table:
    """A table with a row per utterance of iden_split.txt, with a face of the same video.

    The pictures of a video, in the order of their names, are spread evenly over its utterances in
    their order, so that a face comes from about the same time, and nothing depends on chance. An
    utterance of a video without a picture has no face: that of another video would say something
    else, and could be one of the test. Pictures of videos without an utterance are not used, as
    no split is published for them. With `allow_partial`, what is missing is absent, and a warning
    says what it is.
    """
    download = Completeness(ABOUT, root, allow_partial)
    path = download.file("iden_split.txt")
    utterances = [] if path is None else read_split(path)
    if path is not None:
        for split, published in COUNTS.items():
            found = sum(utterance.split == split for utterance in utterances)
            download.count(f"{split} utterances in {path.name}", found, published)
    voices = [f"wav/{utterance.path}" for utterance in utterances]
    return download.table(
        {
            "face": pair_faces(utterances, _pictures(download, utterances)),
            "audio": download.keep_existing("utterances", voices),
        },
        {"face": "face", "audio": "voice"},
        ids=[utterance.path.removesuffix(".wav") for utterance in utterances],
        labels=[utterance.speaker for utterance in utterances],
        split=[utterance.split for utterance in utterances],
        groups=[utterance.path.rpartition("/")[0] for utterance in utterances],  # the video
    )


def read_split(path: Path) -> list[Utterance]:
    """The lines of iden_split.txt, such as "1 id10001/1zcIwhmdeo4/00001.wav"."""
    utterances = []
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise InputError(
                f"Line {number} of {path} is {line[:80]!r}; expected e.g. "
                "'1 id10001/1zcIwhmdeo4/00001.wav'. The file may be cut off; download it again."
            )
        split, wav, speaker, video, _ = match.groups()
        utterances.append(Utterance(SPLITS[split], wav, speaker, video))
    return utterances


def pair_faces(
    utterances: Sequence[Utterance], pictures: dict[tuple[str, str], list[str]]
) -> list[str | None]:
    """Per utterance a picture of its video, None if there is none.

    `pictures` are those of each (speaker, video), in order. A video whose utterances are in more
    than one split shares its pictures out among them in proportion, so that none is in two.
    """
    rows: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for row, utterance in enumerate(utterances):
        rows[utterance.speaker, utterance.video].append(row)
    faces: list[str | None] = [None] * len(utterances)
    order = list(COUNTS)
    for video, own in rows.items():
        available = pictures.get(video, [])
        own.sort(key=lambda row: (order.index(utterances[row].split), utterances[row].path))
        splits = [utterances[row].split for row in own]
        for split in dict.fromkeys(splits):
            start, n = splits.index(split), splits.count(split)
            first = start * len(available) // len(own)
            last = (start + n) * len(available) // len(own)
            for k in range(n if last > first else 0):  # the middle of the k-th of n equal parts
                place = first + (2 * k + 1) * (last - first) // (2 * n)
                faces[own[start + k]] = available[place]
    return faces


def _pictures(
    download: Completeness, utterances: Sequence[Utterance]
) -> dict[tuple[str, str], list[str]]:
    """The pictures of every (speaker, video) of the list, sorted; notes who has none at all."""
    videos: defaultdict[str, set[str]] = defaultdict(set)
    for utterance in utterances:
        videos[utterance.speaker].add(utterance.video)
    top = next((name for name in _FACES if is_there(download.root, name)), None)
    if top is None:
        download.faults.append(f"There is no faces/ in {download.root}.")
        return {}
    names = _names(download.root)
    pictures: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    strangers = set()
    for folder, files in download.files.tree(top).items():
        parts = PurePosixPath(folder).parts[1:]
        if not parts:
            continue
        speaker = parts[0] if parts[0] in videos else names.get(_key(parts[0]))
        if speaker is None:
            strangers.add(parts[0])
        for video in videos.get(speaker or "", set()).intersection(parts[1:]):
            pictures[speaker or "", video] += [
                f"{folder}/{file}"
                for file in files
                if file.lower().endswith(PICTURES) and not file.startswith(".")
            ]
    if strangers and not names:
        download.file("vox1_meta.csv")  # a fault: it says whose folder that is
    there = {speaker for (speaker, _), found in pictures.items() if found}
    speakers = sorted(videos)
    download.missing(
        "speakers' faces",
        [f"{top}/{speaker}" for speaker in speakers],
        np.array([speaker in there for speaker in speakers], dtype=bool),
    )
    return {video: sorted(found, key=_in_order) for video, found in pictures.items()}


def _names(root: Path) -> dict[str, str]:
    """From vox1_meta.csv the id of every name, as `_key` writes it; empty without that file."""
    try:
        text = (root / "vox1_meta.csv").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    rows = [re.split(r"[\t,]", line) for line in text.splitlines()[1:]]
    return {_key(row[1]): row[0].strip() for row in rows if len(row) > 1}


def _key(name: str) -> str:
    """A name without accents, case and signs: folders lose the dot of "Robert_Downey_Jr."."""
    plain = unicodedata.normalize("NFKD", name).casefold()
    return "".join(sign for sign in plain if sign.isalnum())


def _in_order(path: str) -> tuple[str, list[tuple[str, int]]]:
    """A sorting key: by folder, then by name, in which 9.jpg comes before 10.jpg."""
    folder, _, name = path.rpartition("/")
    return folder, [(text, int(digits or 0)) for text, digits in _NUMBERS.findall(name)]
