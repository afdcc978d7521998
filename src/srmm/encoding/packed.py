"""The vectors of one modality while they are made: they grow in memory or in a file, as asked for
in single or half precision; and what half precision takes from them is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from srmm.errors import InputError

DTYPES = ("float32", "float16")
"""How vectors may be kept."""
LARGEST = 65504.0
"""The largest number that half precision has."""
LOST = 0.01
"""What rounding may take of a number's spread (standard deviation) without a word."""
_LAST_DIGITS, _TINY = 1e-6, 1e-19
_COPIED_ROWS = 4096


class Packed:
    """Grows an (n, d) array block by block: in memory, or in a file that is then mapped.

    `name` is what its vectors are of. Raises `InputError` for a number that is too large for
    `dtype`.
    """

    def __init__(self, file: Path | None, dtype: str = "float32", name: str = "") -> None:
        self.file, self.dtype, self.name = file, np.dtype(dtype), name
        self.blocks: list[np.ndarray] = []
        self.length = self.n_new = 0
        self.dim: int | None = None
        self._sums: np.ndarray | None = None
        if file is not None:
            file.write_bytes(b"")

    def append(self, block: np.ndarray) -> None:
        """Add rows of the length of the rows before."""
        if not len(block):
            return
        if self.dim not in (None, block.shape[1]):
            raise InputError(
                f"The embeddings of one modality must have one length, got {self.dim} and "
                f"{block.shape[1]}."
            )
        self.dim = block.shape[1]
        self.length += len(block)
        self.n_new += len(block) if block.dtype != self.dtype else 0  # others come from a store
        block = self._rounded(np.ascontiguousarray(block, dtype=np.float32))
        if self.file is None:
            self.blocks.append(block)
        else:
            with self.file.open("ab") as opened:
                opened.write(block.data)

    def append_rows(self, source: np.ndarray | None, rows: np.ndarray) -> None:
        """Add these rows of an array, which may be larger than memory; None has none."""
        for start in range(0, len(rows) if source is not None else 0, _COPIED_ROWS):
            assert source is not None
            self.append(source[rows[start : start + _COPIED_ROWS]])

    def array(self, dim: int | None) -> np.ndarray:
        """All rows; `dim` is their length if there is none."""
        if not self.length:
            return np.empty((0, dim or 0), dtype=self.dtype)
        if self.file is None:
            return np.concatenate(self.blocks)
        assert self.dim is not None
        return np.memmap(self.file, self.dtype, "r", shape=(self.length, self.dim))

    def note(self) -> str | None:
        """A sentence on numbers of which rounding took more than a hundredth of their spread."""
        if self._sums is None or not self.n_new:
            return None
        total, squares, lost = self._sums
        mean, off = total / self.length, np.sqrt(lost / self.n_new)
        spread = np.sqrt(np.maximum(squares / self.length - mean**2, 0))
        # What varies in the last digits of single precision only says nothing, then as now.
        varies = spread > np.maximum(_LAST_DIGITS * np.abs(mean), _TINY)
        share = np.divide(off, spread, out=np.zeros_like(off), where=varies)
        many, worst = int((share > LOST).sum()), int(share.argmax())
        if not many:
            return None
        numbers = f"{many:,} of the {self.dim:,} numbers" if many > 1 else "1 number"
        return (
            f"{numbers} of {self.name!r} lost more than a hundredth of their spread in half "
            f"precision (number {worst}: {share[worst]:.0%}): what is far from 0, or very small, "
            "is better kept in a store of float32."
        )

    def _rounded(self, block: np.ndarray) -> np.ndarray:
        """A block of float32 as it is kept."""
        if self.dtype == block.dtype:
            return block
        with np.errstate(over="ignore", under="ignore"):
            kept = block.astype(self.dtype)
        beyond = np.argwhere(np.isinf(kept))
        if len(beyond):
            row, number = beyond[0]
            raise InputError(
                f"Number {number} of an embedding of {self.name!r} is {block[row, number]:g}: "
                f"float16 ends at {LARGEST:,.0f}. Keep these embeddings as float32, or bring the "
                "numbers to another scale."
            )
        exact = block.astype(np.float64)
        parts = [exact.sum(axis=0), np.square(exact).sum(axis=0)]
        parts.append(np.square(exact - kept).sum(axis=0))
        self._sums = np.stack(parts) + (0 if self._sums is None else self._sums)
        return kept
