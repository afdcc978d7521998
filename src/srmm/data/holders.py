"""What people hold numbers and labels in (tensors, frames, Arrow, …), opened as NumPy arrays."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import issparse

from srmm.data.arrow_lists import dense_lists, is_vector
from srmm.errors import InputError


def opened(what: str, held: Any) -> Any:
    """`held` as a NumPy array; lists, tuples and masked arrays stay what they are.

    A masked array keeps its mask; what a frame or Arrow calls null is NaN among numbers, else None
    or NA. `what` names it in an `InputError`, which is raised for what cannot be read.
    """
    if isinstance(held, list | tuple | np.ma.MaskedArray):
        return held
    if is_sequence(held):
        return list(held)
    if isinstance(held, np.ndarray):
        return np.asarray(held)  # a `numpy.matrix` is never of one dimension
    if issparse(held):
        raise InputError(f"{what} is a sparse matrix; call its .toarray() first.")
    try:
        if hasattr(held, "detach") and hasattr(held, "cpu"):
            return _tensor(held)
        if isinstance(held, pd.DataFrame | pd.Series | pd.Index | pd.api.extensions.ExtensionArray):
            return _from_pandas(what, held)
        if hasattr(held, "__arrow_c_stream__") or hasattr(held, "__arrow_c_array__"):
            return _from_arrow(what, held)
        return np.asarray(held)
    except InputError:
        raise
    except Exception as error:  # whatever the library that holds it raises
        raise InputError(
            f"{what} is a {type(held).__name__} that cannot be read as an array ({error}). "
            "Pass a NumPy array."
        ) from None


def opened_cells(what: str, held: Any) -> Any:
    """`opened`, but whole numbers and truth values beside nulls stay what they are."""
    if isinstance(held, pd.MultiIndex):
        held = held.to_frame()  # a row has several values
    if isinstance(held, pd.Series | pd.Index | pd.api.extensions.ExtensionArray):
        held = pd.Series(held)
        return held.to_numpy() if isinstance(held.dtype, np.dtype) else held.tolist()
    if hasattr(held, "to_pylist") and not is_arrow_table(held):
        return held.to_pylist()
    if isinstance(held, pd.DataFrame) and not all(isinstance(k, np.dtype) for k in held.dtypes):
        return held.astype(object).to_numpy()
    if gives_column(held):
        with suppress(Exception):  # which `opened` will say
            return _column(held).to_pylist()
    return opened(what, held)


def is_sequence(held: Any) -> bool:
    """True of what is read as a list: a deque, a column of Hugging Face's; texts and bytes not."""
    texts = str | bytes | bytearray | memoryview
    return isinstance(held, Sequence) and not isinstance(held, texts)


def gives_column(held: Any) -> bool:
    """True of a column of another library that gives Arrow's, such as Polars' series."""
    gives = hasattr(held, "__arrow_c_stream__") or hasattr(held, "__arrow_c_array__")
    return gives and not isinstance(held, pd.DataFrame) and not is_arrow_table(held)


def is_missing(cell: Any) -> bool:
    """True of what stands for "nothing here": None, NaN, NA, NaT, `numpy.ma.masked`."""
    if cell is None or cell is np.ma.masked:
        return True
    return not hasattr(cell, "__len__") and pd.api.types.is_scalar(cell) and bool(pd.isna(cell))


def is_arrow_table(held: Any) -> bool:
    """True of an Arrow table, and of frames of other libraries that give one."""
    pandas = isinstance(held, pd.DataFrame | pd.Series)
    return hasattr(held, "__arrow_c_stream__") and hasattr(held, "columns") and not pandas


def arrow_table(what: str, held: Any) -> Any:
    """An Arrow table, or one of what gives it; `InputError` names a column that cannot be one.

    Frames have kinds of numbers that Arrow lacks, such as whole ones of 128 bits.
    """
    import pyarrow as pa

    if isinstance(held, pa.Table):
        return held
    try:
        return pa.table(held)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        name = next((c for c in getattr(held, "columns", ()) if not _has_arrow(held, c)), None)
        column = "" if name is None else f"column {name!r} of "
        raise InputError(
            f"{column}{what} holds what Arrow cannot ({error}). Convert the column, e.g. to whole "
            "numbers of 64 bits, or leave it out."
        ) from None


