"""Experiments and comparisons on a small store: figures, masks, resuming, running again."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from srmm.cli import run
from srmm.data.embeddings import Embeddings
from srmm.data.store import save_embeddings
from srmm.errors import InputError
from srmm.evaluation.paired import holm
from srmm.experiments import cells as cells_module
from srmm.experiments.catalogue import ALL, COUNTERPARTS, EXPERIMENTS, variants_for
from srmm.experiments.cells import Cell, Outcome, read_outcome, run_cell, run_cells
from srmm.experiments.compare import compare
from srmm.experiments.data import (
    draw_mask,
    mask_digest,
    open_experiment_data,
    split_for,
)
from srmm.experiments.measure import calibration, score, single_draw, subsets
from srmm.experiments.missingness import MECHANISMS, missingness_scores
from srmm.experiments.runner import reproduce
from srmm.experiments.significance import (
    bootstrap_means,
    difference,
)
from srmm.experiments.spec import Setting, expand, roles_of
from srmm.experiments.views import VIEWS
from srmm.methods import make_method
from srmm.methods.two_branch import TwoBranchClassifier
from srmm.recipe import RECIPES, recipe_parameters
from srmm.workflows.compare import split_notes_of
from srmm.workflows.reproduce import reproduce_again, reproduce_workflow

QUICK = ("logreg-concat", "tbn-early")


def made_up(n=240, modalities=("image", "text"), holes=0.0, seed=0, split=None):
    rng = np.random.default_rng(seed)
    y = rng.integers(3, size=n)
    arrays = {
        name: rng.normal(size=(n, 4 + m)) + 1.2 * np.eye(3, 4 + m)[y]
        for m, name in enumerate(modalities)
    }
    present = rng.random((n, len(modalities))) >= holes
    present[~present.any(axis=1), 0] = True
    labels = np.array(["ant", "bee", "cat"], dtype=object)[y]
    return Embeddings.from_arrays(arrays, present=present, labels=labels, split=split)


@pytest.fixture(scope="module", autouse=True)
def short_training():
    """Networks of all cells are narrow and train for three epochs, unless a test says how."""
    short = {"max_epochs": 3, "hidden_dim": 16, "batch_size": 32}

    def make_short(method, recipe, settings, **common):
        model = make_method(method, recipe, settings, **common)
        own = model.get_params()
        if "recipe" in own:
            asked = own["recipe"] if isinstance(own["recipe"], dict) else {}
            named = recipe_parameters(own["recipe"])
            return model.set_params(
                recipe={**named, **short, **{k: v for k, v in asked.items() if k in settings}}
            )
        new = {key: value for key, value in short.items() if key in own and key not in settings}
        return model.set_params(**new)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cells_module, "make_method", make_short)
        yield


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return save_embeddings(made_up(), tmp_path_factory.mktemp("experiments") / "zoo")


@pytest.fixture(scope="module")
def data(store):
    return open_experiment_data(store)


@pytest.fixture(scope="module")
def cells_of(tmp_path_factory):
    """Finished trainings that tests share, as experiments do."""
    return tmp_path_factory.mktemp("cells")


@pytest.fixture(scope="module")
def outcome(data):
    return run_cell(Cell(data.key, "logreg-concat", 0), data)


# Data and masks


def test_the_key_tells_other_labels_rows_and_vectors(tmp_path, data):
    def key(name, embeddings):
        return open_experiment_data(save_embeddings(embeddings, tmp_path / name)).key

    assert key("same", made_up()) == data.key
    assert key("fewer", made_up()[:200]) != data.key
    assert key("others", made_up(seed=1)) != data.key
    relabelled = made_up()
    relabelled.labels = relabelled.labels[::-1]
    assert key("relabelled", relabelled) != data.key


def test_a_subset_is_fixed_and_stratified(store, data):
    small, again = (open_experiment_data(store, limit=60) for _ in range(2))
    assert len(small.y) == 60
    assert small.key == again.key != data.key
    shares = np.bincount(data.y) / len(data.y)
    np.testing.assert_allclose(np.bincount(small.y) / 60, shares, atol=0.02)


def test_a_data_sets_own_split_stays(tmp_path):
    split = np.array(["train"] * 150 + ["validation"] * 30 + ["test"] * 60, dtype=object)
    data = open_experiment_data(save_embeddings(made_up(split=split), tmp_path / "own"))
    part = split_for(data, 3)
    assert part.validation is not None
    assert [len(rows) for rows in part] == [150, 30, 60]


def test_what_a_split_cannot_be_or_leaves_out_is_said(tmp_path):
    lone = made_up()
    lone.groups = lone.labels  # a group is a class
    with pytest.raises(InputError, match=r"No row of lone can be held out .*\(--group\)"):
        split_for(open_experiment_data(save_embeddings(lone, tmp_path / "lone")), 0)
    split = np.array(["train"] * 180 + ["test"] * 60, dtype=object)
    torn = made_up(split=split)
    torn.labels[200:203] = "dog"
    (said,) = split_notes_of(open_experiment_data(save_embeddings(torn, tmp_path / "torn")))
    assert said.startswith("3 of 60 test rows are of classes that no training row has, such as 'd")
    unused = made_up(split=np.where(split == "test", "validation", split))
    (said,) = split_notes_of(open_experiment_data(save_embeddings(unused, tmp_path / "unused")))
    assert said.startswith(
        "The data's own split is not used, as it has no 'train' or no 'test' row"
    )


def test_classes_of_one_row_are_said(tmp_path):
    single = made_up()
    single.labels[3], single.labels[7] = "dog", "owl"
    data = open_experiment_data(save_embeddings(single, tmp_path / "single"))
    assert not set(split_for(data, 0).test) & {3, 7}
    (said,) = split_notes_of(data)
    assert said.startswith("2 classes have one row, which is learnt from with every seed and never")
    assert "'dog', 'owl'. Add rows" in said
    split = np.array(["train"] * 180 + ["test"] * 60, dtype=object)
    own = made_up(split=split)
    own.labels[3] = "dog"
    (said,) = split_notes_of(open_experiment_data(save_embeddings(own, tmp_path / "own-single")))
    assert said.startswith("1 class has one row")


def test_splits_differ_between_seeds_and_do_not_overlap(data):
    first, second = split_for(data, 0), split_for(data, 1)
    assert not np.intersect1d(first.train, first.test).size
    assert not np.array_equal(first.test, second.test)


def test_one_modality_or_no_labels_are_refused(tmp_path):
    lone = save_embeddings(made_up(modalities=("image",)), tmp_path / "lone")
    with pytest.raises(InputError, match="has the modality 'image' only"):
        open_experiment_data(lone)
    unlabelled = made_up()
    unlabelled.labels = None
    with pytest.raises(InputError, match="has no labels"):
        open_experiment_data(save_embeddings(unlabelled, tmp_path / "unlabelled"))


def test_masks_are_exact_and_depend_on_split_modality_rate_and_seed_only():
    present = np.ones((100, 2), dtype=bool)
    names = ("image", "text")
    mask = draw_mask(present, names, {"text": 0.7}, "train", 0)
    assert mask.sum(axis=0).tolist() == [100, 30]
    assert np.array_equal(mask, draw_mask(present, names, {"text": 0.7}, "train", 0))
    both = draw_mask(present, names, {"image": 0.5, "text": 0.7}, "train", 0)
    assert np.array_equal(both[:, 1], mask[:, 1])
    for other in (("test", 0), ("train", 1)):
        assert not np.array_equal(mask, draw_mask(present, names, {"text": 0.7}, *other))
    assert mask_digest(mask) != mask_digest(present)


def test_roles_and_each():
    assert roles_of(("text", "audio", "video")) == {"dropped": "text", "kept": "audio"}
    assert roles_of(("face", "voice")) == {"dropped": "voice", "kept": "face"}
    each = expand((Setting(), Setting(test={"each": 1.0})), ("image", "text"), None)
    assert [dict(setting.test) for setting in each] == [{}, {"text": 1.0}, {"image": 1.0}]
    with pytest.raises(InputError, match="no modality 'txt' to drop"):
        roles_of(("image", "text"), "txt")


# Figures from outputs


def test_outputs_are_those_of_the_model_under_each_pattern(data):
    from srmm.methods import make_method

    got = run_cell(Cell(data.key, "logreg-concat", 0), data)
    part = split_for(data, 0)
    model = make_method("logreg-concat", random_state=0).fit(data.embeddings[part.train])
    for code, mask in enumerate([(False, True), (True, True)], start=2):
        expected = model.predict_proba(data.embeddings[part.test].mask(np.array(mask)))
        np.testing.assert_allclose(got.outputs[code], expected, atol=1e-6)
    np.testing.assert_allclose(got.outputs[0], np.tile(model.class_prior_, (60, 1)), atol=1e-6)


def test_accuracy_at_a_rate_is_the_mixture_of_two_patterns(outcome):
    names = ("image", "text")
    whole = score(outcome, Setting(), names, "accuracy", 0)
    without = score(outcome, Setting(test={"text": 1.0}), names, "accuracy", 0)
    for rate in (0.1, 0.5, 0.9):
        mixed = score(outcome, Setting(test={"text": rate}), names, "accuracy", 0)
        assert mixed == pytest.approx((1 - rate) * whole + rate * without)


def sampling_error(outcome: Outcome, setting: Setting, modalities: tuple[str, ...]) -> float:
    """Standard deviation of a single draw's accuracy around the exact one.

    For one random modality missing from exactly k of n instances: the variance of a sum over a
    sample without replacement.
    """
    ((name, rate),) = setting.test.items()
    m = modalities.index(name)
    hidden = np.arange(len(modalities)) != m
    everything = np.ones(len(modalities), dtype=bool)
    right = outcome.under(everything).argmax(axis=1) == outcome.y
    right_without = outcome.under(hidden).argmax(axis=1) == outcome.y
    rows = outcome.present[:, m]
    change = right_without[rows].astype(float) - right[rows].astype(float)
    n = len(change)
    k = round(rate * n)
    if n < 2 or k in (0, n):
        return 0.0
    return float(np.sqrt(k * (1 - k / n) * change.var(ddof=1)) / len(outcome.y))


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_single_draws_lie_around_the_exact_curve_as_sampling_says(outcome, rate):
    """Table VI's law: what the paper measures with one draw scatters around what we compute."""
    names, setting = ("image", "text"), Setting(test={"text": rate})
    exact = score(outcome, setting, names, "accuracy", 0)
    draws = np.array(
        [single_draw(outcome, setting, names, "accuracy", seed) for seed in range(200)]
    )
    error = sampling_error(outcome, setting, names)
    assert error > 0
    assert abs(draws.mean() - exact) < 4 * error / np.sqrt(len(draws))
    assert draws.std() == pytest.approx(error, rel=0.25)


