from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings

from srmm.data.embeddings import Embeddings
from srmm.data.labels import name_of
from srmm.data.store import load_embeddings, save_embeddings
from srmm.errors import InputError, StoreError
from tests.data.test_embeddings import holes, with_holes


def assert_same(a: Embeddings, b: Embeddings) -> None:
    assert a.modalities == b.modalities
    for name in a.modalities:
        np.testing.assert_array_equal(a.to_array(name), b.to_array(name))
    assert a.ids.tolist() == b.ids.tolist()
    for left, right in ((a.labels, b.labels), (a.split, b.split)):
        assert (left is None) == (right is None)
        assert left is None or left.tolist() == right.tolist()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(holes)
def test_round_trip_for_any_holes(tmp_path: Path, present: np.ndarray) -> None:
    embeddings = with_holes(present)
    again = load_embeddings(save_embeddings(embeddings, tmp_path / "store", overwrite=True))
    assert_same(embeddings, again)


@settings(deadline=None)
@given(holes)
def test_arrow_round_trip_for_any_holes(present: np.ndarray) -> None:
    embeddings = with_holes(present)
    if present.any(axis=0).all():
        assert_same(embeddings, Embeddings.from_arrow(embeddings.to_arrow()))


def test_parquet_and_numpy_round_trips(tmp_path: Path) -> None:
    embeddings = with_holes(np.array([[True, False], [True, True], [False, True]]))
    path = embeddings.to_parquet(tmp_path / "x.parquet")
    assert_same(embeddings, Embeddings.from_parquet(path))
    assert_same(embeddings, Embeddings.from_numpy(embeddings.to_numpy(tmp_path / "x.npz")))


@pytest.mark.parametrize("mode", ["r", "r+", "c", "copy"])
def test_mapped_vectors_are_stored_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    """With mode "c" what was changed is in memory alone, and a copy is no file at all."""
    monkeypatch.setattr("srmm.data.store._ROWS_AT_ONCE", 100)
    np.zeros((300, 2_000), dtype=np.float32).tofile(tmp_path / "vectors")
    kept = "c" if mode == "copy" else mode
    mapped = np.memmap(tmp_path / "vectors", np.float32, kept, shape=(300, 2_000))
    if mode != "r":
        mapped[:] = 7
    expected = np.array(mapped)
    vectors = mapped.copy() if mode == "copy" else mapped
    embeddings = Embeddings({"a": vectors}, np.arange(300)[:, None])
    stored = load_embeddings(save_embeddings(embeddings, tmp_path / "store"))
    np.testing.assert_array_equal(stored.to_array("a"), expected)
    np.testing.assert_array_equal(vectors, expected)


def test_a_file_that_is_none_says_so(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"no table at all")
    for read in (Embeddings.from_parquet, Embeddings.from_numpy):
        with pytest.raises(StoreError, match=r"x cannot be read.*[Ee]xpected"):
            read(tmp_path / "x")
        with pytest.raises(StoreError, match=r"gone cannot be read"):
            read(tmp_path / "gone")


def test_hugging_face_round_trip() -> None:
    pytest.importorskip("datasets", reason="needs srmm[huggingface]")
    embeddings = with_holes(np.array([[True, False], [True, True], [False, True]]))
    assert_same(embeddings, Embeddings.from_huggingface(embeddings.to_huggingface()))


def test_what_hugging_face_cannot_hold_is_refused() -> None:
    pytest.importorskip("datasets", reason="needs srmm[huggingface]")
    embeddings = Embeddings.from_arrays({"x": np.eye(2)}, ids=[uuid.UUID(int=i) for i in range(2)])
    with pytest.raises(InputError, match="cannot hold these embeddings"):
        embeddings.to_huggingface()


def test_labels_keep_their_type_and_their_holes(tmp_path: Path) -> None:
    for labels in (["a", None, "b"], [1, 2, 1], [True, False, True], [0, None, 1]):
        embeddings = Embeddings.from_arrays(
            {"x": np.eye(3)}, labels=np.array(labels, dtype=object), split=["train", None, "test"]
        )
        again = load_embeddings(save_embeddings(embeddings, tmp_path / "s", overwrite=True))
        assert again.labels is not None
        assert again.labels.tolist() == labels
        assert [type(label) for label in again.labels.tolist()] == [type(x) for x in labels]
        assert again.split is not None
        assert again.split.tolist() == ["train", None, "test"]


