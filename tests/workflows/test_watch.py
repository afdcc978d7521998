"""`srmm check MODEL DATA`: rows like those of training give no alarm, others the right one."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest

import srmm
from srmm.cli import run
from srmm.errors import InputError, StoreError
from srmm.files import read_json
from srmm.report.watch_words import finding
from srmm.workflows.fit import fit_workflow
from srmm.workflows.watch import watch_workflow
from tests.tampering import edit_json

NAMES = ("seen", "heard")
pytestmark = [pytest.mark.workflow, pytest.mark.usefixtures("brief_training")]


def rows(n: int, seed: int, *, lacks: float = 0.2) -> pd.DataFrame:
    """Two blocks of numbers that tell three classes apart; the second is often absent."""
    rng = np.random.default_rng(seed)
    y = rng.integers(3, size=n)
    frame = pd.DataFrame({"id": [f"r{seed}-{i}" for i in range(n)]})
    for name in NAMES:
        x = rng.normal(size=(n, 4)) + 1.5 * np.eye(4)[y]
        for d in range(4):
            frame[f"{name}{d}"] = x[:, d].round(4)
    absent = rng.random(n) < lacks
    frame.loc[absent, [f"heard{d}" for d in range(4)]] = np.nan
    frame["kind"] = np.array(["cat", "dog", "owl"])[y]
    return frame


def train(folder: Path, frame: pd.DataFrame) -> None:
    """A table and a model of it in a folder."""
    frame.to_csv(folder / "train.csv", index=False)
    fit_workflow(
        str(folder / "train.csv"),
        folder / "model",
        columns={"features": [f"{n}={n}*" for n in NAMES], "label": "kind", "id": "id"},
        method="logreg",
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model of 600 rows."""
    folder = tmp_path_factory.mktemp("watch")
    train(folder, rows(600, 0))
    return folder


def watched(place: Path, frame: pd.DataFrame, **asked: Any) -> dict[str, Any]:
    frame.to_csv(place / "new.csv", index=False)
    return watch_workflow(place / "model", str(place / "new.csv"), **asked).content


def kinds(content: dict[str, Any]) -> set[str]:
    return {alarm["kind"] for alarm in content["alarms"]}


def test_rows_like_those_of_training_give_no_alarm(place: Path) -> None:
    content = watched(place, rows(300, 1))
    assert content["alarms"] == []
    assert not content["alarm"]
    assert content["training"]["judged_by"] == "test rows"
    observed = content["accuracy"]["observed"]
    assert observed["n"] == 300
    low, high = observed["share_ci"]
    assert low < content["accuracy"]["expected"]["expected"] < high


def test_training_is_the_rows_that_taught_and_a_store_is_called_by_its_name(place: Path) -> None:
    content = watch_workflow(place / "model", str(place / "model.embeddings")).content
    learnt = srmm.load(place / "model").model.training_
    assert content["training"]["rows"] == learnt["n_train"] + learnt["n_validation"]
    assert content["training"]["rows"] < content["data"]["rows"] == 600
    assert content["data"]["name"] == "model.embeddings"
    assert content["title"].endswith(": model.embeddings")


def test_rows_with_nothing_are_no_alarm_where_training_left_such_rows_out(tmp_path: Path) -> None:
    def bare(n: int, seed: int, share: float = 0.2) -> pd.DataFrame:
        """Some rows of the table have nothing at all but their label."""
        frame = rows(n, seed)
        frame.loc[frame.index < share * n, [f"{m}{d}" for m in NAMES for d in range(4)]] = np.nan
        return frame

    train(tmp_path, bare(600, 0))
    content = watched(tmp_path, bare(300, 1))
    assert content["alarms"] == []
    nothing = next(test for test in content["patterns"] if test["present"] == [])
    assert nothing["share_before"] == pytest.approx(0.2, abs=0.005)
    expected = content["accuracy"]["expected"]
    assert expected["expected"] == pytest.approx(expected["before"], abs=0.02)
    assert {"presence", "accuracy"} <= kinds(watched(tmp_path, bare(300, 1, share=0.5)))
    (tmp_path / "model.embeddings").rename(tmp_path / "away")
    content = watched(tmp_path, bare(300, 1))
    assert content["alarms"] == []
    assert [] not in [test["present"] for test in content["patterns"]]


