"""Where a command may write, looked at for all of its outputs before any work.

What lies at an output already is replaced only if the same command made it: each kind of file
carries a mark, or has a shape that nothing else has (`srmm.workflows.made_by`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

from srmm.data.sources import kept_name
from srmm.data.store import FORMAT as STORE
from srmm.errors import InputError, is_text
from srmm.files import beside
from srmm.learning.saving import FORMAT as MODEL
from srmm.learning.saving import check_writable, read_config
from srmm.workflows.made_by import head_of, json_of, page_of
from srmm.workflows.outputs import check_not_read

Made = Callable[[Path], bool]
"""Whether the same command made what is at a path."""

EXPORT = "srmm-onnx"
"""The format of the srmm.json of an exported model."""
_FOLDERS = (
    ("config.json", MODEL, "a model"),
    ("manifest.json", STORE, "a store of embeddings"),
    ("srmm.json", EXPORT, "an exported model"),
)
_UNFINISHED = {"in-use.txt", "README.txt"}
_NAME_BYTES, _PATH_BYTES = 255, 4095


def check_place(path: Path | str, option: str = "--output", *, utf8: bool = False) -> None:
    """Raise `InputError` if nothing can, or may, be written at `path`, a file or a folder.

    That is so through a link that leads nowhere, under a name that is too long, below a file, in a
    folder that is not ours to write to, in the place of a device, and inside a model, an exported
    one, a store or unfinished work; with `utf8`, for what libraries of other languages write, also
    where the name or that of a folder above is no UTF-8.
    """
    path = Path(path)
    _check_name(path, option)
    try:
        _check_links(path, option)
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise InputError(f"{path} is a device or a pipe. Name a file or a folder ({option}).")
        parent = _nearest(path.absolute().parent)
        if not parent.is_dir():
            raise InputError(f"{parent} is a file, so there can be no {path} ({option}).")
        whole = path.resolve()
        inside = next(filter(None, map(_ours, whole.parents)), None)
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}; {option}).") from error
    except RuntimeError:  # before Python 3.13, of links in a ring
        raise InputError(f"{path} is reached by links that lead in a ring ({option}).") from None
    if utf8 and not is_text(str(whole)):
        raise InputError(
            f"{str(whole)!r} is no name in UTF-8, and Parquet and ONNX files are written under no "
            f"other. Choose another place ({option})."
        )
    if inside is not None:
        raise InputError(
            f"{path} lies inside {inside[1]}, which is {inside[0]}: nothing else is written there. "
            f"Choose a place outside it ({option})."
        )
    if not os.access(parent, os.W_OK | os.X_OK):
        raise InputError(
            f"{path} cannot be written: the folder {parent} lets nobody like you write into it. "
            f"Choose another place ({option})."
        )


def check_file(path: Path | str, made: Made, *, overwrite: bool = False) -> None:
    """`check_place`, and `InputError` for a file that the same command did not make.

    A file with nothing in it is nobody's loss; `overwrite` replaces any file.
    """
    check_place(path)
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path} is a folder. Name a file to write to (--output).")
    if overwrite or not path.exists() or path.stat().st_size == 0 or made(path):
        return
    raise InputError(
        f"{path} exists, and this command did not make it, or it was changed since. Name another "
        "file (--output), or replace it with --overwrite (overwrite=True)."
    )


def page_and_numbers(output: Path | str) -> tuple[Path, Path]:
    """The page (.html) that is written for an output, and its numbers beside it (.json)."""
    output = Path(output)
    page = output if output.suffix == ".html" else beside(output, output.name, ".html")
    return page, beside(page, page.stem, ".json")


def check_page(
    output: Path | str, source: str | None, command: str, format: str, *, overwrite: bool = False
) -> tuple[Path, Path]:
    """`page_and_numbers`; `InputError` if either may not be written.

    `source` is the table that is read; `command`, such as "srmm check", and the `format` of the
    numbers are the marks of what may be replaced.
    """
    check_place(output)
    page, numbers = page_and_numbers(output)
    check_not_read(source, page, numbers)
    check_file(page, page_of(command), overwrite=overwrite)
    check_file(numbers, json_of(format), overwrite=overwrite)
    return page, numbers


def check_folder(path: Path | str, made: Made) -> None:
    """`check_place`, and `InputError` for a folder that the same command did not make.

    It would be replaced whole, so that nothing overrides this.
    """
    check_place(path, utf8=True)
    path = Path(path)
    if path.is_file():
        raise InputError(f"{path} is a file, and a folder is to be written (--output).")
    if path.exists() and not made(path):
        raise InputError(
            f"{path} exists, and holds what this command did not make, or what was changed since. "
            "Name another folder (--output), or empty it."
        )


def check_own(store: Path, trainings: Path) -> None:
    """Make the folder of `trainings`; `InputError` for a store that lay there before it.

    A command that keeps a store of its own makes that folder first: a store without it is
    somebody else's, who would lose the rows that this command's data lacks.
    """
    check_place(store, utf8=True)
    if store.exists() and not trainings.is_dir():
        raise InputError(
            f"{store} exists, and this command, which keeps its embeddings there, did not make it. "
            "Choose another folder (--output)."
        )
    trainings.mkdir(parents=True, exist_ok=True)


def check_own_model(folder: Path, *, data: str, store: str) -> None:
    """Raise `InputError` for a model that was not made from `data` with its `store` beside it."""
    check_place(folder, utf8=True)
    check_writable(folder, overwrite=True)
    if not folder.exists() or not any(folder.iterdir()):
        return
    origin = read_config(folder).get("origin") or {}
    if (origin.get("name"), origin.get("store")) != (data, store):
        raise InputError(
            f"{folder} holds another model, which would be replaced. Choose another folder "
            "(--output)."
        )


def check_noted(source: str, root: Path | str | None) -> None:
    """Raise `InputError` where a table, or its pictures, lie under a name that cannot be noted.

    A store notes what it was made from, as text; this is found before hours of encoding.
    """
    for named in (source, *(() if root is None else (os.fspath(root),))):
        if not is_text(kept := kept_name(named)):
            raise InputError(
                f"{kept!r} is no name in UTF-8, and it could not be noted what the embeddings are "
                "made from. Rename it."
            )


def check_not_inside(folder: Path, *sources: Path | str | None) -> None:
    """Raise `InputError` if something that is read lies in `folder`, which is replaced whole."""
    whole = folder.resolve()
    for source in sources:
        if source is None or not os.path.lexists(source):
            continue
        if Path(source).resolve() != whole and Path(source).resolve().is_relative_to(whole):
            raise InputError(
                f"{source} is read, and lies in {folder}, which would be replaced with all that is "
                "in it. Choose another output."
            )


def _check_name(path: Path, option: str) -> None:
    if "\0" in str(path):
        raise InputError(f"A name cannot have a zero byte in it, got {str(path)!r} ({option}).")
    size = len(os.fsencode(path.absolute()))
    if size > _PATH_BYTES:
        raise InputError(
            f"{str(path)[:40]}… is a path of {size:,} bytes, and a system takes {_PATH_BYTES:,}. "
            f"Choose a shorter one ({option})."
        )
    for name in path.parts:
        try:
            longest = os.pathconf(_nearest(path.absolute().parent), "PC_NAME_MAX")
        except (OSError, ValueError, AttributeError):  # or not known here
            longest = _NAME_BYTES
        size = len(os.fsencode(name))
        if size > longest:
            raise InputError(
                f"The name {name[:40]}… has {size} bytes, and a file system takes {longest}. "
                f"Choose a shorter one ({option})."
            )


def _check_links(path: Path, option: str) -> None:
    for place in (path, *path.parents):
        if place.is_symlink() and not place.exists():
            raise InputError(
                f"{place} is a link to {place.readlink()}, which does not exist. Make that first, "
                f"or choose another place ({option})."
            )


def _nearest(folder: Path) -> Path:
    """The folder, or the next above it that is there."""
    while not os.path.lexists(folder) and folder != folder.parent:
        folder = folder.parent
    return folder


def _ours(folder: Path) -> tuple[str, Path] | None:
    """What a folder of ours is, if it is one; also if it is damaged."""
    if folder.name.endswith(".partial"):
        names = {entry.name for entry in os.scandir(folder)} if folder.is_dir() else set()
        if names & _UNFINISHED:
            return "unfinished work", folder
    for name, format, what in _FOLDERS:
        head = head_of(folder / name)
        if re.search(rb'"format"\s*:\s*"' + format.encode() + b'"', head):
            return what, folder
        if head and name == "config.json" and (folder / "model.safetensors").is_file():
            return what, folder
    return None
