"""Models at the hub, spoken to by its own client through a small server; never the network."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import srmm
from srmm.cli import run
from srmm.errors import InputError, StoreError
from srmm.learning import publishing
from srmm.learning.card import add_results
from srmm.learning.endpoint import EndpointHandler
from srmm.learning.saving import save_pretrained
from tests.hub_server import TOKEN, Hub, serving
from tests.methods.test_methods import separable, small
from tests.tampering import edit_json

REPO = "somebody/shoes"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.chdir(tmp_path)
    with serving(tmp_path / "cache") as served:
        yield served


@pytest.fixture(scope="module")
def model() -> Any:
    return small("logreg").fit(separable(2, n=60))


@pytest.fixture(scope="module")
def folder(model: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that knows where it was trained and on which rows."""
    path = tmp_path_factory.mktemp("hub") / "model"
    origin = {
        "name": "/home/me/secret/shoes.csv",
        "store": "../store",
        "query": "SELECT 1",
        "notes": ["Three rows have no label."],
    }
    rows = pd.DataFrame({"id": ["row 1"], "split": ["train"], "digest": ["0"]})
    return save_pretrained(model, path, origin=origin, rows=rows)


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_model_comes_back_as_it_was_pushed(hub: Hub, model: Any, tmp_path: Path) -> None:
    pushed = model.push_to_hub(REPO, token=TOKEN, private=True)
    assert hub.private == {REPO: True}
    assert set(pushed.files) <= set(hub.repos[REPO]["main"])
    again = srmm.from_pretrained(REPO)
    data = separable(2, seed=1)
    np.testing.assert_array_equal(again.predict_proba(data), model.predict_proba(data))
    assert again.training_["hub"] == {"repo": REPO, "revision": pushed.revision}
    # Said by what is saved anew, too.
    kept = srmm.from_pretrained(again.save_pretrained(tmp_path / "kept"))
    assert kept.training_["hub"]["revision"] == pushed.revision


def test_only_listed_files_and_the_card_are_fetched(hub: Hub, folder: Path) -> None:
    evil = {"modeling.py": b"boom", "weights.pkl": b"boom", "extra.json": b"{}"}
    sha = hub.commit(REPO, files_of(folder) | evil)
    predictor = srmm.load(REPO)
    assert predictor.config["hub"] == {"repo": REPO, "revision": sha}
    wanted = ["README.md", "config.json", "model.safetensors", "rows.parquet"]
    assert hub.fetched() == wanted
    # The cache keeps files as links to their content.
    assert (predictor.folder / "config.json").is_symlink()


def test_what_was_fetched_is_found_without_the_network(
    hub: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.commit(REPO, files_of(folder))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match="There is no folder somebody/shoes here, and a model"):
        srmm.from_pretrained(REPO)
    assert hub.asked == []
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    first = srmm.from_pretrained(REPO)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    hub.asked.clear()
    assert srmm.from_pretrained(REPO).training_["hub"] == first.training_["hub"]
    assert hub.asked == []


def test_a_revision_is_a_branch_or_a_commit(hub: Hub, model: Any, folder: Path) -> None:
    old = hub.commit(REPO, files_of(folder))
    other = small("logreg-concat").fit(separable(2, n=60))
    pushed = other.push_to_hub(REPO, token=TOKEN, revision="next")
    assert type(srmm.load(REPO).model) is type(model)
    assert type(srmm.load(REPO, revision="next").model) is type(other)
    assert type(srmm.from_pretrained(REPO, revision=pushed.revision)) is type(other)
    assert type(srmm.from_pretrained(REPO, revision=old)) is type(model)
    with pytest.raises(InputError, match="cannot be had from the Hugging Face hub"):
        srmm.load(REPO, revision="nowhere")
    with pytest.raises(InputError, match="is a folder here, which has no revision 'next'"):
        srmm.load(folder, revision="next")


