"""The utterance-level aggregator: a thin ResNet-34 over time, and GhostVLAD over its columns.

Xie, Nagrani, Chung, Zisserman: Utterance-level aggregation for speaker recognition in the wild
(ICASSP 2019). Where the paper and the published code (WeidiXie/VGG-Speaker-Recognition, net
"resnet34s", aggregation "gvlad") differ, this is the code's network, so that its weights fit.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

EMBEDDING_DIM = 512
FREQUENCIES = 257
CLUSTERS = 8
GHOSTS = 2
"""Clusters that take in what tells nothing about the speaker, and are then thrown away."""

_STAGES = {
    # name: (blocks, inner channels, output channels, stride)
    "conv2": (2, 48, 96, 1),
    "conv3": (3, 96, 128, 2),
    "conv4": (3, 128, 256, 2),
    "conv5": (3, 256, 512, 2),
}

_COLUMN = 16
"""Frames of the spectrogram per column of features: one pooling and three strides of two."""

_PIECE = 128 * _COLUMN
_OVERLAP = 6 * _COLUMN
"""A column depends on the 92 frames before and behind it."""


class UtteranceAggregator(nn.Module):
    """Spectrograms → embeddings of unit length, all of them positive.

    Shape
    -----
    input : (n, 257, t), frequencies and frames; t of any length from 16 on
    output : (n, 512), each row of length 1

    Examples
    --------
    >>> UtteranceAggregator().eval()(torch.randn(2, 257, 250)).shape
    torch.Size([2, 512])
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = _conv(1, 64, 7)
        self.blocks = nn.ModuleDict()
        channels = 64
        for stage, (count, inner, outputs, stride) in _STAGES.items():
            for number in range(count):
                block = _Bottleneck(channels, inner, outputs, stride if number == 0 else None)
                self.blocks[f"{stage}_{'abc'[number]}"] = block
                channels = outputs
        self.fc = nn.Conv2d(channels, EMBEDDING_DIM, (7, 1))
        self.assignment = nn.Conv2d(channels, CLUSTERS + GHOSTS, (7, 1))
        self.centres = nn.Parameter(torch.randn(CLUSTERS + GHOSTS, EMBEDDING_DIM) * 0.02)
        self.fc6 = nn.Linear(CLUSTERS * EMBEDDING_DIM, EMBEDDING_DIM)

    def forward(self, spectrograms: torch.Tensor) -> torch.Tensor:
        return self.aggregate(self.columns(spectrograms))

    def columns(self, spectrograms: torch.Tensor) -> torch.Tensor:
        """(n, 257, t) → the convolutional features (n, 512, 7, about t / 16)."""
        x = F.max_pool2d(self.conv1(spectrograms[:, None]), 2)  # (n, 64, 128, t / 2)
        for block in self.blocks.values():
            x = block(x)
        return F.max_pool2d(x, (3, 1), stride=(2, 1))  # (n, 512, 7, t / 16)

    def aggregate(self, columns: torch.Tensor) -> torch.Tensor:
        """(n, 512, 7, columns) → (n, 512)."""
        features = F.relu(self.fc(columns)).squeeze(2)  # (n, 512, columns)
        share = self.assignment(columns).squeeze(2).softmax(dim=1)  # (n, 10, columns)
        # Sum over the columns of share · (feature − centre).
        residuals = share @ features.transpose(1, 2)  # (n, 10, 512)
        residuals = residuals - share.sum(dim=2, keepdim=True) * self.centres
        residuals = F.normalize(residuals[:, :CLUSTERS], dim=2, eps=1e-6)  # (n, 8, 512)
        return F.normalize(F.relu(self.fc6(residuals.flatten(1))), dim=1, eps=1e-6)


def columns_in_pieces(columns: Callable[..., np.ndarray], spectrogram: np.ndarray) -> np.ndarray:
    """What `columns` makes of a spectrogram (257, t): (1, 512, 7, about t / 16).

    In memory that does not grow with t: about 20 s at a time.
    """
    frames = spectrogram.shape[-1]
    pieces = []
    for start in range(0, frames, _PIECE):
        left, right = max(0, start - _OVERLAP), start + _PIECE + _OVERLAP
        piece = columns(spectrograms=spectrogram[None, :, left:right])
        first = (start - left) // _COLUMN
        last = None if right >= frames else first + _PIECE // _COLUMN
        pieces.append(piece[..., first:last])
        if last is None:
            break
    return np.concatenate(pieces, axis=-1)


class _Bottleneck(nn.Module):
    """1 × 1, 3 × 3, 1 × 1, added to the input; with a stride (also 1), to a projection of it."""

    def __init__(self, inputs: int, inner: int, outputs: int, stride: int | None) -> None:
        super().__init__()
        self.reduce = _conv(inputs, inner, 1, stride=stride or 1)
        self.conv = _conv(inner, inner, 3)
        self.increase = _conv(inner, outputs, 1, activation=False)
        self.project = (
            nn.Identity()
            if stride is None
            else _conv(inputs, outputs, 1, stride=stride, activation=False)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.increase(self.conv(self.reduce(x))) + self.project(x))


def _conv(
    inputs: int, outputs: int, kernel: int, *, stride: int = 1, activation: bool = True
) -> nn.Sequential:
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        conv=nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False),
        bn=nn.BatchNorm2d(outputs, eps=1e-3),
    )
    if activation:
        layers["relu"] = nn.ReLU(inplace=True)
    return nn.Sequential(layers)
