"""A model of sounds and texts, from WAV files to answers over HTTP, with the encoder that hears."""

from __future__ import annotations

import base64
import io
import wave
from typing import Any

import numpy as np
import pandas as pd
import pytest
from starlette.testclient import TestClient

import srmm
from srmm.serving.application import make_application
from srmm.workflows import fit_workflow

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

PITCH = {"low": 110, "high": 330}


def sound(kind: str, seed: int) -> bytes:
    """A second of a tone with overtones, as a WAV."""
    rng = np.random.default_rng(seed)
    time = np.arange(16_000) / 16_000
    pitch = PITCH[kind] * rng.uniform(0.9, 1.1)
    wave_form = sum(np.sin(2 * np.pi * pitch * k * time) / k for k in range(1, 8))
    samples = 6000 * wave_form * rng.uniform(0.5, 1) + rng.normal(0, 100, len(time))
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(samples.clip(-32_000, 32_000).astype("<i2").tobytes())
    return buffer.getvalue()


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("sounds")
    rows = []
    for i in range(32):
        kind = list(PITCH)[i % 2]
        (folder / f"{i}.wav").write_bytes(sound(kind, i))
        rows.append({"clip": f"{i}.wav", "price": i % 5 + 10 * (kind == "low"), "kind": kind})
    pd.DataFrame(rows).to_csv(folder / "t.csv", index=False)
    fit_workflow(
        str(folder / "t.csv"), folder / "model", method="logreg",
        columns={"audio": "clip", "features": "price", "label": "kind"},
        encoders={"audio": "resemblyzer"},
    )  # fmt: skip
    predictor = srmm.load(folder / "model")
    with TestClient(make_application(predictor), raise_server_exceptions=False) as client:
        client.predictor, client.folder = predictor, folder  # type: ignore[attr-defined]
        yield client


@pytest.mark.parametrize("kind", PITCH)
def test_a_sound_is_answered_as_predict_answers_it(client: Any, kind: str) -> None:
    content = sound(kind, 99)
    path = client.folder / f"{kind}.wav"
    path.write_bytes(content)
    (expected,) = client.predictor.predict_proba([{"audio": str(path)}])
    as_text = client.post("/predict", json={"audio": base64.b64encode(content).decode()})
    as_file = client.post("/predict", files={"audio": ("a.wav", content, "audio/wav")})
    for response in (as_text, as_file):
        (said,) = response.json()["predictions"]
        assert said["label"] == kind
        found = {entry["label"]: entry["probability"] for entry in said["probabilities"]}
        for label, probability in zip(client.predictor.classes_.tolist(), expected, strict=True):
            assert found[label] == pytest.approx(probability, abs=1e-5)
        assert said["modalities"]["audio"]["status"] == "present"
        assert said["modalities"]["features"]["status"] == "absent"


def test_a_sound_that_is_none_is_named_and_the_rest_answered(client: Any) -> None:
    content = sound("low", 5)
    for broken in (b"RIFF", content[:30], np.random.default_rng(0).bytes(5000)):
        given = {"audio": base64.b64encode(broken).decode(), "price": 12}
        (said,) = client.post("/predict", json=given).json()["predictions"]
        assert said["modalities"]["audio"]["status"] == "broken"
        assert said["modalities"]["audio"]["reason"]
        assert said["label"] == "low"


def test_the_description_has_a_sound_that_is_heard(client: Any) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    body = paths["/predict"]["post"]["requestBody"]["content"]["application/json"]
    answer = client.post("/predict", json=body["examples"]["everything"]["value"])
    assert answer.json()["predictions"][0]["modalities"]["audio"]["status"] == "present"
