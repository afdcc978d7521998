"""Digests, locks and whole reads: what is damaged, mixed or in use is noticed."""

from __future__ import annotations

import json
import os
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

from srmm.errors import SrmmError, StoreError
from srmm.files import (
    check_files,
    listed,
    load_tensors,
    map_tensors,
    only_writer,
    read_json,
    read_whole,
    remove_litter,
    replacing_file,
    replacing_folder,
    save_tensors,
    standing,
    write_json,
)
from srmm.files.digests import inside
from srmm.files.names import temporaries

OURS = {"format": "srmm-test", "version": 2, "classes": ["cat", "dog"], "x": [0.1, -0.0, 1e300]}


def read(path: Path) -> dict[str, object]:
    return read_json(
        path, format="srmm-test", version=2, what="a test", remedy="Make one.", sealed_from=2
    )


# JSON ---------------------------------------------------------------------------------------------


def test_no_letter_of_a_sealed_file_may_change(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    write_json(path, OURS)
    assert read(path) == OURS
    whole = path.read_bytes()
    harmless = 0
    for place in range(len(whole)):
        for bit in (0, 5):
            damaged = bytearray(whole)
            damaged[place] ^= 1 << bit
            path.write_bytes(bytes(damaged))
            try:
                assert read(path) == OURS
                harmless += 1  # a blank that became another
            except StoreError:
                continue
    assert harmless < 60


def test_a_seal_may_only_be_missing_where_none_was_written(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps(OURS))
    with pytest.raises(StoreError, match="its digest is another"):
        read(path)
    path.write_text(json.dumps({**OURS, "version": 1}))
    assert read(path)["version"] == 1


def test_a_file_that_is_nested_without_end_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"format": "srmm-test", "version": 1, "x": ' + "[" * 10**5)
    with pytest.raises(StoreError, match="not readable JSON"):
        read(tmp_path / "x.json")


# Tensors ------------------------------------------------------------------------------------------


def tensors() -> dict[str, np.ndarray]:
    return {
        "a": np.arange(6, dtype=np.float32).reshape(2, 3),
        "b": np.array([True, False]),
        "empty": np.empty((0, 4), dtype=np.float16),
        "i": np.arange(3),
    }


def test_tensors_come_back_with_what_was_said_of_them(tmp_path: Path) -> None:
    save_tensors(tmp_path / "x", tensors(), {"seed": 3})
    found, about = load_tensors(tmp_path / "x", "Do it again.")
    assert about == {"seed": 3}
    for name, tensor in tensors().items():
        assert found[name].dtype == tensor.dtype
        np.testing.assert_array_equal(found[name], tensor)


def test_no_bit_of_a_file_of_tensors_may_change(tmp_path: Path) -> None:
    path = tmp_path / "x"
    save_tensors(path, tensors(), [1])
    whole = path.read_bytes()
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << (place % 8)
        path.write_bytes(bytes(damaged))
        with pytest.raises(StoreError, match=r"/x .*Do it again"):
            load_tensors(path, "Do it again.")


def header(**entry: object) -> bytes:
    text = json.dumps({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **entry}})
    return len(text).to_bytes(8, "little") + text.encode() + bytes(8)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff" * 8,
        (1 << 62).to_bytes(8, "little"),
        (2).to_bytes(8, "little") + b"[]",
        header(dtype="F99"),
        header(dtype=["F32"]),
        header(shape=[-2]),
        header(shape=[2.0]),
        header(shape=[True, 2]),
        header(shape=[1 << 62, 1 << 62]),
        header(shape=None),
        header(data_offsets=[4, 12]),
        header(data_offsets=[0, 16], shape=[4]),
        header(data_offsets=[0]),
        header(data_offsets={}),
        len('{"a": 1}').to_bytes(8, "little") + b'{"a": 1}',
        len('{"__metadata__": 1}').to_bytes(8, "little") + b'{"__metadata__": 1}',
    ],
)
def test_a_header_that_does_not_fit_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(StoreError, match="/x "):
        map_tensors(tmp_path / "x")


# Digests ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "", ".", "a\\x", "x\0", None, 3])
def test_a_name_that_leads_out_of_the_folder_is_refused(tmp_path: Path, name: object) -> None:
    with pytest.raises(StoreError, match="expected one inside the folder"):
        inside(tmp_path, name)


