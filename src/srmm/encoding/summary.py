"""The summary of an encoding job: what it did, for a person and for a program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import pandas as pd

from srmm.data.notes import united
from srmm.errors import several

_SHOWN = 10
_PLURALS = {
    "text": "texts", "audio": "recordings", "voice": "recordings", "image": "pictures",
    "face": "pictures",
}  # fmt: skip


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
    taken: str | None = None
    """Words for what else than their length `cut` counts items for; None if it is that."""


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

    def missing_files(self) -> list[str]:
        """A sentence on each modality of which no file exists at all."""
        return [
            f"{none_of(about.missing_files, name)}: {name} is absent in all rows. "
            f"{'The first' if about.missing_files > 1 else 'It'} was looked for at "
            f"{about.first_missing}. If it lies elsewhere, name the folder that paths start from "
            "(folder=…, root=…, --root)."
            for name, about in self.modalities.items()
            if about.missing_files and not about.present and not about.unreadable
        ]

    def not_read(self) -> list[str]:
        """A sentence on the items that are broken, and on each modality with some missing files."""
        notes = []
        if self.unreadable:
            first, n = self.unreadable[0], len(self.unreadable)
            notes.append(
                f"{several(n, 'item is', 'items are')} unreadable and counted as absent, the first "
                f"in {first.where}, {first.modality}: {first.reason}."
            )
        return notes + [
            f"{about.missing_files:,} of the {name} files "
            f"{'do' if about.missing_files > 1 else 'does'} not exist and "
            f"{'are' if about.missing_files > 1 else 'is'} absent, the first is "
            f"{about.first_missing}."
            for name, about in self.modalities.items()
            if about.missing_files and (about.present or about.unreadable)
        ]

    def to_frame(self) -> pd.DataFrame:
        """The unreadable items: row, id, modality, item, reason."""
        return unreadable_frame(self.unreadable)

    @property
    def cut_notes(self) -> tuple[str, ...]:
        """A sentence for each modality with items that the encoder has read only a part of, or
        has taken for something else."""
        return tuple(
            f"{about.cut:,} of {about.present:,} {_PLURALS.get(about.kind, 'items')} of {name!r} "
            + (
                f"{about.taken}."
                if about.taken
                else f"were cut at {about.limit}, which is all that the encoder reads of one."
            )
            for name, about in self.modalities.items()
            if about.cut
        )

    def __str__(self) -> str:
        return self.text()

    def text(self, in_training: Mapping[str, float] | None = None) -> str:
        """As `str`, with the share of present items beside that in training, where it is known."""
        lines = [f"{several(self.rows, 'row')} in {_duration(self.seconds)}"]
        width = max((len(name) for name in self.modalities), default=0)
        shares = {
            name: share_text(about.present, self.rows, in_training[name])
            for name, about in self.modalities.items()
            if in_training and name in in_training
        }
        lines += [
            f"  {name:<{width}}  {_line(about, shares.get(name, ''))}"
            for name, about in self.modalities.items()
        ]
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


def share_text(present: int, rows: int, in_training: float) -> str:
    """
    >>> share_text(812, 1067, 0.98)
    ' (76 %; in training 98 %)'
    """
    return f" ({100 * present / max(rows, 1):.0f} %; in training {100 * in_training:.0f} %)"


def joined(first: EncodingSummary | None, then: EncodingSummary, first_row: int) -> EncodingSummary:
    """The summary of two parts of one table; row 0 of the second is `first_row` of the table."""
    moved = [replace(entry, row=entry.row + first_row) for entry in then.unreadable]
    if first is None:
        return replace(then, unreadable=moved)
    both = dict(first.modalities)
    for name, about in then.modalities.items():
        before = both.get(name)
        both[name] = about if before is None else _joined(before, about)
    # A part in which nobody has a modality says nothing of it: all its rows are empty there.
    for name in both.keys() - then.modalities.keys():
        both[name] = replace(both[name], empty=both[name].empty + then.rows)
    for name in both.keys() - first.modalities.keys():
        both[name] = replace(both[name], empty=both[name].empty + first.rows)
    return replace(
        first,
        rows=first.rows + then.rows,
        seconds=first.seconds + then.seconds,
        modalities=both,
        unreadable=[*first.unreadable, *moved],
        notes=united([*first.notes, *then.notes]),
    )


def _joined(first: ModalitySummary, then: ModalitySummary) -> ModalitySummary:
    """Counts are added up; of all else what the first says, or the second where it is silent."""
    values = {}
    for part in fields(ModalitySummary):
        a, b = getattr(first, part.name), getattr(then, part.name)
        counted = isinstance(a, int | float) and isinstance(b, int | float)
        values[part.name] = a + b if counted else (b if a is None else a)
    seconds = values["seconds"]
    rate = values["encoded"] / seconds if values["encoded"] and seconds else None
    return ModalitySummary(**{**values, "items_per_second": rate})


def without_encoding(kind: str, rows: int, present: int = 0) -> ModalitySummary:
    """The summary of a modality of which nothing had to be encoded."""
    counts: dict[str, Any] = {"present": present, "empty": rows - present}
    nothing: dict[str, Any] = dict.fromkeys(
        ("missing_files", "unreadable", "unique_items", "encoded", "resumed", "reused"), 0
    )
    silent: dict[str, Any] = dict.fromkeys(
        ("encoder", "engine", "engine_note", "items_per_second", "first_missing")
    )
    return ModalitySummary(kind=kind, seconds=0.0, **counts, **nothing, **silent)


def unreadable_frame(entries: Sequence[UnreadableEntry]) -> pd.DataFrame:
    """A row per entry: row, id, modality, item, reason."""
    columns = ["row", "id", "modality", "item", "reason"]
    rows = [[getattr(entry, column) for column in columns] for entry in entries]
    return pd.DataFrame(rows, columns=columns)


def _line(about: ModalitySummary, share: str = "") -> str:
    counts = {
        "present": about.present,
        "empty": about.empty,
        f"missing file{'s' * (about.missing_files != 1)}": about.missing_files,
        "unreadable": about.unreadable,
    }
    parts = [f"{n:,} {word}" for word, n in counts.items() if n or word == "present"]
    parts[0] += share
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


def none_of(n: int, name: str) -> str:
    """That none of so many files exists.

    >>> none_of(1, "image"), none_of(1200, "image")
    ('The only image file does not exist', 'None of the 1,200 image files exists')
    """
    return (
        f"None of the {n:,} {name} files exists"
        if n > 1
        else f"The only {name} file does not exist"
    )
