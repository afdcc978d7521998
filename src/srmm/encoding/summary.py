"""The summary of an encoding job: what it did, for a person and for a program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

_SHOWN = 10
_PLURALS = {"text": "texts", "audio": "recordings", "voice": "recordings"}


@dataclass(frozen=True)
class UnreadableEntry:
    """A row whose item is there but broken, so that it counts as absent."""

    row: int
    id: Any
    modality: str
    item: str | None
    reason: str
    where: str
    """The row as messages name it: "row 5 (line 7 of products.csv, id 'x12')"."""


@dataclass(frozen=True)
class ModalitySummary:
    """One modality: rows by what became of them, and unique items by where they came from."""

    kind: str
    encoder: str | None
    engine: str | None
    """What ran the network, "torch" or "onnx"; None if nothing did, or if it has none."""
    engine_note: str | None
    """Why ONNX Runtime did not, if that was found out by trying."""
    present: int
    empty: int
    missing_files: int
    unreadable: int
    unique_items: int
    encoded: int
    """Unique items that went through the network now."""
    resumed: int
    """Unique items taken from an unfinished run."""
    reused: int
    """Unique items taken from the store that was there before."""
    seconds: float
    items_per_second: float | None
    """Of those encoded now, everything included; None if none was."""
    first_missing: str | None
    """The path of the first missing file."""
    cut: int = 0
    """Rows whose item is longer than the encoder reads, so that its embedding is of a part."""
    limit: str | None = None
    """How much it reads, such as "256 tokens"; None if there is no limit."""


@dataclass(frozen=True)
class EncodingSummary:
    """The summary of one `encode`, by modality; `str(summary)` is for a terminal."""

    rows: int
    seconds: float
    modalities: dict[str, ModalitySummary]
    unreadable: list[UnreadableEntry] = field(default_factory=list)

    unreadable_file: Path | None = None
    """The Parquet file in the store that lists them; None if there is none."""

    notes: tuple[str, ...] = ()
    """What encoders took columns for, and what they met in them: sentences, as `Table.notes`."""

    def to_frame(self) -> pd.DataFrame:
        """The unreadable items: row, id, modality, item, reason."""
        return unreadable_frame(self.unreadable)

    @property
    def cut_notes(self) -> tuple[str, ...]:
        """A sentence for each modality with items that the encoder has read only a part of."""
        return tuple(
            f"{about.cut:,} of {about.present:,} {_PLURALS.get(about.kind, 'items')} of {name!r} "
            f"were cut at {about.limit}, which is all that the encoder reads of one."
            for name, about in self.modalities.items()
            if about.cut
        )

    def __str__(self) -> str:
        lines = [f"{self.rows:,} rows in {_duration(self.seconds)}"]
        width = max((len(name) for name in self.modalities), default=0)
        lines += [f"  {name:<{width}}  {_line(about)}" for name, about in self.modalities.items()]
        lines += self.cut_notes
        missing = {n: m.first_missing for n, m in self.modalities.items() if m.first_missing}
        lines += [f"The first missing {name} file is {path}" for name, path in missing.items()]
        if self.unreadable:
            lines.append("Unreadable, and counted as absent:")
            lines += [
                f"  {entry.where}, {entry.modality}: {entry.reason}"
                for entry in self.unreadable[:_SHOWN]
            ]
        if len(self.unreadable) > _SHOWN:
            lines.append(f"  … and {len(self.unreadable) - _SHOWN:,} more")
        if self.unreadable_file is not None:
            lines.append(f"All unreadable items: {self.unreadable_file}")
        return "\n".join(lines)


def unreadable_frame(entries: Sequence[UnreadableEntry]) -> pd.DataFrame:
    """A row per entry: row, id, modality, item, reason."""
    columns = ["row", "id", "modality", "item", "reason"]
    rows = [[getattr(entry, column) for column in columns] for entry in entries]
    return pd.DataFrame(rows, columns=columns)


def _line(about: ModalitySummary) -> str:
    counts = {
        "present": about.present,
        "empty": about.empty,
        f"missing file{'s' * (about.missing_files != 1)}": about.missing_files,
        "unreadable": about.unreadable,
    }
    parts = [f"{n:,} {word}" for word, n in counts.items() if n or word == "present"]
    done = []
    if about.reused:
        done.append(f"{about.reused:,} reused")
    if about.resumed:
        done.append(f"{about.resumed:,} resumed")
    if about.encoded:
        rate = f", {about.items_per_second:,.0f} items/s" if about.items_per_second else ""
        by = f" by {about.encoder}" if about.encoder else ""
        on = f" on {about.engine}" if about.engine else ""
        done.append(f"{about.encoded:,} encoded{by}{on} in {_duration(about.seconds)}{rate}")
    if about.engine_note:
        done.append(about.engine_note)
    return ", ".join(parts) + (f" ({'; '.join(done)})" if done else "")


def _duration(seconds: float) -> str:
    """
    >>> _duration(3.25), _duration(75), _duration(3700)
    ('3.2 s', '1 min 15 s', '1 h 1 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
