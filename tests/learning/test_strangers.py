"""Models that a stranger wrote: each is refused by name, or predicts what it did."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import FunctionTransformer

from srmm import from_pretrained
from srmm.errors import StoreError
from srmm.learning.estimators import check_estimator, estimator_from_bytes, estimator_to_bytes
from srmm.learning.weights import network_of
from srmm.methods.networks.token_transformer import TokenTransformer
from tests.methods.test_methods import NAMES, separable, small
from tests.tampering import edit_json, reseal

pytestmark = pytest.mark.usefixtures("few_trees")

TEST = separable(2, seed=1)
BIG = 10**9


class Saved:
    """A model's folder, what it predicts, and a way to change a copy of its parts."""

    def __init__(self, name: str, folder: Path) -> None:
        model = small(name).fit(separable(2))
        rows = model.as_seen(TEST).present.any(axis=1)
        self.test = TEST[rows]
        self.folder = model.save_pretrained(folder)
        self.expected = model.predict_proba(self.test)
        self.config = json.loads((self.folder / "config.json").read_text())
        self.arrays = load_file(self.folder / "model.safetensors")

    def with_config(self, change: Callable[[dict[str, Any]], object]) -> str:
        before = (self.folder / "config.json").read_bytes()
        edit_json(self.folder / "config.json", change)
        try:
            return self.refused()
        finally:
            (self.folder / "config.json").write_bytes(before)

    def with_arrays(self, changes: dict[str, np.ndarray | None]) -> str:
        changed = {name: v for name, v in (self.arrays | changes).items() if v is not None}
        before = {path: path.read_bytes() for path in self.folder.iterdir()}
        save_file(changed, self.folder / "model.safetensors")
        reseal(self.folder)
        try:
            return self.refused()
        finally:
            for path, content in before.items():
                path.write_bytes(content)

    def refused(self) -> str:
        """Why the model as it now stands is refused; "" if it predicts what it did."""
        try:
            model = from_pretrained(self.folder)
        except StoreError as error:
            why = str(error)
        else:
            np.testing.assert_array_equal(model.predict_proba(self.test), self.expected)
            return ""
        assert str(self.folder) in why
        return why


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Saved]:
    made: dict[str, Saved] = {}

    def get(name: str) -> Saved:
        if name not in made:
            made[name] = Saved(name, tmp_path_factory.mktemp("strangers") / "model")
        return made[name]

    return get


def tampered(arrays: dict[str, np.ndarray]) -> Iterator[tuple[str, np.ndarray | None]]:
    """Each tensor gone, of another shape or dtype, or with a number that is none."""
    for name, found in arrays.items():
        yield name, None
        yield name, np.concatenate([found, found[:1]])
        yield name, np.ascontiguousarray(found[None])
        yield name, found.astype(np.float16 if found.dtype.kind == "f" else np.int8)
        for number in (np.nan, np.inf, -np.inf) if found.dtype.kind == "f" else ():
            wrong = found.copy()
            wrong.flat[-1] = number
            yield name, wrong


@pytest.mark.workflow
@pytest.mark.parametrize("name", NAMES)
def test_a_tensor_that_is_not_as_it_was_is_refused(
    saved: Callable[[str], Saved], name: str
) -> None:
    model = saved(name)
    cases = list(tampered(model.arrays))
    few = np.random.default_rng(len(name)).permutation(len(cases))[:40]
    slow = any(found.dtype == np.uint8 for found in model.arrays.values())
    for case in few[: 12 if slow else None]:
        key, value = cases[case]
        why = model.with_arrays({key: value})
        # A pattern may have no scores, and a zip may be followed by a byte; a count is not read.
        harmless = ("calibration" in key and value is None) or model.arrays[key].dtype == np.uint8
        assert why or harmless or key.endswith("num_batches_tracked"), key
    model.with_arrays({"more": np.ones(3)})


