"""What a server says of its model, and of how good it is with what is present."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from srmm.errors import InputError
from srmm.evaluation.shapley import MOST
from srmm.serving.contract import Contract
from srmm.serving.limits import Limits
from srmm.version import __version__
from srmm.workflows.expected import expected_accuracy
from srmm.workflows.predictor import Predictor
from srmm.workflows.presence import training_shares

_FORMAT = "srmm-report"


def model_facts(
    predictor: Predictor, contract: Contract, limits: Limits, report: Mapping[str, Any] | None
) -> dict[str, Any]:
    """The answer of `GET /model`: JSON values, and no path of the server."""
    model, config = predictor.model, predictor.config
    shares = training_shares(model.training_)
    about = config.get("about") or {}
    modalities = [
        {
            "name": one.name,
            "kind": one.kind,
            "takes": "raw items or embeddings" if one.is_raw else "embeddings",
            "embedding_dim": one.embedding_dim,
            "encoder": one.encoder,
            "column": one.column,
            "columns": [
                {"name": c.name, "kind": c.kind, "values": list(c.values), "unit": c.unit}
                for c in one.columns
            ],
            "share_in_training": shares.get(one.name),
        }
        for one in contract
    ]
    return {
        "name": predictor.folder.resolve().name,
        "method": about.get("method"),
        "description": about.get("description"),
        "srmm": __version__,
        "classes": model.classes_.tolist(),
        "modalities": modalities,
        "n_train": model.training_.get("n_train"),
        "when_nothing_present": model.when_nothing_present,
        "prediction_sets": getattr(model, "calibration_", None) is not None,
        "shapley_shares": len(contract.modalities) <= MOST,
        "accuracy": expected_accuracy(report, config, predictor.modalities),
        "limits": {"rows": limits.rows, "body_mb": limits.body_mb},
    }


def read_report(path: Path, contract: Contract) -> dict[str, Any]:
    """The report JSON of `srmm evaluate`; `InputError` for any other file, or another model's."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} cannot be read as a report ({error}). Name the JSON that `srmm evaluate` "
            "wrote beside its page."
        ) from None
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise InputError(f"{path} is no report: name the JSON that `srmm evaluate` wrote.")
    named = {name for entry in content["patterns"] for name in entry["present"]}
    if not named <= set(contract.modalities):
        raise InputError(
            f"{path} is a report on {', '.join(sorted(named))}, this model reads "
            f"{', '.join(contract.modalities)}. Name the report of this model."
        )
    result: dict[str, Any] = content
    return result
