from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import f1_score, roc_auc_score

from srmm import Embeddings, PaperClassifier, RobustnessReport, evaluate, fit_baselines
from srmm.data.modality import pattern_mask, presence_patterns, usable_patterns
from srmm.errors import InputError, StoreError
from srmm.evaluation.metrics import interval, point_scores, resample_counts, scores_with_intervals
from srmm.evaluation.missing import draw_missing
from srmm.evaluation.outputs import Remembered
from srmm.evaluation.robustness import corruption_scores, missing_rate_curve
from srmm.methods import make_method
from srmm.recipe import network_parameters
from tests.test_classifier import SMALL, problem


@pytest.fixture(scope="module")
def model() -> PaperClassifier:
    return PaperClassifier(**SMALL).fit(problem())


@pytest.fixture(scope="module")
def test_set() -> Embeddings:
    return problem(150, seed=1)


@pytest.fixture(scope="module")
def report(model: PaperClassifier, test_set: Embeddings) -> RobustnessReport:
    baselines = fit_baselines(problem(), recipe=network_parameters(model), random_state=0)
    return evaluate(model, test_set, baselines=baselines, name="toy")


def classes_of(model: PaperClassifier, labels: np.ndarray) -> np.ndarray:
    return np.searchsorted(model.classes_, labels.astype(str))


@pytest.mark.parametrize("n_classes", [2, 4])
def test_bootstrap_matches_scikit_learn_resample_by_resample(n_classes: int) -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(n_classes, size=60)
    # Rounded, so that scores tie; nudged to the truth, so that they say something.
    probabilities = (rng.dirichlet(np.ones(n_classes), 60) + 0.3 * np.eye(n_classes)[y]).round(1)
    scores = scores_with_intervals(y, probabilities, n_resamples=200, seed=3)
    again = []
    for counts in np.concatenate(list(resample_counts(60, 200, 3))).astype(int):
        again.append(point_scores(np.repeat(y, counts), np.repeat(probabilities, counts, axis=0)))
    for name in scores:
        if name.endswith("_ci") and name != "accuracy_ci":
            values = np.array([draw[name[:-3]] for draw in again])
            np.testing.assert_allclose(scores[name], interval(values))
    assert scores["accuracy_ci"][0] <= scores["accuracy"] <= scores["accuracy_ci"][1]


def test_point_scores_are_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    y, p = rng.integers(2, size=50), rng.dirichlet([1, 1], 50)
    scores = point_scores(y, p)
    assert scores["macro_f1"] == f1_score(y, p.argmax(axis=1), average="macro")
    assert scores["auroc"] == roc_auc_score(y, p[:, 1])
    assert point_scores(np.zeros(5, dtype=int), p[:5])["auroc"] is None


def test_pattern_accuracy_is_that_of_predicting_masked_rows(
    model: PaperClassifier, test_set: Embeddings, report: RobustnessReport
) -> None:
    assert [tuple(e["present"]) for e in report.content["patterns"]] == presence_patterns(
        model.modalities_
    )
    for entry in report.content["patterns"]:
        mask = np.isin(model.modalities_, entry["present"])
        rows = test_set.present[:, mask].all(axis=1)
        assert entry["n"] == rows.sum()
        shown = test_set[rows].mask(mask)
        assert entry["accuracy"] == pytest.approx(model.score(shown))
    overall = report.content["overall"]
    assert overall["accuracy"] == pytest.approx(model.score(test_set))


def test_curve_equals_brute_force_sampling(model: PaperClassifier, test_set: Embeddings) -> None:
    y = classes_of(model, test_set.labels)
    curve = missing_rate_curve(model.scorer(test_set), test_set, y, "image")
    rows = test_set.present[:, 0] & test_set.present[:, 1:].any(axis=1)
    assert curve["n"] == rows.sum()
    chosen, rng = test_set[rows], np.random.default_rng(0)
    for rate in (0.3, 0.7):
        draws = [
            model.score(chosen.mask(draw_missing(chosen.present, 0, rate, rng))) for _ in range(200)
        ]
        expected = curve["accuracy"][curve["missing_rate"].index(rate)]
        error = np.std(draws) / np.sqrt(len(draws))
        assert abs(np.mean(draws) - expected) < 4 * error


