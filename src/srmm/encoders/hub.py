"""Loading pretrained models by name or folder, quietly, or saying how to get them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from srmm.errors import InputError, first_line

T = TypeVar("T")


def local_or_hub(name: str) -> str:
    """The absolute path if `name` is a folder, else `name`, to be looked up at the hub.

    Raises `InputError` for a path that is no folder.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        return str(path.resolve())
    if path.is_absolute() or name.startswith((".", "~")) or name.count("/") > 1:
        raise InputError(f"There is no folder {name} to load a model from.")
    return name


def load_pretrained(name: str, load: Callable[[bool], T]) -> T:
    """Call `load(local_files_only)`: with what is on this machine, else after a download.

    Looking here first keeps a job working, and at one revision of the weights, when the network
    does not. Raises `InputError` that says what to download and where to put it.
    """
    try:
        with _quiet():
            return load(True)
    except InputError:
        raise
    except (OSError, ValueError, KeyError) as error:
        if Path(name).is_dir():
            raise InputError(
                f"{name} holds no model that can be loaded: {first_line(error)} Expected are the "
                "files of `save_pretrained`: config.json, model.safetensors, and those of the "
                "tokenizer and image processor."
            ) from None
        if not isinstance(error, OSError):
            raise InputError(f"The model {name!r} cannot be used: {first_line(error)}") from None
    _check_reachable(name)
    try:
        return load(False)
    except OSError as error:
        raise _not_here(name, f"downloading failed: {first_line(error)}") from None


def _check_reachable(name: str) -> None:
    """Ask the hub for the model once: the libraries would retry for minutes without a network."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    try:
        HfApi().model_info(name, timeout=10)
    except HFValidationError:
        raise InputError(
            f"{name!r} is neither a folder nor the name of a model ('owner/name')."
        ) from None
    except OfflineModeIsEnabled:
        raise _not_here(name, "HF_HUB_OFFLINE is set, so they are not downloaded") from None
    except HfHubHTTPError as error:
        raise _not_here(name, f"the hub says: {first_line(error)}") from None
    except Exception as error:  # whatever the HTTP library of the day raises without a network
        raise _not_here(name, f"the hub cannot be reached ({first_line(error)})") from None


def _not_here(name: str, why: str) -> InputError:
    return InputError(
        f"The weights of {name!r} are not on this machine, and {why.rstrip('.')}. Where there is a "
        f"network, `hf download {name}` puts them into $HF_HOME/hub (by default "
        f"~/.cache/huggingface/hub), which can be copied here; or `hf download {name} --local-dir "
        "FOLDER` into a folder, which can be named in place of the model. With HF_HUB_OFFLINE=1 "
        "the network is never asked."
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars and notes from the libraries while they load; errors still rise."""
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled
    from transformers.utils import logging

    hub_bars, bars = not are_progress_bars_disabled(), logging.is_progress_bar_enabled()
    verbosity = logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars and hub_bars:
            logging.enable_progress_bar()
