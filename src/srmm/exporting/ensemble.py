"""`SingleBranchClassifier`, whole or distilled, as one module that ONNX can hold."""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import Tensor, nn

from srmm.ensemble.classifier import SingleBranchClassifier
from srmm.ensemble.discriminants import FARTHEST_SEEN, Discriminants
from srmm.ensemble.features import FARTHEST, Features
from srmm.ensemble.trust import CLIP, FAR, Trust
from srmm.ensemble.weights import LEAST_LOG, PatternWeights
from srmm.exporting.parts import Answer, Constants, Items, Standardise, only_shown


class EnsembleGraph(nn.Module):
    """The networks, the weights of their streams, and the trust in items.

    **Shape**: items {modality: (n, d_m)}, present (n, M) → (n, C) and (n, M, C).
    """

    def __init__(self, model: SingleBranchClassifier) -> None:
        super().__init__()
        names = model.modalities_
        self.network = copy.deepcopy(model.network_).cpu().eval()
        self.features = nn.ModuleList(FeaturesOf(model.features_, name) for name in names)
        self.trust_in = nn.ModuleList(TrustIn(model.trust_, name) for name in names)
        self.lines = nn.ModuleList(
            LineOf(model.discriminants_, name, len(model.classes_)) for name in names
        )
        self.weights = WeightsOf(model.weights_)

    def forward(self, items: Items, present: Tensor) -> Answer:
        made, trust, lines = {}, [], []
        for m, (name, x) in enumerate(items.items()):
            scaled, codes = self.features[m](x)
            trust.append(torch.where(present[:, m], self.trust_in[m](scaled), 0.0))
            made[name] = only_shown(torch.cat([scaled, codes], dim=1), present[:, m])
            lines.append(self.lines[m](only_shown(scaled, present[:, m])))
        trusted = torch.stack(trust, dim=1)  # (n, M)
        members = self.network.members
        vectors = self.network.enter(made, present.expand(members, *present.shape))
        fused = self.network.fused(vectors, trusted)[:, :, None]
        streams = torch.cat([vectors, fused], dim=2)  # (K, n, M + 1, h)
        # The networks' mean before the softmax: (n, M + 1, C).
        said = self.network.classify(streams).mean(dim=0)
        M = present.shape[1]
        said = said.log_softmax(dim=-1)
        logs = torch.cat([said[:, :M], torch.stack(lines, dim=1), said[:, M:]], dim=1).double()
        most = trusted.amax(dim=1, keepdim=True)
        weights = self.weights(present) * torch.cat([trusted, trusted, most], dim=1)
        each = self.weights.alone[:, :, None] * torch.stack([logs[:, :M], logs[:, M:-1]], dim=1)
        alone = trusted[:, :, None] * each.sum(dim=1)
        return (weights[:, :, None] * logs).sum(dim=1).softmax(dim=-1), alone.softmax(dim=-1)


class FeaturesOf(Constants):
    """`Features` of one modality: (n, d_m) → scaled (n, d_m), and codes (n, width − d_m)."""

    low: Tensor
    high: Tensor

    def __init__(self, features: Features, name: str) -> None:
        super().__init__()
        self.standardise = Standardise(features.standardizer, name)
        self.coded = name in features.edges
        if self.coded:
            edges = np.asarray(features.edges[name], dtype=np.float64)
            self.keep(low=edges[:, :-1], high=edges[:, 1:])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        scaled = self.standardise(x).clamp(-FARTHEST, FARTHEST)
        if not self.coded:
            return scaled, scaled[:, :0]
        wide = self.high > self.low
        number = x.double()[:, :, None]
        filled = ((number - self.low) / torch.where(wide, self.high - self.low, 1.0)).clamp(0, 1)
        passed = (number >= self.high).double()
        codes = torch.where(wide, filled, passed).flatten(1)  # (n, d_m · bins)
        return scaled, codes.float()


class LineOf(Constants):
    """`Discriminants.mean_logs` of one modality: scaled (n, d_m) → (n, C); zeros without one."""

    weight: Tensor
    bias: Tensor

    def __init__(self, discriminants: Discriminants, name: str, n_classes: int) -> None:
        super().__init__()
        self.n_classes, self.known = n_classes, name in discriminants.weight
        if self.known:
            of_all = discriminants.weight[name], discriminants.bias[name]
            self.keep(weight=of_all[0].mean(axis=0), bias=of_all[1].mean(axis=0))

    def forward(self, scaled: Tensor) -> Tensor:
        if not self.known:
            return scaled.new_zeros((scaled.shape[0], self.n_classes))
        logits = scaled.clamp(-FARTHEST_SEEN, FARTHEST_SEEN) @ self.weight + self.bias
        return logits.log_softmax(dim=1).clamp_min(LEAST_LOG)


class TrustIn(Constants):
    """`Trust` in the items of one modality, by how strange they are: (n, d_m) → (n,)."""

    axes: Tensor
    spread: Tensor
    rest: Tensor
    limits: Tensor

    def __init__(self, trust: Trust, name: str) -> None:
        super().__init__()
        self.steepness = trust.steepness.get(name, 0.0)
        if self.steepness:
            known = trust.familiar[name]
            self.keep(axes=known.axes, spread=known.spread, rest=known.rest, limits=known.limits)

    def forward(self, scaled: Tensor) -> Tensor:
        if not self.steepness:
            return torch.ones_like(scaled[:, 0])
        some = scaled.clamp(-FAR, FAR)
        along = some @ self.axes
        parts = along / self.spread, (some - along @ self.axes.T) / self.rest
        squares = [part.clamp(-CLIP, CLIP).square().mean(dim=1) for part in parts]
        strange = (torch.stack(squares, dim=1) / self.limits).amax(dim=1).clamp_min(1.0)
        return strange ** (-self.steepness)


class WeightsOf(Constants):
    """`PatternWeights`: present (n, M) → the weight of each expert, double (n, 2·M + 1)."""

    signs: Tensor
    """(M, patterns): 1 where a pattern has the modality, else −1."""
    table: Tensor
    alone: Tensor
    """(2, M): of each modality alone, and of its discriminant."""

    def __init__(self, weights: PatternWeights) -> None:
        super().__init__()
        M = weights.weights.shape[1] // 2
        lone = weights.of(np.eye(M, dtype=bool))
        self.fused_share = weights.fused_share
        has = weights.codes.astype(np.int64) >> np.arange(M)[:, None] & 1
        self.keep(
            signs=(2 * has - 1).astype(np.float32),
            table=weights.weights,
            alone=np.stack([np.diagonal(lone), np.diagonal(lone, M)]),
        )

    def forward(self, present: Tensor) -> Tensor:
        # Not by the integers of patterns: a runtime may add them up as floats, exact to 53 bits.
        agreeing = (2 * present.float() - 1) @ self.signs
        found = agreeing == present.shape[1]  # (n, patterns)
        known = found.double() @ self.table
        # A pattern without weights of its own follows those of its modalities.
        count = present.double().sum(dim=1, keepdim=True)
        share = (1 - self.fused_share) / count.clamp_min(1.0)
        each = [torch.where(present, share * alone, 0.0) for alone in self.alone]
        prior = torch.cat([*each, torch.full_like(count, self.fused_share)], dim=1)
        return torch.where(found.any(dim=1, keepdim=True), known, prior)