def test_a_modality_that_goes_missing(place: Path) -> None:
    content = watched(place, rows(300, 2, lacks=0.9))
    assert {"presence", "accuracy"} <= kinds(content)
    heard = next(test for test in content["presence"] if test["modality"] == "heard")
    assert heard["alarm"]
    low, high = heard["difference_ci"]
    assert low < -0.7 < high
    alone = next(e for e in content["accuracy"]["patterns"] if e["present"] == ["seen"])
    both = next(e for e in content["accuracy"]["patterns"] if e["present"] == list(NAMES))
    expected = content["accuracy"]["expected"]["expected"]
    by_hand = alone["share"] * alone["accuracy"] + both["share"] * both["accuracy"]
    assert expected == pytest.approx(by_hand)


def test_items_of_another_kind_and_the_strangest_of_them(place: Path) -> None:
    frame = rows(300, 3)
    frame[[f"seen{d}" for d in range(4)]] += 1.0
    frame.loc[7, "seen2"] = 60.0
    content = watched(place, frame)
    shift = {test["modality"]: test for test in content["shift"]}
    assert shift["seen"]["alarm"]
    assert not shift["heard"]["alarm"]
    assert shift["seen"]["strangest"][0]["id"] == "r3-7"
    assert shift["seen"]["strangest"][0]["times"] > 3


def test_items_that_do_not_belong_together(place: Path) -> None:
    """Shuffled over rows, each modality is as it was; what they say together is not."""
    frame = rows(400, 4)
    heard = [f"heard{d}" for d in range(4)]
    frame[heard] = frame[heard].sample(frac=1, random_state=0).to_numpy()
    content = watched(place, frame.drop(columns="kind"))
    assert kinds(content) == {"prediction"}
    assert content["prediction"]["agreement"]["alarm"]
    assert not any(test["alarm"] for test in content["shift"])
    assert content["alarms"][-1]["text"].endswith("do the items of a row belong together?")


def test_modalities_that_agree_more_often_are_not_asked_whether_they_belong_together(
    place: Path,
) -> None:
    """As of rows that the model has learnt from."""
    content = watched(place, rows(400, 4))
    test = content["prediction"]["agreement"] | {"share": 0.9, "share_before": 0.7, "p_holm": 0.001}
    said = finding("prediction", test, NAMES)
    assert said == (
        "What modalities say alone agrees in 90.0 % of the rows that have several, of held-out "
        "rows in 70.0 % (p = 0.001)."
    )


def test_every_column_of_the_page_has_a_head(place: Path, tmp_path: Path) -> None:
    frame = rows(300, 4)
    frame.to_csv(tmp_path / "new.csv", index=False)
    watch_workflow(place / "model", str(tmp_path / "new.csv"), tmp_path / "page.html")
    heads = re.findall(r"<th[^>]*>(.*?)</th>", (tmp_path / "page.html").read_text(encoding="utf-8"))
    assert heads
    assert all(heads)


def test_a_pattern_that_training_never_had(place: Path) -> None:
    frame = rows(300, 5)
    frame.loc[frame.index[:60], [f"seen{d}" for d in range(4)]] = np.nan
    content = watched(place, frame)
    assert "never" in kinds(content)
    never = [test for test in content["patterns"] if test["never"]]
    assert {tuple(test["present"]) for test in never} == {("heard",), ()}
    assert content["accuracy"]["expected"]["without"] == 0.0  # hidden in rows that have both


