from __future__ import annotations

import hashlib

import numpy as np
import pytest

from srmm import PaperClassifier, SingleBranchClassifier, from_pretrained, save_embeddings
from srmm.cli import run
from srmm.ensemble.distil import distil, draw_patterns
from srmm.ensemble.own_rows import out_of_fold_scorer
from srmm.errors import InputError
from tests.test_classifier import DEFAULT, problem


def test_the_small_model_says_what_the_whole_says(tmp_path) -> None:
    train, test = problem(), problem(seed=1)
    whole = SingleBranchClassifier(**DEFAULT).fit(train)
    small = distil(whole, train)
    assert small.n_parameters_ < whole.n_parameters_ / 4
    agreed = (small.predict(test) == whole.predict(test)).mean()
    assert agreed > 0.9
    for m in range(3):
        alone = test.mask(np.arange(3) == m)
        alone = alone[alone.present.any(axis=1)]
        assert (small.predict(alone) == whole.predict(alone)).mean() > 0.85
    again = from_pretrained(small.save_pretrained(tmp_path / "small"))
    np.testing.assert_array_equal(again.predict_proba(test), small.predict_proba(test))
    assert again.predict_per_modality(test).shape == (300, 3, 3)
    assert again.transform(test).shape == (300, 32)


def test_only_the_training_instances_can_teach_it() -> None:
    whole = SingleBranchClassifier(**DEFAULT).fit(problem())
    with pytest.raises(InputError, match="There are 299 labelled instances here, and the model"):
        distil(whole, problem()[1:])
    with pytest.raises(InputError, match="or not in the same order"):
        distil(whole, problem()[::-1])
    small = distil(whole, problem())
    with pytest.raises(InputError, match="distilled already"):
        distil(small, problem())
    assert "its teacher judges them" in str(out_of_fold_scorer(small, problem()))


def test_instances_are_known_by_every_number_of_their_items() -> None:
    train = problem()
    changed = problem()
    values = {name: vectors.copy() for name, vectors in changed.values.items()}
    values["text"][7, -1] += 1.0
    changed.values = values
    whole = SingleBranchClassifier(**DEFAULT).fit(train)
    assert not isinstance(out_of_fold_scorer(whole, train), str)
    with pytest.raises(InputError, match="not the instances that the model was trained on"):
        distil(whole, changed)
    assert "not the ones" in str(out_of_fold_scorer(whole, changed))
    # A model of before, which kept the digest of the first numbers, knows its instances, too.
    first = hashlib.sha256(np.searchsorted(whole.classes_, train.labels).astype(np.int64).tobytes())
    first.update(train.present.tobytes())
    for name in train.modalities:
        first.update(train.items(name)[1][:, 0].tobytes())
    whole.training_["digest"] = first.hexdigest()[:16]
    distil(whole, train)
    assert not isinstance(out_of_fold_scorer(whole, train), str)


def test_what_cannot_teach_is_refused_by_name() -> None:
    rows = problem(60)
    teacher = SingleBranchClassifier(**DEFAULT).fit(rows)
    for model, said in [
        (PaperClassifier(), "got PaperClassifier, which is not fitted"),
        (SingleBranchClassifier(), "which is not fitted"),
        ("m", "got str"),
    ]:
        with pytest.raises(InputError, match=said):
            distil(model, rows)  # type: ignore[arg-type]
    for seed in (-1, "x", None):
        with pytest.raises(InputError, match=r"random_state is .*, expected a whole number"):
            distil(teacher, rows, random_state=seed)  # type: ignore[arg-type]


def test_patterns_are_parts_of_what_is_there() -> None:
    rng = np.random.default_rng(0)
    present = rng.random((3000, 3)) < 0.7
    present[~present.any(axis=1), 0] = True
    drawn = draw_patterns(present, rng)
    assert not (drawn & ~present).any()
    assert drawn.any(axis=1).all()
    whole = drawn[present.all(axis=1)]
    assert len(np.unique(whole, axis=0)) == 7


@pytest.mark.workflow
def test_the_command_makes_a_model_that_is_evaluated_like_its_teacher(tmp_path, capsys) -> None:
    save_embeddings(problem(240), tmp_path / "store")
    small = ["--setting", "hidden_dim=32", "--setting", "max_epochs=12", "-q"]
    assert run(["fit", str(tmp_path / "store"), "-o", str(tmp_path / "whole"), *small]) == 0
    (tmp_path / "deep").mkdir()
    output = tmp_path / "deep" / "small"
    assert run(["distil", str(tmp_path / "whole"), "-o", str(output)]) == 0
    assert "distilled to" in capsys.readouterr().out
    report = tmp_path / "r.html"
    assert run(["evaluate", str(output), "-o", str(report), "--no-baselines", "-q"]) == 0
    assert report.exists()
    assert run(["distil", str(output), "-o", str(tmp_path / "again")]) == 1
    assert "distilled already" in capsys.readouterr().err
    paper = ["--method", "srmm-paper", *small]
    assert run(["fit", str(tmp_path / "store"), "-o", str(tmp_path / "paper"), *paper]) == 0
    assert run(["distil", str(tmp_path / "paper"), "-o", str(tmp_path / "again")]) == 1
    assert "What is distilled is the default method" in capsys.readouterr().err
