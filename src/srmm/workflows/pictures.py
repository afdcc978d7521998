"""Pictures that lie in the cells of a table, for a report to show.

A store keeps the path of a picture in a file, and can show it from there. It keeps no copy of one
that lies in the table itself: it notes which table that was, and the report looks there. What of
it a report may read, `srmm.workflows.shown` decides.
"""

from __future__ import annotations

import copy
import json
import os
import warnings
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from srmm.data.modality import PICTURE_KINDS
from srmm.data.sources import kept_name, local_file
from srmm.data.store import is_store, load_embeddings, read_manifest
from srmm.data.table import Table
from srmm.encoding.store import read_keys
from srmm.encoding.unique_items import ItemKeys
from srmm.errors import StoreError, damage_explained
from srmm.files import json_ready, read_json, standing, write_json
from srmm.report.findings import item_lists
from srmm.workflows.data import is_table, open_data
from srmm.workflows.reading import READING
from srmm.workflows.shown import is_proven, notes_on_left_out, picture_files, proof

_SOURCE = "_source.json"  # no modality may be called so
_FORMAT = "srmm-source"
_AGAIN = "Delete it, and encode the table again."
_FETCHING = ("download", "allow_private")  # a report fetches nothing; what was fetched is a file

TESTED = ("mistakes", "right")
TRAINED = ("suspects",)
"""Lists of items in a report that are of the test data, and of the training data."""


def note_source(
    store: Path | str,
    source: Path | str,
    columns: Mapping[str, Any] | None,
    root: Path | str | None,
    options: Mapping[str, Any] | None,
) -> None:
    """Write into a store which table it was encoded from: the arguments of `open_data`."""
    source = os.fspath(source)
    noted = {
        "format": _FORMAT,
        "version": 1,
        "source": kept_name(source),
        "columns": {
            "missing": "auto",
            **{k: v for k, v in (columns or {}).items() if v and k not in _FETCHING},
        },
        "root": None if root is None else str(Path(root).resolve()),
        "options": dict(options or {}),
        "dataset": not is_table(source),
    }
    noted = json_ready(noted)
    write_json(Path(store) / _SOURCE, noted | {"proof": proof(noted)})


def noted_reading(store: Path | None) -> dict[str, Any]:
    """How the table of a store was read, as in `srmm.workflows.reading.READING`."""
    noted = None if store is None else _noted(store)
    # A store of before markers were known has noted none.
    columns = {"missing": "none", **noted["columns"]} if noted else {"missing": "auto"}
    return {option: columns[option] for option in READING if option in columns}


def _noted(store: Path) -> dict[str, Any] | None:
    """What `note_source` wrote; None if nothing was noted. Raises `StoreError` if it is damaged."""
    path = standing(store) / _SOURCE
    if not path.is_file():
        return None
    if is_store(store) and read_manifest(store)["version"] < 2:  # before notes were sealed
        with damage_explained(path, _AGAIN):
            noted = json.loads(path.read_text(encoding="utf-8"))
    else:
        noted = read_json(
            path,
            format=_FORMAT,
            version=1,
            what="the note of the table that a store was encoded from",
            remedy=_AGAIN,
            sealed_from=1,
        )
    known = isinstance(noted, dict) and isinstance(noted.get("columns"), dict)
    if not known or not isinstance(noted.get("source"), str):
        raise StoreError(f"{path} lacks the source or its columns. {_AGAIN}")
    return noted


def open_noted(store: Path) -> Table | None:
    """The table that a store was encoded from.

    None if it was not noted, is not there, or is not proven to be the one that was encoded here.
    """
    noted = _usable_note(store)
    if not (is_proven(noted) or _comes_in_a_package(noted)):
        return None
    chosen = {} if noted.get("dataset") else noted["columns"]  # a data set knows its own columns
    columns = {k: v for k, v in chosen.items() if k not in _FETCHING}
    try:
        root = noted["root"] and Path(noted["root"])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # said when it was encoded
            table = open_data(noted["source"], columns, root=root, options=noted["options"])
    except Exception:  # the note may be damaged, the table gone or another: then no picture
        return None
    return table if isinstance(table, Table) else None


def _usable_note(store: Path) -> dict[str, Any]:
    """`_noted`; empty if there is none or it is damaged: a report can do without pictures."""
    try:
        return _noted(store) or {}
    except StoreError:
        return {}


