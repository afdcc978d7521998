"""What the system is told of a mapped file, and of what it is told nothing."""

from __future__ import annotations

import mmap
from pathlib import Path

import numpy as np
import pytest

from srmm.learning.random_reads import random_reads

pytestmark = pytest.mark.skipif(not hasattr(mmap, "MADV_RANDOM"), reason="takes no such advice")
N, D = 500, 100  # rows that lie across the borders of pages


@pytest.fixture
def mapped(tmp_path: Path) -> np.memmap:
    path = tmp_path / "vectors"
    np.arange(N * D + 3, dtype=np.float32).tofile(path)
    return np.memmap(path, np.float32, "r", 12, (N, D))


@pytest.mark.parametrize("kind", ["copied", "computed", "columns", "in memory"])
def test_of_what_is_no_part_of_a_file_nothing_is_said(mapped: np.memmap, kind: str) -> None:
    of = {
        "copied": mapped.copy(),
        "computed": mapped.astype(np.float64),
        "columns": mapped[:, :8],
        "in memory": np.array(mapped),
    }
    assert random_reads({"a": of[kind]}, 0) == {}
    assert list(random_reads({"a": of[kind], "b": mapped}, 0)) == ["b"]


def test_nor_of_what_has_room(mapped: np.memmap) -> None:
    assert random_reads({"a": mapped}, mapped.nbytes) == {}


@pytest.mark.parametrize("part", [slice(None), slice(123, 400)])
@pytest.mark.parametrize("rows", [np.array([200, 3, 3]), slice(2, 90), np.array([], dtype=int)])
def test_the_bytes_of_the_rows_are_expected(
    mapped: np.memmap, part: slice, rows: np.ndarray | slice, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = mapped[part]
    (reads,) = random_reads({"a": vectors}, 0).values()
    told: list[tuple[int, int]] = []
    monkeypatch.setattr(
        "srmm.learning.random_reads._advise",
        lambda file, advice, begin, length: told.append((begin, length)),
    )
    reads.expect(rows)
    each = [vectors[rows]] if isinstance(rows, slice) else [vectors[row] for row in rows]
    for (begin, length), expected in zip(told, each, strict=True):
        assert begin % mmap.PAGESIZE == 0
        assert length < expected.nbytes + mmap.PAGESIZE
        assert mapped._mmap[begin : begin + length].endswith(expected.tobytes())


def test_a_lone_row_is_as_long_as_it_is(mapped: np.memmap) -> None:
    lone = mapped[::100][:1]
    assert lone.strides[0] == 100 * lone.nbytes
    (reads,) = random_reads({"a": lone}, 0).values()
    assert reads._length == lone.nbytes


def test_advice_that_is_not_taken_ends_nothing(
    mapped: np.memmap, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MADV_RANDOM", "MADV_WILLNEED"):
        monkeypatch.setattr(mmap, name, 12_345)
    with pytest.raises(OSError, match="Invalid argument"):
        mapped._mmap.madvise(mmap.MADV_RANDOM)
    (reads,) = random_reads({"a": mapped}, 0).values()
    reads.expect(np.array([4, 2]))
