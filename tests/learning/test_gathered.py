"""What is made whenever a batch asks for it is what would have been made once."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import srmm
from srmm.data.embeddings import Embeddings, concatenate
from srmm.data.labels import check_label_types, class_numbers
from srmm.ensemble.features import Features, _edges
from srmm.ensemble.own_rows import OutOfFoldScorer, out_of_fold_scorer
from srmm.errors import InputError
from srmm.learning import gathered
from srmm.learning.gathered import Kept, Made
from srmm.learning.held_out import held_out_figures
from srmm.learning.instances import Instances
from srmm.learning.labelled import Labelled
from srmm.learning.standardize import Standardizer
from srmm.switching import s1
from srmm.workflows.data import row_digests


def some_embeddings(n: int = 90) -> Embeddings:
    """Two modalities with holes, one short and one long, in no order."""
    rng = np.random.default_rng(0)
    y = np.arange(n) % 3
    X = {"a": rng.normal(size=(n, 4)) + y[:, None], "b": rng.normal(size=(n, 130)) + y[:, None]}
    X["a"][:20], X["b"][30:40] = np.nan, np.nan
    return Embeddings.from_arrays(X, labels=y)[rng.permutation(n)]


@pytest.mark.parametrize("place", ["memory", "store"])
def test_both_ways_give_the_same_bits(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embeddings = some_embeddings()
    if place == "store":
        srmm.save_embeddings(embeddings, tmp_path / "store")
        embeddings = srmm.load_embeddings(tmp_path / "store")
    part = embeddings[np.random.default_rng(1).permutation(90)[:60]]
    scales = Standardizer.fit(part, active=True)
    pairs = s1(part.present, 16, np.random.default_rng(2))[0]
    found = []
    for most in (gathered.MADE_ONCE, 0):
        monkeypatch.setattr(gathered, "MADE_ONCE", most)
        data = Instances(part, scales, torch.device("cpu"))
        kinds = {type(items) for items in data._items.values()}
        assert kinds == ({Made} if most else {Kept})
        items, rows = data.items(pairs)
        whole = [*data.batch(slice(3, 20)).items.values(), *data.batch(pairs[:, 0]).items.values()]
        found.append([*items.values(), rows, *whole, torch.from_numpy(data.some(1))])
    for once, each_time in zip(*found, strict=True):
        assert torch.equal(once, each_time)


@pytest.mark.workflow
@pytest.mark.parametrize("method", [srmm.SingleBranchClassifier, srmm.PaperClassifier])
def test_a_model_does_not_depend_on_the_way(method: type, monkeypatch: pytest.MonkeyPatch) -> None:
    embeddings, outputs = some_embeddings(), []
    for most in (gathered.MADE_ONCE, 0):
        monkeypatch.setattr(gathered, "MADE_ONCE", most)
        model = method(max_epochs=2, random_state=0).fit(embeddings)
        outputs.append((model.predict_proba(embeddings), model.transform(embeddings)))
    assert all(np.array_equal(a, b) for a, b in zip(*outputs, strict=True))


@pytest.mark.parametrize("d", [1, 5, 700])
def test_statistics_of_blocks_are_those_of_the_whole(
    d: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("srmm.data.embeddings._BLOCK", 64)
    x = (5 + 3 * np.random.default_rng(0).standard_normal((1000, d))).astype(np.float32)
    found = Standardizer.fit(Embeddings.from_arrays({"a": x}), active=True)
    # Relative to numbers of size 5, a thousand of which were added.
    np.testing.assert_allclose(found.mean["a"], x.mean(axis=0, dtype=np.float64), rtol=1e-13)
    np.testing.assert_allclose(found.std["a"], x.std(axis=0, dtype=np.float64), rtol=1e-13)


def test_edges_are_the_same_however_many_features_are_sorted_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x = np.random.default_rng(0).standard_normal((100, 7)).astype(np.float32)
    whole = _edges(x, np.arange(100))
    monkeypatch.setattr("srmm.ensemble.features._AT_ONCE", 250)
    assert np.array_equal(_edges(x, np.arange(100)), whole)
    monkeypatch.setattr("srmm.ensemble.features._MOST", 30)
    few = Features.fit(Embeddings.from_arrays({"a": x})).edges["a"]
    assert np.array_equal(few, _edges(x, np.arange(0, 100, 4)))


def test_held_out_figures_do_not_depend_on_how_many_rows_are_asked_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    embeddings = some_embeddings()
    rng = np.random.default_rng(0)
    table = rng.dirichlet(np.ones(3), size=(90, 4))  # by presence pattern
    held = Labelled(embeddings, rng.integers(3, size=90), rng.random(90))

    def scorer(rows: np.ndarray, present: np.ndarray) -> np.ndarray:
        return np.asarray(table[rows, present @ np.array([1, 2])])

    whole = held_out_figures(scorer, held)
    monkeypatch.setattr("srmm.learning.held_out._ROWS", 7)
    assert held_out_figures(scorer, held) == whole


@pytest.mark.workflow
def test_outputs_out_of_fold_are_the_same_if_items_enter_when_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    embeddings = some_embeddings()
    model = srmm.SingleBranchClassifier(max_epochs=2, random_state=0).fit(embeddings)
    found = []
    for most in (10**9, 0):
        monkeypatch.setattr("srmm.ensemble.out_of_fold._KEPT", most)
        scorer = out_of_fold_scorer(model, embeddings)
        assert isinstance(scorer, OutOfFoldScorer)
        found.append(scorer(np.arange(90), scorer.present))
    np.testing.assert_allclose(found[0], found[1], atol=1e-6)


@given(
    st.one_of(
        st.lists(st.text(st.characters(codec="utf-8"), max_size=3), min_size=1, max_size=20),
        st.lists(st.integers(-5, 5), min_size=1, max_size=20),
        st.lists(st.booleans(), min_size=1, max_size=20),
    ),
    st.integers(1, 6),
)
def test_classes_are_numbered_as_by_unique(labels: list[object], at_once: int) -> None:
    array = np.array(labels)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("srmm.data.labels._AT_ONCE", at_once)
        classes, numbers = class_numbers(array)
    expected = np.unique(array, return_inverse=True)
    assert classes.dtype == expected[0].dtype
    assert np.array_equal(classes, expected[0])
    assert np.array_equal(numbers, expected[1])


def test_labels_of_several_kinds_are_refused_though_they_are_equal() -> None:
    with pytest.raises(InputError, match="mix numbers and truth values"):
        check_label_types(np.array([1, 1, True], dtype=object))
    with pytest.raises(InputError, match="list cannot name"):
        check_label_types(np.array(["a", ["b"]], dtype=object))


def test_rows_that_lie_together_are_views_and_others_are_as_before() -> None:
    embeddings = some_embeddings()
    assert np.shares_memory(embeddings[np.arange(5, 20)].position, embeddings.position)
    assert np.shares_memory(embeddings[np.ones(90, dtype=bool)].ids, embeddings.ids)
    for rows in (
        np.array([-2, -1]),
        np.array([3, 2]),
        np.array([], dtype=int),
        np.arange(90) % 7 == 3,
    ):
        assert np.array_equal(embeddings[rows].position, embeddings.position[rows])
    with pytest.raises(IndexError):
        embeddings[np.arange(88, 92)]
    with pytest.raises(InputError, match="89 truth values cannot choose among 90"):
        embeddings[np.ones(89, dtype=bool)]


def test_digests_of_rows_do_not_depend_on_how_many_are_made_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = row_digests(some_embeddings())
    monkeypatch.setattr("srmm.workflows.data._ROWS", 7)
    assert row_digests(some_embeddings()) == whole
    assert len(set(whole)) == 90


def test_parts_of_one_store_are_joined_without_their_vectors() -> None:
    embeddings = some_embeddings()
    first, second = embeddings[10:40], embeddings[np.array([80, 3, 50])]
    joined = concatenate(first, second)
    assert all(joined.values[name] is x for name, x in embeddings.values.items())
    apart = concatenate(first.compact(), second.compact())
    for name in joined.modalities:
        assert np.array_equal(joined.to_array(name), apart.to_array(name), equal_nan=True)


def read_at_random(vectors: np.ndarray) -> bool:
    """Whether the system was told that this mapped file is not read in order."""
    address = np.asarray(vectors).ctypes.data
    inside = False
    for line in Path("/proc/self/smaps").read_text(encoding="utf-8").splitlines():
        span, *flags = line.split()
        begin, dash, end = span.partition("-")
        if dash:
            inside = int(begin, 16) <= address < int(end, 16)
        elif inside and span == "VmFlags:":
            return "rr" in flags
    raise AssertionError("the vectors lie in no mapping")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what it was advised")
def test_a_store_larger_than_memory_is_not_read_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embeddings = some_embeddings()
    srmm.save_embeddings(embeddings, tmp_path / "store")
    stored = srmm.load_embeddings(tmp_path / "store")
    scales = Standardizer.fit(stored, active=True)
    places = np.random.default_rng(0).permutation(60)
    monkeypatch.setattr(gathered, "MADE_ONCE", 0)
    found = {}
    for room in (1e9, 100.0):
        monkeypatch.setattr(gathered, "free_memory", lambda device, room=room: room)
        data = Instances(stored, scales, torch.device("cpu"))
        found[room] = {name: items.rows(places) for name, items in data._items.items()}
        assert read_at_random(stored.values["b"]) == (room == 100.0)
        held_out = Instances(stored[:20], scales, torch.device("cpu"))
        del held_out  # as after every epoch
        assert read_at_random(stored.values["b"]) == (room == 100.0)
        del data
        assert not read_at_random(stored.values["b"])
    for name, rows in found[1e9].items():
        assert torch.equal(rows, found[100.0][name])
