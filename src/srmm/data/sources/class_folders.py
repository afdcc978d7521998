"""Folders of pictures or sounds as tables: each class a folder, as in `train/shoe/1.jpg`.

A row is a file. Its columns are the file (`image` or `audio`, and `file_name` once more), `label`
(the folder it lies in), `split` (where the topmost folders are called train, validation or test),
and those of a `metadata.csv`, `.jsonl` or `.parquet` that has a column `file_name`.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from srmm.data.broken import UnreadableItem
from srmm.data.names import Names
from srmm.data.sources.base import SPLIT_OF_WORD, LoadedColumns, OpenedTable, object_array
from srmm.errors import InputError, several

PICTURES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".bmp", ".dib", ".webp", ".tif",
    ".tiff", ".svg", ".ppm", ".pgm", ".pbm", ".tga", ".ico", ".avif", ".heic", ".heif",
    ".jp2",
)  # fmt: skip
SOUNDS = (
    ".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc",
    ".au", ".w64", ".caf", ".m4a", ".aac", ".wma",
)  # fmt: skip
METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
_FILE_NAME = "file_name"


def open_class_folders(
    folder: Path, tables: Sequence[str], open_metadata: Callable[[Path], OpenedTable]
) -> OpenedTable | None:
    """The table of a folder's pictures or sounds; None if there are none in it.

    `tables` are the endings of table files: a folder that has one of its own holds the files of
    that table, and is refused.
    """
    repeated: list[str] = []
    files = sorted(_files(folder, repeated))
    pictures, sounds = _ending_in(files, PICTURES), _ending_in(files, SOUNDS)
    if not pictures and not sounds:
        return None
    own = [f.name for f in files if len(f.parts) == 1 and f.name.lower().endswith(tuple(tables))]
    own = [name for name in own if name not in METADATA]
    if own:
        raise InputError(
            f"{folder} is a folder with a table in it: name {folder / own[0]}, not the folder."
        )
    if pictures and sounds:
        raise InputError(
            f"{folder} holds pictures ({len(pictures):,}) and sounds ({len(sounds):,}). Give each "
            "kind a folder of its own, or write a table that says which belong together."
        )
    kind, items = ("image", pictures) if pictures else ("audio", sounds)
    has_splits, notes = _has_splits(folder, items)
    rows = {str(file): _row(file, kind, has_splits) for file in items}
    notes += _said_of_depth(folder, items, has_splits)
    if repeated:
        notes.append(
            f"Links in {folder.name} to a folder that is read already are passed over: "
            f"{', '.join(map(repr, sorted(repeated)[:8]))}."
        )
    metadata = [file for file in files if file.name in METADATA]
    others = Counter(file.suffix.lower() or file.name for file in files)
    others.subtract(file.suffix.lower() or file.name for file in [*items, *metadata])
    ignored = [f"{n:,} {ending}" for ending, n in others.most_common() if n > 0]
    if ignored:
        notes.append(f"Files of {folder.name} that are no {kind}s are left out: "
                     f"{', '.join(ignored[:8])}.")  # fmt: skip
    columns = [name for name in (kind, _FILE_NAME, "label", "split") if _has(rows, name)]
    for file in metadata:
        columns += [c for c in _join(folder, file, open_metadata, rows, kind, has_splits, notes)
                    if c not in columns]  # fmt: skip
    usual = {kind: kind, "id": _FILE_NAME}
    usual |= {"label": "label"} if "label" in columns else {}
    if len({row.get("split") for row in rows.values()} - {None}) > 1:
        usual["split"] = "split"  # "train" alone would hold nothing out
    ordered = [rows[name] for name in sorted(rows)]

    def read(wanted: Sequence[str]) -> LoadedColumns:
        cells = {c: object_array([row.get(c) for row in ordered]) for c in wanted}
        return LoadedColumns(cells, None, len(ordered))

    return OpenedTable(
        folder.name or str(folder), folder, tuple(columns), read, tuple(notes), usual
    )


def _files(folder: Path, repeated: list[str]) -> Iterator[PurePosixPath]:
    """All files in it that a person put there, by their paths from it; each real folder once, and
    by its own name where that lies beside a link to it.

    Links to a folder that was read already are put in `repeated`.
    """
    seen = set()
    for place, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            repeated.append(Path(place).relative_to(folder).as_posix())
            folders.clear()
            continue
        seen.add(real)
        found = ((os.path.islink(Path(place) / name), name) for name in folders)  # noqa: PTH114
        folders[:] = [name for _, name in sorted(found) if not _is_of_a_system(name)]
        for name in names:
            if not _is_of_a_system(name):
                yield PurePosixPath((Path(place) / name).relative_to(folder).as_posix())


def _is_of_a_system(name: str) -> bool:
    """Hidden files, and what Windows and macOS leave beside pictures and in zips."""
    return name.startswith(".") or name.lower() in ("__macosx", "thumbs.db", "desktop.ini")


def _ending_in(files: Sequence[PurePosixPath], endings: tuple[str, ...]) -> list[PurePosixPath]:
    return [file for file in files if file.suffix.lower() in endings]


def _has(rows: dict[str, dict[str, Any]], column: str) -> bool:
    return any(row.get(column) is not None for row in rows.values())


def _has_splits(folder: Path, items: Sequence[PurePosixPath]) -> tuple[bool, list[str]]:
    """Whether the topmost folders are splits: all of them, or none is."""
    top = {file.parts[0] for file in items if len(file.parts) > 1}
    named = sorted(name for name in top if name.lower() in SPLIT_OF_WORD)
    if not named or len(named) == len(top):
        return bool(named), []
    return False, [
        f"Not all folders of {folder.name} are splits, so {', '.join(map(repr, named))} "
        f"{'is a class' if len(named) == 1 else 'are classes'} like the others."
    ]


def _row(file: PurePosixPath, kind: str, has_splits: bool) -> dict[str, Any]:
    """What the path of a file says."""
    row: dict[str, Any] = {kind: str(file), _FILE_NAME: str(file)}
    inner = file.parts
    if has_splits and len(inner) > 1:
        row["split"], inner = inner[0], inner[1:]
    if len(inner) > 1:
        row["label"] = inner[0]
    return row


def _said_of_depth(folder: Path, items: Sequence[PurePosixPath], has_splits: bool) -> list[str]:
    deeper = sum(len(file.parts) > 2 + has_splits for file in items)
    if not deeper:
        return []
    lie, their = ("lies", "its") if deeper == 1 else ("lie", "their")
    return [
        f"{several(deeper, 'file')} of {folder.name} {lie} deeper than the folder of {their} "
        f"class, which is the topmost{' under the split' if has_splits else ''}."
    ]


def _join(
    folder: Path,
    file: PurePosixPath,
    open_metadata: Callable[[Path], OpenedTable],
    rows: dict[str, dict[str, Any]],
    kind: str,
    has_splits: bool,
    notes: list[str],
) -> list[str]:
    """Add to the rows what a metadata file says of them; its columns."""
    table = open_metadata(folder / file)
    table = replace(table, name=str(file))
    if _FILE_NAME not in table.columns:
        raise InputError(
            f"{folder / file} has no column {_FILE_NAME!r}, by which its rows name files: "
            f"it has {', '.join(map(repr, table.columns))}."
        )
    loaded = table.read(table.columns)
    notes += [*table.notes, *loaded.notes]
    columns = [c for c in table.columns if c not in (_FILE_NAME, kind)]
    gone = 0
    names, described = Names(rows), dict[str, int]()
    for number, name in enumerate(loaded.cells[_FILE_NAME]):
        path = file.parent / str(name or f"row {number} of {file.name}")
        place = _found(names, path)
        if described.setdefault(place, number) != number:
            raise InputError(
                f"{folder / file} names {place!r} in rows {described[place]} and {number}. A file "
                "has one row: remove the other."
            )
        row = rows.get(place)
        if row is None:
            gone += name is not None
            row = rows[place] = _row(path, kind, has_splits)
            row[kind] = None if name is None else row[kind]
        row.update({column: loaded.cells[column][number] for column in columns})
    notes.append(f"{file} describes {loaded.n:,} of the {len(rows):,} rows.")
    clash = [column for column in ("label", "split") if column in columns]
    if clash:
        notes.append(f"The {' and the '.join(clash)} {'is' if len(clash) == 1 else 'are'} "
                     f"what {file} says, not the folder.")  # fmt: skip
    if gone:
        are = "is" if gone == 1 else "are"
        notes.append(
            f"{several(gone, 'file')} that {file} names {are} not in {folder.name}: absent there."
        )
    return columns


def _found(names: Names, path: PurePosixPath) -> str:
    """The file that a path means though it may be written otherwise, or else the path."""
    try:
        return names.find(str(path)) or str(path)
    except UnreadableItem:  # of several none is exactly that
        return str(path)
