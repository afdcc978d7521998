"""Adam without a compiler takes Adam's steps."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from srmm.learning.optimizer import Adam

FITS = """
import sys
import numpy as np
import srmm

rng = np.random.default_rng(0)
X, y = {"a": rng.normal(size=(60, 8)), "b": rng.normal(size=(60, 5))}, np.arange(60) % 2
for model in (srmm.SingleBranchClassifier(max_epochs=1), srmm.PaperClassifier(max_epochs=1)):
    model.fit(X, y).predict(X)
print("torch._dynamo" in sys.modules)
"""


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_the_steps_are_pytorchs(weight_decay: float) -> None:
    found = []
    for kind in (torch.optim.Adam, Adam):
        weights = torch.nn.Parameter(torch.linspace(-1, 1, 12).view(3, 4))
        optimizer = kind([weights], lr=0.01, weight_decay=weight_decay, fused=True)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=5)
        for _ in range(5):
            optimizer.zero_grad(set_to_none=True)
            weights.pow(3).sum().backward()
            optimizer.step()
            schedule.step()
        assert weights.grad is not None
        assert weights.requires_grad
        found.append(weights.detach())
    assert torch.equal(*found)


@pytest.mark.workflow
def test_no_compiler_is_loaded() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", FITS], capture_output=True, encoding="utf-8", check=True
    )
    assert ran.stdout.strip() == "False"
