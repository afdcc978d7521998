"""What the system would not do, in a sentence: no space, no permission, a name too long."""

from __future__ import annotations

import errno
import os
import sys
from typing import Any

from srmm.errors import system_code

_KEPT = (
    "No output is left half written: what lay there before is as it was, and finished embeddings "
    "and trainings are kept."
)
_FULL = {
    errno.ENOSPC: "There is no space left",
    errno.EDQUOT: "Your quota is used up",
    errno.EFBIG: "A file may not be larger here (a limit of the system, see `ulimit -f`)",
}
_SAID = {
    errno.EROFS: "{path} lies on a file system that is read-only. Choose another place.",
    errno.EACCES: "You have no permission for {path}. Choose another place, or ask for it.",
    errno.EPERM: "The system does not permit that with {path}. Choose another place.",
    errno.EIO: "The disk failed while {path} was read or written: look at its health.",
    errno.ENAMETOOLONG: "The name {path} is longer than a file system takes. Choose a shorter one.",
    errno.ENOENT: "There is no {path}.",
    errno.ENOTDIR: "{path} goes through a file as if it were a folder.",
    errno.EISDIR: "{path} is a folder, and a file is needed.",
    errno.ENOTEMPTY: "{path} is a folder with something in it. Choose another place.",
    errno.ELOOP: "{path} is reached by links that lead in a ring.",
    errno.EMFILE: "Too many files are open for {path}: raise the limit (`ulimit -n`).",
    errno.ENOMEM: "There is not enough memory for {path}.",
    errno.EPIPE: "The other end of a pipe or a connection was closed too soon. Try again.",
    errno.EXDEV: "{path} lies on another file system than its folder. Choose another place.",
}


def explained(error: BaseException) -> str | None:
    """The sentence for an error that the system is the cause of; None for any other error."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        if isinstance(link, MemoryError):
            return f"There is not enough memory. {_KEPT}"
        code = system_code(link)
        if code is not None:
            return _sentence(code, _file_of(link) or _file_of(error))
        link = link.__cause__ or link.__context__
    return str(error) or type(error).__name__ if isinstance(error, OSError) else None


def quiet_when_full(unraisable: Any) -> None:
    """An `unraisablehook`: what libraries could not close on a full disk has been said already."""
    error = unraisable.exc_value
    if not (isinstance(error, OSError) and error.errno in _FULL):
        sys.__unraisablehook__(unraisable)


def _file_of(error: BaseException) -> str | None:
    """The file that the system's error is about, where it is known."""
    if not isinstance(error, OSError) or error.filename is None:
        return None
    return os.fsdecode(error.filename)


def _sentence(code: int, path: str | None) -> str:
    if code in _FULL:
        where = f" ({path})" if path else ""
        return f"{_FULL[code]}{where}. {_KEPT} Make room and run the same command again."
    if code in _SAID:
        return _SAID[code].format(path=path or "a file")
    return f"{os.strerror(code)}: {path}" if path else f"{os.strerror(code)}."
