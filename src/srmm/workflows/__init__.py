"""The workflows: from a table or a store to a model, predictions, a report.

Each command calls one. It is a function over paths and plain values, so that a script can do
what a command does.
"""

from srmm.workflows.check import Checked, check_workflow
from srmm.workflows.data import open_data
from srmm.workflows.distil import distil_workflow
from srmm.workflows.evaluate import evaluate_workflow
from srmm.workflows.fit import Fitted, fit_workflow
from srmm.workflows.pictures import note_source
from srmm.workflows.predict import Predicted, predict_workflow, predictions_frame
from srmm.workflows.predictor import Predictor, load

__all__ = [
    "Checked",
    "Fitted",
    "Predicted",
    "Predictor",
    "check_workflow",
    "distil_workflow",
    "evaluate_workflow",
    "fit_workflow",
    "load",
    "note_source",
    "open_data",
    "predict_workflow",
    "predictions_frame",
]
