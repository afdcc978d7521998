"""The file of `--config`: YAML with a section per command, which can set options alone."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

import yaml
from cyclopts.config import Yaml

from srmm.errors import InputError, did_you_mean

_BYTES, _VALUES, _DEPTH = 1_000_000, 10_000, 5


class SettingsFile(Yaml):
    """As cyclopts reads YAML, but for what no option can be."""

    def _load_config(self, path: Path) -> dict[str, Any]:
        return read_settings(path)


def read_settings(path: Path, commands: Collection[str] = ()) -> dict[str, Any]:
    """Command → option → text, number, truth value or a list of these.

    A section that is of none of the `commands`, where these are named, is an error, but for names
    that begin with "x-" or "_", where aliases may be kept. An option that is null is not given.
    Raises `InputError` for a file that is not UTF-8 YAML, for a key that stands twice, for tags of
    Python objects, and for more values than any command has options: aliases of aliases can make
    billions of a few lines.
    """
    try:
        if not path.is_file():
            raise InputError(f"{path} is no file. --config takes a YAML file.")
        with path.open("rb") as file:
            data = file.read(_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}).") from None
    if len(data) > _BYTES:
        raise InputError(f"{path} has more than {_BYTES:,} bytes: that is no file of settings.")
    try:
        content = yaml.load(data.decode("utf-8-sig"), _Loader)
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text ({error.reason}). Save it as UTF-8.") from None
    except RecursionError:
        raise InputError(f"{path} is nested too deeply for settings.") from None
    except (yaml.YAMLError, ValueError, TypeError, OverflowError) as error:
        raise InputError(f"{path} is not YAML of settings: {_short(error)}") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise InputError(f"{path} holds no sections, such as `fit: {{method: srmm}}`.")
    for name in map(str, content if commands else ()):
        if name not in commands and not name.startswith(("x-", "_")):  # of what is shared
            raise InputError(
                f"{path} has a section {name!r}, which is no command. Options stand below their "
                f"command, such as `fit: {{method: srmm}}`. {did_you_mean(name, commands)}"
            )
    plain: dict[str, Any] = _plain(content, path, [0], ())
    return plain


_TAG = "tag:yaml.org,2002:"
_OLD_RULES = tuple(f"{_TAG}{kind}" for kind in ("bool", "int", "timestamp"))


class _Loader(yaml.SafeLoader):
    """Makes plain values alone, and refuses a key that stands twice.

    By the rules of YAML 1.2: a column called "no", "on" or "010" is no truth value, and not 8.
    """

    yaml_implicit_resolvers = {  # noqa: RUF012
        first: [(tag, form) for tag, form in known if tag not in _OLD_RULES]
        for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        twice = sorted({key for key in keys if keys.count(key) > 1 and key != "<<"})
        if twice:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {twice[0]!r} stands twice", node.start_mark
            )
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(f"{_TAG}bool", re.compile("(?i:true|false)$"), list("tTfF"))
_Loader.add_implicit_resolver(
    f"{_TAG}int", re.compile("[-+]?(?:0|[1-9][0-9]*)$"), list("-+0123456789")
)


def _plain(value: Any, path: Path, seen: list[int], where: tuple[str, ...]) -> Any:
    """The value as options can take it; `seen` counts all of them."""
    seen[0] += 1
    place = ": ".join(where)
    if seen[0] > _VALUES or len(where) > _DEPTH:
        raise InputError(f"{path} has more in it than settings (at {place[:80]!r}).")
    if isinstance(value, dict):
        named = {str(key): part for key, part in value.items() if part is not None}
        return {key: _plain(part, path, seen, (*where, key)) for key, part in named.items()}
    if isinstance(value, list):
        if any(isinstance(part, list | dict) or part is None for part in value):
            raise InputError(f"{path}: {place} is {_short(value)}, expected a list of texts.")
        return [_plain(part, path, seen, (*where, str(n))) for n, part in enumerate(value)]
    if not isinstance(value, str | int | float) or (isinstance(value, str) and "\0" in value):
        raise InputError(f"{path}: {place} is {_short(value)}, expected a text or a number.")
    return value


def _short(value: Any) -> str:
    return " ".join(str(value).split())[:200]
