"""A model by its name at the Hugging Face hub: fetched, to the file, and nothing of it run.

The hub is asked only for a name that is no folder here. What is fetched is what the model's config
lists, which has a digest of each file, and the card: no code, and no pickle.
"""

from __future__ import annotations

import json
import re
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from srmm.errors import InputError, StoreError, first_line, shown
from srmm.files import standing
from srmm.files.digests import inside
from srmm.learning.card import CARD

CONFIG = "config.json"
KINDS = (".json", ".safetensors", ".parquet")
"""What the files of a model end in."""

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_NEW_NAME = re.compile(r"\w+([.-]\w+)*/(?!.*\.git$)\w+([.-]\w+)*", re.ASCII)
_LONGEST = 96
"""What the hub takes as the name of a new repository."""


class Place(NamedTuple):
    """Where a model lies on this machine, and where it came from."""

    folder: Path
    hub: dict[str, str] | None
    """{"repo": "user/model", "revision": the commit's 40 digits}; None for a folder of one's own.
    """


def check_repo(repo: str) -> str:
    """The name, if a repository of the hub can have it; raises `InputError` otherwise."""
    if not isinstance(repo, str) or len(repo) > _LONGEST or not _NEW_NAME.fullmatch(repo):
        raise InputError(
            f"{shown(repo)[:200]} cannot name a model at the hub. Name it 'user/model', such as "
            "'ada/shoes': letters, digits and '_', between them '-' and '.', never two of these in "
            f"a row, no '.git' at the end, at most {_LONGEST} characters."
        )
    return repo


def on_this_machine(name: str | Path, revision: str | None = None) -> Place:
    """The folder of that name, or, if there is none and it reads "user/model", one fetched.

    Parameters
    ----------
    name : str or path
        Where "user" is a folder here, "user/model" is a path in it and never fetched.
    revision : str, optional
        A branch, tag or commit of the hub; by default the newest.

    Raises
    ------
    InputError
        If the model is neither here nor can be fetched, or a folder is given a revision.
    StoreError
        If what lies at the hub is no model of srmm.
    """
    folder, text = Path(name), name if isinstance(name, str) else PurePath(name).as_posix()
    own = standing(folder).exists() or folder.parent.is_dir()
    if not own and _NAME.fullmatch(text):
        return _fetched(text, revision)
    if revision is not None:
        raise InputError(
            f"The model {text!r} is a folder here, which has no revision {revision!r}. Leave the "
            "revision out, or name a model at the hub as 'user/model'."
        )
    return Place(folder, None)


def _fetched(repo: str, revision: str | None) -> Place:
    config = _download(repo, CONFIG, revision)
    folder = config.parent  # named by the commit, and so is all that is fetched below
    for name in _listed(config, repo):
        _download(repo, name, folder.name)
    _download(repo, CARD, folder.name, needed=False)
    return Place(folder, {"repo": repo, "revision": folder.name})


def _listed(config: Path, repo: str) -> list[str]:
    """The files that the config lists, each of a kind that a model is made of."""
    try:
        content: Any = json.loads(config.read_text(encoding="utf-8"))
        names = list(dict(content["files"]))
    except (ValueError, TypeError, KeyError):
        raise StoreError(
            f"{repo} at the hub is no model of srmm: its {CONFIG} lists no files with their "
            "digests. A model is put there with `srmm push`."
        ) from None
    for name in names:
        inside(config.parent, name)
        if PurePath(name).suffix not in KINDS:
            raise StoreError(
                f"{repo} at the hub lists the file {name!r:.200}, expected files ending in "
                f"{', '.join(KINDS)} only. It was not written by srmm; do not use it."
            )
    return names


def _download(repo: str, name: str, revision: str | None, *, needed: bool = True) -> Path:
    """The path of one file in the hub's cache, fetched if it is not there yet."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    try:
        return Path(hf_hub_download(repo, name, revision=revision))
    except LocalEntryNotFoundError as error:
        if not needed:
            return Path()
        raise InputError(
            _nowhere(repo, f"it is not in the hub's cache: {first_line(error)}")
        ) from None
    except EntryNotFoundError as error:
        if not needed:
            return Path()
        raise StoreError(
            f"{repo} at the hub has no {name}, so it is no whole model of srmm "
            f"({first_line(error)}). A model is put there with `srmm push`."
        ) from None
    except Exception as error:  # what the hub says, and whatever its client raises without one
        raise InputError(_nowhere(repo, first_line(error))) from None


def _nowhere(repo: str, why: str) -> str:
    return (
        f"There is no folder {repo} here, and a model of that name cannot be had from the Hugging "
        f"Face hub ({why.rstrip('.')}). Check the path or the name; for a private model log in "
        "with `hf auth login`; with HF_HUB_OFFLINE=1 only what was fetched before is found."
    )
