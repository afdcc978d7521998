"""Learnt prompts that tell a frozen transformer which modalities are absent (Lee et al. 2023)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from srmm.data.modality import pattern_mask, usable_patterns
from srmm.errors import InputError, one_of
from srmm.methods.networks.token_transformer import TokenTransformer, new_tokens

PLACES = ("input", "attention")


class PromptedTransformer(nn.Module):
    """A frozen transformer; prompts per presence pattern, the pooler and the classifier learn.

    In each of the first layers, the prompt of the instance's pattern is prepended to the tokens
    ("input", where it stays), or half of it to the keys and half to the values ("attention").

    There is a prompt for every pattern of up to five modalities; with more, for those with all,
    all but one, and one. An instance of another pattern, or of one that no training instance
    showed, takes the prompt that was shown and differs in the fewest modalities (the mean, if
    several differ equally little).

    **Shape**: `items` {modality: (n, d_m)}, `present` (n, M) → logits (n, C).

    Parameters
    ----------
    transformer : TokenTransformer
        Frozen here, but for its pooler and head.
    place : "input" or "attention"
    prompt_length : int
        Tokens of a prompt in each layer; even for "attention".
    prompt_layers : int
        How many layers, from the first, have prompts.

    >>> frozen = TokenTransformer({"image": 768, "text": 384}, n_classes=101)
    >>> network = PromptedTransformer(frozen)
    >>> items = {"image": torch.randn(4, 768), "text": torch.randn(4, 384)}
    >>> network(items, torch.ones(4, 2, dtype=torch.bool)).shape
    torch.Size([4, 101])
    """

    patterns: Tensor
    shown: Tensor

    def __init__(
        self,
        transformer: TokenTransformer,
        place: str = "input",
        *,
        prompt_length: int = 16,
        prompt_layers: int = 1,
    ) -> None:
        super().__init__()
        check_prompt(place, prompt_length, prompt_layers, len(transformer.blocks))
        width = transformer.class_token.shape[1]
        self.place = place
        self.transformer = transformer.requires_grad_(False)
        self.transformer.pooler.requires_grad_(True)
        self.transformer.head.requires_grad_(True)
        names = transformer.modalities
        table = np.stack([pattern_mask(pattern, names) for pattern in usable_patterns(names)])
        self.register_buffer("patterns", torch.from_numpy(table))  # (P, M)
        self.register_buffer("shown", torch.zeros(len(table), dtype=torch.bool))
        self.prompts = new_tokens(len(table), prompt_layers, prompt_length, width)

    def forward(self, items: Mapping[str, Tensor], present: Tensor) -> Tensor:
        return self.transformer.head(self.embed(items, present))  # (n, C)

    def embed(self, items: Mapping[str, Tensor], present: Tensor) -> Tensor:
        """What the classifier sees: (n, w)."""
        x = self.transformer.tokens(items, present)  # (n, 1 + M, w)
        prompts = self.prompts_of(present)  # (n, prompt layers, prompt length, w)
        first = 0  # where the class token stands
        for layer, block in enumerate(self.transformer.blocks):
            prompt = prompts[:, layer] if layer < prompts.shape[1] else None
            if prompt is not None and self.place == "input":
                x = torch.cat([prompt, x], dim=1)
                first, prompt = first + prompt.shape[1], None
            # The last layer renews the class token only: nothing reads the others after it.
            last = layer == len(self.transformer.blocks) - 1
            x = block(x[:, first : first + 1] if last else x, x, prefix=prompt)
        return self.transformer.pool(x[:, 0])

    def prompts_of(self, present: Tensor) -> Tensor:
        """The prompt of each instance's pattern: (n, prompt layers, prompt length, w)."""
        unlike = (present[:, None] != self.patterns).sum(dim=2)  # (n, P)
        if not self.training:
            hidden = ~self.shown & self.shown.any()
            unlike = unlike.masked_fill(hidden, present.shape[1] + 1)
        nearest = unlike == unlike.min(dim=1, keepdim=True).values
        if self.training:
            self.shown |= nearest.any(dim=0)
        share = nearest / nearest.sum(dim=1, keepdim=True)
        return torch.einsum("np,plkw->nlkw", share, self.prompts)


def check_prompt(place: str, length: int, layers: int, of: int) -> None:
    """Raise `InputError` unless the first `layers` of `of` layers can have such prompts."""
    one_of("place", place, PLACES)
    if not isinstance(length, int) or length < 1 or (place == "attention" and length % 2):
        even = ", even (half are keys, half values)" if place == "attention" else ""
        raise InputError(f"prompt_length must be a whole number, at least 1{even}; got {length!r}.")
    if not isinstance(layers, int) or not 1 <= layers <= of:
        raise InputError(
            f"prompt_layers must be a whole number from 1 to the transformer's {of} layers, "
            f"got {layers!r}."
        )