def test_subsets_are_a_distribution():
    found = list(subsets({"image": 0.3, "text": 0.6}, ("image", "text", "audio")))
    assert sum(share for share, _ in found) == pytest.approx(1)
    assert all(mask[2] for _, mask in found)
    assert len(found) == 4


def test_calibration_of_hand_made_outputs():
    probabilities = np.array([[0.8, 0.2], [0.8, 0.2], [0.3, 0.7], [0.3, 0.7]])
    y = np.array([0, 1, 1, 1])
    found = calibration(probabilities, y)
    # Bin 0.8: right in 1 of 2, gap 0.3; bin 0.7: right in 2 of 2, gap 0.3.
    assert found["ece"] == pytest.approx(0.3)
    assert found["brier"] == pytest.approx((0.08 + 1.28 + 0.18 + 0.18) / 4)


def test_missingness_depends_on_class_and_confidence():
    n = 400
    y = np.arange(n) % 4
    sure = np.arange(n) < n // 2
    outputs = np.full((4, n, 4), 0.25, dtype=np.float32)
    outputs[3] = np.eye(4)[y]  # complete: always right
    outputs[2] = np.where(sure[:, None], np.eye(4)[y], 0.25)  # text alone: sure of the first half
    outputs[1] = np.eye(4)[np.where(sure, y, (y + 1) % 4)]  # image alone: wrong for the second
    outcome = Outcome(y, np.ones((n, 2), dtype=bool), outputs, None, {})
    random, by_class, unsure = (missingness_scores(outcome, 1, name, 0.5, 0) for name in MECHANISMS)
    assert by_class == pytest.approx(0.75, abs=0.02)  # here classes and right ones are apart
    assert random == pytest.approx(0.75, abs=0.02)
    assert unsure == pytest.approx(0.5, abs=0.01)  # exactly the second half loses its text


