"""Features of a table as they are: vectors that need no encoder are not sent through one."""

from __future__ import annotations

import numpy as np

from srmm.data.embeddings import Embeddings
from srmm.data.modality import ABSENT
from srmm.data.table import Table


def ready_vectors(table: Table, name: str, spec: str | None) -> np.ndarray | None:
    """The present vectors of a modality as float32 (n_present, d); None if they are to be encoded.

    Hashing vectors to find equal ones takes longer than all the rest of a prediction.
    """
    if table.kinds[name] != "features" or spec not in (None, "identity"):
        return None
    vectors = [item for item in table.items[name] if item is not None]
    if not all(issubclass(kind, np.ndarray) for kind in set(map(type, vectors))):
        return None
    if {v.dtype for v in vectors} != {np.dtype(np.float32)} or len({v.shape for v in vectors}) > 1:
        return None
    if vectors[0].ndim != 1:
        return None
    stacked = np.concatenate(vectors).reshape(len(vectors), -1)
    return stacked if np.isfinite(stacked).all() else None


def with_ready(
    table: Table, encoded: Embeddings | None, ready: dict[str, np.ndarray]
) -> Embeddings:
    """The embeddings that were made of the table's other modalities, and these vectors."""
    values = dict(encoded.values) if encoded is not None else {}
    columns = [] if encoded is None else list(encoded.position.T)
    for name, vectors in ready.items():
        there = table.present[:, table.modalities.index(name)]
        values[name] = vectors
        columns.append(np.where(there, np.cumsum(there) - 1, ABSENT))
    encoders = dict(encoded.encoders) if encoded is not None else {}
    encoders |= {name: {"spec": "identity"} for name in ready}
    raw = dict(encoded.raw) if encoded is not None else {}
    return Embeddings(values, np.column_stack(columns), ids=table.ids, encoders=encoders, raw=raw)
