"""The encoding job on Daft, with real worker processes on this machine.

Where a Ray cluster is needed, one is started here if Ray is installed.
"""

import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
from PIL import Image

import srmm.encoding.chunks
import srmm.processes.workers
from srmm.cli import run
from srmm.data.broken import UnreadableItem
from srmm.data.items import ItemReader
from srmm.data.table import Table, read_table
from srmm.encoding.chunks import Chunk
from srmm.encoding.daft.driver import _lost
from srmm.encoding.daft.task import pack_items, unpack_encoder
from srmm.encoding.encode import encode
from srmm.errors import InputError, MissingExtraError, SrmmError
from srmm.processes import outcomes
from tests.encoding.deadly_encoder import DeadlyEncoder
from tests.encoding.hash_encoder import HashEncoder

daft = pytest.importorskip("daft", reason="needs daft: pip install 'srmm[daft]'")
pytestmark = pytest.mark.workflow
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    """Four items per chunk; and workers find the classes of these tests."""
    monkeypatch.setattr(srmm.encoding.chunks, "CHUNK_ITEMS", 4)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }


def texts(n: int, *others: str) -> Table:
    return read_table(pd.DataFrame({"t": [f"word {k}" for k in range(n)] + list(others)}), text="t")


def picture(path: Path, seed: int) -> None:
    noise = np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)


@pytest.fixture
def mixed(tmp_path) -> Table:
    """Texts, pictures and vectors with every fault that an item can have."""
    folder = tmp_path / "files"
    folder.mkdir()
    for k in range(14):
        picture(folder / f"{k}.png", k)
    (folder / "3.png").unlink()
    (folder / "5.png").write_bytes(b"")
    (folder / "7.png").write_bytes((folder / "7.png").read_bytes()[:300])
    frame = pd.DataFrame(
        {
            "image": [f"{k}.png" for k in range(14)],
            "text": [None if k % 5 == 2 else "w" * (k % 3) + f"ord {k % 9}" for k in range(14)],
            "v": [None if k == 4 else [float(k), 1.0] for k in range(14)],
            "label": ["a", "b"] * 7,
        }
    )
    frame.loc[6, "text"] = "x" * 1_000_001
    return read_table(
        frame, image="image", text="text", features="features=v", label="label", folder=folder
    )


def hashes() -> dict[str, object]:
    return {"image": HashEncoder("image"), "text": HashEncoder("text"), "features": "identity"}


def test_the_same_store_and_the_same_report_bit_for_bit(mixed, tmp_path):
    alone = encode(mixed, hashes(), tmp_path / "alone", batch_size=3)
    shared = encode(mixed, hashes(), tmp_path / "shared", batch_size=3, engine="daft", workers=2)
    assert contents(tmp_path / "alone") == contents(tmp_path / "shared")
    assert not (tmp_path / "shared.partial").exists()
    assert shared.summary.unreadable == alone.summary.unreadable
    assert len(alone.summary.unreadable) == 3
    for name, part in alone.summary.modalities.items():
        other = shared.summary.modalities[name]
        for field in ("present", "empty", "missing_files", "encoded", "resumed", "first_missing"):
            assert getattr(part, field) == getattr(other, field), (name, field)
    assert alone.summary.modalities["image"].missing_files == 1


def test_without_an_output_and_with_progress():
    told: list[tuple[str, int, int]] = []
    table = texts(11)
    alone = encode(table, {"text": HashEncoder("text")}).embeddings.values["text"]
    shared = encode(
        table,
        {"text": HashEncoder("text")},
        engine="daft",
        workers=2,
        progress=lambda *now: told.append(now),
    ).embeddings.values["text"]
    np.testing.assert_array_equal(alone, shared)
    assert sorted(
        b - a for (_, a, _), (_, b, _) in zip([("", 0, 0), *told], told, strict=False)
    ) == [3, 4, 4]
    assert told[-1] == ("text", 11, 11)


def test_strict_names_the_items(mixed):
    with pytest.raises(InputError, match=r"image items? of.* cannot be read:\n.*row 5 .* is empty"):
        encode(mixed, hashes(), strict=True, engine="daft", workers=2)


def test_it_goes_on_where_a_job_without_daft_stopped(tmp_path):
    """And the other way round: both keep the same files."""
    table, done = texts(20), []

    def stop(_: str, n: int, total: int) -> None:
        done.append(n)
        if n >= 12:
            raise KeyboardInterrupt

    encode(table, {"text": HashEncoder("text")}, tmp_path / "whole")
    for first, then in [("auto", "daft"), ("daft", "auto")]:
        output = tmp_path / first
        with pytest.raises(KeyboardInterrupt):
            encode(
                table,
                {"text": HashEncoder("text")},
                output,
                engine=first,
                workers=2,
                progress=stop,
            )
        result = encode(table, {"text": HashEncoder("text")}, output, engine=then, workers=2)
        assert result.summary.modalities["text"].resumed >= 8
        assert contents(output) == contents(tmp_path / "whole")


