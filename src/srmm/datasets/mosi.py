"""CMU-MOSI: opinions in videos, as published utterance features of text, audio and video."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from srmm.data.bombs import check_archive
from srmm.data.embeddings import Embeddings
from srmm.datasets.base import DatasetAbout
from srmm.errors import InputError

ABOUT = DatasetAbout(
    name="mosi",
    description="Opinions in videos: text (100 features), audio (73), video (100); 2 classes, "
    "official split by speaker",
    modalities=("text", "audio", "video"),
    source="CMU-MOSI, utterance features of Poria et al. 2017 "
    "(https://github.com/declare-lab/multimodal-deep-learning)",
    licence="MIT (the repository); the videos were released for research",
    how_to_get="It is read from mosi_utterance.npz: arrays text_, audio_, video_, label_ and "
    "utt_id_, each with train and test, made from contextual-multimodal-fusion/data of "
    "https://github.com/declare-lab/multimodal-deep-learning. Put it into a folder, the root.",
)

_SPLITS = ("train", "test")


def load(root: Path) -> Embeddings:
    """The published features with the labels 0 (negative) and 1 (positive), ids and split."""
    path = ABOUT.file(root, "mosi_utterance.npz")
    check_archive(path)
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is damaged ({error}). {ABOUT.how_to_get}") from None
    wanted = [f"{part}_{s}" for part in (*ABOUT.modalities, "label", "utt_id") for s in _SPLITS]
    missing = [key for key in wanted if key not in arrays]
    if missing:
        raise InputError(f"{path} has no array {missing[0]!r}. {ABOUT.how_to_get}")

    def both(part: str) -> np.ndarray:
        return np.concatenate([arrays[f"{part}_{split}"] for split in _SPLITS])

    ids = both("utt_id")
    embeddings = Embeddings.from_arrays(
        {name: both(name) for name in ABOUT.modalities},
        labels=both("label"),
        ids=ids,
        split=np.repeat(_SPLITS, [len(arrays[f"label_{split}"]) for split in _SPLITS]),
        groups=[str(id).rpartition("_")[0] for id in ids],  # the video
    )
    if all(f"transcript_{split}" in arrays for split in _SPLITS):
        embeddings.raw = {"text": both("transcript").astype(object)}
    return embeddings
