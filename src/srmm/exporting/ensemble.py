"""`SingleBranchClassifier`, whole or distilled, as one module that ONNX can hold."""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import Tensor, nn

from srmm.ensemble.classifier import SingleBranchClassifier
from srmm.ensemble.features import FARTHEST, Features
from srmm.ensemble.trust import CLIP, FAR, Trust
from srmm.ensemble.weights import PatternWeights
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
        self.weights = WeightsOf(model.weights_)

    def forward(self, items: Items, present: Tensor) -> Answer:
        made, trust = {}, []
        for m, (name, x) in enumerate(items.items()):
            scaled, codes = self.features[m](x)
            trust.append(torch.where(present[:, m], self.trust_in[m](scaled), 0.0))
            made[name] = only_shown(torch.cat([scaled, codes], dim=1), present[:, m])
        trusted = torch.stack(trust, dim=1)  # (n, M)
        members = self.network.members
        vectors = self.network.enter(made, present.expand(members, *present.shape))
        fused = self.network.fused(vectors, trusted)[:, :, None]
        streams = torch.cat([vectors, fused], dim=2)  # (K, n, M + 1, h)
        # The networks' mean before the softmax: (n, M + 1, C).
        logs = self.network.classify(streams).mean(dim=0).log_softmax(dim=-1).double()
        most = trusted.amax(dim=1, keepdim=True)
        weights = self.weights(present) * torch.cat([trusted, most], dim=1)
        alone = (self.weights.alone * trusted)[:, :, None] * logs[:, :-1]
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
    """`PatternWeights`: present (n, M) → the weight of each stream, double (n, M + 1)."""

    bits: Tensor
    codes: Tensor
    table: Tensor
    alone: Tensor

    def __init__(self, weights: PatternWeights) -> None:
        super().__init__()
        M = weights.weights.shape[1] - 1
        lone = weights.of(np.eye(M, dtype=bool))
        self.fused_share = weights.fused_share
        self.keep(
            bits=1 << np.arange(M),
            codes=weights.codes.astype(np.int64),
            table=weights.weights,
            alone=np.diagonal(lone),
        )

    def forward(self, present: Tensor) -> Tensor:
        code = torch.where(present, self.bits, 0).sum(dim=1, keepdim=True)
        found = code == self.codes  # (n, patterns)
        known = found.double() @ self.table
        # A pattern without weights of its own follows those of its modalities.
        count = present.double().sum(dim=1, keepdim=True)
        share = (1 - self.fused_share) * self.alone / count.clamp_min(1.0)
        fused = torch.full_like(count, self.fused_share)
        prior = torch.cat([torch.where(present, share, 0.0), fused], dim=1)
        return torch.where(found.any(dim=1, keepdim=True), known, prior)
