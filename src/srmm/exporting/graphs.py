"""Every method that one graph can hold, as a module over items and what is present."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from srmm.classifier import PaperClassifier
from srmm.ensemble.classifier import SingleBranchClassifier
from srmm.errors import InputError
from srmm.exporting.ensemble import EnsembleGraph
from srmm.exporting.parts import (
    Answer,
    Constants,
    Fuse,
    Items,
    StandardisedItems,
    only_shown,
)
from srmm.learning.method import METHODS, method_name
from srmm.learning.network import ComparisonNetworkClassifier
from srmm.methods.logreg import ConcatenatedLogisticRegression, PerModalityLogisticRegression
from srmm.methods.unimodal import UnimodalClassifier


class ClassifierGraph(Constants):
    """A whole classifier: one float tensor (n, d_m) per modality and `present` (n, M) → float32.

    Probabilities (n, C), those of training where nothing is present; and what each modality alone
    says (n, M, C), NaN where it is absent, for the methods in which that comes for free.
    """

    prior: Tensor

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.names = tuple(model.modalities_)
        self.inside = _graph_of(model)
        self.keep(prior=np.asarray(model.class_prior_, dtype=np.float64))

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        *vectors, present = tensors
        # Before anything is computed: what stands for an absent item may be NaN.
        shown = [only_shown(x, present[:, m]) for m, x in enumerate(vectors)]
        probabilities, alone = self.inside(dict(zip(self.names, shown, strict=True)), present)
        something = present.any(dim=1, keepdim=True)
        outputs = [torch.where(something, probabilities.double(), self.prior).float()]
        if alone is not None:
            outputs.append(torch.where(present[:, :, None], alone, torch.nan).float())
        return tuple(outputs)


class PaperGraph(nn.Module):
    """`PaperClassifier`: each item through the branch alone, then late fusion."""

    def __init__(self, model: PaperClassifier) -> None:
        super().__init__()
        self.items = StandardisedItems(model.standardizer_, model.modalities_)
        self.network = copy.deepcopy(model.network_).cpu().eval()
        self.fuse = Fuse(model.fusion)

    def forward(self, items: Items, present: Tensor) -> Answer:
        shown = self.items(items, present)
        each = [self.network({name: x}).softmax(dim=1) for name, x in shown.items()]
        outputs = torch.stack(each, dim=1).double()  # (n, M, C)
        return self.fuse(outputs, present), outputs


class NetworkGraph(nn.Module):
    """A network over whole instances with holes, such as those SRMM is compared with."""

    def __init__(self, model: ComparisonNetworkClassifier) -> None:
        super().__init__()
        self.items = StandardisedItems(model.standardizer_, model.modalities_)
        self.network = copy.deepcopy(model.network_).cpu().eval()

    def forward(self, items: Items, present: Tensor) -> Answer:
        return self.network(self.items(items, present), present).softmax(dim=1), None


class LogisticRegressionGraph(nn.Module):
    """`PerModalityLogisticRegression`: one per modality, then late fusion."""

    def __init__(self, model: PerModalityLogisticRegression) -> None:
        super().__init__()
        self.items = StandardisedItems(model.standardizer_, model.modalities_)
        prior = np.asarray(model.class_prior_, dtype=np.float64)
        self.each = nn.ModuleList(
            _Regression(model.models_.get(name), prior) for name in model.modalities_
        )
        self.fuse = Fuse(model._fusion)

    def forward(self, items: Items, present: Tensor) -> Answer:
        shown = self.items(items, present).values()
        outputs = torch.stack([one(x) for one, x in zip(self.each, shown, strict=True)], dim=1)
        return self.fuse(outputs, present), outputs


class ConcatenatedGraph(nn.Module):
    """`ConcatenatedLogisticRegression`: all embeddings side by side, zeros where absent."""

    def __init__(self, model: ConcatenatedLogisticRegression) -> None:
        super().__init__()
        self.items = StandardisedItems(model.standardizer_, model.modalities_)
        regression = model.models_["all"]
        self.regression = _Regression(regression, np.zeros(len(model.classes_)))

    def forward(self, items: Items, present: Tensor) -> Answer:
        return self.regression(torch.cat(list(self.items(items, present).values()), dim=1)), None


class UnimodalGraph(Constants):
    """`UnimodalClassifier`: the classifier of one modality, its classes among those of all."""

    place: Tensor

    def __init__(self, model: UnimodalClassifier) -> None:
        super().__init__()
        self.inside = _graph_of(model.model_)
        known = np.searchsorted(model.classes_, model.model_.classes_)
        place = np.zeros((len(known), len(model.classes_)))
        place[np.arange(len(known)), known] = 1.0
        self.keep(place=place)

    def forward(self, items: Items, present: Tensor) -> Answer:
        probabilities, _ = self.inside(items, present)
        return probabilities.double() @ self.place, None


class _Regression(Constants):
    """A logistic regression of scikit-learn: (n, d) → double (n, C); without a model the prior.

    A class that no item of the modality had keeps its share of the training set.
    """

    weight: Tensor
    bias: Tensor
    place: Tensor
    rest: Tensor

    def __init__(self, model: Any, prior: np.ndarray) -> None:
        super().__init__()
        known = np.zeros(0, dtype=int) if model is None else model.classes_
        share = prior[known].sum() if prior.any() else 1.0
        place, rest = np.zeros((len(known), len(prior))), np.array(prior)
        place[np.arange(len(known)), known] = share
        rest[known] = 0.0
        self.knows = len(known) > 0
        self.keep(place=place, rest=rest)
        if self.knows:
            weight, bias = model.coef_.astype(np.float64), model.intercept_.astype(np.float64)
            if len(weight) == 1:  # of two classes scikit-learn keeps one line
                weight, bias = np.vstack([0 * weight, weight]), np.hstack([0 * bias, bias])
            self.keep(weight=weight.T, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        if not self.knows:
            return self.rest.expand(len(x), -1)
        return (x.double() @ self.weight + self.bias).softmax(dim=1) @ self.place + self.rest


_GRAPHS: dict[type, Callable[[Any], nn.Module]] = {
    SingleBranchClassifier: EnsembleGraph,
    PaperClassifier: PaperGraph,
    PerModalityLogisticRegression: LogisticRegressionGraph,
    ConcatenatedLogisticRegression: ConcatenatedGraph,
    UnimodalClassifier: UnimodalGraph,
}


def _graph_of(model: Any) -> nn.Module:
    """The module of a fitted classifier; raises `InputError` naming a method that has none."""
    cls = type(model)
    if cls in _GRAPHS:
        return _GRAPHS[cls](model)
    if isinstance(model, ComparisonNetworkClassifier) and _is_plain(cls):
        return NetworkGraph(model)
    raise InputError(
        f"The method {method_name(model)!r} cannot be exported to ONNX. These can: "
        f"{', '.join(exportable())}. Fit one of them, or serve this model with srmm.load."
    )


def _is_plain(cls: type[ComparisonNetworkClassifier]) -> bool:
    """Whether its probabilities are the softmax of its network, as in the base class."""
    return cls._probabilities is ComparisonNetworkClassifier._probabilities


def exportable() -> list[str]:
    """The names of the methods that have a graph."""
    found = []
    for name, entry in METHODS.entries().items():
        cls = entry.about.classifier
        plain = issubclass(cls, ComparisonNetworkClassifier) and _is_plain(cls)
        if cls in _GRAPHS or plain:
            found.append(name)
    return found