def test_files_are_compared_with_their_list(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "x").write_bytes(b"abc")
    (tmp_path / "card").write_bytes(b"words")
    files = listed(tmp_path)
    assert list(files) == ["card", "deep/x"]
    del files["card"]
    check_files(tmp_path, files, remedy="Again.")
    (tmp_path / "deep" / "x").write_bytes(b"abd")
    with pytest.raises(StoreError, match=r"deep/x is damaged: its content has changed.* Again\."):
        check_files(tmp_path, files, remedy="Again.")
    (tmp_path / "deep" / "x").write_bytes(b"abcd")
    with pytest.raises(StoreError, match="it has 4 bytes, 3 were written"):
        check_files(tmp_path, files, remedy="Again.")
    (tmp_path / "deep" / "x").unlink()
    os.mkfifo(tmp_path / "deep" / "x")
    with pytest.raises(StoreError, match="is missing or no plain file"):
        check_files(tmp_path, files, remedy="Again.")
    for wrong in ([], {"card": 3}, {"card": {"sha256": 5}}):
        with pytest.raises(StoreError, match="list of"):
            check_files(tmp_path, wrong, remedy="Again.")  # type: ignore[arg-type]


# Locks and litter ---------------------------------------------------------------------------------


def test_the_second_writer_waits_and_is_told_whom_for(tmp_path: Path) -> None:
    path, entered = tmp_path / "model", []
    with only_writer(path):
        with only_writer(path):  # who has it may go on
            pass

        def write() -> None:
            with replacing_folder(path) as temporary:
                entered.append(path.exists())
                (temporary / "x").touch()

        thread = threading.Thread(target=write)
        thread.start()
        told: list[str] = []

        def ask() -> None:
            try:
                with only_writer(path, wait=0):
                    raise AssertionError("two at once")
            except SrmmError as error:
                told.append(str(error))

        asking = threading.Thread(target=ask)
        asking.start()
        asking.join()
        assert f"model is being written by process {os.getpid()} on" in told[0]
        assert not entered
    thread.join()
    assert entered == [False]
    assert [found.name for found in tmp_path.iterdir()] == ["model"]


def test_what_killed_writers_left_is_removed_and_what_is_in_use_is_not(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    (tmp_path / ".out.csv.dead.tmp").touch()
    (tmp_path / ".other.csv.dead.tmp").touch()
    with replacing_file(path) as mine:
        assert not (tmp_path / ".out.csv.dead.tmp").exists()
        remove_litter(tmp_path)
        assert mine.exists()
        assert not (tmp_path / ".other.csv.dead.tmp").exists()
        with replacing_file(path) as second:
            second.write_text("second")
        assert mine.exists()
        mine.write_text("mine")
    assert path.read_text() == "mine"
    assert [found.name for found in tmp_path.iterdir()] == ["out.csv"]


def test_a_longer_name_is_another_paths(tmp_path: Path) -> None:
    (tmp_path / ".model.embeddings.abc.tmp").mkdir()
    assert temporaries(tmp_path / "model", "tmp") == []
    assert len(temporaries(tmp_path / "model.embeddings", "tmp")) == 1


# Whole reads --------------------------------------------------------------------------------------


def version(folder: Path, k: int) -> None:
    with replacing_folder(folder) as temporary:
        (temporary / "manifest").write_text(str(k))
        (temporary / "data").write_text(str(k))


def test_a_reader_gets_one_version_though_it_is_replaced_under_it(tmp_path: Path) -> None:
    folder, asked = tmp_path / "x", []
    version(folder, 0)

    def read_it(place: Path) -> tuple[str, str]:
        first = (place / "manifest").read_text()
        asked.append(first)
        if len(asked) < 4:
            version(folder, len(asked))
        return first, (place / "data").read_text()

    assert read_whole(folder, "manifest", read_it) == ("3", "3")
    assert asked == ["0", "1", "2", "3"]


def test_an_error_of_what_is_there_is_the_readers(tmp_path: Path) -> None:
    version(tmp_path / "x", 0)
    with pytest.raises(StoreError, match="broken"):
        read_whole(tmp_path / "x", "manifest", lambda place: (_ for _ in ()).throw(
            StoreError("broken")))  # fmt: skip
    with pytest.raises(FileNotFoundError):
        read_whole(tmp_path / "y", "manifest", lambda place: (place / "manifest").read_text())


def test_what_lies_aside_is_read_there_and_moved_by_writers_only(tmp_path: Path) -> None:
    folder = tmp_path / "x"
    version(folder, 0)
    (tmp_path / ".x.abc.old").mkdir()
    shutil.move(folder, tmp_path / ".x.abc.old" / "x")
    assert standing(folder) == tmp_path / ".x.abc.old" / "x"
    assert read_whole(folder, "manifest", lambda place: (place / "data").read_text()) == "0"
    assert not folder.exists()
    version(folder, 1)
    assert [found.name for found in tmp_path.iterdir()] == ["x"]
