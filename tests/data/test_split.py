from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from srmm import Embeddings, load_embeddings
from srmm.cli import run
from srmm.data.split import _numbered, draw_folds, held_out_split, linked, repeated, several_groups
from srmm.errors import InputError


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 8)), min_size=2, max_size=80),
    st.integers(2, 6),
    st.integers(0, 5),
)
def test_a_group_is_in_one_fold(pairs: list[tuple[int, int]], n_folds: int, seed: int) -> None:
    y, groups = np.array(pairs).T
    if len(set(groups.tolist())) < 2:
        groups = np.arange(len(y))
    folds = draw_folds(y, groups, n_folds, np.random.default_rng(seed))
    assert set(folds.tolist()) <= set(range(n_folds))
    for group in np.unique(groups):
        assert len(set(folds[groups == group].tolist())) == 1


def test_classes_and_sizes_are_spread_evenly() -> None:
    y = np.repeat(np.arange(7), [100, 50, 30, 9, 5, 2, 1])
    folds = draw_folds(y, np.arange(len(y)), 5, np.random.default_rng(0))
    assert np.ptp(np.bincount(folds, minlength=5)) <= 1
    for label in range(7):
        assert np.ptp(np.bincount(folds[y == label], minlength=5)) <= 2


def test_an_instance_without_a_group_is_one_by_itself() -> None:
    y = np.zeros(40, dtype=int)
    groups = np.full(40, None, dtype=object)
    folds = draw_folds(y, groups, 5, np.random.default_rng(0))
    assert np.bincount(folds).tolist() == [8] * 5


def test_one_group_cannot_judge_itself() -> None:
    with pytest.raises(InputError, match=r"of one group.*such as a speaker"):
        draw_folds(np.array([0, 1]), np.array(["a", "a"]), 5, np.random.default_rng(0))


def test_no_group_is_on_both_sides_of_a_held_out_split() -> None:
    rng = np.random.default_rng(0)
    y, groups = rng.integers(3, size=300), rng.integers(40, size=300)
    kept, held = held_out_split(y, 0.25, groups, np.random.default_rng(1))
    assert sorted([*kept, *held]) == list(range(300))
    assert not set(groups[kept]) & set(groups[held])
    assert 0.15 < len(held) / 300 < 0.35


def test_rows_that_are_the_same_in_every_item_are_held_out_together() -> None:
    rng = np.random.default_rng(0)
    twice = np.repeat(np.arange(100), 2)
    X = {name: rng.normal(size=(100, 3))[twice] for name in ("image", "text")}
    X["text"][:40] = np.nan  # alike in what they have
    alike = repeated(Embeddings.from_arrays(X))
    assert alike is not None
    assert (np.unique(alike, return_counts=True)[1] == 2).all()
    y = rng.integers(3, size=100)[twice]
    kept, held = held_out_split(y, 0.1, None, np.random.default_rng(1), alike)
    assert sorted([*kept, *held]) == list(range(200))
    assert len(held) == 20
    assert not set(twice[kept]) & set(twice[held])

    X["text"] = rng.normal(size=(200, 3))
    assert repeated(Embeddings.from_arrays(X)) is None  # one item alone ties nobody
    assert repeated(Embeddings.from_arrays({"a": np.ones((50, 2))})) is None  # all are


def test_a_class_whose_rows_are_all_like_others_is_never_held_out() -> None:
    alike = np.repeat(np.arange(10), 2)
    y = np.tile([0, 1], 10)  # of each two that are alike the second is of class 1
    for seed in range(5):
        kept, held = held_out_split(y, 0.3, None, np.random.default_rng(seed), alike)
        assert set(y[kept]) == {0, 1}
        assert len(held) == 6


def test_instances_that_share_an_item_are_linked() -> None:
    x = np.arange(24.0).reshape(12, 2)
    x[1] = x[0]  # one photo, two products
    t = np.arange(36.0).reshape(12, 3)
    t[2] = t[1]  # and the second's title stands on a third
    data = Embeddings.from_arrays({"image": x, "text": t})
    groups = linked(data, np.zeros(12, dtype=int), 3)
    assert len({*groups[:3]}) == 1
    assert len({*groups.tolist()}) == 10


def test_what_everybody_has_links_nobody() -> None:
    x = np.random.default_rng(0).normal(size=(100, 2))
    data = Embeddings.from_arrays({"image": x, "text": np.ones((100, 3))})
    assert len({*linked(data, np.zeros(100, dtype=int), 5).tolist()}) == 100
    pairs = np.repeat(x[:50], 2, axis=0)
    chain = np.concatenate([x[:1], np.repeat(x[1:50], 2, axis=0), x[50:51]])
    tied = Embeddings.from_arrays({"image": pairs, "text": chain})
    assert (
        len({*linked(tied, np.zeros(100, dtype=int), 5).tolist()}) == 50
    )  # with the texts all would hang together


