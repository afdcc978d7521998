"""HTAD: sound and wrist motion of 7 activities at home; comes with `srmm[demo]`."""

from __future__ import annotations

import pandas as pd

from srmm.data.embeddings import Embeddings
from srmm.datasets.base import DatasetAbout

ABOUT = DatasetAbout(
    name="htad",
    description="Home activities from sound (36 features) and wrist motion (16); 7 classes",
    modalities=("audio", "motion"),
    source="Garcia-Ceja et al. 2020, HTAD: A Home-Tasks Activities Dataset with Wrist-"
    "accelerometer and Audio Features (package multiviewstacking)",
    licence="open for research and education with a reference to the article; commercial use and "
    "competitions need permission (https://link.springer.com/chapter/10.1007/978-3-030-67835-7_17)",
    how_to_get="Install it with: pip install 'srmm[demo]'",
    extra="demo",
)


def load() -> Embeddings:
    """The published features, every row complete; no split of its own."""
    path = ABOUT.packaged("multiviewstacking", "multiviewstacking", "data/htad.csv")
    frame = pd.read_csv(path, encoding="latin-1")
    columns = {"audio": "v1_", "motion": "v2_"}
    return Embeddings.from_arrays(
        {
            name: frame[[c for c in frame.columns if c.startswith(prefix)]].to_numpy()
            for name, prefix in columns.items()
        },
        labels=frame["class"].to_numpy(dtype=object),
    )
