"""What training is measured beside: the paper's network in other loops, and scikit-learn's.

Each of these makes an epoch: a function that trains once over all items and returns (items,
seconds, FLOP). skorch and Lightning are measured where they are installed (`pip install
'srmm[bench]'`).
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from machine import timed
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

Data = dict[str, np.ndarray]
Epoch = Callable[[], tuple[int, float, float]]
HIDDEN = 768


def flops_of_branch(d: int, h: int, n_classes: int) -> int:
    """Of one item through FC(d, h), FC(h, h), FC(h, C), there and back."""
    return 2 * (2 * d * h + 3 * h * h + 3 * h * n_classes)


class Branch(nn.Module):
    """The paper's network and nothing else: items (n, d) to logits (n, n_classes)."""

    def __init__(self, d: int, n_classes: int) -> None:
        super().__init__()
        self.first = nn.Sequential(
            nn.Linear(d, HIDDEN), nn.BatchNorm1d(HIDDEN), nn.ReLU(), nn.Dropout(0.5),
            nn.Linear(HIDDEN, HIDDEN),
        )  # fmt: skip
        self.last = nn.Linear(HIDDEN, n_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(F.normalize(self.first(x)))


def one_by_one(X: Data, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Items of all modalities below one another, their classes, and the FLOP of an epoch."""
    items, target = np.concatenate(list(X.values())), np.tile(y, len(X))
    flops = len(items) * flops_of_branch(items.shape[1], HIDDEN, len(set(y)))
    return items, target, flops


def plain(X: Data, y: np.ndarray, device: str, batch: int, dtype: torch.dtype) -> Epoch:
    """In the shortest loop that trains it: batches are gathered by index."""
    items, target, flops = one_by_one(X, y)
    x, t = torch.from_numpy(items).to(device), torch.from_numpy(target).to(device)
    network = Branch(x.shape[1], len(set(y))).to(device)
    adam = torch.optim.Adam(network.parameters(), lr=0.01, fused=True)

    def train() -> None:
        for rows in torch.randperm(len(x), device=device).split(batch):
            with torch.autocast(device, dtype=dtype, enabled=dtype != torch.float32):
                logits = network(x[rows])
            adam.zero_grad()
            F.cross_entropy(logits.float(), t[rows]).backward()
            adam.step()

    return lambda: (len(x), timed(train, device), flops)


def skorch(X: Data, y: np.ndarray) -> Epoch:
    """skorch's `NeuralNetClassifier`, nothing held out, as its users write it."""
    from skorch import NeuralNetClassifier

    items, target, flops = one_by_one(X, y)

    def epoch() -> tuple[int, float, float]:
        model = NeuralNetClassifier(
            Branch, module__d=items.shape[1], module__n_classes=len(set(y)),
            criterion=nn.CrossEntropyLoss, optimizer=torch.optim.Adam, lr=0.01, batch_size=128,
            iterator_train__shuffle=True, max_epochs=1, train_split=None, verbose=0,
        )  # fmt: skip
        return len(items), timed(lambda: model.fit(items, target)), flops

    return epoch


def lightning(X: Data, y: np.ndarray) -> Epoch:
    """Lightning's `Trainer` with a data loader in the same process, without logs and bars."""
    import pytorch_lightning as pl

    items, target, flops = one_by_one(X, y)
    data = TensorDataset(torch.from_numpy(items), torch.from_numpy(target))

    class Module(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.branch = Branch(items.shape[1], len(set(y)))

        def training_step(self, batch: Any, _: int) -> torch.Tensor:
            return F.cross_entropy(self.branch(batch[0]), batch[1])

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.Adam(self.parameters(), lr=0.01)

    def epoch() -> tuple[int, float, float]:
        logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
        trainer = pl.Trainer(
            max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False,
            enable_progress_bar=False, enable_model_summary=False,
        )  # fmt: skip
        loader = DataLoader(data, batch_size=128, shuffle=True)
        return len(items), timed(lambda: quietly(trainer.fit, Module(), loader)), flops

    return epoch


def mlp(X: Data, y: np.ndarray) -> Epoch:
    """scikit-learn's network with the same layers: no batch norm, no dropout."""
    items, target, flops = one_by_one(X, y)

    def epoch() -> tuple[int, float, float]:
        model = MLPClassifier((HIDDEN, HIDDEN), batch_size=128, max_iter=1, random_state=0)
        return len(items), timed(lambda: quietly(model.fit, items, target)), flops

    return epoch


def peers(X: Data, y: np.ndarray) -> dict[str, Epoch]:
    """Those for the processor that are installed, by name; what is missing is said."""
    found = {"scikit-learn MLPClassifier, batch 128": mlp(X, y)}
    for module, name, make in (
        ("skorch", "skorch, batch 128", skorch),
        ("pytorch_lightning", "Lightning, batch 128", lightning),
    ):
        if find_spec(module):
            found[name] = make(X, y)
        else:
            print(f"{module} is not installed: pip install 'srmm[bench]'")
    return found


class OnePerModality:
    """What a practitioner writes first."""

    def fit(self, X: Data, y: np.ndarray) -> OnePerModality:
        self.models = {
            name: make_pipeline(StandardScaler(), LogisticRegression()).fit(x, y)
            for name, x in X.items()
        }
        return self

    def predict(self, X: Data) -> np.ndarray:
        total = sum(self.models[name].predict_log_proba(x) for name, x in X.items())
        return np.argmax(total, axis=1)


def quietly(work: Callable[..., object], *arguments: Any) -> None:
    """Without the warnings of budgets that have run out, and of workers that nobody asked for."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", module="pytorch_lightning")
        work(*arguments)