def test_holm():
    assert holm([0.5, 0.01]) == [0.5, 0.02]


def test_the_paired_bootstrap_finds_a_difference_and_no_other():
    rng = np.random.default_rng(0)
    first = (rng.random(400) < 0.7).astype(float)
    better = np.where(rng.random(400) < 0.3, 1.0, first)
    other = rng.permutation(first)
    scores = np.column_stack([better, first, other])
    means = bootstrap_means([scores], [np.arange(400)])
    by_seed = scores.mean(axis=0)[None]
    (low, high), p = difference(means, by_seed, 0, 1)
    assert low < scores[:, 0].mean() - scores[:, 1].mean() < high
    assert p < 0.001
    assert difference(means, by_seed, 1, 2)[1] > 0.5
    assert difference(means, by_seed, 1, 1) == ([0.0, 0.0], 1.0)


@pytest.mark.parametrize("n_seeds", [2, 3, 5])
def test_seeds_are_resampled_too(n_seeds):
    """The same method under two names: what its seeds make of it is no difference."""
    rng = np.random.default_rng(0)
    rows, found = [np.arange(2000)] * n_seeds, []
    for trial in range(60):
        # Each training is some points better or worse, as small training sets make them.
        scores = [
            (rng.random((2000, 2)) < 0.8 + 0.02 * rng.standard_normal(2)).astype(float)
            for _ in rows
        ]
        means = bootstrap_means(scores, rows, n_resamples=200, seed=trial)
        by_seed = np.stack([of_seed.mean(axis=0) for of_seed in scores])
        found.append(difference(means, by_seed, 0, 1)[1])
    assert np.mean(np.array(found) < 0.05) < 0.13  # instances alone: more than half


