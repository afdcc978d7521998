"""Networks of transformers of a known type, whole, in evaluation mode."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from srmm.encoders.hub import load_pretrained
from srmm.errors import InputError


def load_network(
    name: str,
    prefix: str,
    types: Sequence[str],
    *,
    unused: Sequence[str] = (),
    model_class: str = "AutoModel",
    **options: Any,
) -> Any:
    """The model at the hub, or in a folder.

    Parameters
    ----------
    name : str
    prefix : str
        What the encoder is called, for messages: "dino".
    types : sequence of str
        The `model_type`s that it can be.
    unused : sequence of str
        Words in the names of parameters that may be missing, as only training needs them.
    model_class : str
        The class of transformers that loads it.
    **options
        What that class takes besides.

    Raises
    ------
    InputError
        For a model of another type, or weights that lack a part of it.
    """
    import torch
    import transformers

    def load(local: bool) -> Any:
        config = transformers.AutoConfig.from_pretrained(name, local_files_only=local)
        if config.model_type not in types:
            raise InputError(
                f"{name!r} is a model of type {config.model_type!r}; '{prefix}:' needs one of "
                f"type {', '.join(map(repr, types))}."
            )
        return getattr(transformers, model_class).from_pretrained(
            name, dtype=torch.float32, local_files_only=local, output_loading_info=True, **options
        )

    model, loading = load_pretrained(name, load)
    check_complete(name, model, loading["missing_keys"], unused)
    return model.eval().requires_grad_(False)


def check_complete(
    name: str,
    model: Any,
    missing: Iterable[str],
    unused: Sequence[str] = (),
    remedy: str = "Download the model again.",
) -> None:
    """Raise `InputError` if parameters are `missing`, but for those with an `unused` word."""
    lacking = sorted(key for key in missing if not any(word in key for word in unused))
    if lacking:
        raise InputError(
            f"The weights of {name!r} lack {len(lacking)} parameters of {type(model).__name__}, "
            f"the first being {lacking[0]!r}; they would be random. {remedy}"
        )
