"""The training items nearest to a row, as the model sees them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from srmm.data.addresses import is_url
from srmm.data.embeddings import Embeddings
from srmm.data.items import ItemReader
from srmm.data.labels import known_labels
from srmm.data.modality import PICTURE_KINDS
from srmm.data.store import is_store, load_embeddings
from srmm.errors import InputError
from srmm.evaluation.duplicates import unit_length
from srmm.workflows.data import as_learnt, split_column
from srmm.workflows.pictures import open_noted, picture_folders
from srmm.workflows.predictor import Predictor
from srmm.workflows.thumbnails import Thumbnails

MOST_ROWS = 20_000
"""Of more training rows, so many are drawn."""
_LONGEST_TEXT = 160
_LOOKED_AT = 50


@dataclass(frozen=True)
class Neighbours:
    """Training rows, and where they lie in the model's own space (`transform`).

    Parameters
    ----------
    places : float32 array of shape (n, width), of unit length
    items : dict of str to object array of shape (n,)
        Raw items, None where absent or not kept.
    """

    embeddings: Embeddings
    places: np.ndarray
    items: dict[str, np.ndarray]
    kinds: dict[str, str]
    base: Path
    """Where relative paths of pictures start."""
    folders: tuple[Path, ...]
    """Where files of pictures may lie: a store from elsewhere must not open all of the disk."""
    thumbnails: Thumbnails

    def nearest(self, model: Any, embeddings: Embeddings, k: int) -> list[list[dict[str, Any]]]:
        """The k nearest of each row by cosine; none of a row with nothing present."""
        found: list[list[dict[str, Any]]] = [[] for _ in range(len(embeddings))]
        rows = np.flatnonzero(np.asarray(embeddings.present).any(axis=1))
        if not len(rows) or not k:
            return found
        likeness = unit_length(model.transform(embeddings[rows])) @ self.places.T
        for row, alike in zip(rows.tolist(), likeness, strict=True):
            best = np.argsort(-alike, kind="stable")[:k]
            found[row] = [self._item(int(i), float(alike[i])) for i in best]
        return found

    def _item(self, i: int, likeness: float) -> dict[str, Any]:
        texts, pictures = {}, []
        for name, raw in self.items.items():
            if isinstance(raw[i], str) and self.kinds.get(name) == "text":
                long = len(raw[i]) > _LONGEST_TEXT
                texts[name] = raw[i][:_LONGEST_TEXT] + "…" * long
            elif self.kinds.get(name) in PICTURE_KINDS and self._may_show(raw[i]):
                pictures.append(name)
        assert self.embeddings.labels is not None
        there = zip(self.embeddings.modalities, self.embeddings.present[i].tolist(), strict=True)
        return {
            "number": i,
            "id": str(self.embeddings.ids[i]),
            "label": _plain(self.embeddings.labels[i]),
            "likeness": likeness,
            "present": [name for name, has in there if has],
            "texts": texts,
            "pictures": pictures,
        }

    def picture(self, number: int, modality: str) -> bytes | None:
        """A small JPEG of a training row's picture; None if there is none."""
        if modality not in self.items or not 0 <= number < len(self.embeddings):
            return None
        raw = self.items[modality][number]
        return self.thumbnails(modality, self._place(raw)) if self._may_show(raw) else None

    def not_shown(self) -> str | None:
        """The path of a picture that lies where none is shown from; None if none is met soon."""
        for name, raw in self.items.items():
            if self.kinds.get(name) in PICTURE_KINDS:
                some = [item for item in raw.tolist() if item is not None][:_LOOKED_AT]
                hidden = [item for item in some if not self._may_show(item)]
                if hidden:
                    return str(hidden[0])
        return None

    def _may_show(self, raw: Any) -> bool:
        if not isinstance(raw, str | Path):
            return isinstance(raw, bytes) or (isinstance(raw, dict) and bool(raw.get("bytes")))
        if is_url(str(raw)):
            return False
        try:
            place = self._place(raw).resolve()
        except (OSError, ValueError, RuntimeError):
            return False
        return any(place.is_relative_to(folder) for folder in self.folders)

    def _place(self, raw: Any) -> Any:
        return self.base / raw if isinstance(raw, str | Path) else raw


def open_neighbours(
    predictor: Predictor, store: Path, root: Path | None = None
) -> tuple[Neighbours, list[str]]:
    """(the training rows of a store, notes).

    Pictures in files are shown from the folders of `picture_folders`, symbolic links followed.

    Raises `InputError` if it is no store, the method has no space of its own, or the store has no
    labels.
    """
    if not is_store(store):
        raise InputError(f"{store} is no store of embeddings: name the one `srmm fit` wrote.")
    if not hasattr(predictor.model, "transform"):
        raise InputError(
            f"{type(predictor.model).__name__} has no space of its own in which items are near "
            "one another; leave --store out."
        )
    data, notes = as_learnt(load_embeddings(store), predictor.config), []
    if data.labels is None:
        raise InputError(f"{store} has no labels, which nearest items are to show.")
    chosen = np.isin(split_column(data, predictor.rows).astype(str), ("train", "validation"))
    if not chosen.any():
        chosen = np.ones(len(data), dtype=bool)
        notes.append(f"The model does not know the rows of {store.name}: all are shown as near.")
    chosen &= np.asarray(data.present.any(axis=1)) & known_labels(data.labels)
    places = np.flatnonzero(chosen)
    if len(places) > MOST_ROWS:
        drawn = np.random.default_rng(0).permutation(len(places))[:MOST_ROWS]
        notes.append(f"Nearest items are looked for among {MOST_ROWS:,} of {len(places):,} rows.")
        places = places[np.sort(drawn)]
    data = predictor.model.as_seen(data[places])
    kinds = {name: about["kind"] for name, about in predictor.config["inputs"].items()}
    items = _items(store, data)
    where = unit_length(predictor.model.transform(data)).astype(np.float32)
    folders = tuple(folder.resolve() for folder in picture_folders(store, root))
    base = (root or store).resolve()
    reader = ItemReader(base, within=folders)
    found = Neighbours(data, where, items, kinds, base, folders, Thumbnails(reader, kinds))
    hidden = found.not_shown()
    if hidden is not None:
        notes.append(
            f"Pictures such as {hidden} are not shown beside nearest items: name the folder they "
            "lie in (--root)."
        )
    return found, notes


def _items(store: Path, data: Embeddings) -> dict[str, np.ndarray]:
    """What the store kept of the raw items, and pictures that lie in its table itself."""
    items = dict(data.raw)
    table = open_noted(store) if set(data.modalities) - set(items) else None
    if table is not None:
        rows = {id: row for row, id in enumerate(table.ids.tolist())}
        at = [rows.get(id) for id in data.ids.tolist()]
        for name in set(table.items) - set(items):
            column = np.full(len(data), None, dtype=object)
            for i, row in enumerate(at):
                column[i] = None if row is None else table.items[name][row]
            items[name] = column
    return {name: items[name] for name in data.modalities if name in items}


def _plain(label: Any) -> Any:
    return label.item() if isinstance(label, np.generic) else label
