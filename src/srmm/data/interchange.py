"""Embeddings to and from frames, Arrow, Parquet, NumPy archives and Hugging Face datasets.

In all tables a modality is a column of vectors, null where the item is absent. `Interchange` is
the part of `Embeddings` that does this.
"""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from srmm.data.arrow_lists import (
    dense_lists,
    is_nothing,
    is_number,
    is_vector,
    is_vectors_apart,
)
from srmm.data.bombs import check_archive, check_parquet
from srmm.data.holders import arrow_table
from srmm.data.labels import known_labels
from srmm.data.modality import ABSENT, check_modalities
from srmm.data.parquet import parquet_file
from srmm.data.plain_columns import arrow_column, instance_columns, numpy_column
from srmm.data.sources.huggingface import named_classes
from srmm.errors import (
    InputError,
    MissingExtraError,
    StoreError,
    damage_explained,
    did_you_mean,
    first_few,
    several,
)
from srmm.files import replacing_file

if TYPE_CHECKING:
    import pyarrow as pa


_NAMED = 5
_INDEX = "__index_level_"
"""How pandas calls the index of a frame that it writes."""
_ARGUMENTS = {"label": "labels", "id": "ids", "split": "split", "group": "groups"}
"""The usual name of a column that is no modality → what `from_arrays` calls it."""


def _roles(names: Iterable[str], **roles: str | None) -> dict[str, str]:
    """Role → its column, of those that are there; `InputError` for another than the usual name
    that is not."""
    names = list(names)
    for role, column in roles.items():
        if column not in (None, role, *names):
            raise InputError(
                f"There is no {role} column {column!r}. {did_you_mean(str(column), names)}"
            )
        if column is not None and names.count(column) > 1:
            raise InputError(f"The {role} column {column!r} stands twice; rename one of them.")
    return {role: column for role, column in roles.items() if column in names and column}


def _warn_of_left_out(schema: pa.Schema, used: Iterable[str]) -> None:
    """Warn of columns that look like vectors, numbers or roles, and are not read as such."""
    roles = {*used, *_ARGUMENTS, *_ARGUMENTS.values()}
    others = [field for field in schema if field.name not in roles]
    numbers = [field.name for field in others if is_number(field.type)]
    numbers = [name for name in numbers if not name.startswith(_INDEX)]
    if numbers:
        warnings.warn(
            f"{several(len(numbers), 'column')} with a number in each row, "
            f"{first_few(map(repr, numbers), _NAMED)}, left out: a modality is a column of "
            "lists. If they are to be learnt from, make them one, or read the table by "
            "srmm.read_table(table, features=…).",
            stacklevel=3,
        )
    for field in schema:
        if field.name in used or field.name in _ARGUMENTS:
            continue
        if field.name in _ARGUMENTS.values():
            role = next(role for role, name in _ARGUMENTS.items() if name == field.name)
            warnings.warn(
                f"The column {field.name!r} is not read: name it, {role}={field.name!r}, or call "
                f"it {role!r}.",
                stacklevel=3,
            )
        elif is_nothing(field.type):
            warnings.warn(
                f"The column {field.name!r} is empty in every row and left out. If it is a "
                "modality, name them all, modalities=[…]: it is absent then.",
                stacklevel=3,
            )
        elif is_vectors_apart(field.type):
            warnings.warn(
                f"The column {field.name!r} of {field.type} is left out: a modality has one list "
                "of numbers in each row. Make one of what is in a cell, e.g. their mean.",
                stacklevel=3,
            )


def _checked(modalities: Iterable[str], there: Iterable[str]) -> tuple[str, ...]:
    """The modalities; raise `InputError` if one cannot be any, or is no column that is there."""
    checked, there = check_modalities(list(modalities)), list(there)
    for name in checked:
        if name not in there:
            raise InputError(f"There is no column {name!r}. {did_you_mean(name, there)}")
    return checked


def _kept_column(content: Mapping[str, np.ndarray], role: str) -> np.ndarray | None:
    """A column (n,) as `to_numpy` keeps it: its known values, and a mask of where they stand."""
    if f"_{role}" not in content:
        return None
    values = content[f"_{role}"]
    known = content.get(f"_{role}_known", np.ones(len(values), dtype=bool))
    if known.all() and values.dtype.kind != "U":
        return values
    whole = np.full(len(known), None, dtype=object)
    whole[known] = values.tolist()
    return whole