@pytest.mark.parametrize(
    ("n", "change"),
    [
        (1, {}),
        (30, {name: np.nan for n in NAMES for name in [f"{n}{d}" for d in range(4)]}),
        (30, {f"heard{d}": np.nan for d in range(4)}),
        (30, {"kind": None}),
        (30, {"kind": "cat"}),
        (30, {"kind": "yeti"}),
        (12, {f"seen{d}": 0.5 for d in range(4)}),
    ],
)
def test_odd_rows_are_no_crash(place: Path, tmp_path: Path, n: int, change: dict[str, Any]) -> None:
    frame = rows(n, 6).assign(**change)
    content = watched(place, frame, output=tmp_path / "watch.html")
    assert content["data"]["rows"] == n
    page = (tmp_path / "watch.html").read_text(encoding="utf-8")
    assert "<h2>Presence</h2>" in page
    kept = read_json(tmp_path / "watch.json", format="srmm-watch", version=1, what="a", remedy="b")
    assert kept["alarms"] == content["alarms"]


def test_repeated_and_trained_rows_and_unknown_labels_are_counted(place: Path) -> None:
    new = rows(40, 7)
    new.loc[0, "kind"] = "yeti"
    train = pd.read_csv(place / "train.csv")
    content = watched(place, pd.concat([new, new.iloc[:3], train]))
    assert content["data"]["repeated"] == 3
    assert content["data"]["trained_on"] == 450  # the rest was held out
    assert content["data"]["unknown_labels"] == {"yeti": 2}
    assert content["data"]["labelled"] == 43 + 150


def test_without_the_store_presence_remains(place: Path, capsys: pytest.CaptureFixture) -> None:
    frame = rows(300, 8, lacks=0.9)
    frame.to_csv(place / "less.csv", index=False)
    store, away = place / "model.embeddings", place / "away"
    store.rename(away)
    try:
        assert run(["check", str(place / "model"), str(place / "less.csv"), "--json"]) == 3
    finally:
        away.rename(store)
    content = json.loads(capsys.readouterr().out)
    assert kinds(content) == {"presence"}
    assert content["training"]["source"] == "model"
    assert content["prediction"] is None
    heard = next(test for test in content["shift"] if test["modality"] == "heard")
    assert heard["p"] is None
    assert heard["moments"]["mean_shift"] < 0.6
    assert any("Only presence can be compared, of rows" in note for note in content["notes"])


def test_the_command_ends_with_3_only_on_what_it_was_asked(
    place: Path, capsys: pytest.CaptureFixture
) -> None:
    rows(300, 9, lacks=0.9).to_csv(place / "less.csv", index=False)
    asked = ["check", str(place / "model"), str(place / "less.csv")]
    assert run(asked) == 3
    assert "ALARM presence: heard is there in" in capsys.readouterr().out
    assert run([*asked, "--fail-on", "shift,never"]) == 0
    assert "ALARM presence" in capsys.readouterr().out
    assert run([*asked, "--fail-on", "none"]) == 0
    assert run([*asked, "--fail-on", "presense"]) == 1
    assert run([*asked, "--fail-on", ""]) == 1  # such as of a variable that is not set
    assert "Did you mean 'presence'?" in capsys.readouterr().err


def test_a_store_is_rows_where_it_is_asked_for(place: Path, capsys: pytest.CaptureFixture) -> None:
    model, store = str(place / "model"), str(place / "model.embeddings")
    assert run(["check", model, store]) == 0
    assert "whole store" in capsys.readouterr().out
    assert run(["check", model, "--data", store]) == 0
    said = capsys.readouterr().out
    assert "No alarm on 600 rows" in said
    assert "450 rows are like a row that the model was trained on" in said
    assert run(["check", model, store, "--level", "0.05"]) == 0
    assert "No alarm on 600 rows" in capsys.readouterr().out
    assert run(["check", store, "--level", "0.05"]) == 1
    assert "Name them behind the model" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("method", "judged_by"), [("srmm", "training rows, out of fold"), ("logreg", None)]
)
def test_without_test_rows_the_networks_that_never_saw_a_row_judge_it(
    place: Path, tmp_path: Path, method: str, judged_by: str | None
) -> None:
    """A model that held nothing out, of any method, has presence and items to compare."""
    rows(120, 10).to_csv(tmp_path / "train.csv", index=False)
    fit_workflow(
        str(tmp_path / "train.csv"),
        tmp_path / "model",
        columns={"features": [f"{n}={n}*" for n in NAMES], "label": "kind", "id": "id"},
        method=method,
        test_size=0.0,
        settings={"max_epochs": 2} if method == "srmm" else None,
    )
    rows(60, 11).to_csv(tmp_path / "new.csv", index=False)
    content = watch_workflow(tmp_path / "model", str(tmp_path / "new.csv")).content
    assert content["training"]["judged_by"] == judged_by
    assert (content["prediction"] is None) == (judged_by is None)
    assert all(test["auc"] is not None for test in content["shift"])
    told = any("no labelled row was held out" in note for note in content["notes"])
    assert told == (judged_by is None)


