"""What is made whenever a batch asks for it is what would have been made once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import srmm
from srmm.data.embeddings import Embeddings
from srmm.ensemble.features import Features, _edges
from srmm.learning import gathered
from srmm.learning.gathered import Kept, Made
from srmm.learning.instances import Instances
from srmm.learning.standardize import Standardizer
from srmm.switching import s1


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
        alone = [x for chunk, _ in data.alone(3) for x in chunk.values()]
        whole = [*data.batch(slice(3, 20)).items.values(), *data.batch(pairs[:, 0]).items.values()]
        found.append([*items.values(), rows, *alone, *whole, torch.from_numpy(data.some(1))])
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