class Interchange:
    """The part of `Embeddings` that reads and writes other formats."""

    modalities: tuple[str, ...]
    position: np.ndarray
    labels: np.ndarray | None
    ids: np.ndarray
    split: np.ndarray | None
    groups: np.ndarray | None

    if TYPE_CHECKING:  # what is used of `Embeddings`

        def __len__(self) -> int: ...

        def items(self, modality: str) -> tuple[np.ndarray, np.ndarray]: ...

        def to_array(self, modality: str) -> np.ndarray: ...

        @classmethod
        def from_arrays(
            cls,
            arrays: Mapping[str, Any],
            *,
            present: Any = None,
            labels: Any = None,
            ids: Any = None,
            split: Any = None,
            groups: Any = None,
        ) -> Self: ...

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        *,
        modalities: Sequence[str] | None = None,
        label: str | None = "label",
        id: str | None = "id",
        split: str | None = "split",
        group: str | None = "group",
    ) -> Self:
        """Embeddings from a frame whose cells are vectors; null, None or NaN cells are absent.

        `modalities` are the columns to read, by default all but `label`, `id`, `split` and
        `group`, which name the columns of labels, ids, the split and the groups; those of the
        usual names that the frame lacks are left out. Raises `InputError` for another column that
        the frame lacks, or whose cells are not vectors of one length.
        """
        roles = _roles(frame.columns, label=label, id=id, split=split, group=group)
        if modalities is None:
            modalities = [column for column in frame.columns if column not in roles.values()]
        names = _checked(modalities, frame.columns)
        extra = {
            _ARGUMENTS[role]: frame[column].to_numpy(dtype=None if role == "id" else object)
            for role, column in roles.items()
        }
        return cls.from_arrays({name: frame[name] for name in names}, **extra)

    def to_frame(self) -> pd.DataFrame:
        """A frame with a column of vectors per modality (None where absent), with id, label,
        split and group where there are any.
        """
        own = instance_columns(self)
        columns = {"id": own.pop("id")}
        for name in self.modalities:
            rows, vectors = self.items(name)
            cells = np.full(len(self), None, dtype=object)
            for row, vector in zip(rows, vectors, strict=True):
                cells[row] = vector
            columns[name] = cells
        return pd.DataFrame(columns | own)

    @classmethod
    def from_arrow(
        cls,
        table: pa.Table,
        *,
        modalities: Sequence[str] | None = None,
        label: str | None = "label",
        id: str | None = "id",
        split: str | None = "split",
        group: str | None = "group",
    ) -> Self:
        """Embeddings from an Arrow table with columns of lists, null where an item is absent.

        Parameters
        ----------
        table : pyarrow.Table of n rows, or a frame that gives one, such as Polars'
        modalities : sequence of str, optional
            The columns of vectors, each of one length d_m; by default all columns of lists of
            numbers: of whole numbers and truth values, too, of fixed size or not, encoded or not.
        label, id, split, group : str or None
            Columns of labels, ids, the split and the groups; those of the usual names that the
            table lacks are left out.

        Raises
        ------
        InputError
            For a column that the table lacks, or whose vectors have several lengths or none.

        Examples
        --------
        >>> import pyarrow as pa
        >>> from srmm import Embeddings
        >>> table = pa.table({"text": [[1.0, 2.0], None], "label": ["a", "b"]})
        >>> Embeddings.from_arrow(table)
        Embeddings(2 instances; text: 1 × 2)
        """
        table = arrow_table("the table", table)
        roles = _roles(table.column_names, label=label, id=id, split=split, group=group)
        if modalities is None:
            taken = {*roles.values(), *_ARGUMENTS}
            modalities = [
                field.name
                for field in table.schema
                if is_vector(field.type) and field.name not in taken
            ]
            _warn_of_left_out(table.schema, {*roles.values(), *modalities})
        names = _checked(modalities, table.column_names)
        extra = {_ARGUMENTS[role]: table.column(c).to_pylist() for role, c in roles.items()}
        arrays = {name: dense_lists(f"column {name!r}", table.column(name)) for name in names}
        return cls.from_arrays(arrays, **extra)

    def to_arrow(self) -> pa.Table:
        """An Arrow table: a `list<float>` column per modality, null where absent, and id, label,
        split and group.

        >>> from srmm import Embeddings
        >>> embeddings = Embeddings.from_arrays({"text": [[1, 2], [float("nan")] * 2]})
        >>> embeddings.to_arrow().column("text").to_pylist()
        [[1.0, 2.0], None]
        """
        import pyarrow as pa  # when it is needed: most embeddings are never given in a table

        own = {name: arrow_column(name, column) for name, column in instance_columns(self).items()}
        columns: dict[str, pa.Array] = {"id": own.pop("id")}
        for m, name in enumerate(self.modalities):
            _, vectors = self.items(name)
            present = self.position[:, m] != ABSENT
            # Offsets repeat over an absent row; a null offset at its start marks the row as null.
            ends = np.concatenate([[0], np.cumsum(present) * vectors.shape[1]])
            absent = np.concatenate([~present, [False]])
            many = ends[-1] > np.iinfo(np.int32).max
            lists, width = (pa.LargeListArray, np.int64) if many else (pa.ListArray, np.int32)
            columns[name] = lists.from_arrays(
                pa.array(ends.astype(width), mask=absent), pa.array(vectors.reshape(-1))
            )
        return pa.table(columns | own)

    @classmethod
    def from_parquet(cls, path: str | Path, **columns: Any) -> Self:
        """Embeddings from a Parquet file with columns of vectors; `columns` as in `from_arrow`.

        Raises `StoreError` if the file cannot be read, `InputError` if it is a bomb.
        """
        check_parquet(path)
        explained = damage_explained(path, "Expected is a Parquet file of vectors.")
        with explained, parquet_file(path) as file:
            return cls.from_arrow(file.read(), **columns)

    def to_parquet(self, path: str | Path) -> Path:
        """Write the table of `to_arrow` as a Parquet file, atomically, and return the path."""
        import pyarrow.parquet as pq

        path = Path(path)
        with replacing_file(path) as temporary:
            pq.write_table(self.to_arrow(), temporary)
        return path

    @classmethod
    def from_numpy(cls, path: str | Path) -> Self:
        """Embeddings from an `.npz` as `to_numpy` writes it; unpickles nothing.

        It may come from elsewhere: an array (n, d_m) per modality and, where there are any, `_id`,
        `_label`, `_split` and `_group`, with `_label_known` and so on where not all are known.
        Raises `StoreError` if the file cannot be read, or holds no arrays by name; `InputError` if
        it unpacks to far more than it is, or has another array whose name begins with "_".
        """
        check_archive(path)
        try:
            with np.load(path, allow_pickle=False) as archive:
                content = {key: archive[key] for key in archive.files}
        except Exception as error:  # damaged archives make zipfile, zlib and NumPy raise anything
            raise StoreError(
                f"{path} cannot be read ({error}); expected an .npz written by `to_numpy`."
            ) from None
        with damage_explained(path, "Expected is an .npz written by `to_numpy`."):
            return cls._from_numpy(content)

    @classmethod
    def _from_numpy(cls, content: Mapping[str, np.ndarray]) -> Self:
        arrays: dict[str, Any] = {k: x for k, x in content.items() if not k.startswith("_")}
        for key, array in arrays.items():
            if array.ndim == 2 and not array.shape[1]:  # of a modality that nobody has
                arrays[key] = [None] * len(array)

        understood = [f"_{key}{end}" for key in _ARGUMENTS for end in ("", "_known")]
        for key in content:
            if key.startswith("_") and key not in understood:
                raise InputError(
                    f"An array is called {key!r}, which is no column of embeddings. "
                    f"{did_you_mean(key, understood)}"
                )
        extra = {name: _kept_column(content, role) for role, name in _ARGUMENTS.items()}
        return cls.from_arrays(arrays, **extra)

    def to_numpy(self, path: str | Path) -> Path:
        """Write an `.npz`, atomically, and return the path.

        It has one dense (n, d_m) array per modality, NaN rows where absent.
        """
        content = {name: self.to_array(name) for name in self.modalities}
        for key, column in instance_columns(self).items():
            known = known_labels(column)
            # An object array would need pickle to be read: its known values have a plain type, and
            # a mask says where they stand.
            content[f"_{key}"] = numpy_column(key, column[known])
            content[f"_{key}_known"] = known
        path = Path(path)
        # Not by `numpy.savez`, whose own arguments no modality could be named after.
        with replacing_file(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
            for key, array in content.items():
                with archive.open(f"{key}.npy", "w", force_zip64=True) as file:
                    np.lib.format.write_array(file, array, allow_pickle=False)
        return path

    @classmethod
    def from_huggingface(cls, dataset: Any, **columns: Any) -> Self:
        """Embeddings from a `datasets.Dataset` of vectors; `columns` as in `from_arrow`.

        The classes of a `ClassLabel` are their names, and its −1 is an unknown one, as in
        `srmm.read_table`. Raises `InputError` for what is no such data set.
        """
        return cls.from_arrow(named_classes(dataset), **columns)

    def to_huggingface(self) -> Any:
        """A `datasets.Dataset` over the table of `to_arrow`.

        Raises `MissingExtraError` without the extra `srmm[huggingface]`.
        """
        try:
            from datasets import Dataset
        except ImportError:
            raise MissingExtraError("datasets", "huggingface", "A Hugging Face dataset") from None
        try:
            return Dataset(self.to_arrow())
        except ValueError as error:  # such as UUIDs, which Arrow has
            raise InputError(
                f"A Hugging Face dataset cannot hold these embeddings ({error}). Make ids, labels "
                "and groups text, e.g. by str."
            ) from None
