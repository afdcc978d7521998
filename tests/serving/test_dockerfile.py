"""What is asked of the Dockerfile and of what lies around it, with no engine to build it."""

from __future__ import annotations

import configparser
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

from srmm.cli import app
from srmm.serving.guard import OPEN, PROBES
from srmm.serving.limits import Limits
from srmm.serving.process import KEYS
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
    """Whether .dockerignore leaves a path out: a name at the root, or after **/ anywhere."""
    parts = Path(path).parts
    for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines():
        name = line.removeprefix("**/")
        assert not re.search("[!/]", name), f"{line}: this test reads plain names only"
        where = parts if line.startswith("**/") else parts[:1]
        if line[:1] not in ("", "#") and any(fnmatch.fnmatch(part, name) for part in where):
            return True
    return False


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
    # Whatever model somebody bakes in, and all of the package.
    assert not any(map(ignored, ["model", "demo/model", "src/srmm/serving/page/app.js"]))


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


def docs_block(language: str, first: str) -> str:
    """The block of docs/serving.md in this language that begins so."""
    text = (ROOT / "docs/serving.md").read_text("utf-8")
    blocks = re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    (found,) = [block for block in blocks if block.startswith(first)]
    return found


def test_the_deployment_of_the_docs_asks_what_the_server_answers() -> None:
    pod = yaml.safe_load(docs_block("yaml", "apiVersion"))["spec"]["template"]["spec"]
    (one,) = pod["containers"]
    (port,) = one["ports"]
    assert str(port["containerPort"]) == last("EXPOSE").rest
    probes = {name: one[f"{name}Probe"]["httpGet"] for name in ("startup", "readiness", "liveness")}
    assert all(
        probe["path"] in PROBES and probe["port"] == port["name"] for probe in probes.values()
    )
    # One that is busy must not be killed.
    assert probes["readiness"]["path"] == "/ready"
    assert probes["liveness"]["path"] == "/health"
    variables = {variable["name"]: variable for variable in one["env"]}
    assert variables["OMP_NUM_THREADS"]["value"] == one["resources"]["limits"]["cpu"]
    assert "valueFrom" in variables[KEYS], "a key stands in no manifest"
    sleep = re.search(r"sleep\((\d+)\)", one["lifecycle"]["preStop"]["exec"]["command"][-1])
    assert sleep is not None
    assert pod["terminationGracePeriodSeconds"] > Limits().answer_seconds + int(sleep[1])
    assert one["securityContext"]["readOnlyRootFilesystem"]
    assert [mount["mountPath"] for mount in one["volumeMounts"]] == [WRITABLE]


def test_the_unit_of_the_docs_starts_what_there_is() -> None:
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read_string(docs_block("ini", "[Unit]"))
    service = unit["Service"]
    check_command(service["ExecStart"].split()[1:])
    assert int(service["TimeoutStopSec"]) > Limits().answer_seconds
    values = assigned(service["Environment"], {})
    kept = f"/var/cache/{service['CacheDirectory']}"
    assert values["SRMM_CACHE"] == kept  # all else is read-only


def test_the_image_starts_what_there_is() -> None:
    check_command(last("CMD").listed)


def check_command(words: list[str]) -> None:
    """Fail if `srmm` does not know an option."""
    command, bound, _ = app.parse_args(words, exit_on_error=False, print_error=False)
    assert command.__name__ == "serve"
    assert "model" in bound.arguments
