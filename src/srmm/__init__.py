"""SRMM: classification from several modalities when some are missing.

>>> import srmm
>>> model = srmm.SingleBranchClassifier(random_state=0)
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

from srmm.version import __version__

__all__ = [
    "Embeddings",
    "Encode",
    "InputError",
    "MissingExtraError",
    "PaperClassifier",
    "Predictor",
    "RobustnessReport",
    "SingleBranchClassifier",
    "SrmmError",
    "StoreError",
    "__version__",
    "encode",
    "evaluate",
    "export_onnx",
    "fit_baselines",
    "from_pretrained",
    "load",
    "load_dataset",
    "load_embeddings",
    "make_method",
    "read_table",
    "save_embeddings",
    "save_pretrained",
]

if TYPE_CHECKING:
    from srmm.classifier import PaperClassifier
    from srmm.data.embeddings import Embeddings
    from srmm.data.store import load_embeddings, save_embeddings
    from srmm.data.table import read_table
    from srmm.datasets import load_dataset
    from srmm.encoding.encode import encode
    from srmm.encoding.transformer import Encode
    from srmm.ensemble.classifier import SingleBranchClassifier
    from srmm.errors import InputError, MissingExtraError, SrmmError, StoreError
    from srmm.evaluation.baselines import fit_baselines
    from srmm.evaluation.evaluate import RobustnessReport, evaluate
    from srmm.exporting.onnx import export_onnx
    from srmm.learning.saving import from_pretrained
    from srmm.methods import make_method
    from srmm.workflows.pipelines import save_pretrained
    from srmm.workflows.predictor import Predictor, load

# Names are imported when first used: `import srmm` and `srmm --help` load no torch.
_HOMES = {
    "Embeddings": "data.embeddings",
    "Encode": "encoding.transformer",
    "InputError": "errors",
    "MissingExtraError": "errors",
    "PaperClassifier": "classifier",
    "Predictor": "workflows.predictor",
    "RobustnessReport": "evaluation.evaluate",
    "SingleBranchClassifier": "ensemble.classifier",
    "SrmmError": "errors",
    "StoreError": "errors",
    "encode": "encoding.encode",
    "evaluate": "evaluation.evaluate",
    "export_onnx": "exporting.onnx",
    "fit_baselines": "evaluation.baselines",
    "from_pretrained": "learning.saving",
    "load": "workflows.predictor",
    "load_dataset": "datasets",
    "load_embeddings": "data.store",
    "make_method": "methods",
    "read_table": "data.table",
    "save_embeddings": "data.store",
    "save_pretrained": "workflows.pipelines",
}


def _after_fork() -> None:
    """In a forked process only the thread that forked goes on: whoever waits for others hangs."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    if "sklearn" in sys.modules:
        from threadpoolctl import threadpool_limits  # comes with scikit-learn

        threadpool_limits(1, user_api="openmp")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'srmm' has no attribute {name!r}")
    return getattr(importlib.import_module(f"srmm.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