def test_values_of_a_category_link_nobody() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(600, 3)), np.arange(600) % 30
    of_class = rng.normal(size=(30, 2))  # each class has a value of its own
    data = Embeddings.from_arrays({"x": x, "kind": of_class[y]})
    assert len({*linked(data, y, 5).tolist()}) == 600
    pairs = rng.normal(size=(150, 2))[np.arange(600) // 4]  # four takes of one thing
    assert len({*linked(Embeddings.from_arrays({"x": x, "t": pairs}), y, 5).tolist()}) == 150
    few = rng.normal(size=(40, 2))[np.arange(600) % 40]  # fifteen instances a value
    assert len({*linked(Embeddings.from_arrays({"x": x, "t": few}), y, 5).tolist()}) == 600


def test_items_that_tie_a_class_together_link_nobody() -> None:
    x = np.random.default_rng(0).normal(size=(200, 2))
    y = np.arange(200) // 4  # fifty classes of four
    data = Embeddings.from_arrays({"x": x, "t": x[4 * y]})  # all of a class have one item
    assert len({*linked(data, y, 5).tolist()}) == 200
    data = Embeddings.from_arrays({"x": x, "t": x[np.arange(200) // 4]})
    assert len({*linked(data, np.arange(200) % 4, 5).tolist()}) == 50


@pytest.mark.workflow
def test_a_group_column_is_kept_and_splits_respect_it(tmp_path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "width": rng.normal(size=120), "height": rng.normal(size=120),
            "label": rng.choice(["a", "b"], size=120), "customer": rng.integers(20, size=120),
        }
    )  # fmt: skip
    frame.loc[:4, "customer"] = None
    frame.to_csv(tmp_path / "t.csv", index=False)
    arguments = ["--features", "width,height", "--label", "label", "--group", "customer", "-q"]
    settings = ["--setting", "max_epochs=3", "--setting", "hidden_dim=8"]
    model = tmp_path / "m"
    assert run(["fit", str(tmp_path / "t.csv"), "-o", str(model), *arguments, *settings]) == 0
    store = load_embeddings(tmp_path / "m.embeddings")
    assert store.groups.tolist()[:6][:5] == [None] * 5
    split = pd.read_parquet(model / "rows.parquet")["split"].to_numpy()
    customers = {part: set(store.groups[split == part]) - {None} for part in ("train", "test")}
    assert customers["train"]
    assert customers["test"]
    assert not customers["train"] & customers["test"]
    again = Embeddings.from_arrow(store.to_arrow())
    assert again.groups.tolist() == store.groups.tolist()


def test_a_group_that_is_nan_or_none_is_nobodys() -> None:
    groups = np.array(["a", None, float("nan"), "a", float("nan")], dtype=object)
    assert several_groups(groups) is not None
    folds = draw_folds(np.zeros(5, dtype=int), groups, 4, np.random.default_rng(0))
    assert folds[0] == folds[3]
    assert len(set(folds.tolist())) == 4
    assert several_groups(np.array(["a", "a"])) is None
    assert (
        several_groups(np.array([7, 7.0], dtype=object)) is None
    )  # as JSON of two programs has it
    assert several_groups(None) is None


def test_held_out_groups_meet_the_share_and_follow_the_seed() -> None:
    sizes = [600] + [50] * 8
    groups, y = np.repeat(np.arange(9), sizes), np.arange(1000) % 2
    parts = [held_out_split(y, 0.25, groups, np.random.default_rng(s))[1] for s in range(6)]
    assert all(200 <= len(held) <= 300 for held in parts)
    assert len({tuple(held.tolist()) for held in parts}) > 1
    single = np.arange(1000)
    for share in (0.1, 0.4, 0.75):
        _, held = held_out_split(y, share, single, np.random.default_rng(0))
        assert abs(len(held) / 1000 - share) < 0.01


def test_a_class_of_one_group_is_never_held_out() -> None:
    y = np.array([0] + [1] * 19 + [2] * 40)
    for seed in range(5):
        kept, _ = held_out_split(y, 0.25, np.arange(60), np.random.default_rng(seed))
        assert set(y[kept].tolist()) == {0, 1, 2}


@example([10**17 - 1, 10**17, 9, 10])
@given(st.lists(st.one_of(st.integers(0, 120), st.integers(0, 2**63 - 1)), min_size=1, max_size=40))
def test_whole_numbers_are_numbered_as_their_names_are(groups: list[int]) -> None:
    as_text = np.array(groups, dtype=object)
    assert np.array_equal(_numbered(np.array(groups, dtype=np.int64)), _numbered(as_text))
