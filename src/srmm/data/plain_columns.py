"""Labels, ids, splits and groups as columns of one kind, which files and Arrow tables hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from srmm.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa


def arrow_column(name: str, column: np.ndarray) -> pa.Array:
    """The column as an Arrow array; raise `InputError` if its values are of several kinds."""
    import pyarrow as pa

    try:
        return pa.array(column.tolist())
    except (pa.ArrowInvalid, pa.ArrowTypeError, UnicodeEncodeError, OverflowError) as error:
        raise _cannot_be_stored(name, str(error)) from None


def stored_column(name: str, column: np.ndarray) -> pa.Array:
    """As `arrow_column`; kinds that come back as others are refused, too."""
    import pyarrow as pa

    array = arrow_column(name, column)
    if isinstance(array, pa.ExtensionArray):
        raise _cannot_be_stored(name, f"it holds {array.type}")
    return array


def numpy_column(name: str, known: np.ndarray) -> np.ndarray:
    """Known values as an array of a plain type; raise `InputError` if they are of several kinds.

    NumPy would make 1 and "1" one text: two groups would become one.
    """
    values = known.tolist()
    kinds = {_kind(value) for value in values}
    array = np.array(values)
    if len(kinds) > 1 or array.dtype == object:
        found = " and ".join(sorted({type(value).__name__ for value in values}))
        raise _cannot_be_stored(name, f"it holds {found}")
    return array


def _kind(value: object) -> type:
    return float if isinstance(value, int | float) and not isinstance(value, bool) else type(value)


def _cannot_be_stored(name: str, reason: str) -> InputError:
    return InputError(
        f"The column {name!r} cannot be stored ({reason}); make its values all text or all numbers."
    )