# Runs


def test_every_experiment_has_a_view_and_known_methods():
    from srmm.methods import make_method

    for experiment in EXPERIMENTS.values():
        assert experiment.view in VIEWS
        variants = variants_for(experiment, ("image", "text"))
        assert len({variant.column for variant in variants}) == len(variants)
        for variant in variants:
            make_method(variant.method, **variant.parameters)
        for figures in experiment.published:
            sizes = {len(values) for values in figures.values.values()}
            assert sizes == {len(expand(experiment.settings, ("image", "text"), None))}
    columns = {variant.column for variant in ALL} | {"S-1", "S-2", "S-3"}
    assert set(COUNTERPARTS.values()) <= columns


def test_the_papers_branch_is_wider_for_faces():
    variants = variants_for(EXPERIMENTS["table7"], ("face", "voice"))
    assert variants[0].parameters == {"hidden_dim": 2048}


FAST = ("router", "tbn-early", "TBN early (paper)", "SRMM (paper)", "S-1")


def fast_methods(experiment, modalities=("image", "text")):
    columns = [variant.column for variant in variants_for(experiment, modalities)]
    return [column for column in columns if column in FAST]


@pytest.mark.workflow
@pytest.mark.parametrize("name", [name for name in EXPERIMENTS if not name.startswith("fig")])
def test_an_experiment_writes_its_folder(name, data, tmp_path, cells_of):
    methods = fast_methods(EXPERIMENTS[name])
    folder = reproduce(name, [data], tmp_path / name, seeds=2, methods=methods, cells=cells_of)
    text = (folder / "results.md").read_text()
    assert all(method in text for method in methods)
    config = json.loads((folder / "config.json").read_text())
    assert config["data"][0]["key"] == data.key
    assert {"torch", "numpy", "srmm"} <= set(config["versions"])
    numbers = json.loads((folder / "results.json").read_text())["results"]
    assert numbers
    if name != "parameters":
        assert all(len(entry["values"]) == 2 for entry in numbers)


