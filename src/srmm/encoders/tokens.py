"""How much of a text an encoder reads."""

from __future__ import annotations

import copy
from typing import Any

_CHARACTERS_PER_TOKEN = 1000
"""No text needs so many: what is beyond is cut off by the tokenizer in any case, but slowly."""

_AROUND = 4
"""Tokens that stand before and after a text, or fewer."""


class TokenLimit:
    """The number of tokens that an encoder reads of a text, None if it reads all.

    Parameters
    ----------
    tokenizer : tokenizer of transformers
        It is copied: cutting, or not, is a state of a tokenizer, and another thread may use it.
    tokens : int or None
    prompt : str
        What stands before every text.
    """

    def __init__(self, tokenizer: Any, tokens: int | None, prompt: str = "") -> None:
        self.tokens, self.prompt = tokens, prompt
        backend = getattr(tokenizer, "backend_tokenizer", None)
        self._tokenizer = copy.deepcopy(tokenizer if backend is None else backend)
        self._unknown = getattr(tokenizer, "unk_token_id", None)
        if backend is not None:
            self._tokenizer.no_truncation()
            self._tokenizer.no_padding()

    @property
    def shown(self) -> str | None:
        """The limit in words."""
        return None if self.tokens is None else f"{self.tokens} tokens"

    def shortened(self, text: str) -> str:
        """The text, without an end that no model would see."""
        return text[: _CHARACTERS_PER_TOKEN * (self.tokens or 10_000)]

    def is_exceeded(self, text: str) -> bool:
        """Whether the text has more tokens; safe in threads."""
        whole = self.prompt + self.shortened(text)
        # A token is a byte or more, so that most texts need not be counted.
        if self.tokens is None or len(whole.encode()) + _AROUND <= self.tokens:
            return False
        if hasattr(self._tokenizer, "encode_batch"):
            return len(self._tokenizer.encode(whole).ids) > self.tokens
        return len(self._tokenizer(whole, truncation=False)["input_ids"]) > self.tokens

    def is_unknown(self, text: str) -> bool:
        """Whether most of the text is of letters that stand for "unknown"; safe in threads."""
        if self._unknown is None or not hasattr(self._tokenizer, "encode_batch"):
            return False
        if text.isascii() and text.isprintable():
            return False
        ids = self._tokenizer.encode(self.shortened(text), add_special_tokens=False).ids
        return 2 * ids.count(self._unknown) > len(ids) or not ids


class ReadsTokens:
    """What encoders of texts share: as many tokens of each as the model reads."""

    _tokens: TokenLimit

    def prepare(self, item: str) -> str:
        """The text, without an end that no model would see."""
        return self._tokens.shortened(item)

    def is_cut(self, item: str) -> bool:
        """Whether the text has more tokens than the model reads."""
        return self._tokens.is_exceeded(item)
