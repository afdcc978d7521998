"""Embeddings of many instances, with holes: what the encoders make and every model reads."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

import numpy as np

from srmm.data.arrays import as_column, as_mask, as_rows, check_ids
from srmm.data.holders import column_names, warn_of_order
from srmm.data.interchange import Interchange
from srmm.data.labels import as_groups, as_labels
from srmm.data.modality import ABSENT, check_modalities
from srmm.data.sources.base import SPLITS
from srmm.data.splits import as_split
from srmm.data.vectors import as_single, as_vectors
from srmm.errors import InputError, did_you_mean, one_of, shown

_BLOCK, _LARGEST = 4096, 1 << 24  # vectors, and numbers, of a block


class Embeddings(Interchange):
    """n instances with one embedding per modality, any of which may be absent.

    Only present embeddings are stored. `values[modality]` packs them, one row each, and
    `position[i, m]` says which packed row belongs to instance `i` (−1: absent). Selecting rows or
    hiding items therefore moves integers, never vectors, and a memory-mapped store stays on disk.
    What is kept as float16 is float32 for whoever asks for it (`items`, `blocks`, `to_array`).

    Build one with `from_arrays`, another `from_…`, or `srmm.load_embeddings`; not with the
    constructor.

    Parameters
    ----------
    values : dict of str to array of shape (n_items_m, d_m)
        The packed embeddings of each modality; the key order is the modality order.
    position : int array of shape (n_instances, n_modalities)
        Row of `values[modality]`, or −1 where the item is absent.
    labels, ids, split : array of shape (n_instances,), optional
        Class labels (None where unknown), unique row names, and "train" / "validation" / "test".
    groups : array of shape (n_instances,), optional
        What belongs together (a speaker, a customer, a video): never on both sides of a split.
    raw : dict of str to object array of shape (n_instances,), optional
        The raw items the embeddings came from (a text, a path), for showing them to a person.
    encoders : dict of str to dict, optional
        Per modality, which encoder made the embeddings and with which settings.
    """

    def __init__(
        self,
        values: Mapping[str, np.ndarray],
        position: np.ndarray,
        *,
        labels: np.ndarray | None = None,
        ids: np.ndarray | None = None,
        split: np.ndarray | None = None,
        groups: np.ndarray | None = None,
        raw: Mapping[str, np.ndarray] | None = None,
        encoders: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self.modalities = check_modalities(list(values))
        self.values = dict(values)
        self.position = position
        self.labels = labels
        self.ids = np.arange(len(position)) if ids is None else ids
        self.split = split
        self.groups = groups
        self.raw = dict(raw or {})
        self.encoders = {name: dict(settings) for name, settings in (encoders or {}).items()}

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
    ) -> Self:
        """Embeddings from one (n, d_m) array per modality.

        Parameters
        ----------
        arrays : dict of str to array of shape (n, d_m) or None
            A row that is None, entirely NaN or masked is an absent item; None is a modality nobody
            has, and is left out. Every dtype becomes float32. Arrays may be NumPy's, plain or
            masked, lists of vectors, tensors, frames, Arrow's lists, or what NumPy can open. The
            names of a frame's columns are kept: a model takes others, or another order, no more.
        present : bool array of shape (n, n_modalities), optional
            Columns in the order of the modalities that are not None, or a frame's by their names.
            An item is present where `present` is True *and* its row is not absent; what a row that
            it hides holds is never looked at.
        labels, ids, split, groups : one value per instance, optional
            None, NaN or masked where unknown, which an id may not be. The words of a split may be
            those of `read_table`, such as "val".

        Raises
        ------
        InputError
            For a row that is partly NaN or masked or holds an infinity (naming modality and row),
            arrays of different lengths, or an array that is not two-dimensional.
        """
        if not isinstance(arrays, Mapping):
            raise InputError(
                "Expected is a dict of one array per modality, {'image': array, 'text': array}, "
                f"got {type(arrays).__name__}."
            )
        modalities = check_modalities([name for name, array in arrays.items() if array is not None])
        shown = None if present is None else as_mask(present, modalities)
        if shown is not None and shown.shape[1:] != (len(modalities),):
            raise InputError(
                f"present must be boolean of shape (instances, {len(modalities)}), a column for "
                f"each of {', '.join(map(repr, modalities))}; got shape {shown.shape}."
            )
        dense, columns = {}, []
        for m, name in enumerate(modalities):
            dense[name], here = as_vectors(
                name, arrays[name], None if shown is None else shown[:, m]
            )
            columns.append(here)
        roles = {"labels": labels, "ids": ids, "split": split, "groups": groups}
        warn_of_order({**arrays, "present": present, **roles})
        lengths = {name: len(array) for name, array in dense.items()}
        if len(set(lengths.values())) > 1:
            raise InputError(f"All modalities must have one row per instance, got {lengths} rows.")
        n = next(iter(lengths.values()))
        there = np.array(columns)  # (M, n)
        position = np.where(there, there.cumsum(axis=1) - 1, ABSENT).T
        values = {
            name: as_single(name, array[here])
            for (name, array), here in zip(dense.items(), columns, strict=True)
        }
        assert tuple(values) == modalities
        return cls(
            values,
            position,
            labels=as_labels("labels", labels, n),
            ids=check_ids(as_column("ids", ids, n)),
            split=as_split(split, n),
            groups=as_groups(groups, n),
            encoders={
                name: {"spec": None, "columns": columns_of}
                for name in modalities
                if (columns_of := column_names(arrays[name]))
            },
        )

    @property
    def present(self) -> np.ndarray:
        """Boolean (n_instances, n_modalities): True where the item is there."""
        return self.position != ABSENT

    @property
    def embedding_dims(self) -> dict[str, int]:
        """Per modality, the length of its embeddings."""
        return {name: array.shape[1] for name, array in self.values.items()}

    @property
    def shape(self) -> tuple[int, int]:
        """(n_instances, n_modalities), which is what scikit-learn's splitters look at."""
        return len(self), len(self.modalities)

    def __len__(self) -> int:
        return len(self.position)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        raise InputError(
            "Embeddings are several modalities with holes, and no single array; what was called "
            "makes one of X (as scikit-learn's bagging, self-training and permutation_importance "
            f"do). Take one modality, embeddings.to_array({self.modalities[0]!r}), or tools that "
            "cut X by rows, such as cross_val_score, GridSearchCV and CalibratedClassifierCV. What "
            "each modality is worth tells srmm.evaluate."
        )

    def __repr__(self) -> str:
        parts = [
            f"{name}: {int(self.present[:, m].sum()):,} × {dim}"
            for m, (name, dim) in enumerate(self.embedding_dims.items())
        ]
        return f"Embeddings({len(self):,} instances; {', '.join(parts)})"

    def __getitem__(self, rows: Any) -> Embeddings:
        """The instances `rows` (a slice, indices or a boolean mask), sharing the packed values."""
        if isinstance(rows, tuple) and len(rows) == 2 and rows[1] is Ellipsis:
            rows = rows[0]  # scikit-learn indexes arrays as X[rows, ...]
        if isinstance(rows, str | tuple):
            raise InputError(
                f"Embeddings are indexed by rows alone, got {rows!r}. The vectors of a modality "
                "are embeddings.to_array(name); several modalities are embeddings.select(names)."
            )
        rows = self._as_slice(as_rows(rows, len(self)))
        return self._with(position=self.position[rows], rows=rows)

    def in_blocks(self, size: int) -> Iterator[tuple[slice, Embeddings]]:
        """All instances in their order, at most `size` at once, and where each block lies."""
        if 0 < len(self) <= size:
            yield slice(0, len(self)), self
            return
        for start in range(0, len(self), size):
            rows = slice(start, start + size)
            yield rows, self[rows]

    def rows_in(self, split: str) -> np.ndarray:
        """Boolean (n_instances,): True for the instances of that split ("train", "test", …)."""
        if self.split is None:
            raise InputError("These embeddings have no split; build them with split=…")
        one_of("The split", split, SPLITS)
        return np.asarray(self.split == split, dtype=bool)

    def mask(self, present: np.ndarray) -> Embeddings:
        """The same instances with only the items that are present here *and* in `present`.

        `present` is boolean of shape (n_instances, n_modalities) or (n_modalities,), or a frame
        with a column for each modality.
        """
        given = as_mask(present, self.modalities)
        try:
            present = np.broadcast_to(given, self.shape)
        except ValueError:
            raise InputError(
                f"present must be boolean of shape {self.shape} or {self.shape[1:]}, got "
                f"{given.shape}."
            ) from None
        return self._with(position=np.where(present, self.position, ABSENT))

    def select(self, modalities: Sequence[str]) -> Embeddings:
        """The same instances with only these modalities, in this order."""
        modalities = [modalities] if isinstance(modalities, str) else list(modalities)
        columns = [self._place(name) for name in modalities]
        if modalities:
            check_modalities(modalities)
        chosen = self._with(position=self.position[:, columns])
        chosen.values = {name: self.values[name] for name in modalities}
        chosen.modalities = tuple(modalities)
        return chosen

    def items(self, modality: str) -> tuple[np.ndarray, np.ndarray]:
        """(rows, vectors): the instances with this modality and their (n_present, d_m) array."""
        rows, places = self.places(modality)
        vectors = taken(self.values[modality], together(places))
        vectors.flags.writeable = False  # often the embeddings' own
        return rows, vectors

    def places(self, modality: str) -> tuple[np.ndarray, np.ndarray]:
        """(rows, places): the instances with this modality, and their rows of `values`."""
        position = self.position[:, self._place(modality)]
        rows = (position != ABSENT).nonzero()[0]
        return rows, position[rows]

    def blocks(self, modality: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """`items`, some at a time and in the same order: what a store larger than memory allows."""
        rows, places = self.places(modality)
        values = self.values[modality]
        step = max(1, min(_BLOCK, _LARGEST // max(1, values.shape[1])))
        for start in range(0, len(rows), step):
            some = slice(start, start + step)
            yield rows[some], taken(values, together(places[some]))

    def to_array(self, modality: str) -> np.ndarray:
        """One modality as a dense (n_instances, d_m) array, NaN rows where absent."""
        self._place(modality)
        dense = np.full((len(self), self.embedding_dims[modality]), np.nan, dtype=np.float32)
        for rows, vectors in self.blocks(modality):
            dense[rows] = vectors
        return dense

    def compact(self) -> Embeddings:
        """The same instances with only the packed rows they need, out of a larger store.

        Rows that lie together there are not copied.
        """
        if all(map(self._is_compact, range(len(self.modalities)))):
            return self
        values, columns = {}, []
        for m, name in enumerate(self.modalities):
            used, position = packed_rows(self.position[:, m])
            values[name] = self.values[name][together(used)]
            columns.append(position)
        compacted = self._with(position=np.column_stack(columns))
        compacted.values = values
        return compacted

    def _is_compact(self, m: int) -> bool:
        place = self.position[:, m]
        place, n = place[place != ABSENT], len(self.values[self.modalities[m]])
        return len(place) == n and (not n or isinstance(together(place), slice))

    def check(self) -> Embeddings:
        """Raise `InputError` naming modality and row if a present embedding is not finite."""
        for name in self.modalities:
            for rows, vectors in self.blocks(name):
                if np.isfinite([vectors.min(initial=0), vectors.max(initial=0)]).all():
                    continue
                finite = np.isfinite(vectors).all(axis=1)
                if not finite.all():
                    row = rows[np.argmin(finite)]
                    raise InputError(
                        f"The {name} embedding of row {row} (id {shown(self.ids[row])}) holds NaN "
                        "or infinity. Absent items must be left out (None or a row entirely NaN); "
                        "repair or remove this one."
                    )
        return self

    def _place(self, modality: str) -> int:
        """Which modality it is; raise `InputError` if there is none of that name."""
        if modality not in self.modalities:
            raise InputError(
                f"There is no modality {modality!r}. {did_you_mean(modality, self.modalities)}"
            )
        return self.modalities.index(modality)

    def _as_slice(self, rows: Any) -> Any:
        """Rows that lie together as a slice, which copies nothing; others as they are."""
        if not isinstance(rows, np.ndarray) or rows.ndim != 1:
            return rows
        numbers = np.flatnonzero(rows) if rows.dtype == bool and len(rows) == len(self) else rows
        within = len(numbers) and numbers.dtype.kind in "iu" and numbers[0] >= 0
        if not within or numbers[-1] >= len(self):
            return rows
        found = together(numbers)
        return found if isinstance(found, slice) else rows

    def _with(self, *, position: np.ndarray, rows: Any = slice(None)) -> Embeddings:
        return Embeddings(
            self.values,
            position,
            labels=None if self.labels is None else self.labels[rows],
            ids=self.ids[rows],
            split=None if self.split is None else self.split[rows],
            groups=None if self.groups is None else self.groups[rows],
            raw={name: column[rows] for name, column in self.raw.items()},
            encoders=self.encoders,
        )


def concatenate(first: Embeddings, second: Embeddings) -> Embeddings:
    """The instances of both, which have the same modalities, as training data: items only."""
    if all(second.values[name] is x for name, x in first.values.items()):  # parts of one store
        return Embeddings(first.values, np.concatenate([first.position, second.position]))
    first, second = first.compact(), second.compact()
    values = {name: np.concatenate([x, second.values[name]]) for name, x in first.values.items()}
    offset = [len(array) for array in first.values.values()]
    moved = np.where(second.present, second.position + offset, ABSENT)
    return Embeddings(values, np.concatenate([first.position, moved]))


def taken(values: np.ndarray, places: np.ndarray | slice) -> np.ndarray:
    """The vectors at these places, in single precision at least; a view where it can be one."""
    vectors = values[places]
    return vectors.astype(np.float32) if vectors.dtype.itemsize < 4 else vectors


def packed_rows(position: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(used, position): the rows that some instance points to, in their order, and where each
    instance finds its own among them."""
    there = position[position != ABSENT]
    if isinstance(together(there), slice):
        return there, np.where(position == ABSENT, ABSENT, position - there[0])
    used, renumbered = np.unique(there, return_inverse=True)
    packed = np.full(len(position), ABSENT, dtype=np.int64)
    packed[position != ABSENT] = renumbered
    return used, packed


def together(rows: np.ndarray) -> np.ndarray | slice:
    """Ascending row numbers without a gap as a slice, which copies nothing; others as they are."""
    if not len(rows) or rows[-1] - rows[0] != len(rows) - 1 or (rows[1:] <= rows[:-1]).any():
        return rows
    return slice(int(rows[0]), int(rows[-1]) + 1)


def same_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that decide what an embedding means, as JSON gives them back.

    The name is not one of them where there is a digest of the weights: a model's folder may move.
    Nor are the engines that ran the network, which agree to four digits, and how many items were
    longer than the encoder reads.
    """
    try:
        plain = json.loads(json.dumps(settings, sort_keys=True))
    except (TypeError, ValueError) as error:
        raise InputError(f"An encoder's settings must be JSON values: {error}.") from None
    plain.pop("engines", None)
    plain.pop("cut", None)
    if plain.get("weights"):
        plain.pop("spec", None)
    return plain
