"""Columns as people write them → numbers, fitted on the training rows.

Decimal commas, currencies, dates, times, yes and no, categories, lists of tags, and blanks. What
each column is, `srmm.data.block_kinds` finds out; here it is kept, as JSON, and used.

Our own, and not scikit-learn's imputer and one-hot encoder: what they would do after a cell has
been read is a line each, and what they learnt is saved only with their version of scikit-learn.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from srmm.data.block_columns import LEFT_OUT, LearntColumn, learn_columns
from srmm.data.blocks import Cells, column_arrays
from srmm.data.learnt_checks import columns_from
from srmm.data.surprises import Surprises
from srmm.encoders.base import EncoderAbout
from srmm.errors import InputError, StoreError
from srmm.files import replacing_folder

_FORMAT = "srmm-columns"
_VERSION = 1
"""Another one if the same cells would become other numbers."""

_COLUMNS = "columns.json"
_BLOCK = 1 << 16


class ColumnsEncoder:
    """The columns of a block as one vector.

    A fitted encoder. `fit` finds out, from training rows alone, what each column is: numbers (with
    which decimal sign, in which unit), dates, yes or no, categories or lists of tags. A number is
    kept on its scale. A date is its days since 2000, and where it stands in the year and the week,
    as sine and cosine. A span of time, or a time of day, is its seconds. A category, or tag, that
    stands in two training rows has a feature of its own, the 64 most frequent at most; others share
    "other" if training had any. A blank is the median of the training rows (of no category, without
    a tag), and marked if training had blanks. What is the same in all training rows is left out,
    and so are columns of names and texts.

    A cell that cannot be read as what its column is counts as blank. A row none of whose columns
    can be read has no vector: it is an unreadable item.

    Parameters
    ----------
    folder : path, optional
        Where `save` wrote one that was fitted.
    """

    kind = "features"
    name = "columns"
    batch_size = 1024
    at_once = Cells
    """Such items are encoded as they are, see `srmm.encoding.at_once`."""

    nothing_known = "has no cell that can be read as its column was in training"
    """The reason for a vector of NaN."""

    def __init__(self, folder: str | Path | None = None) -> None:
        self.columns: list[LearntColumn] = []
        spec = self.name
        if folder is not None:
            path = Path(folder).expanduser().resolve()
            self.columns = _read(path)
            spec = f"{self.name}:{path}"
        self.settings = self._settings(spec)

    @property
    def is_fitted(self) -> bool:
        """Whether it can encode."""
        return bool(self.columns)

    @property
    def embedding_dim(self) -> int | None:
        """The length of a vector; None until it is fitted."""
        return sum(len(column.features) for column in self.columns) or None

    @property
    def notes(self) -> tuple[str, ...]:
        """What each column was taken for, a sentence each."""
        return tuple(f"{column.note}." for column in self.columns)

    def fit(self, items: Sequence[Cells]) -> None:
        """Find out what the columns are; the items should be those of training rows only.

        Raises `InputError` if there is no column that anything could be learnt from.
        """
        for item in items:
            self._check(item)
        names = tuple(dict.fromkeys(name for item in items for name in item.columns))
        arrays = column_arrays(list(items), names)
        learnt = learn_columns({name: cells for name, cells in arrays.items() if cells is not None})
        if all(column.kind == LEFT_OUT for column in learnt):
            raise InputError(
                "There is nothing to learn from in the columns of features: "
                f"{'; '.join(column.note for column in learnt)}. Choose other columns."
            )
        self.columns = learnt
        self.settings = self._settings(None)

    def save(self, folder: str | Path) -> Path:
        """Write the fitted encoder to a new folder, as `columns.json`, and return its path.

        `load_encoder("columns:FOLDER", "features")` reads it.
        """
        self._check_fitted()
        folder = Path(folder)
        if folder.exists():
            raise InputError(f"{folder} already exists. Choose another.")
        content = {
            "format": _FORMAT,
            "version": _VERSION,
            "columns": [column.to_json() for column in self.columns],
        }
        with replacing_folder(folder) as temporary:
            text = json.dumps(content, ensure_ascii=False, indent=1)
            (temporary / _COLUMNS).write_text(text + "\n", encoding="utf-8", newline="\n")
        return folder

    def prepare(self, item: Cells) -> Cells:
        """The cells themselves: they are read by the batch."""
        self._check_fitted()
        self._check(item)
        return item

    def encode(self, prepared: Sequence[Cells]) -> np.ndarray:
        """n rows of cells → float32 of shape (n, embedding_dim); NaN where nothing can be read."""
        self._check_fitted()
        values, known = [], np.zeros(len(prepared), dtype=bool)
        for column, cells in self._cells(prepared):
            matrix, there = column.read(cells)
            values.append(matrix)
            known |= there
        vectors = np.hstack(values)
        vectors[~known] = np.nan
        return vectors.astype(np.float32)

    def notes_on(self, items: Sequence[Cells]) -> tuple[str, ...]:
        """What is in these items that the training rows did not lead to expect, a sentence each."""
        surprises = {column.name: Surprises(column) for column in self._used}
        for start in range(0, len(items), _BLOCK):
            for column, cells in self._cells(items[start : start + _BLOCK]):
                surprises[column.name].add(cells)
        there = {name for names in {item.columns for item in items} for name in names}
        known = [column.name for column in self.columns]
        notes = [
            f"{name}: the table has no such column, so it is blank in every row"
            for name in surprises
            if name not in there
        ]
        notes += [
            f"{name}: not used, as the encoder was fitted without this column"
            for name in sorted(there.difference(known))
        ]
        notes += [note for surprise in surprises.values() for note in surprise.notes()]
        return tuple(f"{note}." for note in notes)

    @property
    def _used(self) -> list[LearntColumn]:
        return [column for column in self.columns if column.kind != LEFT_OUT]

    def _cells(self, items: Sequence[Cells]) -> Iterator[tuple[LearntColumn, np.ndarray]]:
        """Each column that is used, with its cells in these rows; blank where there is none."""
        arrays = column_arrays(list(items), tuple(column.name for column in self._used))
        for column in self._used:
            cells = arrays[column.name]
            yield column, np.full(len(items), None, dtype=object) if cells is None else cells

    def _check(self, item: Any) -> None:
        if not isinstance(item, Cells):
            raise InputError(
                f"The encoder {self.name!r} reads the cells of columns, got "
                f"{type(item).__name__}. Vectors need no encoder: leave it out, or name 'identity'."
            )

    def _check_fitted(self) -> None:
        if not self.is_fitted:
            raise InputError(
                f"This encoder has not been fitted yet. Call fit(training items), or load one that "
                f"was: '{self.name}:FOLDER'."
            )

    def _settings(self, spec: str | None) -> dict[str, Any]:
        weights = None
        if self.columns:
            learnt = [column.to_json() for column in self.columns]
            weights = hashlib.sha256(json.dumps(learnt, sort_keys=True).encode()).hexdigest()
        kinds = "; ".join(f"{column.name}: {column.kind}" for column in self.columns)
        features = [name for column in self.columns for name in column.features]
        return {
            "spec": spec,
            "weights": weights,
            "version": _VERSION,
            "learnt": kinds or None,
            "features": features or None,
        }


ABOUT = (
    EncoderAbout(
        name="columns",
        good_for="prices, dates, categories and tags as people write them",
        embedding_dim="as the columns need",
        description="columns as people write them: decimal commas, currencies, dates, times, yes "
        "and no, categories, tags and blanks, learnt from the training rows alone (split 'train'); "
        "the default of features that are not all finite numbers",
        preprocessing="numbers on their scale, dates as days and parts of the year, times in "
        "seconds, categories and tags one feature each, blanks as the median with a mark",
        source="srmm",
        licence="Apache-2.0",
        needs_network="no",
        classes={"features": ColumnsEncoder},
    ),
    EncoderAbout(
        name="columns:FOLDER",
        good_for="columns like those it was fitted on",
        embedding_dim="as it was fitted",
        description="columns as they were learnt from the training rows of a table",
        preprocessing="as for columns, on the scales and with the categories it has learnt",
        source="a store that was encoded with columns (STORE/_encoders/features), or "
        "ColumnsEncoder.save",
        licence="Apache-2.0; the table's (what was learnt)",
        needs_network="no",
        classes={"features": ColumnsEncoder},
    ),
)


def _read(folder: Path) -> list[LearntColumn]:
    """The columns in a folder that `save` wrote."""
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder} to load fitted columns from.")
    try:
        content = json.loads((folder / _COLUMNS).read_text(encoding="utf-8"))
        if content["format"] != _FORMAT or content["version"] > _VERSION:
            raise ValueError(f"it is not of format {_FORMAT!r}, version {_VERSION}")
        columns = columns_from(content["columns"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise StoreError(
            f"{folder} holds no fitted columns that can be read ({error}). Expected is the file of "
            f"`ColumnsEncoder.save`: {_COLUMNS}."
        ) from None
    return columns