def _has_arrow(frame: Any, column: str) -> bool:
    import pyarrow as pa

    try:
        pa.table(frame[[column]])
    except Exception:  # whatever the library of the frame raises
        return False
    return True


def column_names(held: Any) -> list[str] | None:
    """The names of a frame's columns as texts; None of an array, and of columns just numbered."""
    if not isinstance(held, pd.DataFrame) and not is_arrow_table(held):
        return None
    names = list(getattr(held, "column_names", held.columns))
    return None if names == [*range(len(names))] else [str(name) for name in names]


def warn_of_order(held: Mapping[str, Any]) -> None:
    """Warn of frames and series whose indices name the same rows in another order.

    Rows are paired by their places, as everywhere in scikit-learn, and not by their names.
    """
    first: tuple[str, pd.Index] | None = None
    for name, one in held.items():
        if not isinstance(one, pd.DataFrame | pd.Series):
            continue
        if first is None:
            first = name, one.index
        elif _permuted(first[1], one.index):
            warnings.warn(
                f"The index of {name} has the rows of that of {first[0]} in another order. Rows "
                "are paired by their places, not by the index: bring them to one order first, "
                "e.g. by .loc[other.index].",
                stacklevel=4,
            )


def _permuted(index: pd.Index, other: pd.Index) -> bool:
    if len(index) != len(other) or index.equals(other):
        return False
    return bool(index.is_unique and other.is_unique and other.isin(index).all())


def _tensor(tensor: Any) -> Any:
    """A tensor of PyTorch, whatever its type and device, and whether or not it is on the graph."""
    if hasattr(tensor, "get_mask"):
        return np.ma.masked_array(_tensor(tensor.get_data()), mask=~_tensor(tensor.get_mask()))
    tensor = tensor.detach().cpu()
    if getattr(tensor, "is_quantized", False):
        tensor = tensor.dequantize()
    if tensor.is_floating_point() and tensor.element_size() < 4:
        tensor = tensor.float()  # NumPy lacks bfloat16 and the 8-bit kinds
    return tensor.resolve_conj().resolve_neg().numpy()


def _from_pandas(what: str, held: Any) -> np.ndarray:
    import pyarrow as pa

    held = pd.Series(held) if not isinstance(held, pd.DataFrame) else held
    kinds = held.dtypes.tolist() if isinstance(held, pd.DataFrame) else [held.dtype]
    if all(isinstance(kind, np.dtype) for kind in kinds):
        return held.to_numpy()
    arrow = [kind.pyarrow_dtype for kind in kinds if isinstance(kind, pd.ArrowDtype)]
    if isinstance(held, pd.Series) and arrow and is_vector(arrow[0]):
        return dense_lists(what, pa.array(held.array))
    numeric = all(pd.api.types.is_numeric_dtype(kind) for kind in kinds)
    if numeric and held.isna().to_numpy().any():
        return held.to_numpy(dtype=np.float64, na_value=np.nan)
    if numeric:
        return np.asarray(held.to_numpy().tolist())
    return held.astype(object).to_numpy()


def _from_arrow(what: str, held: Any) -> np.ndarray:
    import pyarrow as pa

    if is_arrow_table(held):
        columns = arrow_table(what, held).columns
        return np.column_stack([_from_arrow(what, column) for column in columns])
    column = held if isinstance(held, pa.Array | pa.ChunkedArray) else _column(held)
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if is_vector(column.type):
        return dense_lists(what, column)
    if pa.types.is_dictionary(column.type) and pa.types.is_primitive(column.type.value_type):
        column = column.dictionary_decode()  # which knows no kernel for Polars' kind of texts
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        return column.to_numpy(zero_copy_only=False)
    cells = np.empty(len(column), dtype=object)
    cells[:] = column.to_pylist()
    return cells


def _column(held: Any) -> Any:
    import pyarrow as pa

    return pa.array(held) if hasattr(held, "__arrow_c_array__") else pa.chunked_array(held)