def test_ids_that_files_would_merge_stay_apart_or_are_refused(tmp_path: Path) -> None:
    big = [1 << 63, (1 << 63) + 1, 5]
    with_ids = Embeddings.from_arrays({"x": np.eye(3)}, ids=big, groups=big)
    for again in (
        load_embeddings(save_embeddings(with_ids, tmp_path / "s")),
        Embeddings.from_numpy(with_ids.to_numpy(tmp_path / "x.npz")),
        Embeddings.from_arrow(with_ids.to_arrow()),
    ):
        assert again.ids.tolist() == big
        assert again.groups is not None
        assert again.groups.tolist() == big
    moments = [pd.Timestamp(1), pd.Timestamp(2), pd.Timestamp(3)]
    for ids in ([-1, *big[:2]], moments, np.arange(3, dtype=np.longdouble)):
        held = Embeddings.from_arrays({"x": np.eye(3)}, ids=ids)
        with pytest.raises(InputError, match="'id' cannot be stored"):
            held.to_arrow()
    with pytest.raises(InputError, match="'id' cannot be stored"):
        Embeddings.from_arrays({"x": np.eye(3)}, ids=[-1, *big[:2]]).to_numpy(tmp_path / "y.npz")
    days = Embeddings.from_arrays({"x": np.eye(3)}, groups=np.arange(3).astype("M8[D]"))
    fine = Embeddings.from_arrays(
        {"x": np.eye(3)}, groups=np.arange(3).astype("M8[D]").astype("M8[ns]")
    )
    for of in (days, fine):
        groups = load_embeddings(save_embeddings(of, tmp_path / "s", overwrite=True)).groups
        assert groups is not None
        assert [name_of(group) for group in groups.tolist()][1] == "1970-01-02"


def test_vectors_stay_on_disk(tmp_path: Path) -> None:
    store = save_embeddings(with_holes(np.ones((5, 2), dtype=bool)), tmp_path / "s")
    opened = load_embeddings(store)
    assert all(isinstance(array, np.memmap) for array in opened.values.values())
    assert all(isinstance(array, np.memmap) for array in opened[[1, 2]].values.values())


def test_only_present_items_are_stored_and_shared_ones_once(tmp_path: Path) -> None:
    values = {"text": np.arange(8, dtype=np.float32).reshape(4, 2)}
    shared = Embeddings(values, np.array([[3], [-1], [3], [0]]))
    again = load_embeddings(save_embeddings(shared, tmp_path / "s"))
    assert again.values["text"].tolist() == [[0, 1], [6, 7]]
    assert again.to_array("text")[[0, 2, 3]].tolist() == [[6, 7], [6, 7], [0, 1]]


def test_nothing_is_overwritten_unasked(tmp_path: Path) -> None:
    embeddings = with_holes(np.ones((2, 1), dtype=bool))
    save_embeddings(embeddings, tmp_path / "s")
    with pytest.raises(InputError, match="already exists"):
        save_embeddings(embeddings, tmp_path / "s")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="already exists"):
        save_embeddings(embeddings, tmp_path / "mine", overwrite=True)
    assert (tmp_path / "mine" / "thesis.txt").exists()


@pytest.mark.parametrize("file", ["m0.safetensors", "rows.parquet", "manifest.json"])
@pytest.mark.parametrize("damage", ["truncate", "remove", "garbage"])
def test_a_damaged_store_is_a_clear_error(tmp_path: Path, file: str, damage: str) -> None:
    store = save_embeddings(with_holes(np.ones((50, 2), dtype=bool)), tmp_path / "s")
    path = store / file
    if damage == "truncate":
        os.truncate(path, path.stat().st_size // 2)
    elif damage == "remove":
        path.unlink()
    else:
        path.write_bytes(b"\x10" + b"\x00" * 7 + b"this is not it at all")
    with pytest.raises(StoreError, match=r"s(/|\\| )"):
        load_embeddings(store)


def test_foreign_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="does not exist"):
        load_embeddings(tmp_path / "nowhere")
    with pytest.raises(StoreError, match=r"no manifest\.json"):
        load_embeddings(tmp_path)
    (tmp_path / "manifest.json").write_text('{"name": "a web app"}')
    with pytest.raises(StoreError, match="not the manifest of an embedding store"):
        load_embeddings(tmp_path)


def test_a_newer_version_says_so(tmp_path: Path) -> None:
    store = save_embeddings(with_holes(np.ones((2, 1), dtype=bool)), tmp_path / "s")
    manifest = json.loads((store / "manifest.json").read_text())
    (store / "manifest.json").write_text(json.dumps(manifest | {"version": 99}))
    with pytest.raises(StoreError, match=r"newer version .*pip install -U srmm"):
        load_embeddings(store)


