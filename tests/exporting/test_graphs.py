"""The modules that are exported say what the methods say, in every presence pattern."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from srmm import Embeddings, PaperClassifier
from srmm.data.modality import presence_patterns
from srmm.ensemble.distil import distil
from srmm.errors import InputError
from srmm.exporting.graphs import ClassifierGraph, exportable
from srmm.exporting.onnx import made_up
from srmm.exporting.writing import input_names
from srmm.methods import find_method, make_method
from srmm.recipe import defaults
from tests.methods.test_methods import LABELS, NAMES, separable

GRAPHS = [name for name in NAMES if name.partition(":")[0] in exportable()]


def tiny(name: str) -> Any:
    """The method as small as it gets: what it learns is of no matter here."""
    own = defaults(find_method(name)[0].classifier)
    narrow = {"hidden_dim": 8, "max_epochs": 2, "batch_size": 32}
    trains = own.keys() & {"recipe", "hidden_dim"}
    common = {"learning_rates": (), "layers": 1, "random_state": 0}
    return make_method(name, None, narrow if trains else None, **common)


def answers(model: Any, arrays: dict[str, np.ndarray], present: np.ndarray) -> list[np.ndarray]:
    """What the graph gives, computed by PyTorch as the exporter will follow it."""
    graph = ClassifierGraph(model).eval()
    with torch.inference_mode():
        made = graph(*map(torch.from_numpy, arrays.values()), torch.from_numpy(present))
    return [tensor.numpy() for tensor in made]


def every_pattern(model: Any) -> tuple[dict[str, np.ndarray], np.ndarray]:
    arrays, present = made_up(model)
    seen = {tuple(row) for row in present.tolist()}
    assert len(seen) == len(presence_patterns(model.modalities_)) + 1  # and nothing at all
    return arrays, present


def agrees(model: Any) -> None:
    arrays, present = every_pattern(model)
    model.set_params(when_nothing_present="prior")
    rows = Embeddings.from_arrays(arrays, present=present)
    got = answers(model, arrays, present)
    np.testing.assert_allclose(got[0], model.predict_proba(rows), atol=1e-6)
    if len(got) > 1:
        np.testing.assert_allclose(got[1], model.predict_per_modality(rows), atol=1e-6)
    # What lies behind an absent item is never looked at.
    junk = {
        name: np.where(np.isnan(array), np.float32(fill), array)
        for (name, array), fill in zip(arrays.items(), [np.inf, 1e30, -7.0], strict=False)
    }
    for before, after in zip(got, answers(model, junk, present), strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("name", GRAPHS)
def test_a_graph_says_what_its_method_says(name: str) -> None:
    agrees(tiny(name).fit(separable(3, n=120)))


def test_the_distilled_model_too() -> None:
    data = separable(3, n=120)
    whole = tiny("srmm").fit(data)
    agrees(distil(whole, data))


@pytest.mark.parametrize("name", ["srmm", "srmm-paper"])
def test_a_graph_has_no_parts_of_another_precision(name: str) -> None:
    """Older exporters know no such parts."""
    model = tiny(name).set_params(precision="bfloat16").fit(separable(3, n=120))
    arrays, present = made_up(model)
    given = [torch.from_numpy(x) for x in (*arrays.values(), present)]
    program = torch.export.export(ClassifierGraph(model).eval(), tuple(given))
    called = {str(node.target) for node in program.graph.nodes if node.op == "call_function"}
    assert called
    assert not [target for target in called if "autocast" in target]


@pytest.mark.parametrize("fusion", ["mean", "log-mean"])
def test_both_late_fusions_of_the_paper(fusion: str) -> None:
    agrees(
        PaperClassifier(
            hidden_dim=16, max_epochs=2, fusion=fusion, standardize=True, random_state=0
        ).fit(separable(2, n=120))
    )


@pytest.mark.parametrize("name", ["srmm", "logreg", "logreg-concat"])
def test_two_classes_and_a_class_that_one_modality_never_had(name: str) -> None:
    data = separable(2, n=120)
    two = data[np.isin(data.labels.astype(str), ["ant", "bee"])]
    agrees(tiny(name).fit(two))
    hidden = data.mask(~((data.labels == "cat")[:, None] & [True, False]))
    kept = hidden[hidden.present.any(axis=1)]
    agrees(tiny(name).fit(kept))


def test_numbers_far_from_zero_keep_their_digits() -> None:
    """Years, prices: a float32 mean would be off by a share of their spread."""
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=120)
    big = 1e6 + y[:, None] + 0.3 * rng.normal(size=(120, 3))
    data = Embeddings.from_arrays({"a": big, "b": rng.normal(size=(120, 2))}, labels=LABELS[y])
    agrees(tiny("srmm").fit(data))
    agrees(tiny("logreg").fit(data))


def test_more_modalities_than_patterns_that_were_weighed() -> None:
    rng = np.random.default_rng(1)
    y = rng.integers(2, size=90)
    arrays = {f"m{i}": rng.normal(size=(90, 2)) + y[:, None] for i in range(7)}
    model = tiny("srmm").fit(Embeddings.from_arrays(arrays, labels=LABELS[y]))
    present = np.array([[bool(code >> m & 1) for m in range(7)] for code in range(1, 128)])
    rows = {n: rng.normal(size=(127, 2)).astype(np.float32) for n in arrays}
    expected = model.predict_proba(Embeddings.from_arrays(rows, present=present))
    np.testing.assert_allclose(answers(model, rows, present)[0], expected, atol=1e-6)


def test_a_method_without_a_graph_is_refused_by_name() -> None:
    model = tiny("router").fit(separable(2, n=120))
    with pytest.raises(InputError, match=r"The method 'router' cannot be exported to ONNX\. These"):
        ClassifierGraph(model)
    assert {"srmm", "srmm-paper", "logreg", "logreg-concat"} <= set(exportable())
    assert not {"router", "extratrees", "tabicl"} & set(exportable())


def test_inputs_keep_their_names_unless_they_are_taken() -> None:
    given = input_names(["image", "alone", "present", "present_"])
    assert given == {
        "image": "image",
        "alone": "alone_",
        "present": "present_",
        "present_": "present__",
    }
