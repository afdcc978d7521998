"""A few inputs for every reader; `make fuzz` gives them many more."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzzing.targets import TARGETS, attempt

LARGE = {"report", "report-bytes"}
"""Drawing what is whole takes seconds."""
MODELS = {
    name for name in TARGETS
    if name.startswith(("config", "weights", "model", "store", "manifest", "source", "columns",
                        "card", "experiment", "yaml", "command"))
}  # fmt: skip
"""What needs fitted models, or goes a long way."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzzing")


def try_some(name: str, folder: Path, most: int) -> None:
    """Hypothesis draws the changes: the same ones in every run."""
    target = TARGETS[name]
    examples = target.examples(folder)

    @settings(
        max_examples=most, deadline=None, derandomize=True, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.sampled_from(examples), st.randoms(use_true_random=False))
    def run(example: bytes, random: Random) -> None:
        attempt(target, target.change(example, random), folder)

    run()


@pytest.mark.parametrize("name", sorted(set(TARGETS) - LARGE - MODELS))
def test_a_reader_stands_what_is_nearly_right(name: str, folder: Path) -> None:
    try_some(name, folder, 40)


@pytest.mark.workflow
@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(MODELS | LARGE))
def test_what_lies_in_a_model_or_a_store_is_read_or_refused(name: str, folder: Path) -> None:
    try_some(name, folder, 10 if name in LARGE else 100)