@pytest.mark.workflow
@pytest.mark.parametrize("name", ["table1", "table3", "table6", "table7", "several", "calibration",
                                  "fig4", "imbalance", "missingness"])  # fmt: skip
def test_two_classes_three_modalities_and_holes(name, tmp_path, cells_of):
    """Under the name of the paper's data set with AUROC, which some test part may not define."""
    embeddings = made_up(modalities=("image", "text", "audio"), holes=0.4, n=160)
    embeddings.labels = np.where(embeddings.labels == "ant", 1, 0)
    data = open_experiment_data(save_embeddings(embeddings, tmp_path / "x"), "hateful_memes")
    methods = fast_methods(EXPERIMENTS[name], embeddings.modalities)[:2]
    folder = reproduce(name, [data], tmp_path / name, seeds=2, methods=methods, cells=cells_of)
    text = (folder / "results.md").read_text()
    right = (
        "ECE in %" if name == "calibration" else "accuracy" if name == "missingness" else "auroc"
    )
    assert f"hateful_memes: {right}" in text
    assert "nan" not in text


def test_the_best_of_every_setting_is_bold(data, tmp_path, cells_of):
    folder = reproduce("table7", [data], tmp_path / "table7", seeds=1, cells=cells_of,
                       methods=["logreg", "unimodal:image"])  # fmt: skip
    text = (folder / "results.md").read_text()
    assert "| method | all | text 0 % | image 0 % |" in text
    lines = [line for line in text.splitlines() if line.startswith(("| logreg |", "| unimodal"))]
    cells = [[cell.strip("* ") for cell in line.split("|")[2:-1]] for line in lines]
    for i, column in enumerate(zip(*cells, strict=True)):
        for line, value in zip(lines, column, strict=True):
            best = float(value) == max(map(float, column))
            assert line.split("|")[2 + i].strip() == (f"**{value}**" if best else value)


def test_differences_to_the_paper_on_its_own_data(tmp_path, store, cells_of):
    data = open_experiment_data(store, "food101")
    for dropped, there in ((None, True), ("image", False)):
        folder = reproduce("table6", [data], tmp_path / str(dropped), seeds=1, dropped=dropped,
                           methods=["SRMM (paper)"], cells=cells_of)  # fmt: skip
        text = (folder / "results.md").read_text()
        assert ("difference" in text) == there  # the paper drops the text
        if there:
            line = next(x for x in text.splitlines() if x.startswith("| 100 % | 90 % | 88.2"))
            ours, gap = (float(cell) for cell in line.strip("| ").split(" | ")[-2:])
            assert gap == pytest.approx(ours - 93.2, abs=0.06)


def test_the_papers_two_branch_network_has_its_parameters():
    from srmm.methods.networks.two_branch import TwoBranch

    variant = next(v for v in ALL if v.column == "TBN early (paper)")
    model = Cell("", variant.method, 0, dict(variant.parameters)).make()
    assert model.learning_rates == ()
    width = RECIPES["paper"]["hidden_dim"]  # networks are narrow in this file
    network = TwoBranch({"image": 768, "text": 768}, 101, width, absent=model.absent)
    assert sum(p.numel() for p in network.parameters()) == 2_443_109 + 2


