"""Labels, ids, splits and groups as columns of one kind, which files and Arrow tables hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from srmm.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa


def instance_columns(embeddings: Any) -> dict[str, np.ndarray]:
    """What is known of instances beside their items, by the names that tables have for it.

    "id", "label", "split" and "group", in this order, those that there are: (n,) each.
    """
    columns = {
        "id": embeddings.ids,
        "label": embeddings.labels,
        "split": embeddings.split,
        "group": embeddings.groups,
    }
    return {name: column for name, column in columns.items() if column is not None}


def arrow_column(name: str, column: np.ndarray) -> pa.Array:
    """The column as an Arrow array; raise `InputError` if its values are of several kinds.

    Arrow would cut moments down to microseconds: two ids could become one.
    """
    import pyarrow as pa

    values = column.tolist()
    try:
        array = pa.array(values, pa.uint64() if _unsigned(values) else None)
    except (pa.ArrowException, UnicodeEncodeError, OverflowError) as error:
        raise _cannot_be_stored(name, str(error)) from None
    if pa.types.is_temporal(array.type) and array.to_pylist() != values:
        raise _cannot_be_stored(name, "it holds moments finer than microseconds")
    return array


def stored_column(name: str, column: np.ndarray) -> pa.Array:
    """As `arrow_column`; kinds that come back as others are refused, too."""
    import pyarrow as pa

    array = arrow_column(name, column)
    if isinstance(array, pa.ExtensionArray):
        raise _cannot_be_stored(name, f"it holds {array.type}")
    return array


def numpy_column(name: str, known: np.ndarray) -> np.ndarray:
    """Known values as an array of a plain type; raise `InputError` if they are of several kinds.

    NumPy would make 1 and "1" one text, and two whole numbers beyond 2**63 beside a smaller one
    the same float: two groups would become one.
    """
    values = known.tolist()
    kinds = {_kind(value) for value in values}
    array = np.array(values, dtype=np.uint64 if _unsigned(values) else None)
    if len(kinds) > 1 or array.dtype == object:
        found = " and ".join(sorted({type(value).__name__ for value in values}))
        raise _cannot_be_stored(name, f"it holds {found}")
    if array.tolist() != values:
        raise _cannot_be_stored(name, "NumPy would change its values")
    return array


def _unsigned(values: list[Any]) -> bool:
    """True of whole numbers that 64 bits hold without a sign only."""
    numbers = [value for value in values if value is not None]
    if not numbers or not all(type(number) is int for number in numbers):
        return False
    return min(numbers) >= 0 and 1 << 63 <= max(numbers) < 1 << 64


def _kind(value: object) -> type:
    return float if isinstance(value, int | float) and not isinstance(value, bool) else type(value)


def _cannot_be_stored(name: str, reason: str) -> InputError:
    return InputError(
        f"The column {name!r} cannot be stored ({reason}); make its values all text, or "
        "all numbers that 64 bits can hold."
    )
