"""Input of every `fit` and `predict`: X, in any of its forms, as `Embeddings`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import issparse
from sklearn.utils.validation import check_array, validate_data

from srmm.data.arrow_lists import is_vector
from srmm.data.embeddings import Embeddings, same_settings
from srmm.data.holders import (
    arrow_table,
    column_names,
    gives_column,
    is_arrow_table,
    is_missing,
    is_sequence,
    warn_of_order,
)
from srmm.data.modality import ABSENT
from srmm.data.raw import REMEDY, holds_raw_items
from srmm.data.sources.huggingface import named_classes
from srmm.data.vectors import as_vectors
from srmm.errors import InputError, did_you_mean, shown

LONE_MODALITY = "features"
"""The name of the modality when X is one plain array."""
_OF_ARRAYS = ("shape", "__array__", "__array_interface__", "__dataframe__", "__arrow_c_stream__")
"""By one of which NumPy or pandas can see what an array holds."""
_NO_NUMBERS = (
    "Column {column!r} holds {kind}, expected numbers. Columns of dates and words are read by "
    "srmm.read_table(X, features=…)."
)
_DUMPED = re.compile(r":?\n(array=)?\[.*\]\.?", re.DOTALL)
"""The whole array, as scikit-learn prints it."""


def as_embeddings(X: Any) -> Embeddings:
    """`X` as `Embeddings`.

    - `Embeddings`: itself.
    - dict of modality to (n, d) array, or None for a modality nobody has.
    - a data frame, Arrow table or Hugging Face dataset with columns of vectors: one modality per
      column.
    - any other array or frame of numbers, shape (n, d): a single modality named "features".

    What an array may be held in says `Embeddings.from_arrays`.

    Raises `InputError` (a `ValueError`) for anything else, and for rows partly NaN.
    """
    if isinstance(X, Embeddings):
        return X.check()
    if holds_raw_items(X) or (_is_dataset(X) and not has_vectors(X)):
        raise InputError(REMEDY)
    if isinstance(X, Mapping) and not issparse(X):
        return Embeddings.from_arrays(X)
    if has_vectors(X):
        return Embeddings.from_frame(X) if isinstance(X, pd.DataFrame) else _from_arrow(X)
    X = as_lone(X)
    with _refused(X):
        if isinstance(X, pd.DataFrame | pd.Series):
            X = X.to_numpy(dtype=np.float64, na_value=np.nan)
        array = check_array(X, dtype="numeric", ensure_all_finite=False)
    if array.dtype.kind == "c":
        raise InputError("Complex data not supported: embeddings are real numbers.")
    return Embeddings.from_arrays({LONE_MODALITY: array})


def is_lone_array(X: Any) -> bool:
    """True if `X` is one array or numeric frame, for which scikit-learn's own checks apply."""
    if isinstance(X, Mapping) and not issparse(X):  # some sparse matrices are mappings, too
        return False
    if holds_raw_items(X):
        return False
    return not (isinstance(X, Embeddings) or has_vectors(X) or _is_dataset(X))


def as_lone(X: Any) -> Any:
    """A lone array with NaN rows where something says that a row is absent; others as they are."""
    if is_sequence(X):
        X = list(X)
    is_array = isinstance(X, list) or any(hasattr(X, name) for name in _OF_ARRAYS)
    if not is_array or isinstance(X, int | float | np.generic):
        raise InputError(
            f"X is {shown(X)[:80]} of type {type(X).__name__}, expected Embeddings, a dict of one "
            "array per modality, or an array of shape (n, d). Paths and raw items are for "
            "srmm.load(model).predict."
        )
    if isinstance(X, pd.DataFrame) and any(isinstance(k, pd.SparseDtype) for k in X.dtypes):
        X = X.astype({c: k.subtype for c, k in X.dtypes.items() if isinstance(k, pd.SparseDtype)})
    if isinstance(X, list) and len(X):
        if isinstance(X[0], Mapping):
            raise InputError(
                "X is a list of records. Pass a dict of one array per modality, or a frame: "
                "pandas.DataFrame(X)."
            )
        if getattr(X[0], "ndim", 0) == 2:
            raise InputError(
                f"X is a list of {len(X)} arrays. Give the modalities names: "
                "{'image': array, 'text': array}."
            )
        telling = any(is_missing(row) or not isinstance(row, list | tuple) for row in X)
    elif isinstance(X, np.ndarray):
        telling = isinstance(X, np.ma.MaskedArray) or (X.dtype == object and X.ndim == 1)
    else:
        telling = isinstance(X, pd.Series) or gives_column(X) or hasattr(X, "detach")
    if not telling:
        _check_real(X)
        return X
    matrix, there = as_vectors(LONE_MODALITY, X)
    matrix = matrix.astype(np.float64)
    matrix[~there] = np.nan
    return matrix