def _comes_in_a_package(noted: Mapping[str, Any]) -> bool:
    """Whether it is a data set of ours that lies in no folder of the user's."""
    from srmm.datasets import DATASETS

    return bool(noted) and noted["source"] in DATASETS and not noted.get("root")


def with_stored_pictures(
    content: Mapping[str, Any],
    kinds: Mapping[str, str],
    store: Path,
    root: Path | None,
    lists: Collection[str] = TESTED,
) -> tuple[dict[str, Any], list[str]]:
    """`with_pictures` of what was encoded to a store, and what is to be said of what is left out.

    Pictures in files are read here, from the folders that `srmm.workflows.shown` allows; `root` is
    one that the user names.
    """
    noted, table = _usable_note(store), None
    proven = is_proven(noted)

    def opened() -> Table | None:
        nonlocal table
        table = open_noted(store)
        return table

    filled = with_pictures(content, kinds, opened, store, lists)
    shown = _pictures_in(filled, kinds, lists)
    folders = picture_folders(store, root, lambda: table or open_noted(store)) if shown else []
    left_out = picture_files(shown, folders, root or store)
    lacking = any((item.get("raw") or {}).get(name) is None for item, name in shown)
    unproven = bool(noted) and lacking and not proven and not _comes_in_a_package(noted)
    return filled, notes_on_left_out(left_out, store, unproven=unproven)


def picture_folders(
    store: Path, root: Path | None, open_table: Callable[[], Table | None] | None = None
) -> list[Path]:
    """The folders that pictures of a store's items may be read from; `root` is the user's."""
    noted = _usable_note(store)
    folders = [store] if root is None else [store, root]
    if is_proven(noted):
        folders += [Path(noted["root"])] if noted["root"] else []
        place = None if noted["dataset"] else local_file(noted["source"])
        if place is not None:
            folders.append(place if place.is_dir() else place.parent)
    elif _comes_in_a_package(noted):
        table = open_noted(store) if open_table is None else open_table()
        folders += [table.folder] if table is not None and table.folder is not None else []
    return folders


def with_pictures(
    content: Mapping[str, Any],
    kinds: Mapping[str, str],
    open_table: Callable[[], Table | None],
    store: Path | None = None,
    lists: Collection[str] = TESTED,
) -> dict[str, Any]:
    """The content of a report, with the pictures from `open_table` in the items that lack them.

    `lists` names the lists of items that are of this table, as in `item_lists`: others may have
    the same ids and be other items. `store` is where the embeddings are: a picture that is not the
    one they were made from, because the table has changed since, is left out.
    """
    filled = copy.deepcopy(dict(content))
    wanted = [
        (item, name)
        for item, name in _pictures_in(filled, kinds, lists)
        if (item.get("raw") or {}).get(name) is None
    ]
    table = open_table() if wanted else None
    if table is not None:
        rows = {id: row for row, id in enumerate(table.ids.tolist())}
        known = None if store is None else _known_keys(store)
        for shown, name in wanted:
            row = rows.get(shown["id"])
            item = None if row is None or name not in table.items else table.items[name][row]
            if item is None or (known and not known(name, shown["id"], item)):
                continue
            if isinstance(item, dict) and not item.get("bytes"):
                item = item.get("path")
            shown["raw"] = {**(shown.get("raw") or {}), name: item}
    return filled


def _pictures_in(
    content: dict[str, Any], kinds: Mapping[str, str], lists: Collection[str]
) -> list[tuple[dict[str, Any], str]]:
    """The items of these lists of a report, each with a modality that it has a picture of."""
    return [
        (item, name)
        for part, items in item_lists(content).items()
        if part in lists
        for item in items
        for name in item["present"]
        if kinds.get(name) in PICTURE_KINDS
    ]


def _known_keys(store: Path) -> Callable[[str, Any, Any], bool]:
    """A function: whether the instance's embedding in the store was made from this item."""
    embeddings, keys = load_embeddings(store), read_keys(store)
    rows = {id: row for row, id in enumerate(embeddings.ids.tolist())}

    def is_known(name: str, id: Any, item: Any) -> bool:
        if name not in keys or id not in rows or isinstance(item, (str, Path)):
            return False
        place = embeddings.position[rows[id], embeddings.modalities.index(name)]
        return bool(keys[name][place].tobytes() == ItemKeys("image", None)(item))

    return is_known