@pytest.mark.workflow
def test_a_killed_write_leaves_no_store(tmp_path: Path) -> None:
    """Kill a process in the middle of writing: there is the old store, whole, and no other."""
    program = f"""
import os, numpy as np
from srmm.data.embeddings import Embeddings
import srmm.data.store as store
embeddings = Embeddings.from_arrays({{"a": np.ones((3, 2)), "b": np.ones((3, 2))}})
store.save_embeddings(embeddings, {str(tmp_path / "s")!r})
write = store._write_modality
def die_at_b(path, *tensors):
    write(path, *tensors)
    if path.name.startswith("b"):
        os._exit(9)
store._write_modality = die_at_b
changed = Embeddings.from_arrays({{"a": np.zeros((3, 2)), "b": np.zeros((3, 2))}})
store.save_embeddings(changed, {str(tmp_path / "s")!r}, overwrite=True)
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 9
    assert load_embeddings(tmp_path / "s").to_array("a").tolist() == [[1, 1]] * 3


@pytest.mark.workflow
def test_a_kill_between_the_two_renames_loses_nothing(tmp_path: Path) -> None:
    """Replacing a folder takes two renames; whoever comes next finds the old one in its place."""
    program = f"""
import os, pathlib, numpy as np
from srmm.data.embeddings import Embeddings
from srmm.data.store import save_embeddings
embeddings = Embeddings.from_arrays({{"a": np.ones((3, 2))}})
save_embeddings(embeddings, {str(tmp_path / "s")!r})
rename = pathlib.Path.rename
def rename_then_die(self, target):
    rename(self, target)
    os._exit(9)
pathlib.Path.rename = rename_then_die
save_embeddings(embeddings, {str(tmp_path / "s")!r}, overwrite=True)
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 9
    assert not (tmp_path / "s").exists()
    assert load_embeddings(tmp_path / "s").to_array("a").tolist() == [[1, 1]] * 3


def test_a_column_without_a_type_is_said_and_may_be_a_modality() -> None:
    for nothing in (pa.nulls(2), pa.array([[], None])):
        table = pa.table({"a": pa.array([[1.0], [2.0]]), "b": nothing})
        with pytest.warns(UserWarning, match="column 'b' is empty in every row and left out"):
            assert Embeddings.from_arrow(table).modalities == ("a",)
    table = pa.table({"a": pa.array([[1.0], [2.0]]), "b": pa.nulls(2)})
    named = Embeddings.from_arrow(table, modalities=["a", "b"])
    assert named.present.tolist() == [[True, False]] * 2


def test_columns_that_look_like_vectors_or_roles_are_not_left_out_in_silence() -> None:
    vectors = pa.array([[1.0, 2.0], [3.0, 4.0]])
    runs = pa.RunEndEncodedArray.from_arrays(pa.array([1, 2], pa.int32()), vectors)
    tensors = pa.FixedShapeTensorArray.from_numpy_ndarray(np.zeros((2, 2, 2)))
    dates = pa.array([[1], [2]], pa.list_(pa.timestamp("s")))
    for other in (pa.array([[[1.0]], [[2.0]]]), runs, tensors, dates):
        table = pa.table({"a": vectors, "tokens": other, "note": ["x", "y"], "tags": [["u"], []]})
        with pytest.warns(UserWarning, match=r"column 'tokens' of .* is left out: a modality has"):
            assert Embeddings.from_arrow(table).modalities == ("a",)
    table = pa.table({"a": vectors, "groups": ["p", "q"]})
    with pytest.warns(UserWarning, match="column 'groups' is not read: name it, group='groups'"):
        Embeddings.from_arrow(table)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        named = Embeddings.from_arrow(table, group="groups")
        Embeddings.from_arrow(
            table.append_column("split", pa.array(["val", None])), modalities=["a"]
        )
    assert named.groups is not None
    assert named.groups.tolist() == ["p", "q"]
    twice = pa.Table.from_arrays([vectors, vectors], names=["a", "a"])
    with pytest.raises(InputError, match="Modality 'a' is given more than once"):
        Embeddings.from_arrow(twice)
    twice = pa.Table.from_arrays(
        [vectors, *[pa.array(["x", "y"])] * 2], names=["a", *["label"] * 2]
    )
    with pytest.raises(InputError, match="The label column 'label' stands twice"):
        Embeddings.from_arrow(twice)
    with pytest.raises(InputError, match="The label column 'label' stands twice"):
        Embeddings.from_frame(twice.to_pandas())


def test_an_npz_from_elsewhere_needs_no_masks_of_what_is_known(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, a=np.eye(3), _label=np.array(["x", "y", "x"]), _group=np.array([1.0, np.nan, 2]))
    read = Embeddings.from_numpy(path)
    assert read.labels is not None
    assert read.labels.tolist() == ["x", "y", "x"]
    assert read.groups is not None
    assert np.isnan(read.groups[1])
    np.savez(path, a=np.eye(3), _groups=np.arange(3))
    with pytest.raises(
        InputError, match=r"called '_groups', which is no column.*Did you mean '_gr"
    ):
        Embeddings.from_numpy(path)