def test_curve_ends_are_two_patterns_and_sampled_metrics_agree_there(
    model: PaperClassifier,
) -> None:
    whole = problem(100, missing=0, seed=5)
    y = classes_of(model, whole.labels)
    curve = missing_rate_curve(model.scorer(whole), whole, y, "text")
    without = whole.mask(np.array([True, False, True]))
    for at, shown in ((0, whole), (-1, without)):
        expected = point_scores(y, model.predict_proba(shown))
        assert curve["accuracy"][at] == pytest.approx(expected["accuracy"])
        assert curve["macro_f1"][at] == pytest.approx(expected["macro_f1"])
        assert curve["macro_f1_sd"][at] == 0
    assert curve["available"][0] == 1
    low, high = np.array(curve["accuracy_ci"]).T
    assert (low <= curve["accuracy"]).all()
    assert (high >= curve["accuracy"]).all()


def test_the_branch_runs_once_per_modality_whatever_the_rates(
    model: PaperClassifier, test_set: Embeddings, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    forward = model.network_.forward
    monkeypatch.setattr(model.network_, "forward", lambda x: (calls.append(x), forward(x))[1])
    scorer = model.scorer(test_set)
    y = classes_of(model, test_set.labels)
    for name in test_set.modalities:
        missing_rate_curve(scorer, test_set, y, name, missing_rates=np.linspace(0, 1, 11))
    assert [name for call in calls for name in call] == list(test_set.modalities)


def test_corruption_table(model: PaperClassifier) -> None:
    whole = problem(200, missing=0, seed=6)
    y = classes_of(model, whole.labels)
    table = corruption_scores(model, whole, y, sigmas=(0, 0.1, 50))
    assert [(e["scale"], e["sigma"]) for e in table] == [
        (scale, sigma) for scale in ("absolute", "relative") for sigma in (0, 0.1, 50)
    ]
    assert table[0]["accuracy"] == pytest.approx(model.score(whole))
    assert table[0]["accuracy_sd"] == 0
    for absolute in (table[2], table[5]):  # noise this loud leaves chance
        assert absolute["accuracy"] < 0.55
        assert absolute["relative_drop"] > 0.3


def test_noise_of_a_method_that_does_not_know_the_spread_of_features(tmp_path: Path) -> None:
    train, test = problem(120, missing=0, seed=6), problem(60, missing=0, seed=7)
    logreg = make_method("logreg", random_state=0).fit(train)
    router = make_method("router", settings={"max_epochs": 1}, random_state=0).fit(train)
    assert [hasattr(one, "feature_std_") for one in (logreg, router)] == [True, False]
    y = classes_of(logreg, test.labels)
    assert corruption_scores(logreg, test, y, train=test) == corruption_scores(logreg, test, y)
    told = evaluate(router, test, train=train, projection=False)
    assert {entry["scale"] for entry in told.content["corruption"]} == {"absolute", "relative"}
    untold = evaluate(router, test, projection=False)
    assert {entry["scale"] for entry in untold.content["corruption"]} == {"absolute"}
    for report, said in ((told, False), (untold, True)):
        page = report.to_html(tmp_path / "r.html").read_text(encoding="utf-8")
        assert ("spread in training was not tried" in page) is said


def test_of_very_many_rows_and_classes_some_rows_get_noise_and_it_is_said(
    model: PaperClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = problem(200, missing=0, seed=6)
    y = classes_of(model, whole.labels)
    all_of_them = corruption_scores(model, whole, y)
    assert {(entry["n"], entry["of"]) for entry in all_of_them} == {(200, 200)}
    monkeypatch.setattr("srmm.evaluation.robustness._NOISY", 50 * len(model.classes_))
    some = corruption_scores(model, whole, y)
    assert {(entry.pop("n"), entry.pop("of")) for entry in some} == {(50, 200)}
    rows = np.sort(np.random.default_rng([0, 8]).permutation(200)[:50])
    alone = corruption_scores(model, whole[rows], y[rows])
    assert [{k: v for k, v in entry.items() if k not in ("n", "of")} for entry in alone] == some


def test_outputs_too_many_to_keep_are_made_once_for_all_patterns(
    model: PaperClassifier, test_set: Embeddings, monkeypatch: pytest.MonkeyPatch
) -> None:
    y = classes_of(model, test_set.labels)
    there, names = np.asarray(test_set.present), test_set.modalities
    masks = [pattern_mask(pattern, names) for pattern in usable_patterns(names)]
    kept = Remembered(model.scorer(test_set), len(test_set), y, n_classes=len(model.classes_))
    monkeypatch.setattr("srmm.learning.late_fusion._KEPT", 0)
    monkeypatch.setattr("srmm.learning.probabilities._AT_ONCE", 40 * len(model.classes_))
    passed: list[int] = []
    outputs = model._outputs
    monkeypatch.setattr(model, "_outputs", lambda x: (passed.append(len(x)), outputs(x))[1])
    blocks = Remembered(model.scorer(test_set), len(test_set), y, n_classes=len(model.classes_))
    blocks.ahead(there, masks)
    assert passed == [40, 40, 40, 30]
    for mask in masks:
        rows = np.flatnonzero(there[:, mask].all(axis=1))
        shown = np.tile(mask, (len(rows), 1))
        found, wanted = blocks.said(rows, shown), kept.said(rows, shown)
        np.testing.assert_array_equal(found.predicted, wanted.predicted)
        np.testing.assert_allclose(found.confidence, wanted.confidence, atol=1e-6)
    assert sum(passed) == len(test_set)
    rows = np.arange(len(test_set))[::-3]  # of many blocks: asked for as they are
    again = model.scorer(test_set)(rows, there[rows])
    np.testing.assert_allclose(again, model.predict_proba(test_set)[rows], atol=1e-6)


def test_baselines_stand_beside_the_model(report: RobustnessReport) -> None:
    baselines = report.content["baselines"]
    assert list(baselines) == [
        "unimodal:image", "unimodal:text", "unimodal:audio", "router", "logreg-concat",
    ]  # fmt: skip
    assert all("text" in entry["present"] for entry in baselines["unimodal:text"])
    assert len(baselines["unimodal:text"]) == 4
    assert len(baselines["router"]) == 7
    by_pattern = {tuple(e["present"]): e for e in baselines["router"]}
    for name in ("image", "text", "audio"):  # the router is the unimodal model there
        alone = {tuple(e["present"]): e for e in baselines[f"unimodal:{name}"]}[(name,)]
        for key in ("n", "accuracy", "accuracy_ci", "macro_f1"):
            assert by_pattern[(name,)][key] == alone[key]
    assert report.content["baseline_curves"].keys() == {"router", "logreg-concat"}


def test_report_is_json_all_through(report: RobustnessReport, tmp_path: Path) -> None:
    again = RobustnessReport.from_json(report.to_json(tmp_path / "r.json"))
    assert again.content == report.content
    content = json.loads((tmp_path / "r.json").read_text())
    for key in ("data", "model", "patterns", "curves", "corruption", "baselines", "training"):
        assert content[key]
    assert content["patterns"][0].keys() >= {"present", "n", "accuracy", "accuracy_ci", "macro_f1"}
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(StoreError, match="is not a report"):
        RobustnessReport.from_json(tmp_path / "other.json")


def test_report_as_frame_plot_and_page(report: RobustnessReport, tmp_path: Path) -> None:
    frame = report.to_frame()
    assert set(frame["method"]) == {"srmm-paper", *report.content["baselines"]}
    assert len(frame) == 7 + 3 * 4 + 7 + 7
    assert len(report.plot().axes) >= 3
    page = report.to_html(tmp_path / "r.html").read_text()
    assert page.lstrip().lower().startswith("<!doctype html>")


def test_unseen_classes_count_as_wrong(model: PaperClassifier) -> None:
    strange = problem(60, n_classes=4, seed=2)
    content = evaluate(model, strange, projection=False).content
    unknown = (strange.labels == "dog").sum()
    assert content["data"]["n_unknown_labels"] == unknown > 0
    assert content["overall"]["accuracy"] <= 1 - unknown / 60


def test_evaluation_needs_labels(model: PaperClassifier, test_set: Embeddings) -> None:
    arrays = {"image": test_set.to_array("image")}
    with pytest.raises(InputError, match="needs one label per instance"):
        evaluate(model, arrays)
    with pytest.raises(InputError, match="No test instance has both"):
        evaluate(model, arrays, [None] * 150)


def test_two_classes_have_auroc() -> None:
    train, test = problem(200, n_classes=2), problem(100, n_classes=2, seed=1)
    model = PaperClassifier(**SMALL).fit(train)
    content = evaluate(model, test, projection=False).content
    assert content["metrics"] == ["accuracy", "macro_f1", "auroc"]
    last = content["patterns"][-1]
    assert last["auroc_ci"][0] <= last["auroc"] <= last["auroc_ci"][1]
    assert len(content["curves"]["text"]["auroc"]) == 11


def test_one_modality_evaluates_too() -> None:
    train, test = problem(missing=0).select(["image"]), problem(missing=0, seed=1).select(["image"])
    model = PaperClassifier(**SMALL).fit(train)
    baselines = fit_baselines(train, recipe=network_parameters(model), random_state=0)
    content = evaluate(model, test, baselines=baselines).content
    assert content["curves"] == {}
    assert len(content["patterns"]) == 1
    assert len(content["projection"]["panels"]) == 1


def test_many_modalities_do_not_explode() -> None:
    assert len(usable_patterns("abcde")) == 31
    assert len(usable_patterns("abcdefghij")) == 1 + 10 + 10


def test_relative_drop_compares_the_same_instances(model: PaperClassifier) -> None:
    """Easy rows that lack a modality must not make its absence look like a gain."""
    test = problem(150, missing=0, seed=8)
    right = model.predict(test) == test.labels
    present = test.present.copy()
    present[right & (np.cumsum(right) % 2 == 0), 1] = False  # rows it gets right have no text
    content = evaluate(model, test.mask(present), projection=False).content
    whole = test[present.all(axis=1)]
    complete = model.score(whole)
    for entry in content["patterns"]:
        mask = np.isin(model.modalities_, entry["present"])
        expected = (complete - model.score(whole.mask(mask))) / complete
        assert entry["relative_drop"] == pytest.approx(expected)


def test_labels_of_another_type_are_named(model: PaperClassifier) -> None:
    test = problem(20, seed=2)
    with pytest.raises(InputError, match=r"like 0 \(int\), the classes like 'ant' \(str\)"):
        evaluate(model, test, [0, 1] * 10)


def test_a_baseline_that_lacks_a_class_is_still_shown() -> None:
    train, test = problem(), problem(seed=1)
    train = train.mask(np.column_stack([train.labels != "cat", np.ones((300, 2), dtype=bool)]))
    model = PaperClassifier(**SMALL).fit(train)
    baselines = fit_baselines(train, recipe=network_parameters(model), random_state=0)
    content = evaluate(model, test, baselines=baselines, projection=False).content
    assert "unimodal:image" in content["baselines"]


def test_baselines_learn_from_whatever_fit_does() -> None:
    rng = np.random.default_rng(0)
    X, y = {"a": rng.normal(size=(40, 3)), "b": rng.normal(size=(40, 2))}, np.arange(40) % 2
    short = {"max_epochs": 1, "hidden_dim": 4}
    held = fit_baselines(Embeddings.from_arrays(X, labels=y), recipe=short, random_state=0)
    given = fit_baselines(X, y, recipe=short, random_state=0)
    assert list(given) == list(held) == ["unimodal:a", "unimodal:b", "router", "logreg-concat"]
    for name in ("router", "logreg-concat"):
        np.testing.assert_array_equal(given[name].predict_proba(X), held[name].predict_proba(X))


def test_what_is_no_model_and_no_baselines_is_refused() -> None:
    data = Embeddings.from_arrays({"a": np.eye(4)}, labels=[0, 1, 0, 1])
    with pytest.raises(InputError, match="must be a fitted classifier of srmm, got str"):
        evaluate("model", data)
    model = PaperClassifier(max_epochs=1, hidden_dim=4).fit(data)
    with pytest.raises(InputError, match=r"baselines must be a dict.*got list"):
        evaluate(model, data, baselines=["logreg"])  # type: ignore[arg-type]
    for name, one in {"words": "logreg", "unfitted": PaperClassifier()}.items():
        with pytest.raises(InputError, match=f"baseline '{name}' must be a fitted classifier"):
            evaluate(model, data, baselines={name: one})
    with pytest.raises(InputError, match=r"called 'srmm-paper', as the model's own"):
        evaluate(model, data, baselines={"srmm-paper": model})
    for seed in (-1, "x", None, 2**32):
        with pytest.raises(InputError, match=r"seed is .*, expected a whole number"):
            evaluate(model, data, seed=seed)  # type: ignore[arg-type]


def test_truth_values_are_no_classes_called_1_and_0(model: PaperClassifier) -> None:
    rows = Embeddings.from_arrays({"a": np.arange(8.0).reshape(4, 2)})
    model = PaperClassifier(max_epochs=1, hidden_dim=4).fit(rows, [0, 1, 0, 1])
    for ask in (evaluate, PaperClassifier.score, PaperClassifier.calibrate):
        with pytest.raises(InputError, match="labels are truth values"):
            ask(model, rows, np.array([True, False, True, False]))


def test_one_note_is_a_note_not_letters(model: PaperClassifier, test_set: Embeddings) -> None:
    report = evaluate(model, test_set[:20], notes="Three rows left out.", projection=False)
    assert report.content["data"]["notes"] == ["Three rows left out."]