def test_a_worker_that_is_killed_is_replaced(tmp_path):
    """Two workers, and one gets SIGKILL while both are at work."""
    pids = tmp_path / "pids"
    pids.mkdir()
    table, killed = texts(60), []

    def kill_one(_: str, n: int, total: int) -> None:
        at_work = sorted(pids.iterdir(), key=lambda file: file.stat().st_mtime_ns)
        if not killed and n >= 12 and len(at_work) >= 2:
            killed.append((int(at_work[-1].name), n))
            os.kill(killed[0][0], signal.SIGKILL)

    encode(table, {"text": HashEncoder("text")}, tmp_path / "alone", batch_size=2)
    result = encode(
        table,
        {"text": DeadlyEncoder(pids)},
        tmp_path / "shared",
        batch_size=2,
        engine="daft",
        workers=2,
        progress=kill_one,
    )
    [(pid, at)] = killed
    assert at < 60, "it was killed in the middle"
    assert len(list(pids.iterdir())) >= 3, "another one took its place"
    assert os.getpid() != pid
    assert str(os.getpid()) not in {file.name for file in pids.iterdir()}
    assert contents(tmp_path / "alone") == contents(tmp_path / "shared")
    assert result.summary.modalities["text"].encoded == 60


@pytest.mark.slow
def test_an_item_that_kills_every_worker_is_named_and_the_rest_is_kept(tmp_path, monkeypatch):
    pids = tmp_path / "pids"
    pids.mkdir()
    monkeypatch.setattr(srmm.encoding.chunks, "CHUNK_ITEMS", 2)
    frame = pd.DataFrame({"t": ["word 0", "die", *(f"word {k}" for k in range(1, 11))]})
    table = read_table(frame, text="t")
    with pytest.raises(SrmmError, match="The text item 'die' ends every process"):
        encode(
            table,
            {"text": DeadlyEncoder(pids, seconds=0)},
            tmp_path / "store",
            engine="daft",
            workers=2,
        )
    assert not (tmp_path / "store").exists()
    assert len(list((tmp_path / "store.partial").glob("text-*.safetensors"))) == 5


@pytest.mark.parametrize("killers", [{0}, {5}, {0, 1, 2, 3, 4, 5}])
def test_a_chunk_that_kills_comes_last_and_a_second_one_ends_it(killers):
    tries = 0

    def run(packed: list[tuple[int, bytes]]) -> Iterator[tuple[int, object]]:
        nonlocal tries
        tries += 1
        if killers & {number for number, _ in packed}:
            raise RuntimeError("lost a worker")
        yield from ((number, Chunk(np.zeros((0, 2)), np.zeros(0, int))) for number, _ in packed)

    came = list(outcomes(run, [(number, b"") for number in range(6)], 2))
    if len(killers) == 1:
        assert [number for number, _ in came][-1:] == list(killers)
        assert sorted(number for number, _ in came) == list(range(6))
        assert [number for number, chunk in came if not isinstance(chunk, Chunk)] == list(killers)
    else:
        assert [number for number, _ in came] == [0, 1]
        assert tries < 10


def test_chunks_that_lose_their_workers_only_together_are_listed():
    def run(packed: list[tuple[int, bytes]]) -> Iterator[tuple[int, object]]:
        for number, items in packed:
            if len(pickle.loads(items)) > 12:
                raise RuntimeError("out of memory")
            yield number, "a chunk"

    with ItemReader() as reader:
        error = str(_lost(run, [f"word {k}" for k in range(13)], "text", reader))
    assert "the same 13 text items, though not on one of them alone" in error
    assert "'word 9'\n  … and 3 more" in error


def test_what_the_encoder_raises_is_raised_here_at_once(tmp_path):
    pids = tmp_path / "pids"
    pids.mkdir()
    with pytest.raises(ZeroDivisionError, match="own fault") as raised:
        encode(texts(5, "raise"), {"text": DeadlyEncoder(pids)}, engine="daft", workers=1)
    assert "In a worker process" in "".join(raised.value.__notes__)
    assert len(list(pids.iterdir())) == 1, "it is not tried again"


def test_an_encoder_that_cannot_be_sent_is_explained():
    class Locked(HashEncoder):
        def __init__(self) -> None:
            super().__init__("text")
            self.lock = threading.Lock()

    with pytest.raises(InputError, match="'hash' cannot be sent to worker processes"):
        encode(texts(3), {"text": Locked()}, engine="daft")


def test_other_weights_under_the_same_name_are_noticed():
    from srmm.encoders import load_encoder

    expected = {**load_encoder("identity", "features").settings, "preprocessing": "other"}
    with pytest.raises(InputError, match="'identity' is another one in a worker process"):
        unpack_encoder(pickle.dumps((("identity", "features", "torch"), expected)))


