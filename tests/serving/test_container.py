"""The Dockerfile's steps, run without an engine: in a fresh virtual environment, offline.

Every RUN, COPY and ENV of the image is done as it stands, but for where its folders lie: those of
the image's root are put below a folder of the test. Packages are those that the tests run with.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.serving.dockerfile import (
    Instruction,
    Stage,
    ancestry,
    assigned,
    read_dockerfile,
)
from tests.serving.test_process import ask, model  # noqa: F401 - a fixture

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
STAGES = read_dockerfile(ROOT / "Dockerfile")
OFFLINE = {"PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
"""pip asks nobody; 0 is its way to say that hatchling is here."""
READ_ONLY = "/proc/nobody"
"""A home that nobody can make, root neither."""


class Built(NamedTuple):
    """An image: the folder that stands for its root, and what it sets."""

    root: Path
    variables: dict[str, str]
    port: int

    def placed(self, text: str) -> str:
        """A text with the image's folders where they lie here, and the port that is free here."""
        text = re.sub(r"(?<![\w./])/(opt|source|model|tmp)\b", rf"{self.root}/\1", text)
        return text.replace("8000", str(self.port))

    def command(self, instruction: Instruction) -> list[str]:
        """What an instruction in exec form starts, with the program that the image would find."""
        return [self.placed(word) for word in instruction.listed]

    def environment(self, **more: str) -> dict[str, str]:
        """What a process has in its environment; nothing of ours comes in."""
        return {**{name: self.placed(value) for name, value in self.variables.items()}, **more}

    def found(self, program: str) -> str:
        """The program's path, looked up in the image's PATH and there alone."""
        path = shutil.which(program, path=f"{self.root}/opt/srmm/bin")
        assert path is not None, program
        return path


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The build stage, and what of it the last stage has."""
    pytest.importorskip("hatchling")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    image = Built(tmp_path_factory.mktemp("image"), {}, port)
    (image.root / "tmp").mkdir()
    stage = next(stage for stage in STAGES if stage.name == "build")
    build_stage(image, ancestry(STAGES, stage.name))
    image.variables.clear()
    for one in ancestry(STAGES, STAGES[-1].name):
        if one.word == "ENV":
            image.variables.update(assigned(one.rest, {"PATH": os.defpath}))
    # What is built is copied whole; sources are left behind.
    (copied,) = copies(ancestry(STAGES, STAGES[-1].name))
    assert copied == ["--from=build", "/opt/srmm", "/opt/srmm"]
    shutil.rmtree(image.root / "source")
    return image


def copies(instructions: list[Instruction]) -> list[list[str]]:
    return [one.rest.split() for one in instructions if one.word == "COPY"]


def build_stage(image: Built, instructions: list[Instruction]) -> None:
    """Do one instruction after the other."""
    arguments: dict[str, str] = {}
    folder = image.root
    python = Path(sys.executable).parent
    for one in instructions:
        if one.word == "ENV":
            image.variables.update(assigned(one.rest, {"PATH": f"{python}:{os.defpath}"}))
        elif one.word == "ARG":
            arguments |= assigned(one.rest, {})
        elif one.word == "WORKDIR":
            folder = Path(image.placed(one.rest))
            folder.mkdir()
        elif one.word == "COPY":
            *sources, target = one.rest.split()
            for source in sources:
                put(ROOT / source, folder / target)
        elif one.word == "RUN":
            ran = subprocess.run(
                ["/bin/sh", "-c", image.placed(one.rest)], cwd=folder, text=True, check=False,
                env=image.environment(**arguments, **OFFLINE), capture_output=True,
            )  # fmt: skip
            assert ran.returncode == 0, ran.stdout + ran.stderr
            if "-m venv" in one.rest:
                see_our_packages(image)
        else:
            pytest.fail(f"{one.word}: a step that this test does not know")


def put(source: Path, target: Path) -> None:
    """Copy as the engine does: of a folder what is in it."""
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target)


def see_our_packages(image: Built) -> None:
    """Let the new environment find the packages of ours behind its own: nothing is downloaded."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = image.root / "opt/srmm/lib" / version / "site-packages"
    ours = {sysconfig.get_path(name) for name in ("purelib", "platlib")}
    for old in packages.glob("setuptools*"):  # venv's own, which pip would replace by a newer one
        shutil.rmtree(old)
    (packages / "ours.pth").write_text("".join(f"{path}\n" for path in sorted(ours)), "utf-8")


@pytest.fixture
def service(built: Built, model: Path) -> Iterator[subprocess.Popen[str]]:  # noqa: F811
    """The container's process, with its model mounted and a home that cannot be written."""
    last = {one.word: one for one in ancestry(STAGES, STAGES[-1].name)}
    (built.root / "model").symlink_to(model, target_is_directory=True)
    program, *rest = built.command(last["ENTRYPOINT"]) + built.command(last["CMD"])
    rest[rest.index("0.0.0.0")] = "127.0.0.1"  # a test opens no door
    environment = built.environment(HOME=READ_ONLY, TMPDIR=f"{built.root}/tmp")
    process = subprocess.Popen(
        [built.found(program), *rest], cwd="/", env=environment, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def health(built: Built) -> int:
    """The exit code of the container's own check of health."""
    last = {one.word: one for one in ancestry(STAGES, STAGES[-1].name)}
    program, *rest = built.command(last["HEALTHCHECK"])
    # A proxy of the machine must not be asked for what is here.
    environment = built.environment(http_proxy="http://127.0.0.1:9")
    return subprocess.run(
        [built.found(program), *rest], env=environment, stderr=subprocess.DEVNULL, check=False
    ).returncode


def files_of(folder: Path) -> Mapping[Path, int]:
    return {p: p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}


def test_the_image_serves_a_model(
    built: Built,
    service: subprocess.Popen[str],
    model: Path,  # noqa: F811
) -> None:
    before = files_of(built.root / "opt"), files_of(model)
    address = f"http://127.0.0.1:{built.port}"
    assert health(built) != 0  # the check can fail: nothing answers yet
    until = time.monotonic() + 120
    while health(built):
        assert service.poll() is None, service.stderr and service.stderr.read()
        assert time.monotonic() < until
        time.sleep(0.2)
    assert ask(f"{address}/health") == {"status": "ok"}
    answer: Any = ask(f"{address}/predict", {"a": {"u": 3.0, "v": 0.0}})
    assert answer["predictions"][0]["label"] == "yes"
    # All of this with nothing written but in /tmp.
    assert (files_of(built.root / "opt"), files_of(model)) == before
    service.send_signal(signal.SIGTERM)
    assert service.wait(30) == 0


def test_what_the_image_runs_is_the_package_it_was_built_from(built: Built) -> None:
    code = "import srmm.serving as s; print(s.__file__)"
    ran = subprocess.run(
        [built.found("python"), "-c", code], env=built.environment(), capture_output=True,
        text=True, check=True, cwd="/",
    )  # fmt: skip
    assert Path(ran.stdout).is_relative_to(built.root)
    # The page is no Python, and has to come along.
    assert (Path(ran.stdout.strip()).parent / "page" / "app.js").exists()


def test_stages_that_are_not_built_here_add_a_model_and_no_more() -> None:
    build = [stage.name for stage in STAGES if stage.name in ("base", "build", "service")]
    rest: list[Stage] = [stage for stage in STAGES if stage.name not in build]
    assert [one.word for stage in rest for one in stage.instructions] == ["ARG", "COPY"]