def _check_real(X: Any) -> None:
    """Raise for dates, spans and complex numbers, of which scikit-learn may make other numbers.

    Of what unit, days or microseconds, is up to whatever holds them: it may be another tomorrow.
    """
    if is_arrow_table(X):
        import pyarrow as pa

        schema = arrow_table("X", X).schema
        found = [(field.name, field.type) for field in schema if pa.types.is_temporal(field.type)]
    elif isinstance(X, pd.DataFrame):
        kinds = zip(X.columns, X.dtypes, strict=True)
        found = [(name, kind) for name, kind in kinds if getattr(kind, "kind", "O") in "cMm"]
    else:
        found = []
    if found:
        column, kind = found[0]
        raise InputError(_NO_NUMBERS.format(column=column, kind=kind))
    moment = np.datetime64 | np.timedelta64
    for cell in _objects(X):
        if isinstance(cell, moment):
            raise InputError(
                f"X holds {cell!r}, expected numbers. Take days since one day, or seconds; columns "
                "of dates are read by srmm.read_table(X, features=…)."
            )


def _object_columns(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.loc[:, [pd.api.types.is_object_dtype(kind) for kind in frame.dtypes]]


def _objects(X: Any) -> Iterable[Any]:
    """The cells of X that are no plain numbers."""
    if isinstance(X, pd.DataFrame):
        return _object_columns(X).to_numpy().flat
    try:
        array = np.asarray(X) if isinstance(X, list) else X
    except ValueError:  # of several lengths, which scikit-learn says
        return ()
    return array.flat if isinstance(array, np.ndarray) and array.dtype == object else ()


def validated(estimator: Any, X: Any, *, reset: bool) -> Any:
    """A lone array after scikit-learn's own checks, which tell the estimator its width.

    Of the columns of a frame they know names that are texts alone; others are told here.
    """
    X = as_lone(X)
    with _refused(X):
        array = validate_data(estimator, X, reset=reset, dtype="numeric", ensure_all_finite=False)
    names = column_names(X)
    if names is None or any(isinstance(name, str) for name in getattr(X, "columns", names)):
        return array
    about = {"spec": None, "columns": names, "named": False}
    found = Embeddings.from_arrays({LONE_MODALITY: array})
    return Embeddings(found.values, found.position, encoders={LONE_MODALITY: about})


class _InputTypeError(InputError, TypeError):
    """As whoever knows scikit-learn expects of cells that are no numbers."""


@contextmanager
def _refused(X: Any) -> Iterator[None]:
    """What scikit-learn, pandas and NumPy say of an array that is none as an error of ours."""
    try:
        yield
    except InputError:
        raise
    except (ValueError, TypeError) as error:
        said = _DUMPED.sub(".", str(error)).strip().removesuffix(".")
        kind = _InputTypeError if isinstance(error, TypeError) else InputError
        raise kind(f"{said}. {_remedy(X, said)}") from None


def _remedy(X: Any, said: str) -> str:
    """What is wrong with X, as far as it shows, and what to do."""
    if "feature names" in said:
        return "Give the columns of training, in their order: X[model.feature_names_in_]."
    if isinstance(X, pd.DataFrame):
        for column, kind in zip(X.columns, X.dtypes, strict=True):
            if not pd.api.types.is_numeric_dtype(kind):
                return _NO_NUMBERS.format(column=column, kind=kind)
    fields = getattr(getattr(X, "dtype", None), "names", None)
    if fields:
        return f"X is an array of records, {', '.join(fields)}: pass pandas.DataFrame(X)."
    shape = "" if isinstance(X, list | tuple) else f"X has shape {getattr(X, 'shape', None)}. "
    return (
        f"{shape}Expected an array of shape (n, d), a row of numbers for each instance; of several "
        "modalities a dict with one each, {'image': array, 'text': array}."
    )


def warn_of_order_beside(X: Any, **columns: Any) -> None:
    """`warn_of_order` of a frame, or a dict of frames, and what is given for its rows."""
    parts = X.values() if isinstance(X, Mapping) else [X]
    frame = next((part for part in parts if isinstance(part, pd.DataFrame | pd.Series)), None)
    warn_of_order({"X": frame, **columns})


def match_modalities(
    embeddings: Embeddings,
    embedding_dims: Mapping[str, int],
    encoders: Mapping[str, Mapping[str, Any] | None] | None = None,
) -> Embeddings:
    """The embeddings with exactly the modalities a model was trained on, in its order.

    A modality that is not given is absent everywhere. Raises `InputError` for one the model does
    not know, of another size, naming both sizes, or made by another encoder than `encoders` says.
    """
    for name, size in embeddings.embedding_dims.items():
        if name in embedding_dims and not size:
            continue  # vectors of unknown length, of which there is none
        if name not in embedding_dims:
            raise InputError(
                f"The model knows no modality {name!r} (embeddings of size {size}). "
                f"{did_you_mean(name, embedding_dims)}"
            )
        if size != embedding_dims[name]:
            raise InputError(
                f"Modality {name!r} has embeddings of size {size}, the model was trained on size "
                f"{embedding_dims[name]}. Encode with the encoder the model was trained with."
            )
        trained, made = (encoders or {}).get(name) or {}, embeddings.encoders.get(name) or {}
        learnt, named = columns_of(trained, size), columns_of(made, size)
        numbers = [str(i) for i in range(size)]
        if named and not learnt and sorted(named) == sorted(numbers):
            learnt = numbers  # those that a frame without names has
        if learnt or named:
            _check_columns(name, learnt, named)
        elif trained and made and same_settings(trained) != same_settings(made):
            raise InputError(
                f"The {name} embeddings were made by {made.get('spec')!r}, the model was trained "
                f"on those of {trained.get('spec')!r} (or its settings differ). Encode with the "
                "encoder the model was trained with."
            )
    if [*embeddings.embedding_dims.items()] == [*embedding_dims.items()]:
        return embeddings
    values, position = {}, np.full((len(embeddings), len(embedding_dims)), ABSENT)
    for m, (name, size) in enumerate(embedding_dims.items()):
        given = bool(embeddings.embedding_dims.get(name))
        values[name] = embeddings.values[name] if given else np.empty((0, size), np.float32)
        if given:
            position[:, m] = embeddings.position[:, embeddings.modalities.index(name)]
    return Embeddings(
        values, position, labels=embeddings.labels, ids=embeddings.ids, split=embeddings.split,
        groups=embeddings.groups, raw=embeddings.raw, encoders=embeddings.encoders,
    )  # fmt: skip


def columns_of(settings: Mapping[str, Any], size: int) -> list[str] | None:
    """The columns of the frame that vectors were, if they were one's."""
    columns = settings.get("columns")
    return columns if isinstance(columns, list) and len(columns) == size else None


def _check_columns(name: str, trained: list[str] | None, given: list[str] | None) -> None:
    """Raise if both are columns of frames, and not the same in the same order."""
    if not trained or not given or trained == given:
        return
    place = next(i for i, column in enumerate(given) if column != trained[i])
    raise InputError(
        f"Column {place} of modality {name!r} is {given[place]!r}, in training it was "
        f"{trained[place]!r}. Give the columns of training, in their order."
    )


def has_vectors(X: Any) -> bool:
    """True of a frame or an Arrow table with a column whose cells are vectors."""
    if isinstance(X, pd.DataFrame):
        lists = (dtype for dtype in X.dtypes if isinstance(dtype, pd.ArrowDtype))
        objects = _object_columns(X)
        return any(is_vector(dtype.pyarrow_dtype) for dtype in lists) or any(
            getattr(cell, "ndim", 1 if isinstance(cell, list | tuple) else 0) == 1
            for i in range(objects.shape[1])
            for cell in objects.iloc[:, i].dropna().head(1)
        )
    return (is_arrow_table(X) or _is_dataset(X)) and any(
        is_vector(field.type) for field in _arrow_table(X).schema
    )


def _is_dataset(X: Any) -> bool:
    """True of a `datasets.Dataset` of Hugging Face."""
    return hasattr(X, "with_format") and hasattr(X, "column_names")


def _arrow_table(X: Any) -> Any:
    return named_classes(X) if _is_dataset(X) else arrow_table("X", X)


def _from_arrow(X: Any) -> Embeddings:
    return Embeddings.from_arrow(_arrow_table(X))
