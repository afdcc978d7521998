"""Faces and voices from raw files to a report, through the commands, with either missing."""

import csv
import json
from pathlib import Path

import pytest
import torch

from srmm.cli import run
from srmm.data.store import load_embeddings
from srmm.datasets import load_dataset
from srmm.encoders.networks.inception_resnet import InceptionResNetV1
from tests.encoders.test_face_voice import (
    CLASSIFIER,
    DATA,
    GOLDEN,
    needs_data,
    needs_dlib,
    needs_resemblyzer,
    seeded,
    write_keras,
)

# The extra of Resemblyzer has h5py, too.
pytestmark = [pytest.mark.slow, pytest.mark.workflow, needs_data, needs_resemblyzer]


def write_table(path: Path, identities: int, items: int) -> Path:
    """The first identities, `items` train and test rows of each; some lack a face or a voice."""
    table = load_dataset("face_voice40", DATA)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "face", "voice", "person", "split"])
        for row, (id, label) in enumerate(zip(table.ids, table.labels, strict=True)):
            identity, k = int(label[2:]), int(id.partition("_")[2])
            if identity >= identities or (k - 1) % 5 >= items:
                continue
            there = [table.items[name][row] for name in ("face", "audio")]
            paths = [item and str((table.folder or Path()) / item) for item in there]
            if (identity + k) % 5 < 2:  # a hole in two of five rows, by turns
                paths[(identity + k) % 5] = ""
            writer.writerow([id, *paths, label, table.split[row]])
    return path


def end_to_end(table: Path, face: str, audio: str) -> tuple[Path, dict[str, dict]]:
    """Encode, fit, evaluate, predict by the commands; the store, and accuracy per pattern."""
    store, model = table.with_name("store"), table.with_name("model")
    columns = ["--face", "face", "--audio", "audio=voice", "--label", "person", "--id", "id"]
    encoders = ["--encoder", f"face={face}", "--encoder", f"audio={audio}"]
    assert (
        run(["encode", str(table), *columns, "--split", "split", *encoders, "-o", str(store)]) == 0
    )
    assert run(["fit", str(store), "-o", str(model), "--setting", "hidden_dim=128", "-q"]) == 0
    report = table.with_name("report.html")
    assert run(["evaluate", str(model), "-o", str(report)]) == 0
    patterns = json.loads(report.with_suffix(".json").read_text())["patterns"]
    for hole in ("face", "voice"):
        lacking = table.with_name(f"no_{hole}.csv")
        with table.open() as file, lacking.open("w") as other:
            rows = list(csv.DictReader(file))
            writer = csv.DictWriter(other, ["id", "face", "voice"], extrasaction="ignore")
            writer.writeheader()
            kept = "voice" if hole == "face" else "face"
            writer.writerows({**row, hole: ""} for row in rows if row[kept])
        arguments = [str(model), str(lacking), "--face", "face", "--audio", "audio=voice"]
        assert run(["predict", *arguments, "-o", str(lacking.with_suffix(".parquet"))]) == 0
    return store, {"+".join(entry["present"]): entry for entry in patterns}


@needs_dlib
def test_real_encoders_tell_people_by_face_or_by_voice(tmp_path: Path) -> None:
    table = write_table(tmp_path / "people.csv", identities=6, items=4)
    _, patterns = end_to_end(table, "dlib", "resemblyzer")
    assert patterns.keys() == {"audio+face", "face", "audio"}
    for pattern, entry in patterns.items():
        assert entry["accuracy"] > 0.85, pattern  # chance is 1 in 6


def test_the_papers_networks_go_the_same_way(tmp_path: Path) -> None:
    """Random weights: what the networks say is not tested, that it arrives is."""
    weights = tmp_path / "inception.pt"
    state = seeded(InceptionResNetV1()).state_dict()
    state["logits.weight"], state["logits.bias"] = torch.zeros(8631, 512), torch.zeros(8631)
    torch.save(state, weights)
    write_keras(tmp_path / "vlad.h5", {**GOLDEN["utterance_aggregator"]["layers"], **CLASSIFIER})
    table = write_table(tmp_path / "people.csv", identities=4, items=3)
    store, patterns = end_to_end(
        table, f"inception-resnet-v1:{weights}", f"utterance-aggregator:{tmp_path / 'vlad.h5'}"
    )
    embeddings = load_embeddings(store)
    assert embeddings.embedding_dims == {"face": 512, "audio": 512}
    assert (~embeddings.present).sum(axis=0).min() > 0
    assert patterns.keys() == {"audio+face", "face", "audio"}
    for entry in patterns.values():
        assert 0 <= entry["accuracy"] <= 1
        assert entry["n"] > 0
