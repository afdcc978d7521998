"""Arrow columns of vectors: lists of numbers in any of the ways that Arrow has for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from srmm.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa


def is_vector(kind: pa.DataType) -> bool:
    """True of lists of numbers: of any length and width, fixed or not, views, encoded or not."""
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return is_vector(kind.value_type)
    if isinstance(kind, pa.FixedShapeTensorType):
        return len(kind.shape) == 1
    return _is_list(kind) and _is_number(kind.value_type)


def is_vectors_apart(kind: pa.DataType) -> bool:
    """True of lists of what may be numbers and no vector: lists of lists, dates, tensors, runs."""
    import pyarrow as pa

    if is_vector(kind):
        return False
    if pa.types.is_run_end_encoded(kind) or pa.types.is_dictionary(kind) or _is_list(kind):
        of = kind.value_type
        return (
            is_vector(of) or is_vectors_apart(of) or (_is_list(kind) and pa.types.is_temporal(of))
        )
    return isinstance(kind, pa.FixedShapeTensorType)


def is_nothing(kind: pa.DataType) -> bool:
    """True of a column without a type, as one has in which every cell, or every list, is empty."""
    import pyarrow as pa

    return pa.types.is_null(kind.value_type if _is_list(kind) else kind)


def is_number(kind: pa.DataType) -> bool:
    """True of a column with one number in each row."""
    import pyarrow as pa

    plain = kind.value_type if pa.types.is_dictionary(kind) else kind
    return any(
        is_(plain) for is_ in (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
    )


def dense_lists(what: str, column: pa.Array) -> np.ndarray:
    """A column of `is_vector` as (n, d) floats, NaN rows where it is null.

    If all of it is, n times None: nobody can say of what length its vectors would be. Raises
    `InputError` naming `what` for vectors of several lengths.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    if column.null_count == len(column):
        return np.full(len(column), None)
    if not is_vector(column.type):
        raise InputError(f"{what} must hold lists of numbers, got {column.type}.")
    present = ~column.is_null().to_numpy(zero_copy_only=False)
    kept = column.drop_null()
    lengths = set(pc.list_value_length(kept).to_pylist())
    if len(lengths) != 1:
        raise InputError(
            f"Every cell of {what} must be a vector of one length, got lengths "
            f"{sorted(lengths)[:4]}."
        )
    dense = np.full((len(column), lengths.pop()), np.nan, dtype=_float(kept.type.value_type))
    numbers = pc.list_flatten(kept)
    if not _fits(numbers.type):  # decimals and truth values
        numbers = numbers.cast(pa.uint8() if pa.types.is_boolean(numbers.type) else pa.float64())
    dense[present] = numbers.to_numpy(zero_copy_only=False).reshape(len(kept), -1)
    return dense


def _is_list(kind: Any) -> bool:
    import pyarrow as pa

    tests = ("list", "large_list", "fixed_size_list", "list_view", "large_list_view")
    return any(getattr(pa.types, f"is_{test}")(kind) for test in tests)


def _is_number(kind: Any) -> bool:
    import pyarrow as pa

    return _fits(kind) or pa.types.is_boolean(kind) or pa.types.is_decimal(kind)


def _fits(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _float(kind: Any) -> Any:
    """Wide enough to tell whether a number fits float32."""
    import pyarrow as pa

    return np.float32 if pa.types.is_float32(kind) or pa.types.is_float16(kind) else np.float64