def test_a_folder_comes_first_and_a_path_is_never_fetched(
    hub: Hub, folder: Path, tmp_path: Path
) -> None:
    hub.commit(REPO, files_of(folder))
    (tmp_path / "somebody").mkdir()
    for name in (REPO, "shoes", "./somebody/shoes", "a/b/c", "../x/y", tmp_path / "x" / "y"):
        with pytest.raises(StoreError, match="is not a saved model"):
            srmm.from_pretrained(name)
    assert hub.asked == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("weights.pkl", "expected files ending in"),
        ("code.py", "expected files ending in"),
        ("../../x.json", "expected one inside the folder"),
    ],
)
def test_a_stranger_cannot_name_other_files(
    hub: Hub, folder: Path, tmp_path: Path, name: str, message: str
) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))

    def add(config: dict[str, Any]) -> None:
        config["files"][name] = {"bytes": 4, "sha256": "0" * 64}

    edit_json(copy / "config.json", add)
    hub.commit(REPO, files_of(copy) | {name: b"boom"})
    with pytest.raises(StoreError, match=message):
        srmm.load(REPO)
    assert hub.fetched() == ["config.json"]


def test_what_changed_on_the_way_is_noticed(hub: Hub, folder: Path) -> None:
    files = files_of(folder)
    weights = bytearray(files["model.safetensors"])
    weights[-1] ^= 1
    hub.commit(REPO, files | {"model.safetensors": bytes(weights)})
    with pytest.raises(StoreError, match="content has changed"):
        srmm.from_pretrained(REPO)
    hub.commit("somebody/lacks", {k: v for k, v in files.items() if k != "model.safetensors"})
    with pytest.raises(StoreError, match=r"has no model\.safetensors"):
        srmm.from_pretrained("somebody/lacks")


def test_what_is_no_model_of_ours_is_refused(hub: Hub) -> None:
    hub.commit("somebody/bert", {"config.json": b'{"model_type": "bert"}'})
    with pytest.raises(StoreError, match="is no model of srmm"):
        srmm.from_pretrained("somebody/bert")
    hub.commit("somebody/empty", {"README.md": b""})
    with pytest.raises(StoreError, match=r"has no config\.json"):
        srmm.from_pretrained("somebody/empty")
    with pytest.raises(InputError, match="There is no folder somebody/nothing here"):
        srmm.from_pretrained("somebody/nothing")


