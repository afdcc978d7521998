"""Options that several commands share."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Group, Parameter, Token
from cyclopts.validators import Number

from srmm.cli.streams import Printer, speaks_unicode
from srmm.errors import InputError, several

TABLE = Group("Table", sort_key=1)
ENCODING = Group("Encoding", sort_key=3)
OUTPUT = Group("Output", sort_key=9)


@Parameter(name="*", group=TABLE)
@dataclass(frozen=True)
class Columns:
    """Options that say which columns of the table are what."""

    image: list[str] | None = None
    """Column of image paths, or a template such as 'images/{id}.jpg'; 'name=column' names the
    modality. Repeatable."""
    text: list[str] | None = None
    """Column of texts. Repeatable."""
    audio: list[str] | None = None
    """Column of audio paths: what is said or heard. Repeatable."""
    voice: list[str] | None = None
    """Column of audio paths where who speaks matters. Repeatable."""
    face: list[str] | None = None
    """Column of face crops. Repeatable."""
    features: list[str] | None = None
    """Column of vectors, or columns of numbers, dates, yes and no, categories and tags as people
    write them: 'info=price,colour,added', 'motion=v2_*'. Repeatable."""
    label: str | None = None
    """Column of class labels; rows without one are for prediction only."""
    id: str | None = None
    """Column of unique row names; by default rows are numbered."""
    split: str | None = None
    """Column that says train, validation or test."""
    group: str | None = None
    """Column of what belongs together, such as a customer: never on both sides of a split."""
    query: str | None = None
    """What to read from a database, 'SELECT …'; not needed where it has one table."""
    download: Path | None = None
    """Folder to fetch http(s) addresses of pictures and sounds to, each once."""
    allow_private: Annotated[bool, Parameter(name="--private-addresses", negative="")] = False
    """Let --download fetch from inside a private network, too."""
    missing: str | None = None
    """Which texts stand for nothing and count as absent: 'auto' (by default: nan, N/A, -, TBD and
    the like), 'none', or those to look for, 'auto,unknown'."""

    def choices(self) -> dict[str, Any]:
        """The keyword arguments of `read_table`."""
        return {key: value for key, value in vars(self).items() if value}


@Parameter(name="*", group=TABLE)
@dataclass(frozen=True)
class Source:
    """Options that say where the data lies."""

    root: Path | None = None
    """Folder of a data set that has to be downloaded (see `srmm datasets`), or where the relative
    paths of a table start (by default the table's folder)."""
    set: list[str] | None = None
    """An option of the data set, e.g. 'target=season'. Repeatable."""

    def options(self) -> dict[str, Any]:
        """The options as keyword arguments of `load_dataset`."""
        return {key: number(value) for key, value in pairs("--set", self.set).items()}


def _whole(_: Any, tokens: Sequence[Token]) -> int:
    """The number of an option; cyclopts would round 1.5 in silence."""
    text = tokens[0].value
    try:
        if "." in text and float(text).is_integer():
            return int(float(text))
        return int(text, 0 if text.lower().lstrip("+-")[:2] in ("0x", "0o", "0b") else 10)
    except ValueError:
        raise ValueError(f"expected a whole number, got {text!r}") from None


WHOLE = Parameter(converter=_whole)
"""Of an option that is a whole number."""

Whole = Annotated[int, WHOLE]

Seed = Annotated[int, Parameter(converter=_whole, validator=Number(gte=0, lt=2**32))]
"""What NumPy takes as a seed."""

Engine = Annotated[Literal["auto", "torch", "onnx"], Parameter(group=ENCODING)]
"""What runs the encoders' networks."""

Precision = Annotated[Literal["full", "half"], Parameter(group=ENCODING)]
"""With how many bits they compute."""


@Parameter(name="*", group=OUTPUT)
@dataclass(frozen=True)
class Talk:
    """Options that say how much to print, and how."""

    json: Annotated[bool, Parameter(negative="")] = False
    """Print the result as JSON on standard output."""
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], negative="")] = False
    """Show no progress."""

    @property
    def progress(self) -> bool:
        """Whether to show progress bars: in a log file they are noise."""
        return not self.quiet and sys.stderr.isatty()

    def epochs(self, description: str = "train") -> Any:
        """A progress bar around epochs, or None."""
        if not self.progress:
            return None
        from functools import partial

        from tqdm import tqdm

        return partial(tqdm, desc=description, unit="epoch", leave=False, file=sys.stderr)

    @contextmanager
    def trainings(self) -> Iterator[Any]:
        """Tells of trainings kept from before, then a progress bar: (done, of, what)."""
        from tqdm import tqdm

        with tqdm(unit="training", file=sys.stderr, leave=False, disable=not self.progress) as bar:

            def progress(done: int, of: int, what: str) -> None:
                if done and not what and not self.quiet:
                    kept = f"{done:,} of {several(of, 'training')} {'is' if done == 1 else 'are'}"
                    bar.write(f"{kept} kept from before", sys.stderr)
                bar.total = of
                bar.set_postfix_str(what, refresh=False)
                bar.update(done - bar.n)

            yield progress

    def result(self, facts: Mapping[str, Any], text: str, *, to_stderr: bool = False) -> None:
        """Print what came out: `facts` as JSON if that was asked for, else `text`."""
        if self.json:
            # Escaped where a character would have to be replaced: JSON is read by programs.
            stream = sys.stderr if to_stderr else sys.stdout
            plain = not speaks_unicode(stream)
            print(json.dumps(facts, ensure_ascii=plain, indent=1, default=str), file=stream)
        else:
            Printer(stderr=to_stderr, soft_wrap=True, highlight=False, markup=False).print(text)


def pairs(option: str, values: list[str] | None) -> dict[str, str]:
    """['a=b', …] as a dict; `InputError` naming the option for anything else."""
    split = [value.partition("=") for value in values or []]
    for (name, sign, value), given in zip(split, values or [], strict=True):
        if not (name and sign and value):
            raise InputError(f"{option} takes NAME=VALUE, got {given!r}.")
    names = [name for name, _, _ in split]
    if twice := [name for name in names if names.count(name) > 1]:
        raise InputError(f"{option} gives {twice[0]!r} twice. Give it once.")
    return {name: value for name, _, value in split}


def number(text: str) -> Any:
    """The text as an int or a float where it is one."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
