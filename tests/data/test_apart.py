"""Items that kill whoever decodes them, and the process that dies of them in place of the job."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from srmm.data import apart, decoder
from srmm.data.broken import UnreadableItem
from srmm.data.items import ItemReader
from srmm.data.limits import limit, notes_on_limits
from srmm.data.table import read_table
from srmm.encoding.encode import encode
from srmm.errors import InputError
from tests.data.test_items import encoded, photo
from tests.data.test_svg import nested, svg
from tests.encoding.hash_encoder import HashEncoder

GOOD = svg('<rect width="9" height="9" fill="red"/>')
DEADLY = svg(nested(300))
ENDLESS = svg(
    f'<filter id="f">{"<feTurbulence numOctaves=&quot;16&quot; baseFrequency=&quot;3&quot;/>" * 60}'
    '</filter><rect filter="url(#f)" width="9" height="9"/>'.replace("&quot;", '"')
)


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[apart.Decoders]:
    """Processes of this test alone, which begin with the limits that it sets."""
    own = apart.Decoders()
    monkeypatch.setattr(apart, "_DECODERS", own)
    yield own
    own.close()


def reason(data: bytes) -> str:
    with pytest.raises(UnreadableItem) as broken:
        ItemReader().image(data)
    return str(broken.value)


@pytest.mark.workflow
def test_what_is_decoded_apart_is_the_same(fresh: apart.Decoders) -> None:
    pytest.importorskip("soundfile")
    picture = photo(size=(60, 80))
    for form in ("TIFF", "PNG"):
        read = ItemReader().image(encoded(picture, form))
        np.testing.assert_array_equal(np.asarray(read), np.asarray(picture))
    assert reason(encoded(picture, "TIFF")[:500]).startswith("is ")
    assert len(fresh._idle) == 1  # one process for all of them


@pytest.mark.workflow
def test_threads_have_a_process_each(fresh: apart.Decoders) -> None:
    pictures = [photo(seed) for seed in range(20)]
    files = [encoded(picture, "TIFF") for picture in pictures]
    with ThreadPoolExecutor(3) as pool:
        read = list(pool.map(ItemReader().image, files))
    for picture, again in zip(pictures, read, strict=True):
        np.testing.assert_array_equal(np.asarray(picture), np.asarray(again))
    assert 1 <= len(fresh._idle) <= 3


@pytest.mark.workflow
def test_an_item_that_kills_is_broken_and_the_next_is_read(
    tmp_path: Path, fresh: apart.Decoders, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("resvg_py")
    monkeypatch.setenv("SRMM_MAX_SVG_DEPTH", "100_000")  # so that it is drawn
    (tmp_path / "deadly.svg").write_bytes(DEADLY)
    (tmp_path / "good.svg").write_bytes(GOOD)
    frame = pd.DataFrame({"picture": ["deadly.svg", "good.svg"]})
    result = encode(
        read_table(frame, image="picture", folder=tmp_path), {"image": HashEncoder("image")}
    )
    assert result.embeddings.present[:, 0].tolist() == [False, True]
    (entry,) = result.summary.unreadable
    assert entry.item == "deadly.svg"
    assert entry.reason.startswith("killed the process that decoded it (SIG")
    assert any("SRMM_MAX_SVG_DEPTH is 100,000" in note for note in result.summary.notes)


@pytest.mark.workflow
def test_an_item_without_end_has_a_time(
    fresh: apart.Decoders, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("resvg_py")
    monkeypatch.setenv("SRMM_MAX_SVG_ELEMENTS", "1_000_000")
    monkeypatch.setenv("SRMM_MAX_DECODE_SECONDS", "1")
    assert reason(ENDLESS).startswith("took more than 1 seconds to decode (")
    assert ItemReader().image(GOOD).getpixel((9, 9)) == (255, 0, 0)


@pytest.mark.workflow
def test_memory_has_a_limit(fresh: apart.Decoders, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("resource")
    monkeypatch.setenv("SRMM_MAX_DECODE_BYTES", "600_000_000")
    monkeypatch.setenv("SRMM_MAX_PIXELS", "200_000_000")
    large = encoded(Image.new("L", (12_000, 12_000)), "TIFF", compression="packbits")
    assert reason(large).startswith(("needs more than 0.6 GB of memory", "killed the process"))


@pytest.mark.workflow
def test_a_death_of_something_else_costs_nothing(fresh: apart.Decoders) -> None:
    pytest.importorskip("resvg_py")
    assert ItemReader().image(GOOD).size == (224, 224)
    os.kill(fresh._idle[0].process.pid, signal.SIGKILL)
    assert ItemReader().image(GOOD).size == (224, 224)


@pytest.mark.workflow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_has_processes_of_its_own(fresh: apart.Decoders) -> None:
    pytest.importorskip("resvg_py")
    ItemReader().image(GOOD)
    asked = fresh._idle[0].process.pid
    child = os.fork()
    if child == 0:
        apart._DECODERS.forget()
        same = ItemReader().image(GOOD).size == (224, 224)
        other = fresh._idle[0].process.pid != asked
        apart._DECODERS.close()
        os._exit(0 if same and other else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert ItemReader().image(GOOD).size == (224, 224)
    assert fresh._idle[0].process.pid == asked


def test_a_jpeg_of_many_scans_is_decoded_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bytes] = []

    def ask(head: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
        asked.append(data)
        return decoder.answer(head, data)

    monkeypatch.setattr(apart, "_DECODERS", SimpleNamespace(ask=ask))
    plain = encoded(photo(), "JPEG", progressive=True)
    at = plain.index(b"\xff\xda")
    scan = plain[at : plain.index(b"\xff", at + 2)]
    many = plain[:at] + scan * 200 + plain[at:]
    assert ItemReader().image(plain).size == (40, 30)
    assert asked == []
    with contextlib.suppress(UnreadableItem):
        ItemReader().image(many)
    assert asked == [many]


def test_limits_that_are_no_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not notes_on_limits()
    monkeypatch.setenv("SRMM_MAX_SECONDS", "1_200")
    assert limit("SRMM_MAX_SECONDS") == 1200
    assert notes_on_limits()[0].startswith("SRMM_MAX_SECONDS is 1,200 seconds, usually 600")
    for text in ("many", "-1", "0"):
        monkeypatch.setenv("SRMM_MAX_SECONDS", text)
        with pytest.raises(InputError, match=r"SRMM_MAX_SECONDS .* a whole number"):
            limit("SRMM_MAX_SECONDS")


def test_postscript_is_not_run() -> None:
    assert "PostScript program, which is not run" in reason(b"%!PS-Adobe-3.0 EPSF-3.0\n")