def test_a_name_twice_is_refused(data, tmp_path):
    with pytest.raises(InputError, match="Two data sets are called 'zoo'"):
        reproduce("table7", [data, data], tmp_path / "t7", seeds=1)


def test_other_vectors_of_the_same_files_are_other_data(tmp_path):
    embeddings = made_up()
    embeddings.raw = {"text": np.array([f"{i}.txt" for i in range(240)], dtype=object)}
    first = open_experiment_data(save_embeddings(embeddings, tmp_path / "a"))
    embeddings.values["text"] = embeddings.values["text"] + 1
    assert open_experiment_data(save_embeddings(embeddings, tmp_path / "b")).key != first.key


def test_a_store_that_changes_is_read_anew(tmp_path):
    store = save_embeddings(made_up(), tmp_path / "zoo")
    first = open_experiment_data(store)
    run_cells([Cell(first.key, "logreg-concat", 0)], first, tmp_path / "cells")
    save_embeddings(made_up(seed=3), store, overwrite=True)
    second = open_experiment_data(store)
    cell = Cell(second.key, "logreg-concat", 0)
    run_cells([cell], second, tmp_path / "cells")
    kept = read_outcome(tmp_path / "cells", cell)
    np.testing.assert_array_equal(kept.outputs, run_cell(cell, second).outputs)


def test_a_class_in_validation_that_training_never_shows(tmp_path):
    embeddings = made_up()
    embeddings.split = np.array(["train"] * 150 + ["validation"] * 30 + ["test"] * 60, dtype=object)
    embeddings.labels = np.where(
        (embeddings.split == "train") & (embeddings.labels == "cat"), "ant", embeddings.labels
    )
    data = open_experiment_data(save_embeddings(embeddings, tmp_path / "x"))
    for method in ("router", "tbn-early"):
        assert run_cell(Cell(data.key, method, 0), data).about["trained"]["n_validation"] < 30
    embeddings.labels[embeddings.split == "validation"] = "cat"  # all of it: there is none
    data = open_experiment_data(save_embeddings(embeddings, tmp_path / "y"))
    assert run_cell(Cell(data.key, "logreg-concat", 0), data).about["trained"]["n_train"] > 0


def test_what_a_method_is_by_default_is_part_of_a_cells_name(data, monkeypatch):
    cell, before = Cell(data.key, "tbn-early", 0), Cell(data.key, "tbn-early", 0).name
    cells_module._all_parameters.cache_clear()
    plain = TwoBranchClassifier.__init__.__wrapped__
    monkeypatch.setitem(plain.__kwdefaults__, "patience", 4)
    assert cell.name != before
    cells_module._all_parameters.cache_clear()


def test_no_jobs_is_an_error(data, tmp_path):
    with pytest.raises(InputError, match="jobs must be at least 1, got 0"):
        run_cells([Cell(data.key, "router", 0)], data, tmp_path, jobs=0)


@pytest.mark.workflow
def test_figures_are_written(data, tmp_path):
    folder = reproduce("fig4", [data], tmp_path / "fig4", seeds=1, methods=["srmm"])
    for ending, start in (("png", b"\x89PNG"), ("svg", b"<?xml")):
        assert (folder / f"curves-zoo.{ending}").read_bytes().startswith(start)
    folder = reproduce("fig5", [data], tmp_path / "fig5", methods=["srmm-paper", "tbn-early"])
    assert (folder / "tsne-zoo.png").stat().st_size > 10_000


def test_tables_share_their_trainings(data, tmp_path, monkeypatch):
    trained = []
    whole = cells_module.run_cell
    monkeypatch.setattr(
        cells_module, "run_cell", lambda cell, data: trained.append(cell) or whole(cell, data)
    )
    for name in ("table6", "table7", "calibration"):
        reproduce(name, [data], tmp_path / name, seeds=1, methods=["router"])
    assert [cell.method for cell in trained] == ["router"]


