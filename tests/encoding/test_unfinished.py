"""A full disk, a power loss, two jobs at one output."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from contextlib import suppress
from pathlib import Path

import pytest

import srmm.encoding.chunks
from srmm.encoding.encode import encode
from srmm.errors import SrmmError
from srmm.files import remove_interrupted, replacing_file, replacing_folder
from tests.encoding.hash_encoder import HashEncoder
from tests.encoding.test_encode import WORDS, contents, texts

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(srmm.encoding.chunks, "CHUNK_ITEMS", 4)


def encoded(output: Path, encoder: HashEncoder | None = None, words: list[str] = WORDS):
    return encode(texts(*words), {"text": encoder or HashEncoder("text")}, output, batch_size=3)


# Two at once -----------------------------------------------------------------------------------


HOLDER = """
    import sys, time
    from pathlib import Path
    import srmm.encoding.chunks
    from tests.encoding.test_unfinished import HashEncoder, encoded

    srmm.encoding.chunks.CHUNK_ITEMS = 4
    folder = Path(sys.argv[1])

    class Waiting(HashEncoder):
        def encode(self, prepared):
            (folder / "begun").touch()
            while not (folder / "go on").exists():
                time.sleep(0.02)
            return super().encode(prepared)

    encoded(folder / "store", Waiting("text"))
"""


@pytest.fixture
def holder(tmp_path):
    """A job in another process that has begun to write to tmp_path / "store" and waits for the
    file "go on"."""
    command = [sys.executable, "-c", textwrap.dedent(HOLDER), tmp_path]
    with subprocess.Popen(command, env=environment()) as process:
        for _ in range(3000):
            if (tmp_path / "begun").exists() or process.poll() is not None:
                break
            time.sleep(0.02)
        assert (tmp_path / "begun").exists()
        (tmp_path / "begun").unlink()
        yield process
        process.kill()


@pytest.mark.workflow
def test_the_second_job_is_told_who_has_the_output(tmp_path, holder):
    with pytest.raises(SrmmError, match=f"store is being written by process {holder.pid} on .* si"):
        encoded(tmp_path / "store")
    encoded(tmp_path / "other")  # another output is free
    (tmp_path / "go on").touch()
    assert holder.wait(60) == 0
    (tmp_path / "go on").unlink()
    (tmp_path / "begun").unlink()
    assert contents(tmp_path / "store") == contents(tmp_path / "other")
    encoder = HashEncoder("text")
    encoded(tmp_path / "store", encoder)  # and so is this one now
    assert not encoder.seen
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "store"]


@pytest.mark.workflow
def test_a_job_that_was_killed_blocks_nobody(tmp_path, holder):
    holder.kill()
    assert holder.wait(60) == -signal.SIGKILL
    assert (tmp_path / ".store.lock").exists()
    encoded(tmp_path / "store")
    encoded(tmp_path / "other")
    assert contents(tmp_path / "store") == contents(tmp_path / "other")
    assert not (tmp_path / "store.partial").exists()


@pytest.mark.workflow
@pytest.mark.slow
def test_many_that_start_together_leave_one_whole_store(tmp_path):
    """Each either does the work or is told who does; the folder of unfinished work comes and goes
    under them."""
    driver = (
        "import sys\nfrom pathlib import Path\nfrom srmm.errors import SrmmError\n"
        "from tests.encoding.test_unfinished import encoded\n"
        "for _ in range(15):\n"
        "    try: encoded(Path(sys.argv[1]))\n"
        "    except SrmmError as error: assert 'is being written by' in str(error), error\n"
    )
    command = [sys.executable, "-c", driver, tmp_path / "store"]
    jobs = [subprocess.Popen(command, env=environment()) for _ in range(4)]
    assert [job.wait() for job in jobs] == [0] * 4
    encoded(tmp_path / "store")
    encoded(tmp_path / "other")
    assert contents(tmp_path / "store") == contents(tmp_path / "other")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "store"]


def environment() -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
    }


def test_where_there_are_no_locks_it_goes_on_without(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")

    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    encoded(tmp_path / "store")
    assert (tmp_path / "store").is_dir()


def test_an_error_leaves_nothing_behind_but_work(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    with pytest.raises(SrmmError, match="no embedding store"):
        encoded(tmp_path / "mine")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


# Killed or without power while a folder is replaced ---------------------------------------------


def test_what_a_kill_left_beside_the_store_is_removed(tmp_path):
    encoded(tmp_path / "store", words=WORDS[:5])
    for ending in ("tmp", "old"):
        (tmp_path / f".store.abc.{ending}").mkdir()
        (tmp_path / f".store.abc.{ending}" / "text.safetensors").write_bytes(b"large")
    (tmp_path / ".store2.abc.tmp").mkdir()  # of another output
    encoded(tmp_path / "store")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".store2.abc.tmp", "store"]


def test_the_only_copy_of_a_store_is_not_removed(tmp_path):
    """The kill came between the renames: the old store lies aside, the new one is not there yet."""
    encoded(tmp_path / "store")
    whole = contents(tmp_path / "store")
    (tmp_path / ".store.abc.old").mkdir()
    (tmp_path / "store").rename(tmp_path / ".store.abc.old" / "store")
    remove_interrupted(tmp_path / "store")
    assert contents(tmp_path / "store") == whole
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_all_is_on_the_disk_before_it_gets_its_name(tmp_path, monkeypatch):
    """What a power loss could undo: a name must never be on the disk before its content is, nor an
    old folder be gone from it before the new one has the name."""
    events = []
    fsync, rename, replace, rmtree = os.fsync, Path.rename, Path.replace, shutil.rmtree

    def name(handle):
        return Path(f"/proc/self/fd/{handle}").readlink().name

    if not Path("/proc/self/fd").exists():
        pytest.skip("needs /proc")
    monkeypatch.setattr(os, "fsync", lambda handle: (events.append(name(handle)), fsync(handle)))
    monkeypatch.setattr(Path, "rename", lambda a, b: (events.append(f"{b.name}!"), rename(a, b))[1])
    monkeypatch.setattr(
        Path, "replace", lambda a, b: (events.append(f"{b.name}!"), replace(a, b))[1]
    )
    monkeypatch.setattr(
        shutil, "rmtree", lambda path, **o: (events.append("removed"), rmtree(path, **o))
    )
    with replacing_file(tmp_path / "file") as temporary:
        temporary.write_text("new")
    assert events == [temporary.name, "file!", tmp_path.name]

    (tmp_path / "folder").mkdir()
    events.clear()
    with replacing_folder(tmp_path / "folder") as temporary:
        (temporary / "inner").mkdir()
        (temporary / "inner" / "deep").touch()
        (temporary / "flat").touch()
    moved = events.index("folder!", events.index("folder!") + 1)  # first the old one, aside
    assert {"deep", "inner", "flat", temporary.name} <= set(events[: events.index("folder!")])
    assert events[moved + 1 : moved + 3] == [tmp_path.name, "removed"]


# A full disk -----------------------------------------------------------------------------------


@pytest.mark.workflow
@pytest.mark.slow
def test_a_disk_that_is_full_at_any_moment(tmp_path):
    """At each n-th file opened, folder made or name changed the system says that it is full."""
    driver = tmp_path / "driver.py"
    driver.write_text(textwrap.dedent(FULL_AT_ANY_MOMENT))
    done = subprocess.run(
        [sys.executable, driver, tmp_path],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]


FULL_AT_ANY_MOMENT = """
    import os, sys
    from pathlib import Path
    import srmm.encoding.chunks
    from srmm.errors import SrmmError
    from tests.encoding.test_unfinished import HashEncoder, WORDS, contents, encoded

    srmm.encoding.chunks.CHUNK_ITEMS = 4
    root, left = Path(sys.argv[1]), -1
    CHANGING = os.O_WRONLY | os.O_RDWR

    def hook(event, args):
        global left
        changes = (
            event == "os.rename"
            or (event == "os.mkdir" and not os.path.exists(args[0]))
            or (event == "open" and args[2] & CHANGING)
        )
        if left >= 0 and changes and str(root) in str(args[0]):
            left -= 1
            if left < 0:
                raise OSError(28, "No space left on device")

    sys.addaudithook(hook)
    encoded(root / "start", words=WORDS[:9])
    encoded(root / "whole", words=WORDS[:9])
    encoded(root / "whole")
    for moment in range(1000):
        output = root / f"full at {moment}"
        encoded(output, words=WORDS[:9])
        left, first = moment, HashEncoder("text")
        try:
            encoded(output, first)
        except SrmmError as error:
            assert "There is no space left" in str(error), error
            assert contents(output) in (contents(root / "start"), contents(root / "whole"))
        else:
            assert left >= 0, "an error was swallowed"
            break
        assert left < 0
        left, second = -1, HashEncoder("text")
        encoded(output, second)
        assert contents(output) == contents(root / "whole")
        assert len(first.seen) + len(second.seen) <= len(WORDS) - 9 + 4  # one chunk again
        assert not output.with_name(output.name + ".partial").exists()
    assert moment > 10, moment
    names = {path.name for path in root.iterdir()}
    assert not any(name.startswith(".") for name in names), names