def sizes(state: dict[str, Any], place: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Where in a state parameters stand that say how large something is."""
    for key, value in state.items():
        if isinstance(value, dict):
            yield from sizes(value, (*place, key))
        elif key in SIZES and isinstance(value, int):
            yield (*place, key)


SIZES = ("hidden_dim", "n_folds", "width", "layers", "heads", "n_priors", "prompt_length",
         "prompt_layers", "fusion_layer", "image", "text")  # fmt: skip


def put(config: dict[str, Any], place: tuple[str, ...], value: Any) -> None:
    for key in place[:-1]:
        config = config[key]
    config[place[-1]] = value


@pytest.mark.workflow
@pytest.mark.parametrize("name", NAMES)
def test_a_size_that_the_weights_do_not_have_costs_nothing(
    saved: Callable[[str], Saved], name: str
) -> None:
    model = saved(name)
    places = [*sizes(model.config["state"], ("state",)), ("modalities", "text")]
    cases = [(place, value) for place in places for value in (BIG, 2**40, -1, 0, True, "9", None)]
    few = np.random.default_rng(len(name)).permutation(len(cases))[:14]
    for place, value in (cases[case] for case in few):
        before: Any = model.config
        for key in place:
            before = before[key]
        if value == before or "settings" in place:  # which only `fit` looks at
            continue
        tracemalloc.start()
        started = time.perf_counter()
        model.with_config(lambda config, to=(place, value): put(config, *to))
        seconds, (_, most) = time.perf_counter() - started, tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert most < 100e6
        assert seconds < 30  # under tracemalloc, on a busy machine


@pytest.mark.parametrize(
    ("place", "value", "says"),
    [
        (("classes",), ["ant", "ant", "cat"], "each label once"),
        (("classes",), [], "two labels or more"),
        (("classes",), ["ant", ["bee"], "cat"], "cannot name a class"),
        (("classes",), ["ant", 1, "cat"], "mix"),
        (("classes",), ["ant", "bee"], "discriminants.weight.image has the shape"),
        (("classes",), ["x" * 10**6] * 100, "letters"),
        (("modalities",), {}, "No modality"),
        (("modalities",), {"image": 6}, "tensors names 'mean.text'"),
        (("modalities",), {"../up": 6, "text": 5}, "cannot name a modality"),
        (("training",), [], "training is"),
        (("training", "holes", "text"), 2, "training.holes.text is 2"),
        (("inputs",), {"text": {"kind": "sql"}}, "inputs.text.kind"),
        (("inputs",), {"text": {"kind": "text", "encoder": 7}}, "inputs.text.encoder is 7"),
        (("encoders", "text"), 3, "encoders.text is 3"),
        (("origin",), "here", "origin is 'here'"),
        (("kind",), ["PaperClassifier"], "kind is"),
        (("state", "random_state"), "now", "state.random_state is 'now'"),
        (("state", "class_weight"), [["ant", -1]], "class_weight of 'ant' is -1"),
        (("state", "history", "best_epoch"), 10**6, "best_epoch is 1000000"),
        (("state", "steepness", "text"), 1e300, "state.steepness.text is 1e[+]300"),
        (("about",), None, "about is None"),
        (("files",), None, "files is None"),
    ],
)
def test_a_value_that_cannot_be_is_named(
    saved: Callable[[str], Saved], place: tuple[str, ...], value: Any, says: str
) -> None:
    with pytest.raises(StoreError, match=says):
        _raise(saved("srmm").with_config(lambda config: put(config, place, value)))


def _raise(why: str) -> None:
    if why:
        raise StoreError(why)


def test_every_key_of_a_config_that_is_gone_is_named(saved: Callable[[str], Saved]) -> None:
    model = saved("srmm")
    for key in model.config:
        if key not in ("files", "version", "format", "sha256"):
            assert key in model.with_config(lambda config, key=key: config.pop(key))


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_a_config_of_before_seals_holds_numbers(
    saved: Callable[[str], Saved], wrong: float
) -> None:
    def change(config: dict[str, Any]) -> None:
        del config["sha256"]
        config["version"] = 2
        config["state"]["parameters"]["dropout"] = wrong

    assert f"dropout is {wrong}, expected a finite number" in saved("srmm").with_config(change)


def test_lists_within_lists_are_refused(saved: Callable[[str], Saved]) -> None:
    deep: Any = []
    for _ in range(150):
        deep = [deep]
    why = saved("srmm").with_config(lambda config: put(config, ("about", "deep"), deep))
    assert "levels" in why


def test_weights_of_streams_are_those_of_the_modalities(saved: Callable[[str], Saved]) -> None:
    model = saved("srmm")
    codes, weights = model.arrays["weights.codes"], model.arrays["weights.weights"]
    assert "each modality alone" in model.with_arrays({"weights.codes": codes[::-1].copy()})
    # Without a modality's own weight, that of another pattern would be asked for without end.
    fewer = {"weights.codes": codes[1:], "weights.weights": weights[1:]}
    assert "each modality alone" in model.with_arrays(fewer)
    assert "at least 0" in model.with_arrays({"weights.weights": -weights})
    assert "folds" in model.with_arrays({"folds": model.arrays["folds"] + np.int16(5)})


def test_variances_and_scales_are_positive(saved: Callable[[str], Saved]) -> None:
    model = saved("srmm")
    for name in ("network.norms.0.var", "familiar.spread.text", "std.text", "familiar.limits.text"):
        assert name in model.with_arrays({name: -model.arrays[name]}), name


def test_a_network_of_endless_layers_is_not_built() -> None:
    whole = TokenTransformer({"image": 3, "text": 3}, 2, width=8, layers=1, heads=1)
    weights = {name: tensor.numpy() for name, tensor in whole.state_dict().items()}
    with pytest.raises(ValueError, match="more layers"):
        network_of(lambda: TokenTransformer({"image": 3, "text": 3}, 2, 8, BIG, 1), weights)


# Estimators of scikit-learn -------------------------------------------------------------------


@pytest.fixture(scope="module")
def table() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(60, 4)), rng.integers(3, size=60)


@pytest.fixture(scope="module")
def boosted(table: Any) -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(max_iter=2, max_leaf_nodes=4).fit(*table)


def remade(stored: np.ndarray, change: Callable[[dict[str, Any], dict[str, bytes]], None]) -> Any:
    """The bytes of skops with another schema, or other files."""
    with zipfile.ZipFile(io.BytesIO(stored.tobytes())) as before:
        files = {name: before.read(name) for name in before.namelist()}
    schema = json.loads(files["schema.json"])
    change(schema, files)
    files["schema.json"] = json.dumps(schema).encode()
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as after:
        for name, content in files.items():
            after.writestr(name, content)
    return np.frombuffer(made.getvalue(), dtype=np.uint8)


def npy(array: np.ndarray) -> bytes:
    made = io.BytesIO()
    np.save(made, array)
    return made.getvalue()


@pytest.mark.parametrize(
    ("column", "value"),
    [("left", BIG), ("right", 0), ("feature_idx", 99), ("is_categorical", 1), ("value", np.nan),
     ("num_threshold", np.nan)],
)  # fmt: skip
def test_a_boosted_tree_that_leads_astray_is_refused(
    boosted: HistGradientBoostingClassifier, column: str, value: float
) -> None:
    nodes = boosted._predictors[0][0].nodes
    before = nodes.copy()
    row = np.flatnonzero(nodes["is_leaf"] == (column == "value"))[0]
    nodes[column][row] = value
    try:
        with pytest.raises(ValueError, match="of a tree"):
            estimator_from_bytes(estimator_to_bytes(boosted), HistGradientBoostingClassifier)
    finally:
        nodes[:] = before
    estimator_from_bytes(estimator_to_bytes(boosted), HistGradientBoostingClassifier)


def _tree(schema: dict[str, Any]) -> dict[str, Any]:
    forest = schema["content"]["content"]["estimators_"]["content"]
    return forest[0]["content"]["content"]["tree_"]


def _nodes(column: str, value: float) -> Callable[[dict[str, Any], dict[str, bytes]], None]:
    def change(schema: dict[str, Any], files: dict[str, bytes]) -> None:
        name = _tree(schema)["content"]["content"]["nodes"]["file"]
        nodes = np.load(io.BytesIO(files[name])).copy()
        nodes[column][0] = value
        files[name] = npy(nodes)

    return change


def _node_count(schema: dict[str, Any], files: dict[str, bytes]) -> None:
    _tree(schema)["content"]["content"]["node_count"]["content"] = str(BIG)


def _outputs(schema: dict[str, Any], files: dict[str, bytes]) -> None:
    _tree(schema)["__reduce__"]["args"]["content"][2]["content"] = str(BIG)


def _classes(schema: dict[str, Any], files: dict[str, bytes]) -> None:
    files["many.npy"] = npy(np.array([BIG]))
    _tree(schema)["__reduce__"]["args"]["content"][1]["file"] = "many.npy"


ASTRAY = [
    _nodes("left_child", BIG), _nodes("right_child", 0), _nodes("feature", 4),
    _nodes("feature", -7), _nodes("threshold", np.nan), _node_count, _outputs, _classes,
]  # fmt: skip


@pytest.mark.parametrize("change", ASTRAY)
def test_a_tree_that_leads_astray_is_refused(table: Any, change: Any) -> None:
    stored = estimator_to_bytes(ExtraTreesClassifier(2, random_state=0).fit(*table))
    with pytest.raises(ValueError, match=r"tree|node_count"):
        estimator_from_bytes(remade(stored, change), ExtraTreesClassifier)
    estimator_from_bytes(remade(stored, lambda *_: None), ExtraTreesClassifier)


@pytest.mark.workflow
def test_a_model_of_such_trees_ends_no_process(
    saved: Callable[[str], Saved], tmp_path: Path
) -> None:
    """As it would if native code had the tree: so in a process of its own."""
    for name, key, change in [
        ("extratrees", "model.image", _nodes("left_child", BIG)),
        ("hist-gradient-boosting", "model.boosted", _boosted_child),
    ]:
        model = saved(name)
        arrays = model.arrays | {key: remade(model.arrays[key], change)}
        folder = tmp_path / name
        folder.mkdir()
        (folder / "config.json").write_bytes((model.folder / "config.json").read_bytes())
        save_file(arrays, folder / "model.safetensors")
        reseal(folder)
        program = (
            "import sys; sys.path.insert(0, '.')\n"
            "import srmm, numpy as np\n"
            f"model = srmm.from_pretrained({str(folder)!r})\n"
            "model.predict({'image': np.ones((99, 6)), 'text': np.ones((99, 5))})"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
        assert done.returncode == 1, done
        assert "StoreError" in done.stderr
        assert "of a tree has the child 1000000000" in done.stderr


def _boosted_child(schema: dict[str, Any], files: dict[str, bytes]) -> None:
    first = schema["content"]["content"]["_predictors"]["content"][0]["content"][0]
    name = first["content"]["content"]["nodes"]["file"]
    nodes = np.load(io.BytesIO(files[name])).copy()
    nodes["left"][0] = BIG
    files[name] = npy(nodes)


def test_few_bytes_do_not_unpack_to_many(table: Any) -> None:
    stored = estimator_to_bytes(LogisticRegression().fit(*table))

    def zeros(schema: dict[str, Any], files: dict[str, bytes]) -> None:
        files[schema["content"]["content"]["coef_"]["file"]] = npy(np.zeros((3, 3 * 10**6)))

    def many(schema: dict[str, Any], files: dict[str, bytes]) -> None:
        files["half.npy"] = npy(np.zeros(500_000))
        one = schema["content"]["content"]["coef_"] | {"file": "half.npy"}
        schema["content"]["content"]["n_iter_"] = {
            "__class__": "list", "__module__": "builtins", "__loader__": "ListNode",
            "content": [one | {"__id__": i} for i in range(5000)],
        }  # fmt: skip

    def long(schema: dict[str, Any], files: dict[str, bytes]) -> None:
        schema["content"]["content"]["solver"]["content"] = '"' + "x" * 20_000_000 + '"'

    for change in (zeros, many, long):
        bomb = remade(stored, change)
        tracemalloc.start()
        with pytest.raises(ValueError, match="would unpack to"):
            estimator_from_bytes(bomb, LogisticRegression)
        assert tracemalloc.get_traced_memory()[1] < 50e6
        tracemalloc.stop()


def test_an_array_is_as_long_as_it_says(table: Any) -> None:
    stored = estimator_to_bytes(LogisticRegression().fit(*table))

    def claims(schema: dict[str, Any], files: dict[str, bytes]) -> None:
        name = schema["content"]["content"]["coef_"]["file"]
        files[name] = files[name].replace(b"(3, 4)", b"(3,9**9)"[:6])
        files[name] = files[name].replace(b"(3,9**", b"(3,99)")

    with pytest.raises(ValueError, match="says it is of shape"):
        estimator_from_bytes(remade(stored, claims), LogisticRegression)


def test_nothing_that_is_called_is_loaded(table: Any) -> None:
    """Neither a function, nor what skops would make of it in the place of something else."""
    model = LogisticRegression().fit(*table)
    stored = estimator_to_bytes(model)
    function = {"__class__": "loadtxt", "__module__": "numpy", "__loader__": "FunctionNode"}
    for loader in ("FunctionNode", "MethodNode", "PartialNode", "OperatorFuncNode", "TypeNode"):

        def call(schema: dict[str, Any], files: dict[str, bytes], loader: str = loader) -> None:
            schema["content"]["content"]["solver"] = function | {"__loader__": loader}

        with pytest.raises(ValueError, match="which no LogisticRegression has"):
            estimator_from_bytes(remade(stored, call), LogisticRegression)
    model.predict_proba = [1]
    with pytest.raises(ValueError, match=r"predict_proba is a value, expected a method"):
        check_estimator(model)
    foreign = estimator_to_bytes(FunctionTransformer().fit(*table))
    with pytest.raises(ValueError, match="FunctionTransformer, not a LogisticRegression"):
        estimator_from_bytes(foreign, LogisticRegression)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda model: setattr(model, "coef_", model.coef_[:, :3].copy()), "coef_ has the shape"),
        (lambda model: model.coef_.fill(np.inf), "coef_ holds inf"),
        (lambda model: setattr(model, "classes_", np.array([0, 0, 1])), "ascending"),
        (lambda model: setattr(model, "classes_", np.array([0, 1, 9])), "class 9 of 3"),
        (lambda model: setattr(model, "n_features_in_", -4), "n_features_in_ is -4"),
    ],
)
def test_an_estimator_fits_together(table: Any, change: Any, says: str) -> None:
    model = LogisticRegression().fit(*table)
    change(model)
    with pytest.raises(ValueError, match=says):
        estimator_from_bytes(estimator_to_bytes(model), LogisticRegression, 3)


@pytest.mark.parametrize("name", ["logreg-concat", "lee2023-input"])
def test_many_modalities_are_refused_at_once(saved: Callable[[str], Saved], name: str) -> None:
    many = {f"m{i}": 4 for i in range(2000)}
    started = time.perf_counter()
    assert saved(name).with_config(lambda config: put(config, ("modalities",), many))
    assert time.perf_counter() - started < 10