def test_the_command_publishes_no_path_and_no_row(
    hub: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    add_results(
        folder,
        {
            "data": {"name": "shoes"},
            "patterns": [{"present": ["image"], "accuracy": 0.75, "n": 8}],
        },
    )
    monkeypatch.setenv("MY_TOKEN", TOKEN)
    wanted = ["push", str(folder), REPO, "--token-from-env", "MY_TOKEN"]
    assert run([*wanted, "--licence", "mit"]) == 0
    assert 'srmm.load("somebody/shoes")' in capsys.readouterr().out
    files = hub.repos[REPO]["main"]
    assert not any(b"secret" in content or b"SELECT" in content for content in files.values())
    assert "rows.parquet" not in files
    config = json.loads(files["config.json"])
    assert config["origin"] == {"name": "shoes.csv", "notes": ["Three rows have no label."]}
    card = files["README.md"].decode()
    assert "license: mit" in card
    assert 'srmm.from_pretrained("somebody/shoes")' in card
    assert "Accuracy with image only" in card
    assert "name: shoes" in card
    srmm.load(REPO)
    assert run([*wanted, "--rows"]) == 0
    assert "rows.parquet" in hub.repos[REPO]["main"]
    assert "license" not in hub.repos[REPO]["main"]["README.md"].decode().split("---")[1]


def test_a_push_that_is_refused_says_why(
    hub: Hub, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    with pytest.raises(InputError, match="The hub did not take the model as 'somebody/shoes'"):
        publishing.push_folder(folder, REPO, token="hf_wrong")
    for name in ("a b", "shoes", "ada/shoes/new", "/tmp/model", "ada/shoes.git", "ada/a--b", None):
        for push in (small("logreg").push_to_hub, partial(publishing.push_folder, tmp_path / "no")):
            with pytest.raises(InputError, match=f"{name!r} cannot name a model at the hub"):
                push(name, token=TOKEN)  # type: ignore[operator]
    assert run(["push", str(folder), REPO, "--token-from-env", "NOT_SET"]) == 1
    assert "'NOT_SET', which is not set" in capsys.readouterr().err
    with pytest.raises(StoreError, match="not a saved model"):
        publishing.push_folder(tmp_path / "nothing", REPO, token=TOKEN)
    assert hub.repos == {}
    hub.commit("somebody/open", {})
    with pytest.raises(InputError, match="somebody/open is at the hub already, and public"):
        publishing.push_folder(folder, "somebody/open", token=TOKEN, private=True)
    assert hub.repos["somebody/open"]["main"] == {}


def test_an_encoder_that_nobody_else_has_is_not_named(
    hub: Hub, folder: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    inputs = {"image": {"kind": "image", "column": None, "encoder": "clip:/home/me/clip"}}
    edit_json(copy / "config.json", partial(dict.update, inputs=inputs))
    with pytest.raises(InputError, match="The encoder of 'image' is the folder or file /home/me"):
        publishing.push_folder(copy, REPO, token=TOKEN)
    assert hub.repos == {}


def test_the_handler_answers_rows_as_an_endpoint_gets_them(hub: Hub, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=40)
    X = {"a": rng.normal(size=(40, 2)) + y[:, None], "b": rng.normal(size=(40, 3))}
    labels = np.array(["no", "yes"])[y]
    small("logreg").fit(X, labels).push_to_hub(REPO, token=TOKEN)
    assert b"EndpointHandler" in hub.repos[REPO]["main"]["handler.py"]
    for name, content in hub.repos[REPO]["main"].items():
        (tmp_path / "served" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "served" / name).write_bytes(content)
    answer = EndpointHandler(str(tmp_path / "served"))
    one, two = answer({"inputs": [{"a": [9.0, 9.0]}, {"a": [-9.0, -9.0], "b": None}]})
    assert (one["label"], two["label"]) == ("yes", "no")
    assert one["b_label"] is None
    json.dumps([one, two])
    (alone,) = answer({"inputs": {"a": [9.0, 9.0]}})
    assert alone["label"] == "yes"


@pytest.mark.workflow
def test_an_encoder_that_was_fitted_goes_along(hub: Hub, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=60)
    table = pd.DataFrame(
        {
            "colour": np.array(["red", "blue"])[y],
            "price": rng.normal(size=60),
            "weight": rng.normal(size=60),
            "label": np.array(["no", "yes"])[y],
        }
    )
    table.to_csv(tmp_path / "t.csv", index=False)
    model = tmp_path / "model"
    asked = ["--features", "look=colour,price", "--features", "mass=weight", "--label", "label"]
    learnt = ["--method", "logreg", "-q", "-o", str(model)]
    assert run(["fit", str(tmp_path / "t.csv"), *asked, *learnt]) == 0
    here = srmm.load(model)
    here.push_to_hub(REPO, token=TOKEN)
    pushed = hub.repos[REPO]["main"]
    assert [name for name, x in pushed.items() if str(tmp_path).encode() in x] == []
    again = srmm.load(REPO)
    inside = again.config["inputs"]["look"]["encoder"]
    assert inside == f"columns:{again.folder.resolve() / 'encoders' / 'look'}"
    rows = table.drop(columns="label").iloc[:5]
    np.testing.assert_array_equal(again.predict_proba(rows), here.predict_proba(rows))
    assert run(["predict", REPO, str(tmp_path / "t.csv"), "-o", str(tmp_path / "p.csv"), "-q"]) == 0
    assert len(pd.read_csv(tmp_path / "p.csv")) == 60
