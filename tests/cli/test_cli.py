from __future__ import annotations

import csv
import importlib
import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageDraw

from srmm import load_embeddings, save_embeddings
from srmm.cli import COMMANDS, run
from srmm.cli.evaluate import patterns_text
from tests.report.simulated_report import make_report
from tests.test_classifier import problem

pytestmark = pytest.mark.usefixtures("brief_training")

SHAPES = ("circle", "square", "cross")


def draw(path: Path, shape: str, rng: np.random.Generator) -> None:
    image = Image.new("RGB", (64, 64), "white")
    pen = ImageDraw.Draw(image)
    x, y, r = rng.integers(20, 44), rng.integers(20, 44), rng.integers(9, 18)
    box = (x - r, y - r, x + r, y + r)
    if shape == "circle":
        pen.ellipse(box, fill="black")
    elif shape == "square":
        pen.rectangle(box, fill="black")
    else:
        pen.line((x - r, y, x + r, y), fill="black", width=5)
        pen.line((x, y - r, x, y + r), fill="black", width=5)
    image.save(path)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CSV as people have them: pictures, titles, a category, and much that is wrong with it."""
    folder, rng = tmp_path_factory.mktemp("shop"), np.random.default_rng(0)
    (folder / "pictures").mkdir()
    rows = []
    for i in range(90):
        shape = SHAPES[i % 3]
        photo, title = f"pictures/{i}.png", f"a black {shape}, number {i}"
        draw(folder / photo, shape, rng)
        if i % 5 == 1:
            title = ""
        elif i % 5 == 2:
            photo = ""
        rows.append({"sku": f"p{i}", "photo": photo, "title": title, "category": shape})
    rows[3]["photo"] = "pictures/gone.png"
    (folder / "pictures" / "9.png").write_bytes(b"\x89PNG broken")
    rows[8]["category"] = ""
    with (folder / "products.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder


CHOICE = ["--image", "photo", "--text", "title", "--label", "category", "--id", "sku"]


@pytest.fixture(scope="module")
def model(shop: Path) -> Path:
    """Two commands of their own: the first."""
    arguments = [str(shop / "products.csv"), *CHOICE, "-o", str(shop / "model")]
    small = ["--setting", "hidden_dim=64", "--setting", "max_epochs=12", "--quiet"]
    assert run(["fit", *arguments, *small]) == 0
    return shop / "model"


@pytest.mark.workflow
def test_fit_says_what_it_found_and_saves(
    shop: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(shop / "products.csv"), *CHOICE, "-o", str(model), "--overwrite", "--quiet"]
    small = ["--setting", "hidden_dim=64", "--setting", "max_epochs=12"]
    assert run(["fit", *arguments, *small]) == 0  # again: the embeddings are reused
    said = capsys.readouterr().out
    assert "row 9" in said  # the broken picture is named
    assert f"model: {model}" in said
    assert "srmm evaluate" in said
    assert {p.name for p in model.iterdir()} == {
        "config.json", "model.safetensors", "README.md", "rows.parquet",
    }  # fmt: skip
    store = load_embeddings(shop / "model.embeddings")
    assert len(store) == 90
    assert store.present[:, 0].sum() == 90 - 18 - 2  # empty cells, a missing and a broken file
    rows = pd.read_parquet(model / "rows.parquet")
    assert set(rows["split"].dropna()) == {"train", "test"}
    assert rows["split"].isna().sum() == 1  # the row without a category
    assert (rows["split"] == "test").sum() == pytest.approx(89 / 4, abs=2)


@pytest.mark.workflow
def test_evaluate_writes_page_and_numbers(
    shop: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second command."""
    assert run(["evaluate", str(model), "-o", str(shop / "report.html"), "--json", "-q"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["patterns"][0]["present"] == ["image", "text"]
    report = json.loads((shop / "report.json").read_text())
    assert report["data"]["splits"]["test"] == pytest.approx(89 / 4, abs=2)
    assert set(report["baselines"]) >= {"unimodal:image", "unimodal:text", "router"}
    assert {m["present"][0] for m in report["patterns"][1:]} == {"image", "text"}
    page = (shop / "report.html").read_text()
    assert "http" not in page.split("<body", 1)[0].replace("http-equiv", "")
    assert report["patterns"][0]["accuracy"] > 0.8  # texts that say it all


@pytest.mark.workflow
def test_predict_reads_other_rows_the_same_way(shop: Path, model: Path) -> None:
    new = pd.DataFrame(
        {
            "sku": ["a", "b", "c"],
            "photo": ["pictures/0.png", None, "pictures/1.png"],
            "title": ["a black circle", "a black cross", None],
        }
    )
    new.to_csv(shop / "new.csv", index=False)
    output = shop / "out" / "predictions.csv"
    arguments = [str(model), str(shop / "new.csv"), "--id", "sku", "-o", str(output), "-q"]
    assert run(["predict", *arguments, "--probabilities"]) == 0
    out = pd.read_csv(output)
    assert out["id"].tolist() == ["a", "b", "c"]
    assert out["label"].tolist()[:2] == ["circle", "cross"]
    assert out["image_present"].tolist() == [True, False, True]
    assert out["text_present"].tolist() == [True, True, False]
    assert out["image_label"].isna().tolist() == [False, True, False]
    shares = out[[f"probability:{shape}" for shape in SHAPES]]
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(shares.max(axis=1), out["probability"])
    # What a modality alone says is the answer where it is the only one.
    assert out["image_label"][2] == out["label"][2]


@pytest.mark.workflow
def test_rows_with_nothing_are_an_error_or_the_prior(
    shop: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (shop / "holes.csv").write_text("photo,title\npictures/0.png,\n,\n")
    arguments = [
        "predict",
        str(model),
        str(shop / "holes.csv"),
        "-q",
        "-o",
        str(shop / "p.parquet"),
    ]
    assert run(arguments) == 1
    assert "1 of 2 rows have no item at all (rows 1)" in capsys.readouterr().err
    assert run([*arguments, "--when-nothing", "prior"]) == 0
    (shop / "holes.csv").write_text("photo,title\npictures/0.png,a black circle\n,\n")
    capsys.readouterr()
    assert run([*arguments, "--when-nothing", "prior"]) == 0
    assert "2 predictions (1 row with something missing)" in capsys.readouterr().out
    (shop / "holes.csv").write_text("photo,title\npictures/0.png,\npictures/9.png,\n")
    assert run(arguments) == 1  # a picture that is broken is all there was
    assert "Unreadable: row 1 (line 3 of holes.csv), image:" in capsys.readouterr().err
    assert run([*arguments, "--when-nothing", "prior"]) == 0
    out = pd.read_parquet(shop / "p.parquet")
    assert out["image_present"].tolist() == [True, False]
    assert out["label"].notna().all()


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        (["--image", "foto"], 1, "Did you mean 'photo'"),
        (["--lable", "category"], 2, "--label"),
        (["--recipe", "papier"], 2, "paper"),
        (["--setting", "learning_rate"], 1, "--setting takes NAME=VALUE, got 'learning_rate'"),
        (["--setting", "leaning_rate=1"], 1, "learning_rate"),
        (["--test-size", "25"], 1, "did you mean 0.25?"),
        (["--encoder", "image=efficientnet"], 1, "efficientnet-lite0"),
        (["--strict"], 1, "row 9 (line 11 of products.csv, id 'p9')"),
        (["--label", "sku"], 1, "one row"),
    ],
)
def test_mistakes_are_understandable(
    shop: Path, change: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    choice = CHOICE
    for option in ("--image", "--label"):
        if option in change:
            at = choice.index(option)
            choice = choice[:at] + choice[at + 2 :]
    if change == ["--label", "sku"]:
        choice = [word for word in choice if word not in ("--id", "sku")]
    arguments = [str(shop / "products.csv"), *choice, "-o", str(shop / "other"), "-q"]
    assert run(["fit", *arguments, *change]) == code
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error
    assert not (shop / "other").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["fit", "nowhere.csv", "-o", "m"], "There is no file or folder nowhere.csv"),
        (["evaluate", "nowhere"], "nowhere is not a saved model"),
        (["fit", "fashion", "-o", "m"], "needs a folder"),
        (["fit", "fasion", "-o", "m"], "Did you mean 'fashion'"),
    ],
)
def test_missing_things_are_named(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*arguments, "-q"]) == 1
    assert said in capsys.readouterr().err


