"""The address that a server listens at: looked at before the model is loaded."""

from __future__ import annotations

import errno
import os
import socket

from srmm.errors import InputError

_REFUSED = (errno.EADDRINUSE, errno.EACCES, errno.EPERM)
"""Of one address of a name, enough that there can be no server; another family may be absent."""


def check_address(host: str, port: int) -> None:
    """Raise `InputError` if nothing can listen at `host` and `port`."""
    try:
        places = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )  # fmt: skip
    except OSError as error:  # no such name, or one that no name can be
        raise _unusable(host, port, error) from None
    errors = []
    for family, kind, protocol, _, address in places:
        try:
            with socket.socket(family, kind, protocol) as trial:
                if os.name == "posix":  # as the server does; elsewhere it shares a port in use
                    trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                trial.bind(address)
        except OSError as error:
            errors.append(error)
    refused = [error for error in errors if error.errno in _REFUSED]
    if refused or len(errors) == len(places):
        raise _unusable(host, port, [*refused, *errors][0])


def _unusable(host: str, port: int, error: OSError) -> InputError:
    if error.errno == errno.EADDRINUSE:
        return InputError(
            f"Port {port} of {host} is in use by another program. Choose another (--port; 0 takes "
            "a free one), or end that program."
        )
    if error.errno in _REFUSED:
        return InputError(
            f"You may not listen at port {port} of {host}. Choose one from 1024 on (--port)."
        )
    return InputError(
        f"{host!r} is no address of this machine ({error.strerror}). Choose one that is (--host): "
        "127.0.0.1 for this machine alone, 0.0.0.0 for all that can reach it."
    )
