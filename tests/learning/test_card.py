from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from srmm import PaperClassifier, evaluate, from_pretrained
from srmm.learning.card import add_results
from srmm.methods import make_method
from tests.tampering import edit_json
from tests.test_classifier import SMALL, problem


@pytest.fixture(scope="module")
def model() -> PaperClassifier:
    return PaperClassifier(**SMALL).fit(problem())


def test_the_card_is_read_by_the_hub_and_claims_no_licence(
    model: PaperClassifier, tmp_path: Path
) -> None:
    card = ModelCard.load(model.save_pretrained(tmp_path / "m") / "README.md")
    assert card.data.library_name == "srmm"
    assert "missing-modalities" in card.data.tags
    assert card.data.license is None
    assert "license" not in card.content
    assert card.data.eval_results is None
    assert "| image | " in card.text
    assert "Trained on " in card.text
    assert "{{" not in card.text


def test_the_card_has_no_raw_python(tmp_path: Path) -> None:
    weights = {"ant": 1.0, "bee": 2.0, "cat": 0.5}
    method = make_method("logreg-concat", class_weight=weights, random_state=0).fit(problem())
    method.save_pretrained(tmp_path / "m")
    text = ModelCard.load(tmp_path / "m" / "README.md").text
    assert "- class weights: ant 1.0, bee 2.0, cat 0.5" in text
    outside = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    assert not re.search(r"[{}\[\]]|\bNone\b|\bTrue\b|\bFalse\b", outside)


def test_results_of_a_report_go_into_the_card(model: PaperClassifier, tmp_path: Path) -> None:
    folder = model.save_pretrained(tmp_path / "bugs")
    report = evaluate(model, problem(60, seed=1), name="insects", projection=False)
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    content = json.loads(report.to_json(tmp_path / "r.json").read_text())
    add_results(folder, content)
    add_results(folder, content)  # in place of the first
    after = {file.name: file.read_bytes() for file in folder.iterdir()}
    assert {name for name in after if after[name] != before.get(name)} == {"README.md"}
    card = ModelCard.load(folder / "README.md")
    assert card.data.model_name == "bugs"
    found = {one.dataset_config: one for one in card.data.eval_results}
    assert {name: one.metric_value for name, one in found.items()} == {
        "+".join(entry["present"]): entry["accuracy"] for entry in content["patterns"]
    }
    assert len(card.data.eval_results) == len(content["patterns"]) == 7
    assert {(one.dataset_name, one.metric_type) for one in found.values()} == {
        ("insects", "accuracy")
    }
    whole = next(entry for entry in content["patterns"] if len(entry["present"]) == 3)
    row = f"| image + text + audio | {whole['n']} | {100 * whole['accuracy']:.1f} |"
    assert card.text.count(row) == 1
    assert card.text.count("## Results") == 1


def test_what_the_owner_wrote_stays(model: PaperClassifier, tmp_path: Path) -> None:
    path = model.save_pretrained(tmp_path / "m") / "README.md"
    card = ModelCard.load(path)
    card.data.license = "mit"
    card.text = "# Mine\n"
    path.write_text(str(card))
    content = {"data": {"name": "x"}, "patterns": [{"present": ["a"], "n": 2, "accuracy": 0.5}]}
    add_results(tmp_path / "m", content)
    again = ModelCard.load(path)
    assert again.data.license == "mit"
    assert again.text.strip().startswith("# Mine")
    assert "| a | 2 | 50.0 |" in again.text
    path.unlink()
    add_results(tmp_path / "m", content)
    assert not path.exists()


def test_a_card_says_how_large_the_steps_were_that_a_method_chose(tmp_path: Path) -> None:
    chosen = make_method("srmm", max_epochs=2, n_folds=2, hidden_dim=8, random_state=0)
    asked = make_method("srmm", max_epochs=2, n_folds=2, hidden_dim=8, batch_size=16)
    for k, (method, says) in enumerate(((chosen, "by default"), (asked, "16"))):
        model = method.fit(problem())
        text = (model.save_pretrained(tmp_path / f"{k}") / "README.md").read_text(encoding="utf-8")
        assert f"- batch_size: {says}\n" in text
        assert f"- instances per step: {16 if k else 64}, in 2 epochs\n" in text
        assert from_pretrained(tmp_path / f"{k}").history_ == model.history_
    model.history_.step = None  # as of models that were saved before
    text = (model.save_pretrained(tmp_path / "old") / "README.md").read_text(encoding="utf-8")
    assert "per step" not in text
    path = tmp_path / "old" / "config.json"
    edit_json(path, lambda config: config["state"]["history"].pop("step"))
    assert from_pretrained(tmp_path / "old").history_ == model.history_
