"""What is known of a data set before it is loaded, and the two ways its files can be missing."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from srmm.errors import InputError, MissingExtraError


@dataclass(frozen=True)
class DatasetAbout:
    """What a data set's file says of it in `ABOUT`: one block of `srmm datasets`.

    `extra` is set where the data comes in a Python package: it is the extra of srmm that installs
    it, or "" where the data set's own package has the data, or makes it.
    """

    name: str
    description: str
    modalities: tuple[str, ...]
    source: str
    licence: str
    how_to_get: str
    extra: str | None = None

    def check(self, module: ModuleType) -> None:
        """Raise `TypeError` if the file has no function `load`."""
        if not callable(getattr(module, "load", None)):
            raise TypeError(f"{module.__name__} has no function load, which reads {self.name!r}")

    @property
    def needs_root(self) -> bool:
        """True if it must be downloaded to a folder first."""
        return self.extra is None

    def file(self, root: Path, name: str) -> Path:
        """The path of a file in `root`; `InputError` with what to download if it is not there."""
        if not (root / name).is_file():
            raise InputError(f"There is no {name} in {root}. {self.how_to_get}")
        return root / name

    def packaged(self, package: str, distribution: str, path: str) -> Path:
        """A path inside an installed package, which is found without running its code."""
        spec = find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise MissingExtraError(distribution, self.extra or "", f"The data set {self.name!r}")
        found = Path(spec.submodule_search_locations[0]) / path
        if not found.exists():
            raise InputError(
                f"The installed {distribution} has no {path}, which the data set {self.name!r} "
                f"is read from. Try: pip install -U 'srmm[{self.extra}]'"
            )
        return found
