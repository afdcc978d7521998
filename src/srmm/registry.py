"""The registry: where encoders, methods and data sets are found by name, each in its own file.

A file says what it offers in a module-level `ABOUT`: an object with a `name`, or a tuple of them.
Nothing lists these files. Other packages add theirs by entry points.
"""

from __future__ import annotations

import importlib
import pkgutil
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Generic, Protocol, TypeVar

from srmm.errors import one_of


class Named(Protocol):
    """What an `ABOUT` has in any case."""

    @property
    def name(self) -> str: ...

    def check(self, module: ModuleType) -> None:
        """Raise `TypeError` or `ValueError` if the file does not keep what its ABOUT promises."""
        ...


A = TypeVar("A", bound=Named)


@dataclass(frozen=True)
class Entry(Generic[A]):
    """One thing that has a name: what it says of itself, and the module it is in."""

    about: A
    module: ModuleType


class Registry(Generic[A]):
    """Everything of one kind that has an `ABOUT`, in srmm and in other installed packages.

    Parameters
    ----------
    kind : str
        What messages call one of them, e.g. "encoder".
    group : str
        The package with srmm's own, e.g. "srmm.encoders": every public module in it is looked at,
        subpackages are not. It is the group of the entry points of other packages too, each of
        which names a module.
    about : type
        The class of an `ABOUT`.
    more : sequence of str
        Names of modules of srmm outside the package that have one; they come first.
    """

    def __init__(self, kind: str, group: str, about: type[A], more: Sequence[str] = ()) -> None:
        self.kind, self.group, self.about, self.more = kind, group, about, tuple(more)
        self._entries: dict[str, Entry[A]] | None = None

    def entries(self) -> dict[str, Entry[A]]:
        """Name → entry, srmm's own before those of other packages; looked for once.

        A plug-in that is broken, or takes a name that is taken, is left out with a warning.
        """
        if self._entries is None:
            found: dict[str, Entry[A]] = {}
            for module in self._own_modules():
                for entry in self._read(module) if hasattr(module, "ABOUT") else ():
                    if entry.about.name in found:
                        raise ValueError(f"Two {self.kind}s are called {entry.about.name!r}.")
                    found[entry.about.name] = entry
            for point in entry_points(group=self.group):
                self._add_plug_in(point, found)
            self._entries = found
        return self._entries

    def find(self, name: str) -> Entry[A]:
        """The entry of that name; raises `InputError` with the names there are for another."""
        entries = self.entries()
        return entries[one_of(f"The {self.kind}", name, entries)]

    def _own_modules(self) -> Iterator[ModuleType]:
        names = list(self.more)
        for module in pkgutil.iter_modules(importlib.import_module(self.group).__path__):
            if not module.ispkg and not module.name.startswith("_"):
                names.append(f"{self.group}.{module.name}")
        return map(importlib.import_module, names)

    def _read(self, module: object) -> list[Entry[A]]:
        if not isinstance(module, ModuleType):
            raise TypeError(f"it names {module!r}, where a module was expected: end it there")
        wanted = f"of type {self.about.__name__}, or a tuple of them"
        if not hasattr(module, "ABOUT"):
            raise TypeError(f"{module.__name__} has no ABOUT, which must be {wanted}")
        abouts = module.ABOUT if isinstance(module.ABOUT, tuple) else (module.ABOUT,)
        for one in abouts:
            if not isinstance(one, self.about):
                raise TypeError(f"ABOUT of {module.__name__} must be {wanted}, got {one!r}")
            one.check(module)
        return [Entry(one, module) for one in abouts]

    def _add_plug_in(self, point: EntryPoint, found: dict[str, Entry[A]]) -> None:
        try:
            entries = self._read(point.load())
        except Exception as error:  # whatever another package does wrong, srmm goes on without it
            self._warn(point, f"{type(error).__name__}: {error}")
            return
        for entry in entries:
            if entry.about.name in found:
                taken = found[entry.about.name].module.__name__
                self._warn(point, f"the name {entry.about.name!r} is taken by {taken}")
            else:
                found[entry.about.name] = entry

    def _warn(self, point: EntryPoint, cause: str) -> None:
        package = point.dist.name if point.dist else "an unknown package"
        warnings.warn(
            f"The {self.kind} of {package} is left out: its entry point {point.name!r} in "
            f"{self.group!r}, {point.value!r}, failed ({cause}). Mend, update or uninstall "
            f"{package}.",
            stacklevel=2,
        )
