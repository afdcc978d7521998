"""The workflows: from a table or a store to a model, predictions, a report.

Each command calls one. It is a function over paths and plain values, so that a script can do
what a command does.
"""

from srmm.workflows.data import open_data
from srmm.workflows.distil import distil_workflow
from srmm.workflows.evaluate import evaluate_workflow
from srmm.workflows.fit import Fitted, fit_workflow
from srmm.workflows.pictures import note_source
from srmm.workflows.predict import predict_workflow, predictions_frame

__all__ = [
    "Fitted",
    "distil_workflow",
    "evaluate_workflow",
    "fit_workflow",
    "note_source",
    "open_data",
    "predict_workflow",
    "predictions_frame",
]
