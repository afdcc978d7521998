"""What is asked of the Dockerfile and of what lies around it, with no engine to build it."""

from __future__ import annotations

import fnmatch
import re
import tomllib
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from srmm.serving.guard import OPEN
from srmm.serving.limits import Limits
from tests.serving.dockerfile import Stage, ancestry, assigned, read_dockerfile

ROOT = Path(__file__).resolve().parents[2]
STAGES = read_dockerfile(ROOT / "Dockerfile")
FINAL = ancestry(STAGES, STAGES[-1].name)
WRITABLE = "/tmp"


def last(word: str) -> Any:
    return [one for one in FINAL if one.word == word][-1]


def pinned(image: str) -> bool:
    """Whether an image is named with a whole version."""
    return re.search(r":v?\d+\.\d+\.\d+[\w.-]*$|@sha256:[0-9a-f]{64}$", image) is not None


def ignored(path: str) -> bool:
    """Whether .dockerignore, which has no exceptions, leaves a path out."""
    patterns = [
        line.strip().removeprefix("**/")
        for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines()
        if line.strip() and not line.startswith("#")
    ]
    assert not any(pattern.startswith("!") for pattern in patterns)
    parts = Path(path).parts
    return any(fnmatch.fnmatch(part, pattern) for part in parts for pattern in patterns)


def test_images_are_pinned() -> None:
    names = {stage.name for stage in STAGES}
    bases = [stage.base for stage in STAGES if stage.base not in names]
    services = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))["services"].values()
    fetched = [one["image"] for one in services if "build" not in one]
    assert bases
    assert fetched
    assert all(map(pinned, bases + fetched))
    # The tests' own list of what is pinned.
    assert not any(map(pinned, ["python", "python:latest", "python:3", "python:3.11-slim"]))


def test_what_runs_is_not_root_and_is_no_shell() -> None:
    user, _, group = last("USER").rest.partition(":")
    # A name says nothing to Kubernetes' runAsNonRoot.
    assert int(user) > 0
    assert int(group) > 0
    after = FINAL[FINAL.index(last("USER")) :]
    assert not any(one.word == "RUN" for one in after)
    assert last("ENTRYPOINT").listed == ["srmm"]
    assert last("CMD").listed[0] == "serve"


def test_its_health_is_asked_without_another_program() -> None:
    check = last("HEALTHCHECK")
    assert check.listed[0] == "python"
    asked = re.search(r"127\.0\.0\.1', (\d+).*'(/\w+)'", check.listed[-1])
    assert asked is not None
    assert asked[1] == last("EXPOSE").rest == last("CMD").listed[-1]
    assert asked[2] in OPEN, "a probe has no key"


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_nothing_comes_from_an_address_or_from_outside_the_context(stage: Stage) -> None:
    assert not stage.all("ADD")
    assert not re.search(r"curl|wget|sudo|apt", " ".join(one.rest for one in stage.all("RUN")))
    for copy in stage.all("COPY"):
        sources = copy.rest.split()[:-1]
        if sources[0].startswith("--from="):
            assert sources[0].removeprefix("--from=") in {one.name for one in STAGES}
            continue
        for source in sources:
            # What the package is made of, and a model which the builder names.
            assert source == "${MODEL}" or (ROOT / source).exists(), source
            assert not ignored(source), source


def test_what_is_sent_to_the_engine_is_little() -> None:
    assert all(map(ignored, [".git", ".venv", ".env", "docs", "src/srmm/__pycache__", "tests"]))
    assert not ignored("src/srmm/data")  # a pattern for a folder of rows must not take the package
    assert not ignored("model")


def test_all_that_is_written_goes_to_one_place() -> None:
    values: dict[str, str] = {}
    for one in FINAL:
        if one.word == "ENV":
            values |= assigned(one.rest, {})
    for name in ("HOME", "SRMM_CACHE", "MPLCONFIGDIR"):
        assert Path(values[name]).is_relative_to(WRITABLE), name
    assert values["PYTHONDONTWRITEBYTECODE"] == "1"
    assert values["HF_HUB_OFFLINE"] == "1"


def test_no_key_is_baked_in() -> None:
    text = (ROOT / "Dockerfile").read_text("utf-8")
    assert not re.search(r"API_KEY|TOKEN|PASSWORD|SECRET", text, re.IGNORECASE)
    # The only address is the public one of PyTorch's builds, and it can be changed.
    assert re.findall(r"\S*https?://\S+", text) == [
        "TORCH_INDEX=https://download.pytorch.org/whl/cpu"
    ]


def test_all_that_the_image_installs_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    build = next(stage for stage in STAGES if stage.name == "build")
    chosen = {k: v for one in build.all("ARG") for k, v in assigned(one.rest, {}).items()}
    extras = chosen["EXTRAS"].split(",")
    assert "serve" in extras
    wanted = project["dependencies"] + [
        one for extra in extras for one in project["optional-dependencies"][extra]
    ]
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins = {canonicalize_name(line.partition("==")[0]) for line in lines if "==" in line}
    assert not needed(wanted) - pins


def needed(requirements: list[str]) -> set[str]:
    """The packages that these need, and what those need, as they are installed here."""
    todo, found = [Requirement(one) for one in requirements], set()
    while todo:
        one = todo.pop()
        for extra in one.extras or {""}:
            if (name := (canonicalize_name(one.name), extra)) in found:
                continue
            found.add(name)
            its = map(Requirement, distribution(one.name).requires or [])
            todo += [r for r in its if r.marker is None or r.marker.evaluate({"extra": extra})]
    return {name for name, _ in found}


def test_compose_and_prometheus_agree_with_the_image() -> None:
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
    service, watcher = compose["services"]["srmm"], compose["services"]["prometheus"]
    port = last("EXPOSE").rest
    assert service["read_only"] is True
    assert service["tmpfs"][0].partition(":")[0] == WRITABLE
    assert service["volumes"][0].endswith(f":{last('CMD').listed[1]}:ro")
    assert all(one.startswith("127.0.0.1:") for one in service["ports"] + watcher["ports"])
    assert int(service["stop_grace_period"].rstrip("s")) > Limits().answer_seconds
    assert service["environment"]["OMP_NUM_THREADS"] == str(service["cpus"])
    asked = yaml.safe_load((ROOT / "deploy/prometheus.yml").read_text("utf-8"))
    (job,) = asked["scrape_configs"]
    assert job["static_configs"][0]["targets"] == [f"srmm:{port}"]
    (secret,) = watcher["secrets"]
    assert job["authorization"]["credentials_file"] == f"/run/secrets/{secret}"
    # One key for both: what Prometheus sends is what the service takes.
    variable = compose["secrets"][secret]["environment"]
    assert service["environment"]["SRMM_API_KEYS"].startswith(f"${{{variable}:?")
