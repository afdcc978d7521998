"""Recipes: everything that decides how a network is built and trained, by one name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from srmm.errors import InputError, did_you_mean, fraction, one_of
from srmm.fusion import FUSIONS
from srmm.switching import STRATEGIES

BATCH_NORMS = ("shared", "per-modality")
INITS = ("xavier", "torch")
SCHEDULES = ("constant", "one-cycle")


@dataclass(frozen=True)
class Recipe:
    """How a single-branch network is built, trained and its outputs fused.

    The defaults are the paper's where it gives a value (h, dropout, Adam, learning rate, S-1, mean
    fusion). It gives no epochs, batch size, schedule or validation: those are ours.
    """

    hidden_dim: int = 768
    """Width h of the branch (paper IV-B: 768 image-text, 2048 face-voice)."""
    dropout: float = 0.5
    input_dropout: float = 0.0
    """Share of each embedding's numbers dropped in training."""
    share_first_layer: bool = True
    """False: each modality has its own first FC, and all that follows is shared."""
    init: str = "xavier"
    """"xavier" (uniform, biases 0.01: the authors' earlier code; the paper is silent) or "torch"
    (PyTorch's own)."""
    batch_norm: str = "shared"
    """"shared" (the paper) or "per-modality"."""
    standardize: bool = False
    """Bring every feature to mean 0 and standard deviation 1 of the training set first."""
    switching: str = "s1"
    """A key of `switching.STRATEGIES` (paper V-C)."""
    batch_size: int = 128
    """Pairs (instance, modality) per step."""
    max_epochs: int = 100
    learning_rate: float = 0.01
    """Adam's learning rate; the peak of the schedule if there is one."""
    weight_decay: float = 0.0
    schedule: str = "constant"
    """"constant" or "one-cycle"."""
    patience: int = 30
    """Epochs without a better held-out score (accuracy, fused and alone) before training stops.
    Whatever happens, the best epoch is the one kept."""
    validation_fraction: float = 0.1
    """Stratified share of the training instances held out for early stopping."""
    fusion: str = "mean"
    """"mean" (the paper), "log-mean", or "weighted" (fitted on the validation instances)."""

    def __post_init__(self) -> None:
        fraction("dropout", self.dropout)
        fraction("input_dropout", self.input_dropout)
        fraction("validation_fraction", self.validation_fraction)
        one_of("batch_norm", self.batch_norm, BATCH_NORMS)
        one_of("init", self.init, INITS)
        one_of("switching", self.switching, STRATEGIES)
        one_of("schedule", self.schedule, SCHEDULES)
        one_of("fusion", self.fusion, FUSIONS)
        for name in ("hidden_dim", "batch_size", "max_epochs", "patience"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < (2 if name == "batch_size" else 1):
                least = (
                    "at least 2 (batch norm needs two)" if name == "batch_size" else "at least 1"
                )
                raise InputError(f"{name} must be a whole number, {least}; got {value!r}.")
        for name in ("learning_rate", "weight_decay"):
            value = getattr(self, name)
            if not value >= 0 or (name == "learning_rate" and value == 0):
                raise InputError(f"{name} must be a positive number, got {value!r}.")

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON-ready values."""
        return asdict(self)


RECIPES: dict[str, Recipe] = {
    "paper": Recipe(),
    "robust": Recipe(
        input_dropout=0.1,
        share_first_layer=False,
        init="torch",
        batch_norm="per-modality",
        standardize=True,
        switching="whole-instances",
        max_epochs=30,
        learning_rate=0.003,
        schedule="one-cycle",
        fusion="weighted",
    ),
    "comparison": Recipe(
        hidden_dim=256,
        init="torch",
        standardize=True,
        max_epochs=30,
        learning_rate=0.003,
        schedule="one-cycle",
    ),
}
"""Recipes by name. "paper": the paper to the letter. "robust": the best measured here; what each
of its fields changes is measured in docs/recipes.md. "comparison": the training of `robust`, for
the networks that SRMM is compared with; 768 wide they are no better on held-out rows."""

FIELDS = tuple(field.name for field in fields(Recipe))


def resolve_recipe(recipe: str | Recipe, overrides: Mapping[str, Any] | None = None) -> Recipe:
    """The recipe of that name, with the fields in `overrides` replaced unless they are None.

    >>> resolve_recipe("paper", {"hidden_dim": 2048}).hidden_dim
    2048
    """
    if not isinstance(recipe, Recipe):
        recipe = RECIPES[one_of("recipe", recipe, RECIPES)]
    changes = {key: value for key, value in (overrides or {}).items() if value is not None}
    for key in changes:
        if key not in FIELDS:
            raise InputError(f"A recipe has no field {key!r}. {did_you_mean(key, FIELDS)}")
    return replace(recipe, **changes)
