"""The jobs behind the command line: from a table or a store to a model, predictions, a report.

Each is one function over paths and plain values, so that a script can do what a command does.
"""

from srmm.workflows.data import open_data
from srmm.workflows.evaluate import evaluate_job
from srmm.workflows.fit import Fitted, fit_job
from srmm.workflows.pictures import note_source
from srmm.workflows.predict import predict_job, predictions_frame

__all__ = [
    "Fitted",
    "evaluate_job",
    "fit_job",
    "note_source",
    "open_data",
    "predict_job",
    "predictions_frame",
]