@pytest.mark.workflow
def test_a_run_can_be_made_again_exactly(store, tmp_path):
    first = reproduce_workflow(
        "table8", tmp_path / "t8", data=[str(store)], seeds=1, methods=["tbn-early"]
    )
    again = reproduce_again(first, tmp_path / "t8-again")
    assert any((again / "cells").iterdir())  # trained anew, not read
    assert (first / "results.json").read_bytes() == (again / "results.json").read_bytes()
    masks = [(folder / "masks-zoo.safetensors").read_bytes() for folder in (first, again)]
    assert masks[0] == masks[1]


def test_a_changed_store_is_noticed(tmp_path):
    store = save_embeddings(made_up(), tmp_path / "zoo")
    first = reproduce_workflow("table7", tmp_path / "t7", data=[str(store)], seeds=1,
                          methods=["logreg-concat"])  # fmt: skip
    save_embeddings(made_up(seed=5), store, overwrite=True)
    with pytest.raises(InputError, match="is not as it was"):
        reproduce_again(first, tmp_path / "again")
    shutil.rmtree(store)
    with pytest.raises(InputError, match=r"is not there any more.*--data zoo=STORE"):
        reproduce_again(first, tmp_path / "again")


def test_a_moved_store_can_be_named(tmp_path):
    store = save_embeddings(made_up(), tmp_path / "zoo")
    first = reproduce_workflow("table7", tmp_path / "t7", data=[str(store)], seeds=1,
                          methods=["logreg-concat"])  # fmt: skip
    moved = store.rename(tmp_path / "elsewhere")
    again = reproduce_again(first, tmp_path / "again", stores=[f"zoo={moved}"])
    assert (first / "results.json").read_bytes() == (again / "results.json").read_bytes()
    with pytest.raises(InputError, match=r"no store 'zou'.*zoo"):
        reproduce_again(first, tmp_path / "again", stores=[f"zou={moved}"])


def test_every_network_can_train_for_fewer_epochs(store, tmp_path):
    folder = reproduce_workflow(
        "table7", tmp_path / "t7", data=[str(store)], seeds=1, max_epochs=2,
        methods=["srmm-paper", "tbn-early", "TBN early (paper)", "logreg"],
    )  # fmt: skip
    config = json.loads((folder / "config.json").read_text())
    assert config["max_epochs"] == 2
    networks = {v["label"] or v["method"]: v["parameters"] for v in config["variants"]["zoo"]}
    assert networks.pop("logreg") == {}
    assert {given["max_epochs"] for given in networks.values()} == {2}
    data = open_experiment_data(store, "zoo")
    cell = Cell(data.key, "tbn-early", 0, networks["tbn-early"])
    assert read_outcome(tmp_path / "cells", cell).about["trained"]["best_epoch"] in (1, 2)
    again = reproduce_again(folder, tmp_path / "again")
    assert (folder / "results.json").read_bytes() == (again / "results.json").read_bytes()


def test_data_that_is_not_there_is_named_before_any_work(store, tmp_path):
    with pytest.raises(InputError, match="food101"):
        reproduce_workflow("table6", tmp_path / "t6", data=[str(store), "food101"])
    assert not (tmp_path / "t6").exists()
    assert not (tmp_path / "cells").exists()