"""


@pytest.mark.workflow
@pytest.mark.slow
def test_a_disk_that_is_really_full(tmp_path):
    """On a file system of two megabytes, with less and less room."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("may not mount a small file system here")
    try:
        fill_and_resume(disk, tmp_path)
    finally:
        subprocess.run(["umount", str(disk)], check=False)


def fill_and_resume(disk: Path, tmp_path: Path) -> None:
    words = [f"word {k}" for k in range(3000)]
    srmm.encoding.chunks.CHUNK_ITEMS = 256
    encoded(tmp_path / "whole", words=words)
    room = sum(map(len, contents(tmp_path / "whole").values()))
    for share in (0.05, 0.3, 0.6, 0.9, 1.1, 1.5, 1.9, 2.2):
        filler = disk / "filler"
        free = shutil.disk_usage(disk).free
        filler.write_bytes(bytes(max(0, free - int(share * room))))
        # Chunks and the whole lie side by side for a while; how long is a matter of timing.
        full = pytest.raises(SrmmError, match="There is no space left")
        with full if share < 1 else suppress(SrmmError):
            encoded(disk / "store", words=words)
        if (disk / "store").exists():
            assert share > 1
            assert contents(disk / "store") == contents(tmp_path / "whole")
            shutil.rmtree(disk / "store")
        filler.unlink()
        again = HashEncoder("text")
        encoded(disk / "store", again, words=words)
        assert contents(disk / "store") == contents(tmp_path / "whole")
        shutil.rmtree(disk / "store")
        assert not any(disk.iterdir())
