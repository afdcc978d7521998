"""The folder in which processes count together ends with the last of them, or with the next."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from srmm.serving.counts import SEVERAL, counting_together, forget_abandoned

pytest.importorskip("fcntl")


def test_only_folders_that_nobody_uses_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv(SEVERAL, "")
    abandoned, beginning = tmp_path / "srmm-serve-old", tmp_path / "srmm-serve-new"
    for folder in (abandoned, beginning):
        folder.mkdir()
    (abandoned / "in-use").touch()
    (abandoned / "counter_1.db").touch()
    with counting_together():
        mine = Path(os.environ[SEVERAL])
        assert not abandoned.exists()
        (mine / "counter_2.db").touch()
        forget_abandoned()  # as another server does that starts now
        assert sorted(path.name for path in mine.iterdir()) == ["counter_2.db", "in-use"]
    assert [path.name for path in tmp_path.iterdir()] == ["srmm-serve-new"]