@pytest.mark.workflow
def test_a_killed_run_goes_on(store, data, tmp_path):
    """SIGKILL in the middle; what was finished is not trained again."""
    wanted = [Cell(data.key, "logreg-concat", seed) for seed in range(40)]
    code = (
        "import sys; from pathlib import Path\n"
        "from srmm.experiments.cells import Cell, run_cells\n"
        "from srmm.experiments.data import open_experiment_data\n"
        "data = open_experiment_data(sys.argv[1])\n"
        "cells = [Cell(data.key, 'logreg-concat', seed) for seed in range(40)]\n"
        "run_cells(cells, data, Path(sys.argv[2]))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(store), str(tmp_path)])
    deadline = time.time() + 120
    while len(list(tmp_path.glob("*.safetensors"))) < 3:
        assert time.time() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    finished = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.safetensors")}
    assert 3 <= len(finished) < 40
    done = []
    run_cells(wanted, data, tmp_path, progress=lambda n, of, what: done.append((n, of)))
    assert done[0] == (len(finished), 40)
    assert done[-1] == (40, 40)
    assert all(path.stat().st_mtime_ns == at for path, at in finished.items())
    assert read_outcome(tmp_path, wanted[-1]).about["cell"]["seed"] == 39


@pytest.mark.workflow
@pytest.mark.slow
def test_jobs_in_parallel_give_the_same(data, tmp_path):
    wanted = [Cell(data.key, method, 0) for method in QUICK]
    run_cells(wanted, data, tmp_path / "one")
    run_cells(wanted[:1], data, tmp_path / "two", jobs=2)
    one, two = (read_outcome(tmp_path / name, wanted[0]).outputs for name in ("one", "two"))
    np.testing.assert_array_equal(one, two)


def test_training_without_a_modality_is_legal(data):
    got = run_cell(Cell(data.key, "logreg-concat", 0, missing={"text": 1.0}), data)
    np.testing.assert_allclose(got.outputs[2], got.outputs[0])  # text alone: nothing was learnt
    assert got.about["trained"]["holes"] == {"image": 0.0}


def test_natural_holes(tmp_path):
    data = open_experiment_data(save_embeddings(made_up(holes=0.3), tmp_path / "holes"))
    got = run_cell(Cell(data.key, "router", 0), data)
    exact = score(got, Setting(test={"text": 0.5}), ("image", "text"), "accuracy", 0)
    draws = [
        single_draw(got, Setting(test={"text": 0.5}), ("image", "text"), "accuracy", seed)
        for seed in range(200)
    ]
    assert exact == pytest.approx(np.mean(draws), abs=0.01)


# Comparing


def test_compare_ranks_and_corrects(data, tmp_path):
    content = compare(
        data, tmp_path, methods=["unimodal:image", "router", "logreg-concat"], seeds=2
    )
    scores = [np.mean(entry["score"]) for entry in content["methods"]]
    assert scores == sorted(scores, reverse=True)
    assert len(content["pairs"]) == 3
    for pair in content["pairs"]:
        assert pair["score"]["p_holm"] >= pair["score"]["p"]
        assert pair["score"]["difference"] >= 0
        low, high = pair["score"]["interval"]
        assert low <= pair["score"]["difference"] <= high


def test_the_commands(store, tmp_path, capsys):
    out = tmp_path / "comparison"
    assert run(["compare", str(store), "--methods", "router,logreg-concat", "--seeds", "1",
                "-o", str(out), "-q"]) == 0  # fmt: skip
    assert "all patterns" in capsys.readouterr().out
    page = (out / "comparison.html").read_text()
    assert "Who differs from whom" in page
    assert "http" not in page.replace("http-equiv", "")  # needs no network
    assert run(["reproduce", "--list"]) == 0
    assert "table6" in capsys.readouterr().out
    command = ["reproduce", "table7", "--data", f"animals={store}", "--seeds", "1", "--method",
               "router", "-o", str(tmp_path / "t7")]  # fmt: skip
    assert run([*command, "-q"]) == 0
    first = capsys.readouterr()
    assert "## animals" in first.out
    assert run(command) == 0
    again = capsys.readouterr()
    assert again.out == first.out
    assert "1 of 1 training is kept from before" in again.err
    assert "kept" not in first.err
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    assert run(["reproduce", "table7", "--data", str(tmp_path / "t.csv"), "-q"]) == 1
    assert "srmm encode" in capsys.readouterr().err
    assert run(["reproduce", "table66", "-q"]) == 1
    assert "table6" in capsys.readouterr().err
    assert run(["compare", str(store), "--methods", "router,rooter", "-q"]) == 1
    assert "router" in capsys.readouterr().err
