"""A small transformer over one token per modality, as ViLT without its patches and words."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srmm.data.modality import check_modalities
from srmm.errors import InputError, fraction, one_of
from srmm.learning.layers import Dropout, on_present, start_as

ABSENCES = ("placeholder", "hidden")

_MLP_RATIO = 4  # ViT's, and so ViLT's
_TOKEN_STD = 0.02  # how ViT, and so ViLT, starts everything that is a token


class Block(nn.Module):
    """A pre-norm transformer layer: attention, then a two-layer MLP, both residual.

    **Shape**: `x` (n, Q, w), the tokens to renew, and `context` (n, K, w), those they attend to;
    `allowed` boolean (n, Q, K), True where a token may look; `prefix` (n, 2P, w), P learnt keys
    and P learnt values that all may look at → (n, Q, w).

    >>> block = Block(width=16, heads=4)
    >>> x = torch.randn(2, 3, 16)
    >>> block(x, x).shape
    torch.Size([2, 3, 16])
    """

    def __init__(self, width: int, heads: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, _MLP_RATIO * width),
            nn.GELU(),
            Dropout(dropout),
            nn.Linear(_MLP_RATIO * width, width),
        )
        self.dropout = Dropout(dropout)

    def forward(
        self,
        x: Tensor,
        context: Tensor,
        *,
        allowed: Tensor | None = None,
        prefix: Tensor | None = None,
    ) -> Tensor:
        x = x + self.dropout(self._attend(self.norm1(x), self.norm1(context), allowed, prefix))
        return x + self.dropout(self.mlp(self.norm2(x)))

    def _attend(
        self, x: Tensor, context: Tensor, allowed: Tensor | None, prefix: Tensor | None
    ) -> Tensor:
        key, value = self.key_value(context).chunk(2, dim=2)  # (n, K, w) each
        if prefix is not None:
            keys, values = prefix.chunk(2, dim=1)
            key, value = torch.cat([keys, key], dim=1), torch.cat([values, value], dim=1)
        seen = F.scaled_dot_product_attention(
            self._split(self.query(x)),
            self._split(key),
            self._split(value),
            attn_mask=None if allowed is None else allowed[:, None],
        )
        return self.out(seen.transpose(1, 2).flatten(2))  # (n, Q, w)

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(2, (self.heads, -1)).transpose(1, 2)  # (n, heads, length, w / heads)


class TokenTransformer(nn.Module):
    """One token per modality and a class token through a few layers; a pooler reads the latter.

    A modality's token is a linear projection of its embedding plus a type embedding. The pooler is
    ViLT's: linear and tanh over the class token after the last layer norm.

    **Shape**: `items` {modality: (n, d_m)}, `present` (n, M) → logits (n, C).

    Parameters
    ----------
    embedding_dims : dict of str to int, any number of modalities
    width, layers, heads : int
        Of the transformer; the heads share the width.
    absent : "placeholder" or "hidden"
        An absent item's token is a learnt one of that modality, or nobody may look at it.
    fusion_layer : int in [0, layers)
        Before that layer a modality's token sees itself alone, and only the class token sees
        several; from it on all see all. 0 is ViLT. `layers` − 1: only the class token fuses, as it
        alone is read after the last layer.

    >>> network = TokenTransformer({"image": 768, "text": 768}, n_classes=101)
    >>> items = {"image": torch.randn(4, 768), "text": torch.randn(4, 768)}
    >>> network(items, torch.ones(4, 2, dtype=torch.bool)).shape
    torch.Size([4, 101])
    """

    def __init__(
        self,
        embedding_dims: Mapping[str, int],
        n_classes: int,
        width: int = 128,
        layers: int = 2,
        heads: int = 4,
        *,
        absent: str = "placeholder",
        fusion_layer: int = 0,
        dropout: float = 0.1,
        init: str = "torch",
    ) -> None:
        super().__init__()
        self.modalities = check_modalities(list(embedding_dims))
        self.hidden = one_of("absent", absent, ABSENCES) == "hidden"
        self.fusion_layer = fusion_layer
        _check_sizes(width, layers, heads)
        fraction("dropout", dropout)
        M = len(self.modalities)
        self.projections = nn.ModuleList(nn.Linear(d, width) for d in embedding_dims.values())
        self.types = new_tokens(M, width)
        self.placeholders = None if self.hidden else new_tokens(M, width)
        self.class_token = new_tokens(1, width)
        self.blocks = nn.ModuleList(Block(width, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.pooler = nn.Sequential(nn.Linear(width, width), nn.Tanh())
        self.head = nn.Linear(width, n_classes)
        start_as(self, init)

    def forward(self, items: Mapping[str, Tensor], present: Tensor) -> Tensor:
        return self.head(self.embed(items, present))  # (n, C)

    def embed(self, items: Mapping[str, Tensor], present: Tensor) -> Tensor:
        """What the classifier sees: (n, w)."""
        x = self.tokens(items, present)  # (n, 1 + M, w)
        for layer, block in enumerate(self.blocks):
            # The last layer renews the class token only: nothing reads the others after it.
            last = layer == len(self.blocks) - 1
            allowed = self.allowed(present, layer)
            if allowed is not None and last:
                allowed = allowed[:, :1]
            x = block(x[:, :1] if last else x, x, allowed=allowed)
        return self.pool(x[:, 0])

    def tokens(self, items: Mapping[str, Tensor], present: Tensor) -> Tensor:
        """The class token, and one per modality: (n, 1 + M, w)."""
        x = torch.stack(
            [
                on_present(self.projections[m], items[name], present[:, m])
                for m, name in enumerate(self.modalities)
            ],
            dim=1,
        )  # (n, M, w), zeros where absent
        if self.placeholders is not None:
            x = torch.where(present[:, :, None], x, self.placeholders)
        first = self.class_token.expand(len(x), 1, -1)
        return torch.cat([first, x + self.types], dim=1)

    def allowed(self, present: Tensor, layer: int) -> Tensor | None:
        """Which token (rows) may look at which in that layer: (n, 1 + M, 1 + M); None: all at all.

        A token always sees itself, so that no row is empty: an absent one's output is never read.
        """
        apart = layer < self.fusion_layer
        if not (self.hidden or apart):
            return None
        there = torch.ones_like(present) if not self.hidden else present
        seen = F.pad(there, (1, 0), value=True)  # (n, 1 + M): the class token is always there
        size = seen.shape[1]
        itself = torch.eye(size, dtype=torch.bool, device=present.device)
        readers = itself[:, :1] if apart else torch.ones_like(itself[:, :1])
        return itself | (readers & seen[:, None])

    def pool(self, x: Tensor) -> Tensor:
        """The class token after the last layer, (n, w), as the classifier sees it: (n, w)."""
        return self.pooler(self.norm(x))


def new_tokens(*shape: int) -> nn.Parameter:
    """Learnt tokens as ViT starts them."""
    # In place: where there is no memory yet, PyTorch takes seconds to begin a product.
    return nn.Parameter(torch.randn(*shape).mul_(_TOKEN_STD))


def _check_sizes(width: int, layers: int, heads: int) -> None:
    for name, value in {"width": width, "layers": layers, "heads": heads}.items():
        if not isinstance(value, int) or value < 1:
            raise InputError(f"{name} must be a whole number, at least 1; got {value!r}.")
    if width % heads:
        raise InputError(
            f"width must be a multiple of heads, got width {width} and {heads} heads; "
            f"try width={heads * max(1, round(width / heads))}."
        )
