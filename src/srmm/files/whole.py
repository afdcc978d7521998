"""Files and folders that appear whole or not at all. Symbolic links are followed.

What is being written lies beside its place under a temporary name. A writer that is killed leaves
that behind; the next one removes it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from srmm.errors import system_code
from srmm.files.locks import only_writer, take
from srmm.files.names import followed, temporaries, temporary_prefix


@contextlib.contextmanager
def replacing_file(path: Path, *, tidy: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside `path`; move it into place if the block ends without error.

    With `tidy` what killed writers of `path` left beside it is removed first. Who writes very many
    files to one folder does that once, see `remove_litter`.
    """
    path = followed(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if tidy:
        _remove_abandoned(temporaries(path, "tmp"))
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=temporary_prefix(path), suffix=".tmp")
    temporary = Path(name)
    try:
        take(handle)  # says that somebody is at it
        with _naming(path):
            yield temporary
            temporary.chmod(0o666 & ~_umask())
            _to_disk(temporary)
            temporary.replace(path)
            _to_disk(path.parent)
    finally:
        temporary.unlink(missing_ok=True)
        os.close(handle)


@contextlib.contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; move it into place if the block ends well.

    One writer at a time: another one waits, see `only_writer`.
    """
    path = followed(path)
    with only_writer(path):
        remove_interrupted(path)
        temporary = Path(
            tempfile.mkdtemp(dir=path.parent, prefix=temporary_prefix(path), suffix=".tmp")
        )
        try:
            with _naming(path):
                yield temporary
            for file in [*temporary.rglob("*"), temporary]:
                # As any program's, whatever libraries and copies of other folders gave them.
                file.chmod((0o777 if file.is_dir() else 0o666) & ~_umask())
                _to_disk(file)
            if path.exists():  # a folder cannot be replaced in one step: the old one goes aside
                aside = Path(
                    tempfile.mkdtemp(dir=path.parent, prefix=temporary_prefix(path), suffix=".old")
                )
                path.rename(aside / path.name)
                temporary.rename(path)
                # Or a power loss could keep that the old one is gone and not that the new is there.
                _to_disk(path.parent)
                shutil.rmtree(aside)
            else:
                temporary.rename(path)
                _to_disk(path.parent)
        finally:
            _restore(path)
            shutil.rmtree(temporary, ignore_errors=True)


def remove_interrupted(path: Path) -> None:
    """Put back and remove what a kill while the folder `path` was replaced left beside it.

    Only for who holds the lock on writing it.
    """
    _restore(path)
    for left in [*temporaries(path, "tmp"), *temporaries(path, "old")]:
        shutil.rmtree(left, ignore_errors=True)


def remove_litter(folder: Path) -> None:
    """Remove the temporary files in a folder that nobody is writing any more."""
    _remove_abandoned(
        path for path in folder.iterdir() if path.name[0] == "." and path.suffix == ".tmp"
    )


def _restore(path: Path) -> None:
    """Put the old folder back if a kill or an error came between the two renames."""
    if path.exists():
        return
    for aside in temporaries(path, "old"):
        if (aside / path.name).exists():
            (aside / path.name).rename(path)
            aside.rmdir()
            return


def _remove_abandoned(temporary_files: Iterable[Path]) -> None:
    """Remove those whose writer is gone: it held a lock on each."""
    for path in temporary_files:
        with contextlib.suppress(OSError), path.open("rb") as file:
            if take(file):
                path.unlink()


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """An error of writing names the file, also where a library words the system's one anew."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = str(path)
        raise
    except Exception as error:
        code = system_code(error)
        if code is None:
            raise
        raise OSError(code, os.strerror(code), str(path)) from error


def _to_disk(path: Path) -> None:
    """Ask the system to put this file, or this folder's list of names, on the disk now."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
