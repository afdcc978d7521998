"""Errors that a user can cause, on their way from one process to another."""

from __future__ import annotations

import copy
import pickle

from srmm.errors import MissingExtraError


def test_an_error_of_a_worker_arrives() -> None:
    """What cannot be unpickled ends a pool of processes as if a worker had died."""
    error = MissingExtraError("tabicl", "tabicl", "The method", "Or take another")
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert (type(again), str(again)) == (MissingExtraError, str(error))
