"""Inception-ResNet-V1, with the parameter names of the public face checkpoints for PyTorch."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import nn
from torch.nn import functional as F

Kernel = int | tuple[int, int]

EMBEDDING_DIM = 512
SIDE = 160
"""Pixels per side of the pictures that the checkpoints were trained on."""


class InceptionResNetV1(nn.Module):
    """Pictures of faces → embeddings of unit length (Szegedy et al. 2017, as FaceNet trains it).

    The first of the two Inception-ResNets, without its classifier: 23,482,624 parameters. The
    checkpoints of facenet-pytorch ("vggface2", "casia-webface") load into it once their "logits"
    are left out.

    Shape
    -----
    input : (n, 3, 160, 160), or any side of 75 pixels or more; (rgb − 127.5) / 128
    output : (n, 512), each row of length 1

    Examples
    --------
    >>> InceptionResNetV1().eval()(torch.zeros(2, 3, 160, 160)).shape
    torch.Size([2, 512])
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv2d_1a = _conv(3, 32, 3, stride=2)
        self.conv2d_2a = _conv(32, 32, 3)
        self.conv2d_2b = _conv(32, 64, 3, padding=1)
        self.maxpool_3a = nn.MaxPool2d(3, stride=2)
        self.conv2d_3b = _conv(64, 80, 1)
        self.conv2d_4a = _conv(80, 192, 3)
        self.conv2d_4b = _conv(192, 256, 3, stride=2)
        self.repeat_1 = nn.Sequential(*(_block35() for _ in range(5)))
        self.mixed_6a = _Parallel(
            _conv(256, 384, 3, stride=2),
            _branch(256, (192, 1), (192, 3), end=(256, 3)),
            nn.MaxPool2d(3, stride=2),
        )
        self.repeat_2 = nn.Sequential(*(_block17() for _ in range(10)))
        self.mixed_7a = _Parallel(
            _branch(896, (256, 1), end=(384, 3)),
            _branch(896, (256, 1), end=(256, 3)),
            _branch(896, (256, 1), (256, 3), end=(256, 3)),
            nn.MaxPool2d(3, stride=2),
        )
        self.repeat_3 = nn.Sequential(*(_block8(scale=0.2) for _ in range(5)))
        self.block8 = _block8(scale=1.0, last=True)
        self.last_linear = nn.Linear(1792, EMBEDDING_DIM, bias=False)
        self.last_bn = nn.BatchNorm1d(EMBEDDING_DIM, eps=1e-3)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        # The sizes are those of a picture of 160 × 160.
        x = self.conv2d_2b(self.conv2d_2a(self.conv2d_1a(pictures)))  # (n, 64, 77, 77)
        x = self.conv2d_3b(self.maxpool_3a(x))  # (n, 80, 38, 38)
        x = self.conv2d_4b(self.conv2d_4a(x))  # (n, 256, 17, 17)
        x = self.mixed_6a(self.repeat_1(x))  # (n, 896, 8, 8)
        x = self.mixed_7a(self.repeat_2(x))  # (n, 1792, 3, 3)
        x = self.block8(self.repeat_3(x))  # (n, 1792, 3, 3)
        x = self.last_bn(self.last_linear(x.mean(dim=(2, 3))))  # (n, 512)
        return F.normalize(x, dim=1)


class _Parallel(nn.Module):
    """Branches over the same input, their outputs side by side: "branch0", "branch1", …"""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        for number, branch in enumerate(branches):
            self.add_module(f"branch{number}", branch)

    def _branches(self, x: torch.Tensor) -> torch.Tensor:
        outputs = [branch(x) for name, branch in self.named_children() if name.startswith("branch")]
        return torch.cat(outputs, dim=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self._branches(x)


class _Residual(_Parallel):
    """x + scale · conv2d(branches(x)), then ReLU except in the last block of the network."""

    def __init__(
        self, *branches: nn.Module, width: int, channels: int, scale: float, last: bool = False
    ) -> None:
        super().__init__(*branches)
        self.conv2d = nn.Conv2d(width, channels, 1)  # with bias, and without batch norm
        self.scale, self.last = scale, last

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.scale * self.conv2d(self._branches(x))
        return x if self.last else F.relu(x)


def _block35() -> nn.Module:
    return _Residual(
        _conv(256, 32, 1),
        _branch(256, (32, 1), (32, 3)),
        _branch(256, (32, 1), (32, 3), (32, 3)),
        width=96,
        channels=256,
        scale=0.17,
    )


def _block17() -> nn.Module:
    return _Residual(
        _conv(896, 128, 1),
        _branch(896, (128, 1), (128, (1, 7)), (128, (7, 1))),
        width=256,
        channels=896,
        scale=0.1,
    )


def _block8(scale: float, last: bool = False) -> nn.Module:
    return _Residual(
        _conv(1792, 192, 1),
        _branch(1792, (192, 1), (192, (1, 3)), (192, (3, 1))),
        width=384,
        channels=1792,
        scale=scale,
        last=last,
    )


def _branch(
    channels: int, *steps: tuple[int, Kernel], end: tuple[int, Kernel] | None = None
) -> nn.Sequential:
    """Convolutions (channels, kernel) that keep the size; `end` is one more, which halves it."""
    layers = []
    for outputs, kernel in steps:
        layers.append(_conv(channels, outputs, kernel, padding="same"))
        channels = outputs
    if end is not None:
        layers.append(_conv(channels, *end, stride=2))
    return nn.Sequential(*layers)


def _conv(
    inputs: int, outputs: int, kernel: Kernel, *, stride: int = 1, padding: int | str = 0
) -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(
            conv=nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=padding, bias=False),
            bn=nn.BatchNorm2d(outputs, eps=1e-3),
            relu=nn.ReLU(),
        )
    )
