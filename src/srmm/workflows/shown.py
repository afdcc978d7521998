"""Which files a report may show: a store may come from anybody, and the report go to anybody.

A store notes paths and a table. From a store that came from elsewhere they could lead to pictures
of whoever makes the report, so a picture is read only if its file lies, with symbolic links
followed, in the store, in the folder that the user names (`root`), or in that of the table that
the store was encoded from. The last counts only if the store proves that it was encoded here: its
note carries a code whose key is what the system says of the table's file, such as the nanosecond
of its last change, which nobody elsewhere knows and which stands nowhere in the store.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from srmm.data.broken import AbsentFile, UnreadableItem
from srmm.data.items import ItemReader
from srmm.data.paths import OutsideItem
from srmm.data.sources import local_file
from srmm.errors import several

_UNKNOWN_TABLE = (
    "The table that {store} notes is not looked into for pictures: it is another one than was "
    "encoded, has changed since, or the store was made elsewhere. Evaluate on the table itself to "
    "show pictures that lie in its cells, or name the folder of the pictures (root=…, --root)."
)


_PROVEN = ("source", "columns", "root", "options", "dataset")


class NotShown(str):
    """The path of a picture that is not read."""


def proof(noted: Mapping[str, Any]) -> str | None:
    """The code that proves that the table (or root) of a note lies here and is as it was.

    None of a note that names no file or folder.
    """
    named = noted.get("root") if noted.get("dataset") else noted.get("source")
    try:
        path = local_file(str(named)) if named else None
        status = None if path is None else path.stat()
    except (OSError, ValueError):
        return None
    if status is None:
        return None
    secret = hashlib.sha256(f"{status.st_ino}:{status.st_ctime_ns}".encode()).digest()
    said = {key: noted.get(key) for key in _PROVEN}
    text = json.dumps(said, sort_keys=True).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, key=secret, digest_size=32).hexdigest()


def is_proven(noted: Mapping[str, Any]) -> bool:
    """Whether the note was written here, of a table that is as it was."""
    given, expected = noted.get("proof"), proof(noted)
    same = str(given).encode("utf-8", "surrogatepass")
    return expected is not None and hmac.compare_digest(same, expected.encode())


def picture_files(
    shown: Iterable[tuple[dict[str, Any], str]], folders: Iterable[Path], base: Path
) -> list[str]:
    """Put the content of files in place of the paths of (item, modality) that lie in `folders`.

    Relative paths start from `base`. The paths that lie elsewhere become `NotShown`, and are
    returned.
    """
    within = [Path(folder).resolve() for folder in folders]
    left_out = []
    with ItemReader(base, within=within) as reader:
        for item, name in shown:
            path = (item.get("raw") or {}).get(name)
            if not isinstance(path, str | Path):
                continue
            content: Any = NotShown(path)
            try:
                content = reader.read_bytes(path)
            except OutsideItem:
                left_out.append(str(path))
            except (AbsentFile, UnreadableItem):
                pass
            item["raw"] = {**item["raw"], name: content}
    return left_out


def notes_on_left_out(left_out: list[str], store: Path, *, unproven: bool) -> list[str]:
    """What is to be said of pictures that a report lacks."""
    notes = []
    if left_out:
        paths = list(dict.fromkeys(left_out))
        is_one = len(paths) == 1
        pictures = several(len(paths), "picture is", "pictures are")
        lie, them = ("It lies", "it") if is_one else ("They lie", "them")
        notes.append(
            f"{pictures} not shown, the first {paths[0]!r}. {lie} outside of the folders that a "
            f"report of {store} may read from: the store's own, that of the table it was encoded "
            f"from here, as long as that has not changed, and the one that is named to show {them} "
            "(root=…, --root)."
        )
    if unproven:
        notes.append(_UNKNOWN_TABLE.format(store=store))
    return notes