def test_pictures_in_memory_are_sent_decoded(tmp_path):
    turned = Image.new("RGB", (4, 2), "red")
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(tmp_path / "turned.tiff", exif=exif)
    picture(tmp_path / "whole.png", 0)
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:300])
    with ItemReader() as reader:
        sent = [Image.open(tmp_path / "turned.tiff"), Image.open(tmp_path / "cut.png")]
        got = pickle.loads(pack_items(sent, "image", reader))
        assert got[0].size == (2, 4)
        assert isinstance(got[1], UnreadableItem)
        assert "truncated" in str(got[1])
        words = pickle.loads(pack_items(["a", threading.Lock()], "text", reader))
        assert words[0] == "a"
        assert str(words[1]) == "is not text but lock"


def test_without_daft_it_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr(srmm.processes.workers, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'srmm\[daft\]'"):
        encode(texts(3), {"text": HashEncoder("text")}, tmp_path / "store", engine="daft")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"engine": "dask"}, "engine is 'dask'"),
        ({"address": "auto"}, "address is 'auto', a cluster for engine='daft'"),
    ],
)
def test_options_are_checked(options, message):
    with pytest.raises(InputError, match=message):
        encode(texts(3), {"text": HashEncoder("text")}, **options)


def workers_of(pid: int) -> list[int]:
    children = psutil.Process(pid).children()
    return [one.pid for one in children if "udf_worker" in " ".join(one.cmdline())]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="finds workers in /proc")
def test_the_command_survives_the_loss_of_a_worker(tmp_path, monkeypatch):
    """The real command with a real network, in chunks of 50 texts."""
    pd.DataFrame({"t": [f"a text about the number {k}" for k in range(300)]}).to_csv(
        tmp_path / "table.csv"
    )
    command = [
        sys.executable,
        "-c",
        "import srmm.encoding.chunks as c; c.CHUNK_ITEMS = 50; from srmm.cli import main; main()",
        "encode",
        str(tmp_path / "table.csv"),
        "--text",
        "t",
    ]
    monkeypatch.setattr(srmm.encoding.chunks, "CHUNK_ITEMS", 50)
    assert run([*command[3:], "-o", str(tmp_path / "alone"), "--quiet"]) == 0
    with subprocess.Popen(
        [*command, "-o", str(tmp_path / "shared"), "--engine", "daft", "--workers", "2", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as job:
        partial = tmp_path / "shared.partial"
        while job.poll() is None and not list(partial.glob("text-*.safetensors")):
            time.sleep(0.05)
        workers = workers_of(job.pid)
        assert len(workers) == 2, job.communicate()
        os.kill(workers[0], signal.SIGKILL)
        out, err = job.communicate()
    assert job.returncode == 0, err
    assert out.lstrip().startswith("{"), out[:300]
    assert contents(tmp_path / "alone") == contents(tmp_path / "shared")


ON_RAY = """
    import os, signal, sys
    from pathlib import Path
    import pandas as pd, ray
    import srmm.encoding.chunks
    from srmm.encoding.encode import encode
    from srmm.errors import SrmmError
    from srmm.data.table import read_table
    from tests.encoding.deadly_encoder import DeadlyEncoder

    srmm.encoding.chunks.CHUNK_ITEMS = 4
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    root = Path(sys.argv[1])
    killed = []

    def kill_one(name, done, total):
        at_work = sorted((root / "pids").iterdir(), key=lambda file: file.stat().st_mtime_ns)
        if not killed and done >= 12 and len(at_work) >= 2:
            killed.append(done)
            os.kill(int(at_work[-1].name), signal.SIGKILL)

    def run(texts, output, **options):
        table = read_table(pd.DataFrame({"t": texts}), text="t")
        return encode(table, {"text": DeadlyEncoder(root / "pids", seconds=0.1)}, output,
                      batch_size=2, engine="daft", address="auto", **options)

    words = [f"word {k}" for k in range(60)]
    run(words, root / "shared", progress=kill_one)
    assert killed and killed[0] < 60, killed
    try:
        run([*words[:8], "die"], root / "never")
    except SrmmError as error:
        assert "'die' ends every process" in str(error), error
    else:
        raise AssertionError("an item that kills every worker was encoded")
"""


@pytest.mark.slow
def test_a_ray_cluster_makes_the_same_store_and_survives_the_same_losses(tmp_path):
    pytest.importorskip("ray", reason="needs Ray: pip install 'srmm[ray]'")
    (tmp_path / "pids").mkdir()
    encode(texts(60), {"text": HashEncoder("text")}, tmp_path / "alone", batch_size=2)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(ON_RAY), str(tmp_path)],
        env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert contents(tmp_path / "alone") == contents(tmp_path / "shared")


def test_work_is_read_as_it_can_be_done():
    """A wave holds some pieces for each worker, however large, and no more than memory takes."""
    waves, read = [], []

    def packed() -> Iterator[tuple[int, bytes]]:
        for number in range(30):
            read.append(number)
            yield number, bytes(1 << (26 if number < 10 else 3))

    def run(wave: list[tuple[int, bytes]]) -> Iterator[tuple[int, object]]:
        waves.append((len(wave), len(read)))
        yield from ((number, "done") for number, _ in wave)

    assert [number for number, _ in outcomes(run, packed(), 1)] == list(range(30))
    assert waves == [(4, 5), (4, 9), (4, 13), (18, 30)]
