"""The encoders that a model's config names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from srmm.errors import StoreError
from srmm.learning.places import check_places, said_of_encoders
from srmm.workflows.reading import kept_options


def inputs(spec: str | None) -> dict[str, dict[str, Any]]:
    return {"text": {"kind": "text", "column": "t", "encoder": spec}}


@pytest.mark.parametrize(
    "spec",
    [
        "doc2vec:/etc", "doc2vec:encoders/../..", "doc2vec:encoders/image", "doc2vec:",
        "columns:/tmp/x", "clip:../../x", "clip:./x", "clip:~/x", "sentence:a/../../b",
        "xvector:.", "minilm\nnote: all is well", "x" * 5000,
    ],
)  # fmt: skip
def test_a_place_that_no_model_of_ours_names_is_refused(tmp_path: Path, spec: str) -> None:
    if spec.endswith(":"):
        check_places(tmp_path, inputs(spec))  # it names no place: loading says what it needs
        return
    with pytest.raises(StoreError, match=r"as the encoder of 'text', expected .*Get the model"):
        check_places(tmp_path, inputs(spec))


@pytest.mark.parametrize(
    "spec", [None, "minilm", "doc2vec:encoders/text", "clip:openai/clip-vit", "clip:/home/me/clip"]
)
def test_names_and_folders_of_the_model_are_fine(tmp_path: Path, spec: str | None) -> None:
    check_places(tmp_path, inputs(spec))


def test_a_link_out_of_the_model_is_refused(tmp_path: Path) -> None:
    folder, outside = tmp_path / "model", tmp_path / "outside"
    (folder / "encoders").mkdir(parents=True)
    outside.mkdir()
    (folder / "encoders" / "text").symlink_to(outside)
    with pytest.raises(StoreError, match="not a link out of it"):
        check_places(folder, inputs("doc2vec:encoders/text"))


def test_an_encoder_outside_of_the_model_is_said(tmp_path: Path) -> None:
    own = f"doc2vec:{tmp_path.resolve() / 'encoders' / 'text'}"
    specs = [("text", own), ("photo", "clip:/somewhere"), ("sound", "whisper-tiny.en"), ("x", None)]
    (said,) = said_of_encoders(specs, tmp_path)
    assert said.startswith("photo is encoded by clip:/somewhere, which is no part of the model")


def test_a_model_decides_nothing_else_of_reading() -> None:
    assert kept_options({"origin": {"reading": {"missing": "none"}}}) == {"missing": "none"}
    with pytest.raises(ValueError, match=r"origin\.reading is 'folder', which is unknown"):
        kept_options({"origin": {"reading": {"folder": "/etc"}}})