@pytest.mark.parametrize("patterns", [{"x": 1}, {"3": -1}, {"1": 0.5}, [3]])
def test_a_strangers_pattern_counts_are_looked_at(
    place: Path, tmp_path: Path, patterns: object
) -> None:
    shutil.copytree(place / "model", tmp_path / "model")
    edit_json(tmp_path / "model" / "config.json", lambda c: c["training"].update(patterns=patterns))
    with pytest.raises(StoreError, match=r"training\.patterns"):
        watch_workflow(tmp_path / "model", str(place / "train.csv"))


def test_only_pages_of_its_own_are_replaced(place: Path, tmp_path: Path) -> None:
    page = tmp_path / "watch.html"
    page.write_text("mine")
    with pytest.raises(InputError, match="did not make it"):
        watched(place, rows(20, 12), output=page)
    watched(place, rows(20, 12), output=page, overwrite=True)
    watched(place, rows(20, 12), output=page)
    assert "<h2>Presence</h2>" in page.read_text(encoding="utf-8")
    with pytest.raises(InputError, match="lies inside"):
        watched(place, rows(20, 12), output=place / "model" / "watch.html")


def test_a_page_that_cannot_be_written_keeps_the_numbers_of_the_one_before(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "watch.html"
    watched(place, rows(20, 12), output=page)
    before = page.with_suffix(".json").read_bytes()
    full = Mock(side_effect=OSError(28, "No space left on device"))
    monkeypatch.setattr("srmm.report.watch.write_watch", full)
    with pytest.raises(OSError, match="No space"):
        watched(place, rows(25, 12), output=page)
    assert page.with_suffix(".json").read_bytes() == before


def test_a_level_is_a_probability(place: Path) -> None:
    with pytest.raises(InputError, match="level must be in"):
        watch_workflow(place / "model", str(place / "train.csv"), level=5)


def test_rows_in_a_store_of_other_rows(place: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    arrays = {name: rng.normal(5, 1, size=(50, 4)).astype(np.float32) for name in NAMES}
    store = srmm.save_embeddings(srmm.Embeddings.from_arrays(arrays), tmp_path / "other")
    content = watch_workflow(place / "model", str(store)).content
    assert {"shift", "prediction"} <= kinds(content)


@pytest.mark.parametrize(
    ("ends", "said"),
    [((-0.08, -0.01), "(p < 0.001)."), ((-0.08, 0.02), "what that costs may not.")],
)
def test_what_a_mix_costs_is_said_to_be_unsure_where_it_is(
    ends: tuple[float, float], said: str
) -> None:
    test = {"expected": 0.7, "before": 0.74, "difference": -0.04, "difference_ci": [*ends]}
    assert finding("accuracy", test | {"p_holm": 1e-9}, ["a", "b"]).endswith(said)


def test_items_are_compared_with_those_that_the_model_learnt_from(place: Path) -> None:
    content = watched(place, pd.read_csv(place / "train.csv"))
    split = srmm.load(place / "model").rows
    held_out = set(split.loc[split["split"] == "test", "id"])
    seen = next(test for test in content["shift"] if test["modality"] == "seen")
    assert seen["n_before"] == len(split) - len(held_out)
    assert {item["id"] for item in seen["strangest"]} <= held_out
    learnt = pd.read_csv(place / "train.csv").query("id not in @held_out")
    content = watched(place, learnt, output=place / "own.html")
    assert [test["strangest"] for test in content["shift"]] == [[], []]
    assert "most unlike" not in (place / "own.html").read_text(encoding="utf-8")
