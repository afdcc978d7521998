"""The methods a classifier can be, by name: SRMM and what it is compared with.

A new method is one file here and one line in `METHODS`.
"""

from __future__ import annotations

import importlib
import inspect
from typing import Any

from srmm.errors import InputError, did_you_mean

METHODS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "srmm": ("srmm.estimator", "SingleBranchClassifier", {}),
    "srmm-paper": ("srmm.estimator", "SingleBranchClassifier", {"recipe": "paper"}),
    "unimodal": ("srmm.methods.unimodal", "UnimodalClassifier", {}),
    "router": ("srmm.methods.router", "AvailabilityRouter", {}),
    "logreg-concat": ("srmm.methods.logreg", "ConcatenatedLogisticRegression", {}),
    "tbn-early": ("srmm.methods.two_branch", "TwoBranchClassifier", {"fusion_point": "early"}),
    "tbn-mid": ("srmm.methods.two_branch", "TwoBranchClassifier", {"fusion_point": "mid"}),
    "tbn-late": ("srmm.methods.two_branch", "TwoBranchClassifier", {"fusion_point": "late"}),
    "tbn-early-zeros": (
        "srmm.methods.two_branch",
        "TwoBranchClassifier",
        {"fusion_point": "early", "absent": "zeros"},
    ),
    "tbn-mid-zeros": (
        "srmm.methods.two_branch",
        "TwoBranchClassifier",
        {"fusion_point": "mid", "absent": "zeros"},
    ),
    "tbn-late-zeros": (
        "srmm.methods.two_branch",
        "TwoBranchClassifier",
        {"fusion_point": "late", "absent": "zeros"},
    ),
    "tbn-early-opl": (
        "srmm.methods.two_branch",
        "TwoBranchClassifier",
        {"fusion_point": "early", "opl": 1.0},
    ),
    "vilt-tokens": ("srmm.methods.vilt", "TokenTransformerClassifier", {}),
    "ma2022": ("srmm.methods.ma2022", "FusionSearchClassifier", {}),
    "lee2023-input": ("srmm.methods.lee2023", "MissingPromptClassifier", {"place": "input"}),
    "lee2023-attention": (
        "srmm.methods.lee2023",
        "MissingPromptClassifier",
        {"place": "attention"},
    ),
    "modality-dropout": ("srmm.methods.two_branch", "ModalityDropoutClassifier", {}),
    "kim2024": ("srmm.methods.kim2024", "PredictedEmbeddingClassifier", {}),
    "shaspec": ("srmm.methods.shaspec", "ShaSpecClassifier", {}),
    "smil": ("srmm.methods.smil", "CentroidMixtureClassifier", {}),
}
"""name → (module, class, parameters the name implies). "unimodal" is written "unimodal:image"."""


def make_method(name: str, **parameters: Any) -> Any:
    """An unfitted classifier by its name; parameters the class does not have are left out.

    >>> make_method("unimodal:text", random_state=0)
    UnimodalClassifier(modality='text', random_state=0)
    """
    base, _, modality = name.partition(":")
    if base not in METHODS or (base == "unimodal") != bool(modality):
        known = [key if key != "unimodal" else "unimodal:MODALITY" for key in METHODS]
        raise InputError(f"There is no method {name!r}. {did_you_mean(name, known)}")
    module, cls, implied = METHODS[base]
    method = getattr(importlib.import_module(module), cls)
    given = parameters | implied | ({"modality": modality} if modality else {})
    accepted = inspect.signature(method).parameters
    return method(**{key: value for key, value in given.items() if key in accepted})
