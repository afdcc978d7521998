"""Putting a saved model at the Hugging Face hub, where `srmm.load("user/model")` finds it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from srmm.errors import InputError, first_line
from srmm.files import json_ready, read_whole, write_json
from srmm.learning.card import CARD
from srmm.learning.hub import CONFIG, check_repo
from srmm.learning.places import ENCODERS
from srmm.learning.saving import ROWS_FILE, check_model_files, read_config
from srmm.version import __version__

HANDLER = "handler.py"
_ENDPOINT = Path(__file__).with_name("endpoint.py")
_PUBLIC = ("name", "roles", "notes", "reading", "rare", "expected")
"""What is told of the training data; where it lay is not."""


class Pushed(NamedTuple):
    """What lies at the hub now."""

    repo: str
    url: str
    revision: str
    """The commit's 40 digits."""
    files: tuple[str, ...]


def push_folder(
    folder: str | Path,
    repo: str,
    *,
    private: bool = False,
    revision: str | None = None,
    token: str | None = None,
    licence: str | None = None,
    rows: bool = False,
) -> Pushed:
    """Upload the model saved at `folder` to the hub, with its card and a handler for endpoints.

    Parameters
    ----------
    folder : path
    repo : str
        "user/model"; it is made if it is not there.
    private : bool
        Whether one that is made is private.
    revision : str, optional
        A branch, made if it is not there; by default the main one.
    token : str, optional
        By default that of `hf auth login`, or of the environment variable HF_TOKEN.
    licence : str, optional
        For the card, an identifier of the hub such as "apache-2.0". None is claimed otherwise.
    rows : bool
        Whether the ids of the training rows go along (rows.parquet). They and the paths of the
        training data stay here otherwise.

    Raises
    ------
    StoreError
        If the folder holds no model or a damaged one.
    InputError
        If the name cannot be one, before anything is read; if the hub refuses, with its words.
    """
    from huggingface_hub import HfApi

    folder, repo = Path(folder), check_repo(repo)
    with tempfile.TemporaryDirectory(prefix="srmm-push-") as scratch:
        staged = Path(scratch) / "model"
        read_whole(folder, CONFIG, lambda place: _stage(place, staged, rows=rows))
        _card(staged, repo, licence)
        names = tuple(
            sorted(p.relative_to(staged).as_posix() for p in staged.rglob("*") if p.is_file())
        )
        api = HfApi(token=token)
        try:
            api.create_repo(repo, private=private, exist_ok=True)
            if private and not api.model_info(repo).private:
                raise InputError(
                    f"{repo} is at the hub already, and public. Choose another name, or make it "
                    "private there."
                )
            if revision is not None:
                api.create_branch(repo, branch=revision, exist_ok=True)
            commit = api.upload_folder(
                folder_path=staged,
                repo_id=repo,
                revision=revision,
                commit_message=f"A model of srmm {__version__}",
            )
        except InputError:
            raise
        except Exception as error:  # what the hub says, and whatever its client raises without one
            raise InputError(
                f"The hub did not take the model as {repo!r}: {first_line(error)} Name it "
                "'user/model', and log in with `hf auth login` or set HF_TOKEN to a token that "
                "may write."
            ) from None
    return Pushed(repo, str(commit.repo_url), str(commit.oid), names)


def push_model(model: Any, repo: str, **options: Any) -> Pushed:
    """`push_folder` of a fitted model that lies nowhere yet."""
    check_repo(repo)
    with tempfile.TemporaryDirectory(prefix="srmm-") as scratch:
        return push_folder(model.save_pretrained(Path(scratch) / "model"), repo, **options)


def _stage(place: Path, staged: Path, *, rows: bool) -> None:
    """A copy of the model as it is published: whole, and sealed anew."""
    shutil.rmtree(staged, ignore_errors=True)
    config = read_config(place)
    check_model_files(place, config)
    files: Mapping[str, Any] = config.get("files") or {}
    if not files:
        raise InputError(
            f"{place} was saved before models had digests of their files. Save it again: "
            "srmm.from_pretrained(folder).save_pretrained(another)."
        )
    kept = {name: about for name, about in files.items() if rows or name != ROWS_FILE}
    for name in kept:
        (staged / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(place / name, staged / name)
    if (place / CARD).is_file():
        shutil.copyfile(place / CARD, staged / CARD)
    shutil.copyfile(_ENDPOINT, staged / HANDLER)
    (staged / "requirements.txt").write_text(f"srmm=={__version__}\n", encoding="utf-8")
    config["files"] = kept
    config["inputs"] = {name: _moved(name, about) for name, about in config["inputs"].items()}
    config["encoders"] = {
        name: _placeless(settings) for name, settings in (config.get("encoders") or {}).items()
    }
    origin = config.get("origin")
    if origin:
        config["origin"] = {key: origin[key] for key in _PUBLIC if key in origin}
        config["origin"]["name"] = Path(str(origin.get("name", ""))).name
        config["origin"].get("reading", {}).pop("folder", None)
    config.pop("sha256", None)
    write_json(staged / CONFIG, json_ready(config))


def _moved(name: str, about: Mapping[str, Any]) -> dict[str, Any]:
    """How an item is read, an encoder inside the model named by its place there."""
    spec = about.get("encoder") or ""
    kind, colon, place = spec.partition(":")
    if colon and Path(place).is_absolute():
        inside = Path(place).parts[-2:] == (ENCODERS, name)
        if not inside:
            raise InputError(
                f"The encoder of {name!r} is the folder or file {place}, which nobody else has. "
                "Train with an encoder that has a name at the hub, or comes in a package."
            )
        return {**about, "encoder": f"{kind}:{ENCODERS}/{name}"}
    return dict(about)


def _placeless(settings: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """What made the training embeddings, by its weights, where its name is a place of ours."""
    if settings is None:
        return None
    _, _, place = str(settings.get("spec") or "").partition(":")
    return {**settings, "spec": None} if Path(place).is_absolute() else dict(settings)


def _card(staged: Path, repo: str, licence: str | None) -> None:
    from huggingface_hub import ModelCard

    path = staged / CARD
    if not path.is_file():
        return
    card = ModelCard.load(path)
    card.text = card.text.replace('"this folder"', f'"{repo}"')
    if licence is not None:
        card.data.license = licence
    if card.data.eval_results:
        card.data.model_name = repo.rpartition("/")[2]
    path.write_text(str(card).rstrip() + "\n", encoding="utf-8")