@pytest.mark.workflow
def test_a_store_is_fitted_and_evaluated_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_embeddings(problem(200), tmp_path / "store")
    fit = ["fit", str(tmp_path / "store"), "-o", str(tmp_path / "m"), "--setting", "hidden_dim=32"]
    assert run([*fit, "--json", "-q"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == {"train": 150, "test": 50}
    report = str(tmp_path / "r.html")
    assert run(["evaluate", str(tmp_path / "m"), "-o", report, "-q", "--no-baselines"]) == 0
    assert run(["predict", str(tmp_path / "m"), str(tmp_path / "store"), "-q",
                "-o", str(tmp_path / "p.csv")]) == 0  # fmt: skip
    assert len(pd.read_csv(tmp_path / "p.csv")) == 200


def test_the_config_file_is_overridden_by_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_embeddings(problem(120), tmp_path / "store")
    (tmp_path / "c.yaml").write_text(
        "fit:\n  method: srmm-paper\n  recipe: comparison\n"
        "  setting: [hidden_dim=16, max_epochs=3]\n  seed: 7\n"
    )
    base = ["fit", str(tmp_path / "store"), "--json", "-q", "--config", str(tmp_path / "c.yaml")]
    assert run([*base, "-o", str(tmp_path / "a")]) == 0
    assert run([*base, "-o", str(tmp_path / "b"), "--recipe", "paper"]) == 0
    for name, recipe in (("a", "comparison"), ("b", "paper")):
        about = json.loads((tmp_path / name / "config.json").read_text())["about"]
        assert (about["recipe"], about["random_state"]) == (recipe, 7)
        assert about["parameters"]["hidden_dim"] == 16
    (tmp_path / "bad.yaml").write_text("fit:\n  recpie: paper\n")
    assert run(["--config", str(tmp_path / "bad.yaml"), *base[:-2], "-o", str(tmp_path / "c")]) == 2
    assert "recpie" in capsys.readouterr().err
    for text, named in [
        ("ft: {}", "'fit'"),
        ("method: srmm", "section 'method'"),
        ("3: {}", "'3'"),
    ]:
        (tmp_path / "bad.yaml").write_text(text)
        assert run(["--config", str(tmp_path / "bad.yaml"), "methods"]) == 1
        said = capsys.readouterr().err
        assert "which is no command" in said
        assert named in said
    (tmp_path / "good.yaml").write_text("x-all: &all {json: true}\nmethods: *all\n")
    assert run(["--config", str(tmp_path / "good.yaml"), "methods"]) == 0
    assert "srmm" in json.loads(capsys.readouterr().out)


def test_lists_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["encoders"]) == 0
    assert run(["datasets", "--json"]) == 0
    said = capsys.readouterr().out
    assert "efficientnet-lite0" in said
    assert "openmoji" in json.loads(said[said.index("{\n") :])
    for command in (
        "encode",
        "fit",
        "predict",
        "evaluate",
        "demo",
        "encoders",
        "datasets",
        "methods",
    ):
        assert run([command, "--help"]) == 0
        assert "--json" in capsys.readouterr().out


@pytest.mark.workflow
def test_help_and_import_load_no_torch() -> None:
    program = (
        "import sys, srmm\n"
        "ours = {name for name in sys.modules if name.startswith('srmm')}\n"
        "assert ours == {'srmm', 'srmm.version'} and 'numpy' not in sys.modules, ours\n"
        "from srmm.cli import COMMANDS, run\n"
        "run(['--help'])\n"
        "loaded = {f'srmm.cli.{module}' for module, _ in COMMANDS.values()} & {*sys.modules}\n"
        "slow = {'rich.markdown', 'pygments', 'numpy', 'yaml', 'pydantic'} & {*sys.modules}\n"
        "assert not loaded and not slow, (loaded, slow)\n"
        "run(['fit', '--help'])\n"
        "assert 'srmm.cli.fit' in sys.modules and 'srmm.cli.serve' not in sys.modules\n"
        "slow = {'torch', 'pandas', 'sklearn', 'scipy'} & {*sys.modules}\n"
        "assert not slow, slow\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, env=os.environ, capture_output=True)


@pytest.mark.workflow
def test_python_runs_the_package_as_the_command() -> None:
    command = [sys.executable, "-m", "srmm"]
    said = subprocess.run([*command, "fit", "--help"], capture_output=True, text=True, check=True)
    assert said.stdout.startswith("Usage: srmm fit ")
    assert subprocess.run([*command, "fit"], capture_output=True, check=False).returncode == 2


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_there_and_its_summary_is_how_its_help_begins(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    module, summary = COMMANDS[command]
    function = getattr(importlib.import_module(f"srmm.cli.{module}"), command)
    first, _, more = inspect.getdoc(function).partition("\n\n")
    assert summary == first.replace("\n", " ")
    assert run([command, "--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "Usage: srmm " + command in said
    told = more.split("Parameters\n---")[0].split()
    assert not told or all(word.strip("`*") in said for word in told[:5])


@pytest.mark.workflow
def test_other_data_is_evaluated_whole_and_its_rows_are_not_taken_for_training_rows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Numbered rows share their numbers with the training rows; named ones are recognised."""
    train, other = problem(120), problem(80, seed=1)
    save_embeddings(train, tmp_path / "store")
    save_embeddings(other, tmp_path / "other")
    fit = ["fit", str(tmp_path / "store"), "-o", str(tmp_path / "m"), "--setting", "hidden_dim=16"]
    assert run([*fit, "--setting", "max_epochs=12", "-q"]) == 0
    report = tmp_path / "r.html"
    assert run(["evaluate", str(tmp_path / "m"), str(tmp_path / "other"), "-q",
                "-o", str(report)]) == 0  # fmt: skip
    content = json.loads(report.with_suffix(".json").read_text())
    assert content["data"]["splits"]["test"] == 80
    assert "router" in content["baselines"]  # trained on the model's own training rows

    named = problem(120)
    named.ids = np.array([f"row {i}" for i in range(120)], dtype=object)
    save_embeddings(named, tmp_path / "named")
    fit = ["fit", str(tmp_path / "named"), "-o", str(tmp_path / "n"), "--setting", "hidden_dim=16"]
    assert run([*fit, "--setting", "max_epochs=12", "-q"]) == 0
    assert run(["evaluate", str(tmp_path / "n"), str(tmp_path / "named"), "-q", "--no-baselines",
                "-o", str(report)]) == 0  # fmt: skip
    content = json.loads(report.with_suffix(".json").read_text())
    assert content["data"]["splits"]["test"] == 30


@pytest.mark.workflow
def test_published_features_are_evaluated_without_a_store(tmp_path: Path) -> None:
    pytest.importorskip("multiviewstacking")
    fit = ["fit", "htad", "-o", str(tmp_path / "m"), "--setting", "hidden_dim=16"]
    assert run([*fit, "--setting", "max_epochs=12", "-q"]) == 0
    assert run(["evaluate", str(tmp_path / "m"), "-q", "--no-baselines",
                "-o", str(tmp_path / "r.html")]) == 0  # fmt: skip


def small_fit(store: Path, output: Path, *more: str) -> int:
    settings = ["--setting", "hidden_dim=16", "--setting", "max_epochs=12"]
    return run(["fit", str(store), "-o", str(output), *settings, "-q", *more])


@pytest.mark.workflow
def test_trained_rows_are_recognised_by_content_under_other_names(tmp_path: Path) -> None:
    data = problem(120)
    save_embeddings(data, tmp_path / "store")
    assert small_fit(tmp_path / "store", tmp_path / "m") == 0
    shuffled = data[np.random.default_rng(0).permutation(120)]
    shuffled.ids = np.arange(120)
    save_embeddings(shuffled, tmp_path / "shuffled")
    report = tmp_path / "r"
    assert run(["evaluate", str(tmp_path / "m"), str(tmp_path / "shuffled"), "-q",
                "--no-baselines", "-o", str(report)]) == 0  # fmt: skip
    content = json.loads((tmp_path / "r.json").read_text())
    assert content["data"]["splits"]["test"] == 30
    assert (tmp_path / "r.html").exists()


def test_a_store_that_changed_under_its_model_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_embeddings(problem(120), tmp_path / "store")
    assert small_fit(tmp_path / "store", tmp_path / "m") == 0
    save_embeddings(problem(120)[::-1], tmp_path / "other", overwrite=True)
    shuffled = problem(120)[::-1]
    shuffled.ids = np.arange(120)
    save_embeddings(shuffled, tmp_path / "store", overwrite=True)
    assert run(["evaluate", str(tmp_path / "m"), "-q", "-o", str(tmp_path / "r.html")]) == 1
    assert "have changed in" in capsys.readouterr().err


@pytest.mark.workflow
def test_model_and_output_by_relative_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    save_embeddings(problem(80), tmp_path / "store")
    assert small_fit(tmp_path / "store", tmp_path / "m") == 0
    monkeypatch.chdir(tmp_path / "m")
    assert small_fit(Path("../store"), Path(), "--overwrite") == 1
    assert "cannot replace the folder you are in" in capsys.readouterr().err
    assert run(["evaluate", ".", "-q", "--no-baselines", "-o", "../r.html"]) == 0
    assert small_fit(Path("../store"), Path("../n"), "--store", "../n/inside") == 1
    assert "inside the model" in capsys.readouterr().err


@pytest.mark.workflow
def test_rows_that_left_the_table_leave_its_cache(shop: Path, model: Path) -> None:
    lines = (shop / "products.csv").read_text().splitlines()
    (shop / "fewer.csv").write_text("\n".join(lines[:80]) + "\n")
    arguments = ["fit", str(shop / "fewer.csv"), *CHOICE, "-o", str(model), "--overwrite", "-q"]
    assert run([*arguments, "--setting", "hidden_dim=16", "--setting", "max_epochs=12"]) == 0
    assert len(load_embeddings(shop / "model.embeddings")) == 79


@pytest.mark.workflow
def test_a_table_without_a_column_of_the_model_lacks_that_modality(shop: Path, model: Path) -> None:
    (shop / "texts.csv").write_text("title\na black cross\na black circle\n")
    output = shop / "texts-out.csv"
    assert run(["predict", str(model), str(shop / "texts.csv"), "-q", "-o", str(output)]) == 0
    assert pd.read_csv(output)["image_present"].tolist() == [False, False]


@pytest.mark.workflow
@pytest.mark.parametrize("method", ["unimodal:text", "logreg", "tbn-late", "router"])
def test_any_method_is_fitted_evaluated_and_predicts(
    tmp_path: Path, method: str, capsys: pytest.CaptureFixture[str]
) -> None:
    save_embeddings(problem(160, missing=0.0), tmp_path / "store")
    small = ("hidden_dim=16", "max_epochs=4", "batch_size=32")
    network = [] if method == "logreg" else [w for s in small for w in ("--setting", s)]
    fit = ["fit", str(tmp_path / "store"), "--method", method, "-o", str(tmp_path / "m")]
    assert run([*fit, *network, "--json", "-q"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["method"] == method
    assert said["seconds"] > 0
    baselines = [] if method == "router" else ["--no-baselines"]
    assert run(["evaluate", str(tmp_path / "m"), "-q", *baselines,
                "-o", str(tmp_path / "r.html")]) == 0  # fmt: skip
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["model"]["method"] == method
    assert method not in report["baselines"]  # no rival of its own
    assert report["training"]["n_train"] == 120 - report["training"]["n_validation"]
    said = capsys.readouterr().out
    assert method in said
    output = tmp_path / "p.csv"
    assert run(["predict", str(tmp_path / "m"), str(tmp_path / "store"), "-q", "--probabilities",
                "-o", str(output)]) == 0  # fmt: skip
    out = pd.read_csv(output)
    assert out["label"].notna().all()
    if method == "unimodal:text":
        assert "image_label" not in out
        assert (out["text_label"] == out["label"]).all()
    else:
        assert out["image_label"].notna().all()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--method", "extratrees", "--recipe", "paper"], "'extratrees' has no recipe"),
        (["--method", "logreg", "--setting", "dropout=0"], "'logreg' has no parameter 'dropout'"),
        (["--recipe", "paper"], "'srmm' has no recipe"),
        (["--method", "router", "--setting", "patience=3"], "has no parameter 'patience'"),
        (["--method", "tbn-early", "--setting", "droput=0"], "Did you mean 'dropout'"),
        (["--method", "ruoter"], "Did you mean 'router'"),
        (["--method", "logreg", "--set", "C=3"], "C would change nothing"),
        (["--method", "unimodal"], "unimodal:MODALITY"),
    ],
)
def test_what_a_method_cannot_follow_is_an_error(
    tmp_path: Path, options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    save_embeddings(problem(60), tmp_path / "store")
    assert run(["fit", str(tmp_path / "store"), "-o", str(tmp_path / "m"), "-q", *options]) == 1
    assert said in capsys.readouterr().err
    assert not (tmp_path / "m").exists()


def test_the_methods_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["methods", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed["extratrees"]["source"].startswith("P. Geurts et al.")
    assert listed["tbn-late-zeros"]["parameters"] == ["fusion_point=late", "absent=zeros"]
    assert listed["unimodal:MODALITY"]["source"].endswith("Fig. 4's dotted lines")


@pytest.mark.workflow
def test_a_table_elsewhere_finds_its_pictures_by_root_and_says_what_is_broken(
    shop: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "new.csv"
    table.write_text("photo,title\npictures/0.png,\npictures/9.png,a black cross\n")
    out = ["-o", str(tmp_path / "p.csv"), "-q"]
    assert run(["predict", str(model), str(table), *out]) == 1
    assert "--root" in capsys.readouterr().err
    assert run(["predict", str(model), str(table), *out, "--root", str(shop)]) == 0
    said = capsys.readouterr().out
    assert "1 present (50 %; in training " in said
    assert "Unreadable, and counted as absent:\n  row 1 (line 3 of new.csv), image: " in said
    assert pd.read_csv(tmp_path / "p.csv")["image_present"].tolist() == [True, False]


@pytest.mark.workflow
def test_fit_says_which_rows_it_leaves_out(
    shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = pd.read_csv(shop / "products.csv").iloc[:30].copy()
    rows.loc[[0, 1], "category"] = None
    rows.loc[[3, 4, 5], ["photo", "title"]] = None
    rows.to_csv(shop / "fewer.csv", index=False)
    choice = ["--image", "photo", "--text", "title", "--label", "category"]
    model = str(tmp_path / "model")
    assert run(["fit", str(shop / "fewer.csv"), *choice, "-o", model, "-q",
                "--method", "logreg", "--json"]) == 0  # fmt: skip
    facts = json.loads(capsys.readouterr().out)
    assert facts["left_out"] == {
        "without a label": 3, "of a rare class": 0, "with a label but no item": 3
    }  # fmt: skip
    assert sum(facts["rows"].values()) == 24


@pytest.mark.workflow
def test_a_split_that_was_drawn_is_not_the_stores(shop: Path, tmp_path: Path) -> None:
    """Whoever uses the store of a fit again, draws anew."""
    arguments = [str(shop / "products.csv"), *CHOICE, "-o", str(tmp_path / "m"), "-q"]
    assert run(["fit", *arguments, "--method", "logreg"]) == 0
    store = tmp_path / "m.embeddings"
    assert load_embeddings(store).split is None
    tested = []
    for seed in "012":
        output = tmp_path / seed
        assert run(["fit", str(store), "-o", str(output), "-q", "--method", "logreg",
                    "--seed", seed]) == 0  # fmt: skip
        rows = pd.read_parquet(output / "rows.parquet")
        tested.append(tuple(rows["id"][rows["split"] == "test"]))
    assert len(set(tested)) == 3
    rows = pd.read_parquet(tmp_path / "m" / "rows.parquet")
    assert tuple(rows["id"][rows["split"] == "test"]) == tested[0]  # from table or store: the same


def test_numbers_of_a_table_are_a_modality(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=60)
    frame = pd.DataFrame({"w": y + rng.normal(size=60), "h": y + rng.normal(size=60), "x": y})
    frame["y"] = np.array(["no", "yes"])[y]
    frame.to_csv(tmp_path / "t.csv", index=False)
    choice = ["--features", "size=w,h", "--features", "x", "--label", "y"]
    assert run(["fit", str(tmp_path / "t.csv"), *choice, "-o", str(tmp_path / "m"), "-q",
                "--method", "logreg"]) == 0  # fmt: skip
    frame.drop(columns="x").to_csv(tmp_path / "new.csv", index=False)
    assert run(["predict", str(tmp_path / "m"), str(tmp_path / "new.csv"), "-q",
                "-o", str(tmp_path / "p.csv")]) == 0  # fmt: skip
    out = pd.read_csv(tmp_path / "p.csv")
    assert out["size_present"].all()
    assert not out["x_present"].any()


def test_ctrl_c_is_answered(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("srmm.workflows.reproduce.reproduce_workflow", interrupted)
    assert run(["reproduce", "table7"]) == 130
    assert "Interrupted" in capsys.readouterr().err


@pytest.mark.parametrize(
    "option", [["--seeds", "2"], ["--limit", "0"], ["--root", "x"], ["--set", "a=b"], ["table7"]]
)
def test_a_run_that_is_repeated_takes_no_option_in_silence(
    option: list[str], capsys: pytest.CaptureFixture
) -> None:
    assert run(["reproduce", *option, "--from", "before"]) == 1
    named = option[0] if option[0].startswith("--") else "an experiment"
    assert f"--from repeats a run as it was: leave {named} out" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        "fit nowhere -o m --seed 1.5", "fit nowhere -o m --min-rows 2.9", "serve m --port 80.5",
        "compare nowhere --seeds 1.5", "encode nowhere -o s --batch-size 1.5",
        "predict m nowhere -o p.csv --workers 1.5", "reproduce table6 --limit 9.5",
        "serve m --rows 1.9", "serve m --queue 1.9", "serve m --batch-rows 1.9",
    ],
)  # fmt: skip
def test_numbers_of_options_are_not_rounded_in_silence(
    words: str, capsys: pytest.CaptureFixture
) -> None:
    assert run(words.split()) == 2
    said = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert f"expected a whole number, got '{words.split()[-1]}'" in said


def test_what_would_change_nothing_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    store = str(save_embeddings(problem(60), tmp_path / "store"))
    fit = ["fit", store, "-o", str(tmp_path / "m"), "--method", "logreg"]
    assert run([*fit, "-q"]) == 0
    fit.append("--overwrite")
    asked = {
        "label would change nothing": [*fit, "--label", "colour"],
        "text, split would change nothing": [
            "fit",
            "htad",
            *fit[2:],
            "--text",
            "t",
            "--split",
            "s",
        ],
        "encoder, strict would": [*fit, "--encoder", "image=identity", "--strict"],
        "half precision would": [*fit, "--precision", "half"],
        "group would change": ["compare", store, "--group", "g", "-o", str(tmp_path / "c")],
        "id would": ["predict", fit[3], store, "--id", "i", "-o", str(tmp_path / "p.csv")],
        "label is of a table or data set to evaluate on": ["evaluate", fit[3], "--label", "l"],
        "--encoder gives 'a' twice": [*fit, "--encoder", "a=x", "--encoder", "a=y"],
    }
    for said, words in asked.items():
        assert run([*words, "-q"]) == 1
        assert said in capsys.readouterr().err


def test_a_pattern_is_of_rows_that_have_it_not_of_rows_that_have_it_only():
    said = patterns_text(make_report(3, ["image", "text"]))
    assert said.splitlines()[0] == (
        "accuracy in %, test rows that have these modalities, all others hidden"
    )
